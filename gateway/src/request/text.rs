//! How much text a request holds, to count tokens by where no provider did.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::operation::Operation;

/// Messages of at most so many bytes are taken for text as they are.
const PLAIN_BYTES_MAX: usize = 16 << 10;

/// What an image, a file or a recording counts as: about a thousand tokens.
const PART_BYTES: usize = 4000;
/// The same in tokens.
const PART_TOKENS: u64 = 1000;

/// The text of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Each text: contents, roles, names, tool calls.
    pub texts: Vec<String>,
    /// Messages; 0 where there are none but texts.
    pub messages: u64,
    /// For what is no text.
    pub media_tokens: u64,
}

impl Prompt {
    /// Reads the content of a request, in the dialect of its operation.
    pub(super) fn read(operation: Operation, content: &[u8]) -> Self {
        use Operation::{Chat, CountTokens, Messages, Responses};
        let mut prompt = Self::default();
        let content: Value = serde_json::from_slice(content).unwrap_or_default();
        match (operation, content) {
            (Chat | Messages | CountTokens | Responses, Value::Array(messages)) => {
                for message in messages {
                    prompt.messages += 1;
                    prompt.message(&message);
                }
            }
            (_, content) => prompt.part(&content),
        }
        prompt
    }

    /// Adds what is said beside the content: text or parts of it, or else what it is written in.
    pub(super) fn add_beside(&mut self, json: &[u8]) {
        match serde_json::from_slice(json) {
            Ok(text @ Value::String(_)) => self.add(&text),
            Ok(Value::Array(parts)) if parts.iter().all(|part| part.get("text").is_some()) => {
                parts.iter().for_each(|part| self.part(part));
            }
            Ok(other) => self.texts.push(other.to_string()),
            Err(_odd) => {}
        }
    }

    fn message(&mut self, message: &Value) {
        for name in ["role", "name"] {
            self.add(&message[name]);
        }
        // An item of a response may be a call, or what it gave.
        for name in ["content", "arguments", "output"] {
            self.part(&message[name]);
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            self.add(&call["function"]["name"]);
            self.add(&call["function"]["arguments"]);
        }
    }

    fn part(&mut self, part: &Value) {
        match part {
            Value::String(_) => self.add(part),
            Value::Array(parts) => parts.iter().for_each(|part| self.part(part)),
            Value::Object(part) => match part.get("text") {
                Some(text) => self.add(text),
                None => match (part.get("content"), part.get("input")) {
                    (Some(result), _) => self.part(result),
                    (None, Some(input)) => self.texts.push(input.to_string()),
                    (None, None) => self.media_tokens += PART_TOKENS,
                },
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn add(&mut self, text: &Value) {
        self.texts.extend(text.as_str().map(str::to_owned));
    }
}

/// A message, as far as it is counted.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// A part of a message's content.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// Bytes of text in a message's content: a text, or a list of parts.
fn part_bytes(content: &RawValue) -> usize {
    match serde_json::from_str::<Vec<Part<'_>>>(content.get()) {
        Ok(parts) => parts
            .iter()
            .map(|part| part.text.map_or(PART_BYTES, |text| text.get().len()))
            .sum(),
        Err(_text) => content.get().len(),
    }
}

/// Bytes of text in a list of messages; what is no text counts as a flat [`PART_BYTES`] each.
pub(super) fn text_bytes(messages: &[u8]) -> usize {
    // Small ones hold no images worth telling apart.
    if messages.len() <= PLAIN_BYTES_MAX {
        return messages.len();
    }
    let messages: Vec<Message<'_>> = serde_json::from_slice(messages).unwrap_or_default();
    messages
        .iter()
        .filter_map(|message| message.content)
        .map(part_bytes)
        .sum()
}
