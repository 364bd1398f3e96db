//! Which of OpenAI's parameters a provider knows, and what becomes of the others.

use std::borrow::Cow;

use super::ProviderError;
use crate::{config::Deployment, operation::Operation, request::ClientRequest};

/// Parameters of a chat request that OpenAI defines. Whatever else a request says is the provider's
/// own and goes through.
pub const CHAT: &[&str] = &[
    "functions",
    "function_call",
    "temperature",
    "top_p",
    "n",
    "stream",
    "stream_options",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "modalities",
    "prediction",
    "audio",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "user",
    "response_format",
    "seed",
    "tools",
    "tool_choice",
    "logprobs",
    "top_logprobs",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "thinking",
    "web_search_options",
    "service_tier",
    "store",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
];

/// Parameters of an embedding request that OpenAI defines.
pub const EMBEDDING: &[&str] = &["dimensions", "encoding_format", "user", "timeout"];

/// The parameters that a model knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// All: it decides by itself.
    All,
    /// These.
    Only(Cow<'static, [&'static str]>),
    /// All but these.
    AllBut(&'static [&'static str]),
}

impl Parameters {
    /// A fixed list.
    #[must_use]
    pub const fn only(names: &'static [&'static str]) -> Self {
        Self::Only(Cow::Borrowed(names))
    }

    /// Whether `name` is among them.
    #[must_use]
    pub fn know(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&name),
            Self::AllBut(names) => !names.contains(&name),
        }
    }
}

/// The parameters that have a meaning everywhere.
const fn known(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Chat => CHAT,
        Operation::Embedding => EMBEDDING,
        _ => &[],
    }
}

/// Whether a parameter is sent whoever knows it (`allowed_openai_params`).
pub(super) fn allows(deployment: &Deployment, request: &ClientRequest, name: &str) -> bool {
    let mut allowed = request.allowed.iter().chain(&deployment.allowed);
    allowed.any(|allowed| allowed == name)
}

/// The parameters of `request` that `deployment` does not get.
///
/// # Errors
///
/// If it does not know one, and it may not be dropped.
pub(super) fn dropped(
    deployment: &Deployment,
    request: &ClientRequest,
    drop_params: bool,
) -> Result<Vec<String>, ProviderError> {
    let operation = request.operation;
    let knows = deployment.provider.parameters(operation, &deployment.model);
    let mut dropped = [&request.dropped[..], &deployment.dropped[..]].concat();
    if knows == Parameters::All {
        return Ok(dropped);
    }
    let allowed = |name: &str| allows(deployment, request, name);
    // A stream is no parameter but a way to answer, and the gateway can give any answer as one.
    let always = ["stream", "stream_options"];
    let takes = |name: &str, value: &str| {
        let taken = || deployment.provider.takes(&deployment.model, name, value);
        knows.know(name) && (operation != Operation::Chat || taken())
    };
    let is_judged = |name: &&str| {
        let dropped = dropped.iter().any(|dropped| dropped == name);
        known(operation).contains(name) && !always.contains(name) && !allowed(name) && !dropped
    };
    let own = request.set_names().filter(is_judged);
    let own = own.filter(|name| !takes(name, request.text(name).unwrap_or_default()));
    let defaults = deployment.defaults.iter();
    let defaults = defaults.filter(|(name, _)| is_judged(&name.as_str()) && !request.sets(name));
    let defaults = defaults.filter(|(name, value)| !takes(name, value.text()));
    let defaults = defaults.map(|(name, _)| name.as_str());
    let mut unknown: Vec<String> = own.chain(defaults).map(str::to_owned).collect();
    // Nobody misses these: one choice and plain numbers are what everybody gives, and the user is
    // told to providers that ask for it.
    let is_plain = |name: &String| match name.as_str() {
        "n" => request.asks_for_one(),
        "encoding_format" => request.text(name) == Some("\"float\""),
        name => name == "user" && operation == Operation::Chat,
    };
    let mut plain: Vec<String> = unknown.extract_if(.., |name| is_plain(name)).collect();
    dropped.append(&mut plain);
    let drops = request
        .drop_params
        .or(deployment.drop_params)
        .unwrap_or(drop_params);
    if unknown.is_empty() || drops {
        dropped.append(&mut unknown);
        return Ok(dropped);
    }
    Err(ProviderError::Parameters {
        provider: deployment.provider_name.clone(),
        model: deployment.model.clone(),
        names: unknown,
    })
}
