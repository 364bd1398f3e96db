//! Writes the answers of what is no chat, the way the real APIs write them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{answer::Answer, foreign, message, response, surface::Surface, text};

/// Seconds of every recording.
const SECONDS: u64 = 9;

/// An answer in one piece: its content type and its bytes.
pub(super) fn whole(surface: Surface, answer: &Answer<'_>, path: &str) -> (&'static str, Bytes) {
    let json = match surface {
        Surface::Chat => return ("application/json", answer.completion()),
        Surface::Completion => return ("application/json", text::whole(answer)),
        Surface::Embedding => return ("application/json", answer.embedding()),
        Surface::Speech => return ("audio/mpeg", sound(answer).concat().into()),
        Surface::Responses => response::whole(answer),
        Surface::Messages => message::whole(answer),
        Surface::CountTokens => json!({"input_tokens": answer.usage().prompt}),
        Surface::Rerank => reranked(answer),
        Surface::Moderation => moderation(answer),
        Surface::Image | Surface::ImageEdit => image(answer),
        Surface::Transcription => transcript(answer),
        Surface::Gemini => foreign::candidate(answer, true),
        Surface::Cohere => foreign::cohere(answer),
        Surface::Object if path.contains("/files/file-results") => {
            return ("application/octet-stream", results());
        }
        Surface::Object if path.ends_with("/content") => {
            return (
                "application/octet-stream",
                Bytes::from_static(b"\0\x01kept\xff"),
            );
        }
        Surface::Object if path.starts_with("/v1/batches") => batch(path),
        Surface::Object => object(answer, path),
    };
    ("application/json", Bytes::from(format!("{json:#}\n")))
}

/// The pieces of a stream, and its content type.
pub(super) fn stream(surface: Surface, answer: &Answer<'_>) -> (&'static str, Vec<Bytes>) {
    let events = "text/event-stream; charset=utf-8";
    match surface {
        Surface::Responses => (events, response::stream(answer)),
        Surface::Messages => (events, message::stream(answer)),
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

pub(super) fn event(kind: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {kind}\ndata: {data}\n\n"))
}

fn sound(answer: &Answer<'_>) -> Vec<Bytes> {
    let piece = Bytes::from_static(b"\xff\xfb\x90\0sound\n\ndata: no\n\n");
    vec![piece; answer.script.chunks.max(1)]
}

pub(super) fn text(answer: &Answer<'_>) -> String {
    let words = answer.text();
    serde_json::from_str(&format!("\"{words}\"")).unwrap_or_default()
}

fn reranked(answer: &Answer<'_>) -> Value {
    let result =
        |index, relevance_score| json!({"index": index, "relevance_score": relevance_score});
    json!({
        "model": answer.request.model, "results": [result(1, 0.75), result(0, 0.25)],
        "usage": {"total_tokens": answer.usage().prompt},
    })
}

fn moderation(answer: &Answer<'_>) -> Value {
    let of = |value: Value| json!({"harassment": value, "violence": value});
    json!({
        "id": answer.id, "model": answer.request.model,
        "results": [{
            "flagged": true, "categories": of(true.into()), "category_scores": of(0.5.into()),
            "category_applied_input_types": of(json!(["text"])),
        }],
    })
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

/// A batch: one whose id says so is done, or done and does not tell what it consumed.
fn batch(path: &str) -> Value {
    let id = path.split('/').nth(3).unwrap_or("batch_done");
    let (is_done, is_untold) = (id.starts_with("batch_done"), id == "batch_untold");
    let mut batch = json!({
        "id": id, "object": "batch", "endpoint": "/v1/chat/completions", "errors": null,
        "input_file_id": "file-in", "completion_window": "24h", "status": "in_progress",
        "output_file_id": null, "error_file_id": null, "created_at": 1, "expires_at": 86401,
        "request_counts": {"total": 3, "completed": 0, "failed": 0}, "metadata": null,
    });
    if path.split('/').count() > 3 && (is_done || is_untold) {
        batch["status"] = "completed".into();
        batch["output_file_id"] = format!("file-results-{id}").into();
        batch["request_counts"] = json!({"total": 3, "completed": 2, "failed": 1});
    }
    if is_done {
        batch["model"] = "gpt-4o-2024-08-06".into();
        batch["usage"] = json!({
            "input_tokens": 1000, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 100, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 1100,
        });
    }
    batch
}

/// The results of such a batch.
fn results() -> Bytes {
    let line = |number: u32, response: Value, error: Value| {
        let id = format!("batch_req_{number}");
        json!({"id": id, "custom_id": number.to_string(), "response": response, "error": error})
    };
    let answer = |prompt: u32| {
        json!({"status_code": 200, "request_id": "req_1", "body": {
            "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hello."}}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": 50,
                "total_tokens": prompt + 50},
        }})
    };
    let expired = json!({"code": "batch_expired", "message": "not executed in time"});
    let lines = [
        line(1, answer(400), Value::Null),
        line(2, Value::Null, expired),
        line(3, answer(600), Value::Null),
    ];
    let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    Bytes::from(lines.concat())
}
