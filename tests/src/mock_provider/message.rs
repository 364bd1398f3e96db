//! Anthropic's Messages, as Anthropic takes and writes them.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Refusal, pieces},
    told::{event, text},
};

/// The versions of the API.
pub(super) const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];

/// What has to hold between the parts of a request.
pub(super) fn check(headers: &HeaderMap, object: &Map<String, Value>) -> Result<(), Refusal> {
    let newest = headers
        .get("anthropic-version")
        .is_some_and(|own| own == VERSIONS[1]);
    let gone = ["temperature", "top_p", "top_k"];
    match gone
        .iter()
        .find(|name| newest && object.contains_key(**name))
    {
        Some(name) => Err(Refusal::invalid(name, "Extra inputs are not permitted")),
        None => results(object),
    }
}

/// Each use of a tool is followed by its result, and there is no result without a use.
fn results(object: &Map<String, Value>) -> Result<(), Refusal> {
    let ids = |message: &Value, kind: &str, name: &str| -> Vec<String> {
        let blocks = message.get("content").and_then(Value::as_array);
        let blocks = blocks.into_iter().flatten();
        let of_kind = blocks.filter(|block| block.get("type").is_some_and(|own| own == kind));
        let ids = of_kind.filter_map(|block| block.get(name)?.as_str());
        ids.map(str::to_owned).collect()
    };
    let messages = object.get("messages").and_then(Value::as_array);
    let mut used = Vec::new();
    for message in messages.into_iter().flatten() {
        let role = message.get("role").and_then(Value::as_str);
        if !matches!(role, Some("user" | "assistant")) {
            return Err(Refusal::invalid("messages", "messages: no such role"));
        }
        let mut results = ids(message, "tool_result", "tool_use_id");
        results.sort();
        if results != used {
            return Err(Refusal::invalid(
                "messages",
                "messages: `tool_use` ids and `tool_result` blocks do not match",
            ));
        }
        used = ids(message, "tool_use", "id");
        used.sort();
    }
    Ok(())
}

/// An error in Anthropic's shape. What is no JSON stays as it is.
pub(super) fn refusal(refusal: Refusal) -> Refusal {
    let Ok(said) = serde_json::from_slice::<Value>(&refusal.body) else {
        return refusal;
    };
    let kind = match refusal.status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    };
    let error = json!({"type": kind, "message": said["error"]["message"]});
    let body = json!({"type": "error", "error": error, "request_id": "req_mock"});
    Refusal {
        body: Bytes::from(body.to_string()),
        ..refusal
    }
}

fn usage(answer: &Answer<'_>) -> Value {
    let usage = answer.usage();
    json!({
        "input_tokens": usage.prompt - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
        "service_tier": "standard",
    })
}

/// A whole answer.
pub(super) fn whole(answer: &Answer<'_>) -> Value {
    let input: Value = serde_json::from_str(answer.arguments()).unwrap_or_default();
    let calls = answer
        .calls()
        .map(|call| json!({"type": "tool_use", "id": call.id, "name": call.tool, "input": input}));
    let mut content: Vec<Value> = calls.collect();
    let mut reason = "tool_use";
    if content.is_empty() {
        content.push(json!({"type": "text", "text": text(answer)}));
        reason = "end_turn";
    }
    json!({
        "id": answer.id, "type": "message", "role": "assistant", "model": answer.request.model,
        "content": content, "stop_reason": reason, "stop_sequence": null, "usage": usage(answer),
    })
}

/// The events of a stream.
pub(super) fn stream(answer: &Answer<'_>) -> Vec<Bytes> {
    let whole = whole(answer);
    let mut begun = whole.clone();
    begun["content"] = json!([]);
    begun["stop_reason"] = Value::Null;
    begun["usage"]["output_tokens"] = 1.into();
    let mut events = vec![say("message_start", json!({"message": begun}))];
    for (index, block) in whole["content"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        if block["type"] == "text" {
            let words = match answer.script.says {
                None => vec!["word ".to_owned(); answer.script.chunks],
                Some(_) => pieces(&text(answer)).collect(),
            };
            let deltas = words
                .iter()
                .map(|word| json!({"type": "text_delta", "text": word}));
            let empty = json!({"type": "text", "text": ""});
            events.extend(spoken(index, &empty, deltas));
        } else {
            let deltas = pieces(answer.arguments())
                .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
            let mut empty = block.clone();
            empty["input"] = json!({});
            events.extend(spoken(index, &empty, deltas));
        }
    }
    let usage = json!({"output_tokens": answer.usage().completion});
    let delta = json!({"stop_reason": whole["stop_reason"], "stop_sequence": null});
    events.push(say(
        "message_delta",
        json!({"delta": delta, "usage": usage}),
    ));
    if !answer.script.no_done {
        events.push(say("message_stop", json!({})));
    }
    events
}

/// The events of one block.
fn spoken(index: usize, empty: &Value, deltas: impl Iterator<Item = Value>) -> Vec<Bytes> {
    let mut events = vec![say(
        "content_block_start",
        json!({"index": index, "content_block": empty}),
    )];
    events.extend(deltas.map(|delta| {
        say(
            "content_block_delta",
            json!({"index": index, "delta": delta}),
        )
    }));
    events.push(say("content_block_stop", json!({"index": index})));
    events
}

fn say(kind: &str, mut data: Value) -> Bytes {
    data["type"] = kind.into();
    event(kind, &data)
}
