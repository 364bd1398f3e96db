//! A row of the table: who speaks OpenAI's dialect, where, and what is to be known about it.

use std::borrow::Cow;

use bytes::Bytes;
use event::Secret;
use http::{HeaderMap, header};

use super::{
    bearer,
    changes::{self, Change},
    fixed::Fixed,
    fixes::{self, Fix},
    outgoing, schema,
};
use crate::{
    config::Deployment,
    operation::Operation,
    provider::{Ask, Parameters, Prepared, Provider, ProviderError, Setting, realtime::parameter},
    request::UsageOption,
};

/// One of [`super::PRESETS`].
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) name: &'static str,
    /// Empty if everybody runs their own; `{key}` stands for a setting.
    pub(super) base: &'static str,
    /// Variables that the address is looked up in.
    pub(super) bases: &'static [&'static str],
    /// Variables that the key is looked up in.
    pub(super) keys: &'static [&'static str],
    /// What is sent to a server that wants a key and does not look at it.
    pub(super) any_key: Option<&'static str>,
    pub(super) settings: &'static [Setting],
    pub(super) knows: fn(Operation, &str) -> Parameters,
    pub(super) takes: fn(&str, &str, &str) -> bool,
    /// Whether a stream is asked for its usage, as LiteLLM does it. Where it is not, because the
    /// usage comes anyhow or nobody knows, `allowed_openai_params: [stream_options]` asks.
    pub(super) usage: UsageOption,
    /// What precedes the name of a model that does not begin like it.
    pub(super) model_prefix: &'static str,
    /// What most need, and what only this one needs.
    pub(super) changes: [&'static [Change]; 2],
    pub(super) fixes: &'static [Fix],
}

/// Those that have the Responses API; to the others it is said as a chat.
const WITH_RESPONSES: &[&str] = &["hosted_vllm", "openai", "xai"];

/// A row in which nothing is special.
pub(super) const fn row(
    name: &'static str,
    base: &'static str,
    keys: &'static [&'static str],
    bases: &'static [&'static str],
) -> Preset {
    Preset {
        name,
        base,
        bases,
        keys,
        any_key: None,
        settings: &[],
        knows: super::known::plain,
        takes: |_model, _name, _value| true,
        usage: UsageOption::Known,
        model_prefix: "",
        changes: [changes::COMMON, &[]],
        fixes: &[fixes::REASONING],
    }
}

impl Preset {
    /// The body, and whether a tool takes the answer.
    fn body(&self, ask: &Ask<'_>) -> (Bytes, bool) {
        let usage = match self.usage {
            UsageOption::Unknown if !ask.allows("stream_options") => UsageOption::Unknown,
            _ => UsageOption::Known,
        };
        let is_chat = ask.operation() == Operation::Chat;
        let prefix = self.model_prefix.split('/').next().unwrap_or_default();
        let is_whole = ask.model().starts_with(prefix) || ask.model().contains('#');
        let prefixed = is_chat && !is_whole;
        let object = match changes::made(ask, self.changes) {
            Some(object) => object,
            None if prefixed => ask.object(),
            None => return (ask.rewritten(usage), false),
        };
        let by_tool = schema::is_by_tool(&object);
        let prefix = if prefixed { self.model_prefix } else { "" };
        let model = format!("{prefix}{}", ask.model());
        (ask.written(object, &model, usage), by_tool)
    }

    /// Where the deployment is, with its settings filled in.
    fn base<'a>(&self, ask: &Ask<'a>) -> Result<Cow<'a, str>, ProviderError> {
        let deployment = ask.deployment;
        let mut base = Cow::Borrowed(&*deployment.api_base);
        for Setting { key, .. } in self.settings {
            let place = format!("{{{key}}}");
            if base.contains(&place) {
                let value = deployment.settings.text(key);
                let value = value.ok_or(ProviderError::Missing(key))?;
                base = Cow::Owned(base.replace(&place, &value));
            }
        }
        Ok(base)
    }
}

impl Provider for Preset {
    fn name(&self) -> &'static str {
        self.name
    }

    fn default_base(&self) -> Option<&'static str> {
        (!self.base.is_empty()).then_some(self.base)
    }

    fn base_variables(&self) -> &'static [&'static str] {
        self.bases
    }

    fn key_variables(&self) -> &'static [&'static str] {
        self.keys
    }

    fn settings(&self) -> &'static [Setting] {
        self.settings
    }

    fn serves(&self, operation: Operation) -> bool {
        match operation {
            Operation::Messages | Operation::CountTokens => false,
            Operation::Responses => WITH_RESPONSES.contains(&self.name),
            _ => true,
        }
    }

    fn credentials(&self, deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
        let mut headers = super::credentials(deployment)?;
        if let (None, Some(key)) = (&deployment.api_key, self.any_key) {
            headers.insert(header::AUTHORIZATION, bearer(&Secret::new(key.to_owned()))?);
        }
        Ok(headers)
    }

    fn realtime(&self, deployment: &Deployment) -> Option<String> {
        let model = parameter(&deployment.model);
        (self.name == "openai").then(|| format!("{}/realtime?model={model}", deployment.api_base))
    }

    fn parameters(&self, operation: Operation, model: &str) -> Parameters {
        (self.knows)(operation, model)
    }

    fn takes(&self, model: &str, name: &str, value: &str) -> bool {
        (self.takes)(model, name, value)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let deployment = ask.deployment;
        let (base, path) = (self.base(ask)?, ask.operation().path());
        let uri = if base.ends_with(path) {
            base.into_owned()
        } else {
            format!("{base}/{path}")
        };
        let headers = self.credentials(deployment)?;
        let (body, by_tool) = self.body(ask);
        let mut fixes = self.fixes.to_vec();
        fixes.extend(by_tool.then_some(fixes::FORMAT_ANSWER));
        Ok(Prepared {
            outgoing: outgoing(deployment, uri, headers, body)?,
            reader: Box::new(Fixed::new(ask, fixes)),
            streams: ask.stream(),
        })
    }
}
