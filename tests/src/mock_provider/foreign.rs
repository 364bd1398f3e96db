//! Gemini's and Cohere's own dialects, as they take and write them.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal},
    request::{self, Accepted},
};

/// The model of a path of Gemini's, and whether it streams.
pub(super) fn gemini(path: &str) -> Option<(&str, bool)> {
    let (model, verb) = path.strip_prefix("/v1beta/models/")?.split_once(':')?;
    match verb {
        "generateContent" => Some((model, false)),
        "streamGenerateContent" => Some((model, true)),
        _ => None,
    }
}

/// A request in Gemini's dialect.
pub(super) fn accept_gemini(
    headers: &HeaderMap,
    key: Option<&str>,
    (path, body): (&str, &[u8]),
) -> Result<Accepted, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("authorization").is_some() || text("x-goog-api-key") != key {
        return Err(Refusal::unauthorized("API key not valid."));
    }
    let object = request::object(headers, body, &["contents", "generationConfig"])?;
    let prompt = object
        .get("contents")
        .and_then(|contents| contents.pointer("/0/parts/0/text")?.as_str());
    let (model, stream) = gemini(path).unwrap_or_default();
    Ok(Accepted {
        model: model.to_owned(),
        prompt: prompt
            .ok_or_else(|| Refusal::invalid("contents", "contents is not specified"))?
            .to_owned(),
        stream,
        ..Accepted::default()
    })
}

/// A request in Cohere's dialect.
pub(super) fn accept_cohere(
    headers: &HeaderMap,
    key: Option<&str>,
    body: &[u8],
) -> Result<Accepted, Refusal> {
    request::authorize(headers, key)?;
    let object = request::object(headers, body, &["messages", "model", "stream"])?;
    let last = object.get("messages").and_then(Value::as_array);
    let last = last.and_then(|messages| messages.last());
    Ok(Accepted {
        model: request::model(&object)?,
        prompt: last.map(request::content).unwrap_or_default(),
        stream: request::boolean(&object, "stream")?,
        ..Accepted::default()
    })
}

/// Gemini's answer; `part` is one of a stream, with the usage in the last.
pub(super) fn candidate(answer: &Answer<'_>, is_last: bool) -> Value {
    let usage = answer.usage();
    let mut candidate = json!({
        "candidates": [{"content": {"parts": [{"text": "Grüße"}], "role": "model"}, "index": 0}],
        "modelVersion": answer.request.model, "responseId": answer.id,
    });
    if is_last {
        candidate["candidates"][0]["finishReason"] = "STOP".into();
        candidate["usageMetadata"] = json!({
            "promptTokenCount": usage.prompt, "candidatesTokenCount": usage.completion,
            "totalTokenCount": usage.prompt + usage.completion,
        });
    }
    candidate
}

/// Gemini's stream.
pub(super) fn candidates(answer: &Answer<'_>) -> Vec<Bytes> {
    let last = answer.script.chunks.saturating_sub(1);
    let part = |number: usize| {
        let part = candidate(answer, number == last);
        Bytes::from(format!("data: {part}\r\n\r\n"))
    };
    (0..=last).map(part).collect()
}

/// Cohere's answer.
pub(super) fn cohere(answer: &Answer<'_>) -> Value {
    json!({
        "id": answer.id, "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Grüße"}]},
        "usage": units(answer),
    })
}

/// Cohere's stream.
pub(super) fn cohere_events(answer: &Answer<'_>) -> Vec<Bytes> {
    let mut events = vec![json!({"type": "message-start", "id": answer.id})];
    for _ in 0..answer.script.chunks {
        events.push(json!({"type": "content-delta", "index": 0,
            "delta": {"message": {"content": {"text": "Grüße"}}}}));
    }
    let delta = json!({"finish_reason": "COMPLETE", "usage": units(answer)});
    events.push(json!({"type": "message-end", "delta": delta}));
    let event = |event: &Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        Bytes::from(format!("event: {kind}\ndata: {event}\n\n"))
    };
    events.iter().map(event).collect()
}

fn units(answer: &Answer<'_>) -> Value {
    let usage = answer.usage();
    let billed = json!({"input_tokens": usage.prompt, "output_tokens": usage.completion});
    // What the model saw is more than what is on the bill.
    json!({"billed_units": billed,
        "tokens": {"input_tokens": usage.prompt + 99, "output_tokens": usage.completion}})
}
