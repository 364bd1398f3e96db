//! Writes the answers of what is no chat, the way the real APIs write them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{answer::Answer, foreign, surface::Surface, text};

/// Seconds of every recording.
const SECONDS: u64 = 9;

/// An answer in one piece: its content type and its bytes.
pub(super) fn whole(surface: Surface, answer: &Answer<'_>, path: &str) -> (&'static str, Bytes) {
    let json = match surface {
        Surface::Chat => return ("application/json", answer.completion()),
        Surface::Completion => return ("application/json", text::whole(answer)),
        Surface::Embedding => return ("application/json", answer.embedding()),
        Surface::Speech => return ("audio/mpeg", sound(answer).concat().into()),
        Surface::Responses => response(answer, "completed"),
        Surface::Messages => message(answer),
        Surface::CountTokens => json!({"input_tokens": answer.usage().prompt}),
        Surface::Image | Surface::ImageEdit => image(answer),
        Surface::Transcription => transcript(answer),
        Surface::Gemini => foreign::candidate(answer, true),
        Surface::Cohere => foreign::cohere(answer),
        Surface::Object if path.ends_with("/content") => {
            return (
                "application/octet-stream",
                Bytes::from_static(b"\0\x01kept\xff"),
            );
        }
        Surface::Object => object(answer, path),
    };
    ("application/json", Bytes::from(format!("{json:#}\n")))
}

/// The pieces of a stream, and its content type.
pub(super) fn stream(surface: Surface, answer: &Answer<'_>) -> (&'static str, Vec<Bytes>) {
    let events = "text/event-stream; charset=utf-8";
    match surface {
        Surface::Responses => (events, response_events(answer)),
        Surface::Messages => (events, message_events(answer)),
        Surface::Completion => (events, text::stream(answer)),
        Surface::Speech => ("audio/mpeg", sound(answer)),
        Surface::Gemini => (events, foreign::candidates(answer)),
        Surface::Cohere => (events, foreign::cohere_events(answer)),
        _ => (events, answer.stream()),
    }
}

/// The event of a stream that breaks off.
pub(super) fn stream_error(surface: Surface) -> Bytes {
    let text = "The server had an error while processing your request.";
    match surface {
        Surface::Messages => event(
            "error",
            &json!({"type": "error", "error": {"type": "api_error", "message": text}}),
        ),
        Surface::Responses => event(
            "error",
            &json!({"type": "error", "code": "server_error", "message": text, "param": null}),
        ),
        _ => Answer::stream_error(),
    }
}

fn event(kind: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {kind}\ndata: {data}\n\n"))
}

fn sound(answer: &Answer<'_>) -> Vec<Bytes> {
    let piece = Bytes::from_static(b"\xff\xfb\x90\0sound\n\ndata: no\n\n");
    vec![piece; answer.script.chunks.max(1)]
}

fn text(answer: &Answer<'_>) -> String {
    let words = answer.text();
    serde_json::from_str(&format!("\"{words}\"")).unwrap_or_default()
}

fn response(answer: &Answer<'_>, status: &str) -> Value {
    let usage = answer.usage();
    let done = status == "completed" && !answer.script.no_usage;
    let usage = done.then(|| {
        json!({
            "input_tokens": usage.prompt,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.prompt + usage.completion,
        })
    });
    let said = json!({"type": "output_text", "text": text(answer), "annotations": []});
    json!({
        "id": answer.id.replace("chatcmpl-", "resp_"), "object": "response", "created_at": 1,
        "status": status, "error": null,
        "model": answer.request.model, "service_tier": "default", "usage": usage,
        "output": [{"type": "message", "id": "msg_1", "role": "assistant", "content": [said]}],
    })
}

fn response_events(answer: &Answer<'_>) -> Vec<Bytes> {
    let mut number = 0;
    let mut say = |kind: &str, more: Value| {
        let mut data = json!({"type": kind, "sequence_number": number});
        number += 1;
        if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        event(kind, &data)
    };
    let begun = response(answer, "in_progress");
    let mut events = vec![say("response.created", json!({"response": begun}))];
    for _ in 0..answer.script.chunks {
        events.push(say("response.output_text.delta", json!({"delta": "word "})));
    }
    let whole = response(answer, "completed");
    if !answer.script.no_done {
        events.push(say("response.completed", json!({"response": whole})));
    }
    events
}

fn message_usage(answer: &Answer<'_>) -> Value {
    let usage = answer.usage();
    json!({
        "input_tokens": usage.prompt - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
        "service_tier": "standard",
    })
}

fn message(answer: &Answer<'_>) -> Value {
    json!({
        "id": answer.id, "type": "message", "role": "assistant", "model": answer.request.model,
        "content": [{"type": "text", "text": text(answer)}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": message_usage(answer),
    })
}

fn message_events(answer: &Answer<'_>) -> Vec<Bytes> {
    let mut begun = message(answer);
    begun["content"] = json!([]);
    begun["stop_reason"] = Value::Null;
    begun["usage"]["output_tokens"] = 1.into();
    let say = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        event(kind, &data)
    };
    let block = json!({"type": "text", "text": ""});
    let mut events = vec![
        say("message_start", json!({"message": begun})),
        say(
            "content_block_start",
            json!({"index": 0, "content_block": block}),
        ),
    ];
    for _ in 0..answer.script.chunks {
        let delta = json!({"type": "text_delta", "text": "word "});
        events.push(say(
            "content_block_delta",
            json!({"index": 0, "delta": delta}),
        ));
    }
    let usage = json!({"output_tokens": answer.usage().completion});
    let delta = json!({"stop_reason": "end_turn", "stop_sequence": null});
    events.push(say("content_block_stop", json!({"index": 0})));
    events.push(say(
        "message_delta",
        json!({"delta": delta, "usage": usage}),
    ));
    if !answer.script.no_done {
        events.push(say("message_stop", json!({})));
    }
    events
}

fn image(answer: &Answer<'_>) -> Value {
    let mut image = json!({"created": 1, "data": [{"b64_json": "aGVsbG8="}]});
    // Older models are billed by the image and report nothing.
    if answer.request.model.starts_with("gpt-image") {
        let usage = answer.usage();
        image["usage"] = json!({
            "input_tokens": usage.prompt, "output_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
            "input_tokens_details": {"text_tokens": usage.prompt, "image_tokens": 0},
        });
    }
    image
}

fn transcript(answer: &Answer<'_>) -> Value {
    let mut said = json!({"text": text(answer)});
    if !answer.script.no_usage {
        said["usage"] = json!({"type": "duration", "seconds": SECONDS});
    }
    said
}

/// Something kept, which tells what it consumed when it was made.
fn object(answer: &Answer<'_>, path: &str) -> Value {
    json!({
        "id": answer.id, "object": path.split('/').nth(2), "status": "completed",
        "usage": {"input_tokens": 1000, "output_tokens": 1000, "total_tokens": 2000},
    })
}
