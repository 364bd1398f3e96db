//! What Langfuse is told of a call, whichever way it goes there.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use event::{Timestamp, Usd};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::Labels;
use crate::otel::{
    call::{Call, Tokens},
    messages::{raw, without_content},
    wire::{TEXT_BYTES_MAX, cut},
};

/// Characters of a user's or a session's id.
const ID_CHARS_MAX: usize = 200;
/// Entries of the client's own metadata.
const OWN_METADATA_MAX: usize = 50;
/// Characters of a key of metadata.
const KEY_CHARS_MAX: usize = 200;
/// Tags of one call.
const TAGS_MAX: usize = 50;
/// The largest number that JavaScript counts to.
const COUNT_MAX: u64 = (1 << 53) - 1;

/// A call in Langfuse's terms.
#[derive(Debug)]
pub(super) struct Observation<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) labels: &'a Labels,
    pub(super) name: String,
    pub(super) trace_name: String,
    pub(super) user: Option<String>,
    pub(super) session: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) parameters: Map<String, Value>,
    /// Tokens by kind; the kinds do not overlap.
    pub(super) usage: Option<BTreeMap<&'static str, u64>>,
    /// USD by kind, with their sum; `None` if the cost is not known.
    pub(super) cost: Option<BTreeMap<&'static str, Usd>>,
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) prompt: Option<Prompt>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) trace_metadata: BTreeMap<&'static str, String>,
}

/// A prompt that Langfuse keeps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Prompt {
    pub(super) name: String,
    pub(super) version: u16,
}

/// What clients say in their metadata, under LiteLLM's names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wishes {
    trace_name: Option<Value>,
    generation_name: Option<Value>,
    session_id: Option<Value>,
    trace_user_id: Option<Value>,
    prompt: Option<Value>,
}

/// Keys of a client's metadata that are read, and not passed on as metadata.
const WISHES: &[&str] = &[
    "trace_name",
    "generation_name",
    "session_id",
    "trace_user_id",
    "prompt",
    "trace_id",
    "tags",
    // LiteLLM puts the request's headers here.
    "headers",
];
/// Keys that Langfuse drops, since they would change every object of its program.
const FORBIDDEN_KEYS: &[&str] = &["__proto__", "constructor", "prototype"];

impl<'a> Observation<'a> {
    pub(super) fn of(call: &'a Call<'a>, labels: &'a Labels, content_bytes_max: usize) -> Self {
        let payload = call.payload();
        let theirs: Map<String, Value> = payload
            .metadata
            .requester_metadata
            .read()
            .unwrap_or_default();
        let wishes: Wishes = payload
            .metadata
            .requester_metadata
            .read()
            .unwrap_or_default();
        let alias = payload.metadata.user_api_key_alias.as_deref();
        let alias = alias.filter(|alias| !alias.is_empty());
        let usual = match payload.call_type.as_str() {
            "" => "litellm".to_owned(),
            call_type => format!("litellm-{call_type}"),
        };
        let name = text(wishes.generation_name.as_ref());
        let name = name.or_else(|| alias.map(|alias| format!("litellm:{alias}")));
        let session = text(wishes.session_id.as_ref());
        let session = session.or_else(|| Some(payload.session_id.clone()));
        let user = text(wishes.trace_user_id.as_ref());
        let user = user.or_else(|| call.user().map(str::to_owned));
        let input = raw(&payload.messages, content_bytes_max);
        let output = raw(&payload.response, content_bytes_max);
        // Vectors say nothing to a reader.
        let output = output.filter(|_| call.operation() != "embeddings");
        let cut = [&input, &output].into_iter().flatten().any(|(_, cut)| *cut);
        Self {
            call,
            labels,
            name: short(&name.unwrap_or_else(|| usual.clone())),
            trace_name: short(&text(wishes.trace_name.as_ref()).unwrap_or(usual)),
            user: id(user),
            session: id(session),
            tags: tags(labels, &payload.request_tags),
            parameters: parameters(call),
            usage: usage(call.tokens),
            cost: cost(call),
            input: input.map(|(text, _)| text),
            output: output.map(|(text, _)| text),
            prompt: wishes
                .prompt
                .and_then(|prompt| serde_json::from_value(prompt).ok()),
            metadata: metadata(call, &theirs, cut),
            trace_metadata: trace_metadata(call),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.call.operation() {
            "embeddings" => "embedding",
            _ => "generation",
        }
    }

    pub(super) fn level(&self) -> &'static str {
        if self.call.failed() {
            "ERROR"
        } else {
            "DEFAULT"
        }
    }

    pub(super) fn status_message(&self) -> Option<&str> {
        let message = cut(self.call.error_message(), TEXT_BYTES_MAX);
        (self.call.failed() && !message.is_empty()).then_some(message)
    }

    /// When the first token came, for streams.
    pub(super) fn first_token(&self) -> Option<String> {
        let first = self.call.payload().completion_start_time;
        self.call.first_token_micros().map(|_micros| iso(first))
    }
}

/// As ISO 8601 has it, in UTC.
pub(super) fn iso(time: Timestamp) -> String {
    time.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn short(text: &str) -> String {
    text.chars().take(ID_CHARS_MAX).collect()
}

/// Not empty, and no longer than Langfuse takes.
fn id(text: Option<String>) -> Option<String> {
    let text = text.filter(|text| !text.is_empty())?;
    Some(short(&text))
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn tags(labels: &Labels, of_request: &[String]) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in labels.tags.iter().chain(of_request) {
        let tag = short(tag);
        if !tag.is_empty() && !tags.contains(&tag) && tags.len() < TAGS_MAX {
            tags.push(tag);
        }
    }
    tags
}

/// What is neither a text, a number nor a truth is written as one text.
fn parameters(call: &Call<'_>) -> Map<String, Value> {
    let said = without_content(&call.parameters).into_iter();
    said.map(|(name, value)| match value {
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            (name, cut(&text, TEXT_BYTES_MAX).into())
        }
        plain => (name, plain),
    })
    .collect()
}

/// The parts of both sides, none of which overlap: Langfuse adds them up. `None` if there is
/// nothing, or more than it counts to.
fn usage(tokens: Tokens) -> Option<BTreeMap<&'static str, u64>> {
    let part = |part: Option<u64>| part.unwrap_or(0);
    let (read, write) = (part(tokens.cache_read), part(tokens.cache_write));
    let reasoning = part(tokens.reasoning);
    let total = tokens.input.checked_add(tokens.output)?;
    if total == 0 || total > COUNT_MAX {
        return None;
    }
    let input = tokens.input.saturating_sub(read).saturating_sub(write);
    let output = tokens.output.saturating_sub(reasoning);
    let mut usage = BTreeMap::from([("input", input), ("output", output), ("total", total)]);
    usage.extend(tokens.cache_read.map(|read| ("input_cached_tokens", read)));
    let write = tokens.cache_write;
    usage.extend(write.map(|write| ("input_cache_creation", write)));
    let reasoning = tokens.reasoning;
    usage.extend(reasoning.map(|tokens| ("output_reasoning_tokens", tokens)));
    Some(usage)
}

/// The sum, and its parts where they are all of it.
fn cost(call: &Call<'_>) -> Option<BTreeMap<&'static str, Usd>> {
    let total = call.event.cost().total?;
    let mut cost = BTreeMap::from([("total", total)]);
    let Some(breakdown) = &call.payload().cost_breakdown else {
        return Some(cost);
    };
    let known = |part: Option<Usd>| part.unwrap_or(Usd::ZERO);
    let (read, write) = (
        known(breakdown.cache_read_cost),
        known(breakdown.cache_creation_cost),
    );
    let reasoning = known(breakdown.reasoning_cost);
    let parts = [
        ("input", breakdown.input_cost - read - write),
        ("input_cached_tokens", read),
        ("input_cache_creation", write),
        ("output", breakdown.output_cost - reasoning),
        ("output_reasoning_tokens", reasoning),
        ("tool_usage", breakdown.tool_usage_cost),
    ];
    let sum: Usd = parts.iter().map(|(_, amount)| *amount).sum();
    if sum == total && parts.iter().all(|(_, amount)| *amount >= Usd::ZERO) {
        let needed = |name: &str| name == "input" || name == "output";
        let parts = parts.into_iter();
        cost.extend(parts.filter(|(name, amount)| needed(name) || *amount != Usd::ZERO));
    }
    Some(cost)
}

/// What the books know of the call, and what the client said in its own metadata.
fn metadata(
    call: &Call<'_>,
    theirs: &Map<String, Value>,
    cut_short: bool,
) -> BTreeMap<String, String> {
    let payload = call.payload();
    let ours = call.ours();
    let mut metadata = BTreeMap::new();
    for (key, value) in theirs.iter().take(OWN_METADATA_MAX) {
        let known = WISHES.contains(&key.as_str()) || FORBIDDEN_KEYS.contains(&key.as_str());
        if known || key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
            continue;
        }
        let value = match value {
            Value::Null => continue,
            Value::String(text) => cut(text, TEXT_BYTES_MAX).to_owned(),
            other => cut(&other.to_string(), TEXT_BYTES_MAX).to_owned(),
        };
        metadata.insert(key.clone(), value);
    }
    // Ours come last, so that nobody else's stand in their place.
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            metadata.insert(key.to_owned(), cut(&value, TEXT_BYTES_MAX).to_owned());
        }
    };
    put("event_id", Some(call.item.id().to_string()));
    put("litellm_call_id", Some(payload.litellm_call_id.to_string()));
    put("call_type", Some(payload.call_type.clone()));
    put("provider", payload.custom_llm_provider.clone());
    put("provider_model", Some(payload.model.clone()));
    put("model_group", payload.model_group.clone());
    put("model_id", payload.model_id.clone());
    put("response_id", Some(payload.id.clone()));
    put("cache_hit", payload.cache_hit.map(|hit| hit.to_string()));
    put("cost_status", Some(call.cost_status().to_owned()));
    put(
        "cost_usd",
        call.event.cost().total.map(|cost| cost.to_string()),
    );
    put("outcome", ours.map(|ours| ours.outcome.as_str().to_owned()));
    put("error_type", call.error_type().map(str::to_owned));
    let revision = call.item.revision();
    put(
        "cost_revision",
        (revision > 0).then(|| revision.to_string()),
    );
    put("content_cut", cut_short.then(|| "true".to_owned()));
    let saved = payload.saved_cache_cost;
    put(
        "saved_cache_cost",
        (saved != Usd::ZERO).then(|| saved.to_string()),
    );
    metadata
}

fn trace_metadata(call: &Call<'_>) -> BTreeMap<&'static str, String> {
    let who = &call.payload().metadata;
    let said = [
        ("user_api_key_hash", &who.user_api_key_hash),
        ("user_api_key_alias", &who.user_api_key_alias),
        ("user_api_key_team_id", &who.user_api_key_team_id),
        ("user_api_key_team_alias", &who.user_api_key_team_alias),
        ("user_api_key_org_id", &who.user_api_key_org_id),
        ("user_api_key_project_id", &who.user_api_key_project_id),
        ("user_api_key_user_id", &who.user_api_key_user_id),
    ];
    let said = said.into_iter().filter_map(|(key, value)| {
        let value = value.as_deref().filter(|value| !value.is_empty())?;
        Some((key, cut(value, TEXT_BYTES_MAX).to_owned()))
    });
    said.collect()
}
