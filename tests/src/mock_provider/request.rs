//! Takes a request as strictly as the real API does, so that a gateway that sends something odd is
//! found out.

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::answer::Refusal;

/// The parameters of a chat completion; the real API refuses any other.
const CHAT: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];
const EMBEDDING: &[&str] = &["dimensions", "encoding_format", "input", "model", "user"];
const ROLES: &[&str] = &[
    "assistant",
    "developer",
    "function",
    "system",
    "tool",
    "user",
];

/// A request that the real API would have taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Accepted {
    pub(super) model: String,
    /// The text of the last message; empty for embeddings.
    pub(super) prompt: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// The names of the tools.
    pub(super) tools: Vec<String>,
}

/// What the caller must show.
pub(super) fn authorize(headers: &HeaderMap, key: Option<&str>) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    // Azure's header counts too.
    let given = bearer
        .or_else(|| text("api-key"))
        .filter(|key| !key.is_empty());
    match given {
        None => Err(Refusal::unauthorized("You didn't provide an API key.")),
        Some(given) if key.is_some_and(|key| key != given) => {
            Err(Refusal::unauthorized("Incorrect API key provided."))
        }
        Some(_) => Ok(()),
    }
}

/// The body of a chat completion.
pub(super) fn chat(headers: &HeaderMap, body: &[u8]) -> Result<Accepted, Refusal> {
    let object = object(headers, body, CHAT)?;
    let model = model(&object)?;
    let messages = object.get("messages").and_then(Value::as_array);
    let Some(messages) = messages.filter(|messages| !messages.is_empty()) else {
        return Err(Refusal::invalid(
            "messages",
            "'messages' must be a list that is not empty.",
        ));
    };
    for message in messages {
        let role = message.get("role").and_then(Value::as_str);
        if !role.is_some_and(|role| ROLES.contains(&role)) {
            return Err(Refusal::invalid(
                "messages",
                "A message has no known 'role'.",
            ));
        }
    }
    let stream = boolean(&object, "stream")?;
    let include_usage = include_usage(&object, stream)?;
    answered(messages)?;
    metadata(&object)?;
    Ok(Accepted {
        model,
        prompt: messages.last().map(content).unwrap_or_default(),
        stream,
        include_usage,
        tools: tools(&object, "/function/name")?,
    })
}

/// The body of an embedding.
pub(super) fn embedding(headers: &HeaderMap, body: &[u8]) -> Result<Accepted, Refusal> {
    let object = object(headers, body, EMBEDDING)?;
    let prompt = match object.get("input") {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Array(texts)) if !texts.is_empty() => {
            texts.iter().filter_map(Value::as_str).collect()
        }
        _ => {
            return Err(Refusal::invalid(
                "input",
                "'input' must be text or a list of texts.",
            ));
        }
    };
    Ok(Accepted {
        model: model(&object)?,
        prompt,
        stream: false,
        ..Accepted::default()
    })
}

pub(super) fn object(
    headers: &HeaderMap,
    body: &[u8],
    known: &[&str],
) -> Result<Map<String, Value>, Refusal> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refusal::invalid(
            "",
            "The content type must be application/json.",
        ));
    }
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        return Err(Refusal::invalid(
            "",
            "We could not parse the JSON body of your request.",
        ));
    };
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(object),
        Some(name) => Err(Refusal::invalid(
            name,
            &format!("Unrecognized request argument supplied: {name}"),
        )),
    }
}

pub(super) fn model(object: &Map<String, Value>) -> Result<String, Refusal> {
    let model = object
        .get("model")
        .and_then(Value::as_str)
        .filter(|model| !model.is_empty());
    let missing = || Refusal::invalid("model", "you must provide a model parameter");
    model.map(str::to_owned).ok_or_else(missing)
}

pub(super) fn boolean(object: &Map<String, Value>, name: &str) -> Result<bool, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Refusal::invalid(name, "must be a boolean")),
    }
}

pub(super) fn include_usage(object: &Map<String, Value>, stream: bool) -> Result<bool, Refusal> {
    match object.get("stream_options") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Object(options)) if stream => {
            let known = ["include_usage", "include_obfuscation"];
            match options.keys().find(|name| !known.contains(&name.as_str())) {
                Some(name) => Err(Refusal::invalid(name, "not an option of a stream")),
                None => boolean(options, "include_usage"),
            }
        }
        Some(_) => Err(Refusal::invalid(
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        )),
    }
}

fn metadata(object: &Map<String, Value>) -> Result<(), Refusal> {
    let good = match object.get("metadata") {
        None | Some(Value::Null) => true,
        Some(Value::Object(pairs)) => pairs.len() <= 16 && pairs.values().all(Value::is_string),
        Some(_) => false,
    };
    let bad = || {
        Refusal::invalid(
            "metadata",
            "'metadata' must be at most 16 pairs of strings.",
        )
    };
    good.then_some(()).ok_or_else(bad)
}

/// The names of the tools, each of which has one at `pointer`.
pub(super) fn tools(object: &Map<String, Value>, pointer: &str) -> Result<Vec<String>, Refusal> {
    let tools = match object.get("tools") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(tools) => tools.as_array().filter(|tools| !tools.is_empty()),
    };
    let name = |tool: &Value| tool.pointer(pointer)?.as_str().map(str::to_owned);
    let names = tools.and_then(|tools| tools.iter().map(name).collect::<Option<Vec<String>>>());
    let unnamed = || Refusal::invalid("tools", "'tools' must be a list of named functions.");
    names.ok_or_else(unnamed)
}

/// Each call of a tool is answered at once, and nothing is answered that was not called.
fn answered(messages: &[Value]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        let is_answer = message.get("role").and_then(Value::as_str) == Some("tool");
        let id = message.get("tool_call_id").and_then(Value::as_str);
        match open.iter().position(|call| Some(*call) == id) {
            Some(place) if is_answer => drop(open.remove(place)),
            _ if is_answer || !open.is_empty() => {
                return Err(Refusal::invalid(
                    "messages",
                    "A call of a tool must be followed by its answer, and by nothing else.",
                ));
            }
            _ => {}
        }
        let calls = message.get("tool_calls").and_then(Value::as_array);
        let ids = calls
            .into_iter()
            .flatten()
            .filter_map(|call| call.get("id"));
        open.extend(ids.filter_map(Value::as_str));
    }
    Ok(())
}

/// The text of a message, whether it is one string or a list of parts.
pub(super) fn content(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .map(|part| match part.get("text").and_then(Value::as_str) {
                Some(text) => text.to_owned(),
                // What a tool has answered, in a block of its own.
                None => content(part),
            })
            .collect(),
        // In the Responses API what a tool has answered is no message.
        _ => match message.get("output").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => String::new(),
        },
    }
}
