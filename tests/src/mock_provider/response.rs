//! OpenAI's Responses, as OpenAI writes them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    answer::{Answer, pieces},
    told::{event, text},
};

/// A whole answer.
pub(super) fn whole(answer: &Answer<'_>) -> Value {
    response(answer, "completed", &items(answer))
}

fn response(answer: &Answer<'_>, status: &str, output: &[Value]) -> Value {
    let usage = answer.usage();
    let done = status == "completed" && !answer.script.no_usage;
    let usage = done.then(|| {
        json!({
            "input_tokens": usage.prompt,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.completion,
            "output_tokens_details": {"reasoning_tokens": answer.script.reasoning},
            "total_tokens": usage.prompt + usage.completion,
        })
    });
    json!({
        "id": answer.id.replace("chatcmpl-", "resp_"), "object": "response", "created_at": 1,
        "status": status, "error": null,
        "model": answer.request.model, "service_tier": "default", "usage": usage,
        "output": output, "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
    })
}

/// What is said, or which tools are called.
fn items(answer: &Answer<'_>) -> Vec<Value> {
    let calls = answer.calls().enumerate().map(|(number, call)| {
        json!({
            "type": "function_call", "id": format!("fc_{number}"), "call_id": call.id,
            "name": call.tool, "arguments": answer.arguments(), "status": "completed",
        })
    });
    let mut items: Vec<Value> = calls.collect();
    if items.is_empty() {
        let text = match answer.script.says {
            // What the deltas of a stream add up to.
            None if answer.request.stream => "word ".repeat(answer.script.chunks),
            _ => text(answer),
        };
        let said = json!({"type": "output_text", "text": text, "annotations": []});
        items.push(json!({
            "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [said],
        }));
    }
    items
}

/// The events of a stream.
pub(super) fn stream(answer: &Answer<'_>) -> Vec<Bytes> {
    let mut number = 0;
    let mut say = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        data["sequence_number"] = number.into();
        number += 1;
        event(kind, &data)
    };
    let begun = response(answer, "in_progress", &[]);
    let mut events = vec![say("response.created", json!({"response": begun}))];
    let items = items(answer);
    for (index, item) in items.iter().enumerate() {
        for (kind, mut data) in growth(answer, item) {
            data["output_index"] = index.into();
            data["item_id"] = item["id"].clone();
            events.push(say(&format!("response.{kind}"), data));
        }
    }
    if !answer.script.no_done {
        let whole = response(answer, "completed", &items);
        events.push(say("response.completed", json!({"response": whole})));
    }
    events
}

/// How an item comes to be, from its beginning to its end.
fn growth(answer: &Answer<'_>, item: &Value) -> Vec<(&'static str, Value)> {
    let mut empty = item.clone();
    empty["status"] = "in_progress".into();
    let mut steps = Vec::new();
    if item["type"] == "message" {
        empty["content"] = json!([]);
        steps.push(("output_item.added", json!({"item": empty})));
        let part = &item["content"][0];
        let empty = json!({"type": "output_text", "text": "", "annotations": []});
        steps.push(("content_part.added", json!({"part": empty})));
        for piece in pieces(part["text"].as_str().unwrap_or_default()) {
            let delta = json!({"delta": piece, "logprobs": []});
            steps.push(("output_text.delta", delta));
        }
        let text = json!({"text": part["text"], "logprobs": []});
        steps.push(("output_text.done", text));
        steps.push(("content_part.done", json!({"part": part})));
        for (_, data) in steps.iter_mut().skip(1) {
            data["content_index"] = 0.into();
        }
    } else {
        empty["arguments"] = "".into();
        steps.push(("output_item.added", json!({"item": empty})));
        for piece in pieces(answer.arguments()) {
            let delta = json!({"delta": piece});
            steps.push(("function_call_arguments.delta", delta));
        }
        let whole = json!({"arguments": item["arguments"], "name": item["name"]});
        steps.push(("function_call_arguments.done", whole));
    }
    steps.push(("output_item.done", json!({"item": item})));
    steps
}
