//! The events of a streamed answer: blocks that begin, grow and end.

use serde_json::{Value, json};

use super::{
    super::super::{
        Fault, anthropic, aws, chunks::Chunks, content::text, frames::Frame, translated::Dialect,
    },
    answer::{Reading, finish_reason, thought_block, usage},
};

/// Says the events in OpenAI's chunks.
#[derive(Debug)]
pub(super) struct Events {
    reading: Reading,
    /// Tool calls so far.
    calls: usize,
    /// What the block at hand is.
    block: Block,
    /// Whether our own tool was called.
    by_tool: bool,
    /// The model's own fields, which come before the usage.
    own: Value,
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
            own: Value::Null,
        }
    }

    fn begin(&mut self, start: &Value, chunks: &mut Chunks) {
        self.block = Block::Other;
        if let Some(call) = start.get("toolUse") {
            let name = text(call, "name").unwrap_or_default();
            if self.reading.by_tool && name == anthropic::TOOL {
                self.by_tool = true;
                self.block = Block::Answer;
                return;
            }
            let id = text(call, "toolUseId").unwrap_or_default();
            chunks.tool(self.calls, id, self.reading.names.own(name), "");
            self.block = Block::Call(self.calls, false);
            self.calls += 1;
        }
        if let Some(thought) = start.get("reasoningContent") {
            think(thought, chunks);
        }
    }

    fn grow(&mut self, delta: &Value, chunks: &mut Chunks) {
        chunks.text(text(delta, "text").unwrap_or_default());
        let piece = delta.get("toolUse").and_then(|call| text(call, "input"));
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            match &mut self.block {
                Block::Answer => chunks.text(piece),
                Block::Call(index, has_arguments) => {
                    *has_arguments = true;
                    chunks.arguments(*index, piece);
                }
                Block::Other => {}
            }
        }
        if let Some(thought) = delta.get("reasoningContent") {
            think(thought, chunks);
        }
        if let Some(cited) = delta.get("citationsContent") {
            let own = json!({ "citationsContent": cited });
            chunks.delta(0, json!({ "provider_specific_fields": own }));
        }
    }

    fn end(&mut self, chunks: &mut Chunks) {
        // A call without arguments has none in the stream; in OpenAI's dialect they are `{}`.
        if let Block::Call(index, false) = self.block {
            chunks.arguments(index, "{}");
        }
        self.block = Block::Other;
    }

    fn stop(&mut self, event: &Value, chunks: &mut Chunks) {
        let reason = text(event, "stopReason").unwrap_or_default();
        let only_by_tool = self.by_tool && self.calls == 0;
        if !chunks.is_finished() {
            chunks.finish(0, finish_reason(reason, only_by_tool));
        }
        let own = event.get("additionalModelResponseFields");
        self.own = own.cloned().unwrap_or_default();
    }

    fn close(&self, event: &Value, chunks: &mut Chunks) {
        if let Some(usage) = usage(event.get("usage"), Some(&self.own)) {
            chunks.set_usage(usage);
        }
        if let Some(tier) = event.get("serviceTier").and_then(|tier| text(tier, "type")) {
            chunks.set_service_tier(tier);
        }
        if chunks.is_finished() {
            chunks.close();
        }
    }
}

impl Dialect for Events {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        if let Some(fault) = aws::fault::of_frame(frame) {
            return Err(fault);
        }
        let event: Value =
            serde_json::from_slice(&frame.data).map_err(|_error| aws::fault::no_event())?;
        let part = |name: &str| event.get(name).unwrap_or(&Value::Null);
        match frame.kind.as_str() {
            "contentBlockStart" => self.begin(part("start"), chunks),
            "contentBlockDelta" => self.grow(part("delta"), chunks),
            "contentBlockStop" => self.end(chunks),
            "messageStop" => self.stop(&event, chunks),
            "metadata" => self.close(&event, chunks),
            _ => {}
        }
        Ok(())
    }
}

/// A piece of a thought: its text, its signature, or what may not be read of it.
fn think(thought: &Value, chunks: &mut Chunks) {
    let mut said = json!({ "reasoningText": thought });
    if thought.get("redactedContent").is_some() {
        said = thought.clone();
    }
    let Some(block) = thought_block(&said) else {
        return;
    };
    let mut delta = json!({ "thinking_blocks": [block] });
    let words = text(thought, "text").filter(|words| !words.is_empty());
    if let (Some(words), Some(delta)) = (words, delta.as_object_mut()) {
        delta.insert("reasoning_content".to_owned(), words.into());
    }
    chunks.delta(0, delta);
}
