//! What was asked and answered, as messages of LLM Observability: their contents are plain text.

use event::Json;
use serde::Serialize;
use serde_json::{Map, Value};

/// One message.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Message {
    #[serde(skip_serializing_if = "String::is_empty")]
    role: String,
    content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ToolCall {
    name: String,
    /// Always an object there.
    arguments: Map<String, Value>,
    tool_id: String,
    r#type: String,
}

/// What was asked: messages, or whatever else an operation takes.
pub(super) fn asked(messages: &Json) -> Vec<Message> {
    match messages.read() {
        Some(Value::Array(items)) => items.iter().map(message).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(other) => vec![Message::plain("user", text(&other))],
    }
}

/// What was answered: the choices of a chat or completion, or the output of a response.
pub(super) fn answered(response: &Json) -> Vec<Message> {
    let Some(Value::Object(response)) = response.read() else {
        return Vec::new();
    };
    let list = |name: &str| response.get(name).and_then(Value::as_array);
    if let Some(choices) = list("choices") {
        let of = |choice: &Value| match choice.get("message") {
            Some(said) => message(said),
            None => Message::plain(
                "assistant",
                choice.get("text").map(text).unwrap_or_default(),
            ),
        };
        return choices.iter().map(of).collect();
    }
    if let Some(output) = list("output") {
        return output.iter().map(message).collect();
    }
    // Anthropic's and what has no form of its own; vectors say nothing to a reader.
    match (response.get("content"), response.get("data")) {
        (Some(content), _) => vec![Message::plain("assistant", text(content))],
        (None, Some(_)) => Vec::new(),
        (None, None) if response.is_empty() => Vec::new(),
        (None, None) => vec![Message::plain(
            "assistant",
            Value::Object(response).to_string(),
        )],
    }
}

impl Message {
    pub(super) fn content(&self) -> &str {
        &self.content
    }

    pub(super) fn plain(role: &str, content: String) -> Self {
        Self {
            role: role.to_owned(),
            content,
            tool_calls: Vec::new(),
        }
    }
}

fn message(said: &Value) -> Message {
    let Value::Object(fields) = said else {
        return Message::plain("user", text(said));
    };
    // The Responses API has calls of tools beside its messages.
    if field(fields, "type") == "function_call" {
        let mut message = Message::plain("assistant", String::new());
        message
            .tool_calls
            .push(ToolCall::of(fields, fields, "call_id"));
        return message;
    }
    let calls = fields.get("tool_calls").and_then(Value::as_array);
    let calls = calls.into_iter().flatten().filter_map(Value::as_object);
    let content = match fields.get("content") {
        Some(content) => text(content),
        None if fields.contains_key("role") => String::new(),
        None => said.to_string(),
    };
    let call = |call: &Map<String, Value>| {
        let function = call.get("function").and_then(Value::as_object);
        ToolCall::of(call, function.unwrap_or(call), "id")
    };
    Message {
        role: field(fields, "role"),
        content,
        tool_calls: calls.map(call).collect(),
    }
}

impl ToolCall {
    fn of(call: &Map<String, Value>, function: &Map<String, Value>, id: &str) -> Self {
        let arguments = match function.get("arguments") {
            Some(Value::String(written)) => {
                serde_json::from_str(written).ok().unwrap_or_else(|| {
                    [("text".to_owned(), written.clone().into())]
                        .into_iter()
                        .collect()
                })
            }
            Some(Value::Object(arguments)) => arguments.clone(),
            _ => Map::new(),
        };
        Self {
            name: field(function, "name"),
            arguments,
            tool_id: field(call, id),
            r#type: field(call, "type"),
        }
    }
}

fn field(fields: &Map<String, Value>, name: &str) -> String {
    let text = fields.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// A content as plain text; what is none is named.
fn text(content: &Value) -> String {
    match content {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let parts: Vec<String> = parts.iter().map(part).collect();
            parts.join("\n")
        }
        Value::Object(_) => part(content),
        Value::Bool(_) | Value::Number(_) => content.to_string(),
    }
}

fn part(part: &Value) -> String {
    if let Some(text) = part.get("text").and_then(Value::as_str) {
        return text.to_owned();
    }
    match part.get("type").and_then(Value::as_str) {
        Some("image_url" | "input_image" | "image") => "[image]".to_owned(),
        Some("input_audio" | "audio") => "[audio]".to_owned(),
        Some("file" | "input_file" | "document") => "[file]".to_owned(),
        Some("video_url" | "input_video" | "video") => "[video]".to_owned(),
        _ => match part {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    }
}
