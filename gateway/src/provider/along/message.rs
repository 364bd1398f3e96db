//! Puts an Anthropic message together from the events of its stream, for the event of the call.

use event::Json;
use serde_json::{Map, Value, json};

/// Bytes of events that are put together; a longer message is not kept.
const BYTES_MAX: usize = 4 << 20;
/// Blocks of a message.
const BLOCKS_MAX: usize = 1000;

/// A message in the making.
#[derive(Debug, Default)]
pub(super) struct Message {
    head: Option<Map<String, Value>>,
    blocks: Vec<Block>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Block {
    start: Map<String, Value>,
    /// The text of a tool's input, which comes in pieces of JSON.
    input: String,
}

impl Message {
    /// Takes an event.
    pub(super) fn hear(&mut self, kind: &str, data: &[u8]) {
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > BYTES_MAX {
            *self = Self {
                bytes: self.bytes,
                ..Self::default()
            };
            return;
        }
        let Ok(Value::Object(mut event)) = serde_json::from_slice(data) else {
            return;
        };
        match kind {
            "message_start" => {
                if let Some(Value::Object(message)) = event.remove("message") {
                    self.head = Some(message);
                }
            }
            "content_block_start" if self.blocks.len() < BLOCKS_MAX => {
                if let Some(Value::Object(start)) = event.remove("content_block") {
                    let input = String::new();
                    self.blocks.push(Block { start, input });
                }
            }
            "content_block_delta" => {
                if let (Some(block), Some(Value::Object(delta))) =
                    (self.blocks.last_mut(), event.remove("delta"))
                {
                    block.add(delta);
                }
            }
            "message_delta" => self.end(&mut event),
            _ => {}
        }
    }

    fn end(&mut self, event: &mut Map<String, Value>) {
        let Some(head) = &mut self.head else { return };
        if let Some(Value::Object(delta)) = event.remove("delta") {
            head.extend(delta);
        }
        if let Some(Value::Object(usage)) = event.remove("usage") {
            let own = head.entry("usage").or_insert_with(|| json!({}));
            if let Some(own) = own.as_object_mut() {
                own.extend(usage);
            }
        }
    }

    /// The message, if one has begun.
    pub(super) fn take(&mut self) -> Option<Json> {
        let mut message = self.head.take()?;
        let blocks = self.blocks.drain(..).map(Block::whole);
        message.insert("content".to_owned(), blocks.collect());
        Some(Json::of(&message))
    }
}

impl Block {
    fn add(&mut self, delta: Map<String, Value>) {
        for (name, value) in delta {
            match (name.as_str(), value) {
                ("partial_json", Value::String(piece)) => self.input.push_str(&piece),
                ("text" | "thinking" | "signature", Value::String(piece)) => {
                    match self.start.entry(name).or_insert_with(|| "".into()) {
                        Value::String(text) => text.push_str(&piece),
                        other => *other = piece.into(),
                    }
                }
                ("citation", citation) => {
                    let list = self.start.entry("citations").or_insert_with(|| json!([]));
                    match list {
                        Value::Array(list) => list.push(citation),
                        other => *other = json!([citation]),
                    }
                }
                _ => {}
            }
        }
    }

    fn whole(mut self) -> Value {
        if let Ok(input) = serde_json::from_str::<Value>(&self.input) {
            self.start.insert("input".to_owned(), input);
        }
        Value::Object(self.start)
    }
}
