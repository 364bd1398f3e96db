//! What was said, as messages of parts: read from OpenAI's chats and responses, written as the GenAI
//! conventions have it. Cut to a size, since receivers drop what is too large.

use event::{StandardLoggingPayload, Status};
use serde_json::{Map, Value, json};

use self::read::{MESSAGES_MAX, Reader};
use super::wire::cut;

mod read;

/// Messages and whether they are all that was said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Messages {
    pub(crate) list: Vec<Message>,
    /// Something was left out, because it was too long.
    pub(crate) cut: bool,
    /// Why those ended of which nobody has said it; for answers alone.
    unsaid: Option<&'static str>,
}

/// What one side said in one turn.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) parts: Vec<Part>,
    /// Why it ended, as the provider says it; for answers alone.
    pub(crate) finish_reason: Option<String>,
}

/// A part of a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Reasoning(String),
    Call {
        id: Option<String>,
        name: String,
        arguments: Value,
    },
    Response {
        id: Option<String>,
        response: Value,
    },
    Uri {
        modality: &'static str,
        uri: String,
    },
    Blob {
        modality: &'static str,
        mime_type: String,
        content: String,
    },
    File {
        modality: &'static str,
        file_id: String,
    },
}

impl Messages {
    /// What was asked, in at most `bytes_max` bytes of content.
    pub(crate) fn asked(payload: &StandardLoggingPayload, bytes_max: usize) -> Self {
        let mut reader = Reader::new(bytes_max);
        match payload.messages.read() {
            Some(Value::String(text)) => reader.message("user", &Value::String(text)),
            Some(Value::Array(turns)) => turns
                .iter()
                .take(MESSAGES_MAX)
                .for_each(|turn| reader.turn(turn)),
            Some(Value::Object(map)) if map.contains_key("role") => {
                reader.turn(&Value::Object(map));
            }
            _ => {}
        }
        reader.done()
    }

    /// What was answered. An embedding is no message.
    pub(crate) fn answered(payload: &StandardLoggingPayload, bytes_max: usize) -> Self {
        let mut reader = Reader::new(bytes_max);
        let Some(Value::Object(response)) = payload.response.read() else {
            return Self::default();
        };
        if let Some(Value::Array(choices)) = response.get("choices") {
            for choice in choices.iter().take(MESSAGES_MAX) {
                reader.choice(choice);
            }
        } else if let Some(Value::Array(output)) = response.get("output") {
            reader.output(output, response.get("status"));
        } else if let Some(content @ Value::Array(_)) = response.get("content") {
            // Anthropic's form of an answer.
            reader.message("assistant", content);
            reader.ended(response.get("stop_reason").and_then(Value::as_str));
        }
        let failed = payload.status == Status::Failure;
        Self {
            unsaid: Some(if failed { "error" } else { "stop" }),
            ..reader.done()
        }
    }

    /// As the conventions write messages: `[{"role", "parts", "finish_reason"}]`. An answer has to
    /// have a reason.
    pub(crate) fn to_json(&self) -> Value {
        let messages = self.list.iter();
        messages
            .map(|message| message.to_json(self.unsaid))
            .collect()
    }

    /// Why each answer ended.
    pub(crate) fn finish_reasons(&self) -> Vec<&str> {
        let reasons = self.list.iter();
        reasons
            .filter_map(|message| message.finish_reason.as_deref())
            .collect()
    }
}

impl Message {
    fn to_json(&self, unsaid: Option<&str>) -> Value {
        let parts: Vec<Value> = self.parts.iter().map(Part::to_json).collect();
        let mut message = json!({ "role": self.role, "parts": parts });
        let reason = self.finish_reason.as_deref().or(unsaid);
        if let (Some(reason), Value::Object(fields)) = (reason, &mut message) {
            fields.insert("finish_reason".to_owned(), finish_reason(reason).into());
        }
        message
    }

    /// Its texts, one after the other.
    pub(crate) fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

impl Part {
    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!({ "type": "text", "content": text }),
            Self::Reasoning(text) => json!({ "type": "reasoning", "content": text }),
            Self::Call {
                id,
                name,
                arguments,
            } => json!({ "type": "tool_call", "id": id, "name": name, "arguments": arguments }),
            Self::Response { id, response } => {
                json!({ "type": "tool_call_response", "id": id, "response": response })
            }
            Self::Uri { modality, uri } => {
                json!({ "type": "uri", "modality": modality, "uri": uri })
            }
            Self::Blob {
                modality,
                mime_type,
                content,
            } => json!({
                "type": "blob", "modality": modality, "mime_type": mime_type, "content": content,
            }),
            Self::File { modality, file_id } => {
                json!({ "type": "file", "modality": modality, "file_id": file_id })
            }
        }
    }
}

/// The conventions' word for why an answer ended.
fn finish_reason(said: &str) -> &str {
    match said {
        "tool_calls" | "function_call" | "tool_use" => "tool_call",
        "end_turn" | "stop_sequence" | "completed" => "stop",
        "max_tokens" | "incomplete" => "length",
        "failed" => "error",
        other => other,
    }
}

/// What was asked or answered as its own JSON, unless it is longer than `bytes_max`: then the
/// beginning of it, as a text.
pub(crate) fn raw(json: &event::Json, bytes_max: usize) -> Option<(String, bool)> {
    match json.text() {
        "null" | "{}" | "[]" => None,
        text if text.len() <= bytes_max => Some((text.to_owned(), false)),
        text => {
            let beginning = cut(text, bytes_max).to_owned();
            Some((Value::String(beginning).to_string(), true))
        }
    }
}

/// A request's parameters without those that may be content, and without what is `null`.
pub(crate) fn without_content(parameters: &Map<String, Value>) -> Map<String, Value> {
    let content = ["messages", "input", "prompt", "tools", "instructions"];
    let said = parameters
        .iter()
        .filter(|(name, value)| !value.is_null() && !content.contains(&name.as_str()));
    said.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
