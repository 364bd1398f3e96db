//! Cohere: <https://docs.cohere.com/reference>. Chat is asked in version 2; a model that is called
//! `v1/…` in version 1. Embeddings and reranking are version 2's.

mod chat_v1;
mod chat_v2;
mod lists;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{
    Ask, Fault, Parameters, Prepared, Provider, ProviderError, Setting, conversation::Object,
    request,
};
use crate::{error::ErrorClass, operation::Operation};

/// The rows of this file: LiteLLM knows Cohere's chat by another name than the rest.
pub const COHERE: &[&dyn Provider] = &[&Cohere("cohere"), &Cohere("cohere_chat")];

/// What a model that is asked in version 1 begins with.
const V1: &str = "v1/";

const CHAT: &[&str] = &[
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "n",
    "tools",
    "tool_choice",
    "seed",
];

/// Cohere's names of OpenAI's parameters, in both versions. Of two bounds of the output the last
/// here counts.
const NAMES: &[(&str, &str)] = &[
    ("max_completion_tokens", "max_tokens"),
    ("n", "num_generations"),
    ("top_p", "p"),
    ("stop", "stop_sequences"),
];

/// See the [module](self).
#[derive(Debug)]
struct Cohere(&'static str);

impl Provider for Cohere {
    fn name(&self) -> &'static str {
        self.0
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("https://api.cohere.com")
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["COHERE_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["COHERE_API_KEY", "CO_API_KEY"]
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting {
            key: "input_type",
            variables: &[],
        }]
    }

    fn serves(&self, operation: Operation) -> bool {
        use Operation::{Chat, Embedding, Rerank};
        matches!(operation, Chat | Embedding | Rerank)
    }

    fn parameters(&self, operation: Operation, _model: &str) -> Parameters {
        match operation {
            Operation::Chat => Parameters::only(CHAT),
            Operation::Embedding => Parameters::only(&["encoding_format", "dimensions"]),
            _ => Parameters::All,
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        match ask.operation() {
            Operation::Embedding => lists::embed(ask),
            Operation::Rerank => lists::rerank(ask),
            _ if ask.model().starts_with(V1) => chat_v1::prepare(ask),
            _ => chat_v2::prepare(ask),
        }
    }
}

/// Where `path` of a version is: deployments name the host, or the whole address.
fn address(ask: &Ask<'_>, version: &str, path: &str) -> String {
    let base = &ask.deployment.api_base;
    match base.rsplit('/').next() {
        Some(last) if last == path => base.clone(),
        Some("v1" | "v2") => format!("{base}/{path}"),
        _ => request::address(base, &format!("/{version}/{path}")),
    }
}

/// OpenAI's word for why an answer ended; tool calls count more than what Cohere says.
fn finish_reason(reason: Option<&Value>, has_tools: bool) -> &'static str {
    match reason.and_then(Value::as_str) {
        _ if has_tools => "tool_calls",
        Some("MAX_TOKENS" | "ERROR_LIMIT") => "length",
        Some("ERROR_TOXIC") => "content_filter",
        Some("TOOL_CALL") => "tool_calls",
        _ => "stop",
    }
}

/// What is common to the requests of both versions of chat: names, model and whether it streams.
fn common(ask: &Ask<'_>, body: &mut Object) {
    body.remove("stream_options");
    request::rename(body, NAMES);
    let model = ask.model();
    let model = model.strip_prefix(V1).unwrap_or(model);
    body.insert("model".to_owned(), model.into());
    body.remove("stream");
    if ask.stream() {
        body.insert("stream".to_owned(), true.into());
    }
}

/// What an event or an answer says that has gone wrong: Cohere gives up with the reason `ERROR`, or
/// with a message where an event should stand.
fn broken(reason: Option<&Value>, said: Option<&Value>) -> Result<(), Fault> {
    let gave_up = reason.is_some_and(|reason| reason == "ERROR");
    let text = said.and_then(Value::as_str);
    if !gave_up && text.is_none() {
        return Ok(());
    }
    Err(Fault {
        class: ErrorClass::InternalServer,
        message: text.unwrap_or("the generation failed").to_owned(),
    })
}
