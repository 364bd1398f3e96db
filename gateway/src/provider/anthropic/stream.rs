//! The events of a streamed answer: blocks that begin, grow and end.

use serde_json::{Map, Value, json};

use super::{
    super::{Fault, chunks::Chunks, completion, content::text, frames::Frame, translated::Dialect},
    answer::{Reading, error_in, finish_reason},
    schema,
};
use crate::error::ErrorClass;

/// Says the events of the Messages API in OpenAI's chunks.
#[derive(Debug)]
pub struct Events {
    reading: Reading,
    /// Tool calls so far.
    calls: usize,
    /// What the block at hand is.
    block: Block,
    /// Whether our own tool was called.
    by_tool: bool,
    usage: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Other,
    /// A call by its index, and whether any of its arguments have come.
    Call(usize, bool),
    /// The call of our own tool.
    Answer,
}

impl Events {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            reading,
            calls: 0,
            block: Block::Other,
            by_tool: false,
            usage: Map::new(),
        }
    }

    fn begin_message(&mut self, message: &Value, chunks: &mut Chunks) {
        if let Some(id) = text(message, "id") {
            chunks.set_id(id);
        }
        if let Some(model) = text(message, "model") {
            chunks.set_model(model);
        }
        self.count(message.get("usage"));
    }

    /// Later counts are of all so far, and some leave out what was said before.
    fn count(&mut self, usage: Option<&Value>) {
        for (name, value) in usage.and_then(Value::as_object).into_iter().flatten() {
            let known = self.usage.get(name).and_then(Value::as_u64);
            let is_less = known > value.as_u64() && value.is_number();
            if !value.is_null() && !is_less {
                self.usage.insert(name.clone(), value.clone());
            }
        }
    }

    fn begin_block(&mut self, block: &Value, chunks: &mut Chunks) {
        self.block = Block::Other;
        match text(block, "type").unwrap_or_default() {
            "text" => chunks.text(text(block, "text").unwrap_or_default()),
            "thinking" => thought(text(block, "thinking").unwrap_or_default(), chunks),
            "redacted_thinking" => chunks.delta(0, json!({ "thinking_blocks": [block] })),
            "tool_use" if self.is_ours(block) => {
                self.by_tool = true;
                self.block = Block::Answer;
                chunks.text(&whole_input(block));
            }
            "tool_use" | "server_tool_use" => {
                let index = self.calls;
                self.calls += 1;
                let name = self
                    .reading
                    .names
                    .own(text(block, "name").unwrap_or_default());
                let input = whole_input(block);
                chunks.tool(index, text(block, "id").unwrap_or_default(), name, &input);
                self.block = Block::Call(index, !input.is_empty());
            }
            kind if kind.ends_with("_tool_result") && kind != "tool_search_tool_result" => {
                let is_search = kind.starts_with("web_");
                let name = if is_search {
                    "web_search_results"
                } else {
                    "tool_results"
                };
                chunks.delta(0, json!({ "provider_specific_fields": { name: [block] } }));
            }
            _ => {}
        }
    }

    fn is_ours(&self, block: &Value) -> bool {
        self.reading.by_tool && text(block, "name") == Some(schema::TOOL)
    }

    fn grow(&mut self, delta: &Value, chunks: &mut Chunks) {
        match text(delta, "type").unwrap_or_default() {
            "text_delta" => chunks.text(text(delta, "text").unwrap_or_default()),
            "thinking_delta" => thought(text(delta, "thinking").unwrap_or_default(), chunks),
            "signature_delta" => {
                let signature = text(delta, "signature").unwrap_or_default();
                let block = json!({ "type": "thinking", "thinking": "", "signature": signature });
                chunks.delta(0, json!({ "thinking_blocks": [block] }));
            }
            "citations_delta" => {
                let citation = delta.get("citation").unwrap_or(&Value::Null);
                chunks.delta(
                    0,
                    json!({ "provider_specific_fields": { "citation": citation } }),
                );
            }
            "input_json_delta" => {
                let piece = text(delta, "partial_json").unwrap_or_default();
                match &mut self.block {
                    Block::Answer => chunks.text(piece),
                    Block::Call(index, has_arguments) if !piece.is_empty() => {
                        *has_arguments = true;
                        chunks.arguments(*index, piece);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn end_block(&mut self, chunks: &mut Chunks) {
        // A call without arguments has none in the stream; in OpenAI's dialect they are `{}`.
        if let Block::Call(index, false) = self.block {
            chunks.arguments(index, "{}");
        }
        self.block = Block::Other;
    }

    fn end_message(&mut self, event: &Value, chunks: &mut Chunks) {
        self.count(event.get("usage"));
        if let Some(usage) = completion::usage("anthropic", &Value::Object(self.usage.clone())) {
            chunks.set_usage(usage);
        }
        if let Some(tier) = self.usage.get("service_tier").and_then(Value::as_str) {
            chunks.set_service_tier(tier);
        }
        let reason = event
            .get("delta")
            .and_then(|delta| text(delta, "stop_reason"));
        if let (Some(reason), false) = (reason, chunks.is_finished()) {
            let only_by_tool = self.by_tool && self.calls == 0;
            chunks.finish(0, finish_reason(reason, only_by_tool));
        }
    }
}

impl Dialect for Events {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        let event: Value = serde_json::from_slice(&frame.data).map_err(|_error| Fault {
            class: ErrorClass::ApiConnection,
            message: "an event of the provider's stream is not JSON".to_owned(),
        })?;
        let part = |name: &str| event.get(name).unwrap_or(&Value::Null);
        match text(&event, "type").unwrap_or_default() {
            "message_start" => self.begin_message(part("message"), chunks),
            "content_block_start" => self.begin_block(part("content_block"), chunks),
            "content_block_delta" => self.grow(part("delta"), chunks),
            "content_block_stop" => self.end_block(chunks),
            "message_delta" => self.end_message(&event, chunks),
            "message_stop" => chunks.close(),
            _ => {
                if let Some(fault) = error_in(&event) {
                    return Err(fault);
                }
            }
        }
        Ok(())
    }
}

fn thought(text: &str, chunks: &mut Chunks) {
    if !text.is_empty() {
        let block = json!({ "type": "thinking", "thinking": text });
        chunks.delta(
            0,
            json!({ "reasoning_content": text, "thinking_blocks": [block] }),
        );
    }
}

/// The input that a block begins with: `{}` there means that it comes in pieces.
fn whole_input(block: &Value) -> String {
    match block.get("input") {
        Some(Value::Object(input)) if !input.is_empty() => Value::Object(input.clone()).to_string(),
        _ => String::new(),
    }
}
