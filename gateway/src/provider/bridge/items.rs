//! A chat's stream as the events of a response: items that are added, grow and are done.

use serde_json::{Value, json};

use super::{Events, Speaker};
use crate::provider::content::{list, text};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Items {
    id: String,
    number: u64,
    has_begun: bool,
    open: Option<Item>,
    count: usize,
}

/// The item that grows.
#[derive(Debug)]
struct Item {
    kind: Kind,
    id: String,
    /// Of a call: its id and its function's name.
    call: (String, String),
    so_far: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reasoning,
    Message,
    /// The call of a tool, by its place in the chat.
    Call(u64),
}

impl Item {
    fn value(&self, status: &str) -> Value {
        let text = &self.so_far;
        let is_done = status == "completed";
        match self.kind {
            Kind::Reasoning => {
                let summary = json!([{ "type": "summary_text", "text": text }]);
                let summary = if is_done { summary } else { json!([]) };
                json!({ "type": "reasoning", "id": self.id, "summary": summary })
            }
            Kind::Message => {
                let content = json!([part(text)]);
                let content = if is_done { content } else { json!([]) };
                json!({
                    "type": "message", "id": self.id, "status": status, "role": "assistant",
                    "content": content,
                })
            }
            Kind::Call(_) => json!({
                "type": "function_call", "id": self.id, "call_id": self.call.0,
                "name": self.call.1, "arguments": text, "status": status,
            }),
        }
    }
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [] })
}

impl Items {
    fn say(&mut self, kind: &str, mut data: Value, out: &mut Events) {
        if let Some(data) = data.as_object_mut() {
            data.insert("sequence_number".to_owned(), self.number.into());
        }
        self.number += 1;
        out.say(kind, data);
    }

    fn begin(&mut self, chunk: &Value, out: &mut Events) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        text(chunk, "id")
            .unwrap_or_default()
            .clone_into(&mut self.id);
        let response = json!({
            "id": format!("resp_{}", self.id), "object": "response",
            "created_at": chunk.get("created"), "status": "in_progress",
            "error": null, "incomplete_details": null, "model": chunk.get("model"),
            "output": [], "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
            "usage": null,
        });
        let data = json!({ "response": response });
        self.say("response.created", data.clone(), out);
        self.say("response.in_progress", data, out);
    }

    /// Adds an item, unless it is the one that grows.
    fn open(&mut self, kind: Kind, call: &Value, out: &mut Events) {
        if self.open.as_ref().is_some_and(|open| open.kind == kind) {
            return;
        }
        self.close(out);
        let call_id = text(call, "id").unwrap_or_default().to_owned();
        let name = call.pointer("/function/name").and_then(Value::as_str);
        let id = match kind {
            Kind::Reasoning => format!("rs_{}", self.id),
            Kind::Message => format!("msg_{}", self.id),
            Kind::Call(_) => format!("fc_{call_id}"),
        };
        let call = (call_id, name.unwrap_or_default().to_owned());
        let item = Item {
            kind,
            id,
            call,
            so_far: String::new(),
        };
        let index = self.count;
        let data = json!({ "output_index": index, "item": item.value("in_progress") });
        self.say("response.output_item.added", data, out);
        if kind == Kind::Message {
            let data = json!({
                "item_id": item.id, "output_index": index, "content_index": 0, "part": part(""),
            });
            self.say("response.content_part.added", data, out);
        }
        self.open = Some(item);
    }

    fn grow(&mut self, piece: &str, out: &mut Events) {
        let Some(item) = &mut self.open else { return };
        item.so_far.push_str(piece);
        let mut data = json!({
            "item_id": item.id, "output_index": self.count, "delta": piece,
        });
        let (kind, place) = match item.kind {
            Kind::Reasoning => ("response.reasoning_summary_text.delta", "summary_index"),
            Kind::Message => ("response.output_text.delta", "content_index"),
            Kind::Call(_) => ("response.function_call_arguments.delta", ""),
        };
        if let Some(data) = data.as_object_mut().filter(|_| !place.is_empty()) {
            data.insert(place.to_owned(), 0.into());
        }
        self.say(kind, data, out);
    }

    fn close(&mut self, out: &mut Events) {
        let Some(item) = self.open.take() else { return };
        let index = self.count;
        let (id, text) = (&item.id, &item.so_far);
        match item.kind {
            Kind::Reasoning => {}
            Kind::Message => {
                let data = json!({
                    "item_id": id, "output_index": index, "content_index": 0, "text": text,
                });
                self.say("response.output_text.done", data, out);
                let data = json!({
                    "item_id": id, "output_index": index, "content_index": 0, "part": part(text),
                });
                self.say("response.content_part.done", data, out);
            }
            Kind::Call(_) => {
                let data = json!({ "item_id": id, "output_index": index, "arguments": text });
                self.say("response.function_call_arguments.done", data, out);
            }
        }
        let data = json!({ "output_index": index, "item": item.value("completed") });
        self.say("response.output_item.done", data, out);
        self.count += 1;
    }
}

impl Speaker for Items {
    fn hear(&mut self, chunk: &Value, out: &mut Events) {
        self.begin(chunk, out);
        let delta = chunk.pointer("/choices/0/delta").unwrap_or(&Value::Null);
        let thought = text(delta, "reasoning_content").or_else(|| text(delta, "reasoning"));
        if let Some(piece) = thought.filter(|piece| !piece.is_empty()) {
            self.open(Kind::Reasoning, &Value::Null, out);
            self.grow(piece, out);
        }
        if let Some(piece) = text(delta, "content").filter(|piece| !piece.is_empty()) {
            self.open(Kind::Message, &Value::Null, out);
            self.grow(piece, out);
        }
        for call in list(delta, "tool_calls") {
            let place = call.get("index").and_then(Value::as_u64).unwrap_or(0);
            self.open(Kind::Call(place), call, out);
            let piece = call.pointer("/function/arguments").and_then(Value::as_str);
            if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
                self.grow(piece, out);
            }
        }
    }

    fn end(&mut self, whole: &Value, out: &mut Events) {
        self.begin(whole, out);
        self.close(out);
        let kind = match text(whole, "status") {
            Some("incomplete") => "response.incomplete",
            _ => "response.completed",
        };
        self.say(kind, json!({ "response": whole }), out);
    }
}
