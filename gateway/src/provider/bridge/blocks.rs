//! A chat's stream as the events of a message: blocks that begin, grow and end.

use serde_json::{Value, json};

use super::{Events, Speaker};
use crate::provider::content::{list, text};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Blocks {
    has_begun: bool,
    /// The block that is open.
    open: Option<Kind>,
    count: usize,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Thinking,
    Text,
    /// The call of a tool, by its place in the chat.
    Tool(u64),
}

impl Blocks {
    fn begin(&mut self, chunk: &Value, out: &mut Events) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let message = json!({
            "id": chunk.get("id"), "type": "message", "role": "assistant",
            "model": chunk.get("model"), "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": { "input_tokens": 0, "output_tokens": 0 },
        });
        out.say("message_start", json!({ "message": message }));
    }

    /// Opens a block, unless it is open.
    fn open(&mut self, kind: Kind, block: &Value, out: &mut Events) {
        if self.open == Some(kind) {
            return;
        }
        self.close(out);
        self.open = Some(kind);
        let start = json!({ "index": self.count, "content_block": block });
        out.say("content_block_start", start);
    }

    fn close(&mut self, out: &mut Events) {
        if self.open.take().is_some() {
            out.say("content_block_stop", json!({ "index": self.count }));
            self.count += 1;
        }
    }

    fn grow(&self, delta: &Value, out: &mut Events) {
        let data = json!({ "index": self.count, "delta": delta });
        out.say("content_block_delta", data);
    }

    fn call(&mut self, call: &Value, out: &mut Events) {
        let place = call.get("index").and_then(Value::as_u64).unwrap_or(0);
        let function = call.get("function").unwrap_or(&Value::Null);
        let block = json!({
            "type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": {},
        });
        self.open(Kind::Tool(place), &block, out);
        if let Some(piece) = text(function, "arguments").filter(|piece| !piece.is_empty()) {
            let delta = json!({ "type": "input_json_delta", "partial_json": piece });
            self.grow(&delta, out);
        }
    }
}

impl Speaker for Blocks {
    fn hear(&mut self, chunk: &Value, out: &mut Events) {
        self.begin(chunk, out);
        let delta = chunk.pointer("/choices/0/delta").unwrap_or(&Value::Null);
        let thought = text(delta, "reasoning_content").or_else(|| text(delta, "reasoning"));
        if let Some(piece) = thought.filter(|piece| !piece.is_empty()) {
            let block = json!({ "type": "thinking", "thinking": "", "signature": "" });
            self.open(Kind::Thinking, &block, out);
            self.grow(&json!({ "type": "thinking_delta", "thinking": piece }), out);
        }
        if let Some(piece) = text(delta, "content").filter(|piece| !piece.is_empty()) {
            self.open(Kind::Text, &json!({ "type": "text", "text": "" }), out);
            self.grow(&json!({ "type": "text_delta", "text": piece }), out);
        }
        for call in list(delta, "tool_calls") {
            self.call(call, out);
        }
    }

    fn end(&mut self, whole: &Value, out: &mut Events) {
        self.begin(whole, out);
        self.close(out);
        let delta = json!({
            "stop_reason": whole.get("stop_reason"), "stop_sequence": null,
        });
        let data = json!({ "delta": delta, "usage": whole.get("usage") });
        out.say("message_delta", data);
        out.say("message_stop", json!({}));
    }
}
