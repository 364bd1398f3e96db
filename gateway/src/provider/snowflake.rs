//! Snowflake's Cortex: Claude in its own dialect, all others in OpenAI's.

use event::Secret;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    Ask, Need, Parameters, Prepared, Provider, ProviderError, Setting,
    anthropic::{self, Platform},
    openai::{
        self, bearer,
        changes::{self, Change},
        fixed::Fixed,
        fixes,
    },
};
use crate::{operation::Operation, request::UsageOption};

/// The row of this file.
pub const SNOWFLAKE: &[&dyn Provider] = &[&Snowflake];

/// The account that the address is made of.
const ACCOUNT: Setting = Setting {
    key: "snowflake_account_id",
    variables: &["SNOWFLAKE_ACCOUNT_ID"],
};

/// What Claude may answer if nobody says how much.
const OUTPUT_TOKENS: u64 = 4096;

const CLAUDE: Platform = Platform {
    takes_addresses: false,
    keeps_to_schemas: false,
};

const CHANGES: &[Change] = &[changes::MAX_COMPLETION_TOKENS];

/// See the [module](self).
#[derive(Debug)]
struct Snowflake;

impl Provider for Snowflake {
    fn name(&self) -> &'static str {
        "snowflake"
    }

    fn default_base(&self) -> Option<&'static str> {
        None
    }

    fn needs_base(&self) -> bool {
        false
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["SNOWFLAKE_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["SNOWFLAKE_JWT", "SNOWFLAKE_API_KEY"]
    }

    fn settings(&self) -> &'static [Setting] {
        &[ACCOUNT]
    }

    fn parameters(&self, _operation: Operation, model: &str) -> Parameters {
        const CHAT: &[&str] = &[
            "max_completion_tokens",
            "max_tokens",
            "temperature",
            "tool_choice",
            "tools",
            "top_p",
            "thinking",
        ];
        let others = CHAT.split_at(CHAT.len() - 1).0;
        Parameters::only(if is_claude(model) { CHAT } else { others })
    }

    fn needs(&self, ask: &Ask<'_>) -> Result<Vec<Need>, ProviderError> {
        if is_claude(ask.model()) {
            anthropic::needs(ask, &CLAUDE)
        } else {
            Ok(Vec::new())
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let base = base(ask)?;
        let headers = headers(ask.deployment.api_key.as_ref())?;
        if is_claude(ask.model()) {
            return claude(ask, &base, headers);
        }
        // It sends the usage of its own accord.
        let usage = UsageOption::Unknown;
        let body = match changes::made(ask, [changes::COMMON_CACHED, CHANGES]) {
            Some(object) => ask.written(object, ask.model(), usage),
            None => ask.rewritten(usage),
        };
        let uri = format!("{base}/cortex/v1/chat/completions");
        Ok(Prepared {
            outgoing: openai::outgoing(ask.deployment, uri, headers, body)?,
            reader: Box::new(Fixed::new(ask, vec![fixes::REASONING])),
            streams: ask.stream(),
        })
    }
}

fn is_claude(model: &str) -> bool {
    model.contains("claude")
}

fn claude(ask: &Ask<'_>, base: &str, mut headers: HeaderMap) -> Result<Prepared, ProviderError> {
    let said = anthropic::said_apart(ask, &CLAUDE)?;
    let mut body = said.body;
    body.insert("model".to_owned(), ask.model().into());
    let bounds = ["max_tokens", "max_completion_tokens"];
    let is_bounded = bounds.iter().any(|name| ask.text(name).is_some());
    if !is_bounded && !body.contains_key("thinking") {
        body.insert("max_tokens".to_owned(), OUTPUT_TOKENS.into());
    }
    headers.insert(
        HeaderName::from_static("anthropic-version"),
        HeaderValue::from_static(anthropic::VERSION),
    );
    let body = event::Json::of(&body).text().to_owned().into();
    let uri = format!("{base}/cortex/v1/messages");
    Ok(Prepared {
        outgoing: openai::outgoing(ask.deployment, uri, headers, body)?,
        reader: Box::new(said.reader),
        streams: ask.stream(),
    })
}

/// Where the account's API is.
fn base(ask: &Ask<'_>) -> Result<String, ProviderError> {
    let deployment = ask.deployment;
    if !deployment.api_base.is_empty() {
        let base = deployment.api_base.trim_end_matches("/api/v2");
        return Ok(format!("{base}/api/v2"));
    }
    let account = deployment.settings.text(ACCOUNT.key);
    let account = account.ok_or(ProviderError::Missing("api_base"))?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !account.bytes().all(is_name) {
        return Err(ProviderError::Setting(ACCOUNT.key, "an account's name"));
    }
    Ok(format!("https://{account}.snowflakecomputing.com/api/v2"))
}

/// The credential: a signed token, or with `pat/` in front a programmatic access token.
fn headers(key: Option<&Secret>) -> Result<HeaderMap, ProviderError> {
    let key = key.ok_or(ProviderError::Missing("api_key"))?;
    let (kind, token) = match key.expose().strip_prefix("pat/") {
        Some(token) => ("PROGRAMMATIC_ACCESS_TOKEN", token),
        None => ("KEYPAIR_JWT", key.expose()),
    };
    let mut headers = HeaderMap::with_capacity(4);
    let token = Secret::new(token.to_owned());
    headers.insert(header::AUTHORIZATION, bearer(&token)?);
    headers.insert(
        HeaderName::from_static("x-snowflake-authorization-token-type"),
        HeaderValue::from_static(kind),
    );
    Ok(headers)
}
