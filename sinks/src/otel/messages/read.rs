//! Reads the messages of OpenAI's chats and responses, and of Anthropic's answers.

use serde_json::Value;

use super::{Message, Messages, Part};
use crate::otel::wire::cut;

/// Messages of one call that are read; later ones are left out.
pub(super) const MESSAGES_MAX: usize = 1_000;
/// Bytes of the arguments of a tool call that are read as JSON.
const ARGUMENTS_BYTES_MAX: usize = 64 << 10;

/// Reads messages while there is room.
pub(super) struct Reader {
    room: usize,
    messages: Messages,
}

impl Reader {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            messages: Messages::default(),
        }
    }

    pub(super) fn done(self) -> Messages {
        self.messages
    }

    /// One turn of a chat, or one item of a response's input.
    pub(super) fn turn(&mut self, turn: &Value) {
        if let Value::String(text) = turn {
            return self.say("user", vec![Part::Text(text.clone())]);
        }
        let field = |name: &str| turn.get(name).and_then(Value::as_str);
        match field("type") {
            Some("function_call") => {
                let call = self.call(turn, field("call_id"));
                self.say("assistant", vec![call]);
            }
            Some("function_call_output") => {
                let response = turn.get("output").cloned().unwrap_or_default();
                let id = field("call_id").map(str::to_owned);
                self.say("tool", vec![Part::Response { id, response }]);
            }
            _ if field("role") == Some("tool") => {
                let response = turn.get("content").cloned().unwrap_or_default();
                let id = field("tool_call_id").map(str::to_owned);
                self.say("tool", vec![Part::Response { id, response }]);
            }
            _ => {
                let role = field("role").unwrap_or("user").to_owned();
                let parts = self.spoken(turn);
                self.say(&role, parts);
            }
        }
    }

    pub(super) fn choice(&mut self, choice: &Value) {
        let parts = match (choice.get("message"), choice.get("text")) {
            (Some(message), _) => self.spoken(message),
            (None, Some(Value::String(text))) => vec![Part::Text(text.clone())],
            (None, _) => Vec::new(),
        };
        self.say("assistant", parts);
        self.ended(choice.get("finish_reason").and_then(Value::as_str));
    }

    /// The items of a response are one message.
    pub(super) fn output(&mut self, items: &[Value], status: Option<&Value>) {
        let mut parts = Vec::new();
        for item in items.iter().take(MESSAGES_MAX) {
            let field = |name: &str| item.get(name).and_then(Value::as_str);
            match field("type") {
                Some("function_call") => parts.push(self.call(item, field("call_id"))),
                Some("reasoning") => {
                    let summary = item.get("summary").and_then(Value::as_array);
                    let texts = summary.into_iter().flatten();
                    parts.extend(texts.filter_map(|part| {
                        Some(Part::Reasoning(part.get("text")?.as_str()?.to_owned()))
                    }));
                }
                _ => parts.extend(contents(item.get("content"))),
            }
        }
        let calls = parts.iter().any(|part| matches!(part, Part::Call { .. }));
        let status = status.and_then(Value::as_str);
        self.say("assistant", parts);
        self.ended(if calls { Some("tool_calls") } else { status });
    }

    pub(super) fn message(&mut self, role: &str, content: &Value) {
        self.say(role, contents(Some(content)));
    }

    /// The parts of a message of a chat.
    fn spoken(&self, message: &Value) -> Vec<Part> {
        let text = |name: &str| message.get(name).and_then(Value::as_str);
        let mut parts = Vec::new();
        let thought = text("reasoning_content").filter(|thought| !thought.is_empty());
        parts.extend(thought.map(|thought| Part::Reasoning(thought.to_owned())));
        parts.extend(contents(message.get("content")));
        parts.extend(text("refusal").map(|refusal| Part::Text(refusal.to_owned())));
        let calls = message.get("tool_calls").and_then(Value::as_array);
        for call in calls.into_iter().flatten() {
            let id = call.get("id").and_then(Value::as_str);
            let function = call.get("function").unwrap_or(call);
            parts.push(self.call(function, id));
        }
        let old = message.get("function_call");
        parts.extend(
            old.filter(|call| call.is_object())
                .map(|call| self.call(call, None)),
        );
        parts
    }

    /// A call of a tool; its arguments are JSON in a text.
    fn call(&self, function: &Value, id: Option<&str>) -> Part {
        let name = function.get("name").and_then(Value::as_str);
        let written = function.get("arguments").cloned().unwrap_or_default();
        let read = match &written {
            Value::String(text) if text.len() <= ARGUMENTS_BYTES_MAX.min(self.room) => {
                serde_json::from_str(text).ok()
            }
            _ => None,
        };
        Part::Call {
            id: id.map(str::to_owned),
            name: name.unwrap_or_default().to_owned(),
            arguments: read.unwrap_or(written),
        }
    }

    fn say(&mut self, role: &str, parts: Vec<Part>) {
        let parts = parts
            .into_iter()
            .filter_map(|part| self.fit(part))
            .collect();
        self.messages.list.push(Message {
            role: role.to_owned(),
            parts,
            finish_reason: None,
        });
    }

    pub(super) fn ended(&mut self, reason: Option<&str>) {
        if let Some(last) = self.messages.list.last_mut() {
            last.finish_reason = reason.map(str::to_owned);
        }
    }

    /// The part, cut to the room that is left; `None` if it cannot be cut.
    fn fit(&mut self, part: Part) -> Option<Part> {
        let bytes = match &part {
            Part::Text(text) | Part::Reasoning(text) => text.len(),
            Part::Call { arguments, .. } => arguments.to_string().len(),
            Part::Response { response, .. } => response.to_string().len(),
            Part::Uri { uri, .. } => uri.len(),
            Part::Blob { content, .. } => content.len(),
            Part::File { file_id, .. } => file_id.len(),
        };
        if bytes <= self.room {
            self.room -= bytes;
            return Some(part);
        }
        self.messages.cut = true;
        let room = std::mem::take(&mut self.room);
        let shorten = |text: &str| cut(text, room).to_owned();
        match part {
            _ if room == 0 => None,
            Part::Text(text) => Some(Part::Text(shorten(&text))),
            Part::Reasoning(text) => Some(Part::Reasoning(shorten(&text))),
            Part::Call {
                id,
                name,
                arguments,
            } => Some(Part::Call {
                id,
                name,
                arguments: shorten(&as_text(&arguments)).into(),
            }),
            Part::Response { id, response } => Some(Part::Response {
                id,
                response: shorten(&as_text(&response)).into(),
            }),
            Part::Uri { .. } | Part::Blob { .. } | Part::File { .. } => None,
        }
    }
}

fn as_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A text, or a list of typed parts.
fn contents(content: Option<&Value>) -> Vec<Part> {
    match content {
        Some(Value::String(text)) => vec![Part::Text(text.clone())],
        Some(Value::Array(parts)) => parts.iter().filter_map(one).collect(),
        _ => Vec::new(),
    }
}

fn one(part: &Value) -> Option<Part> {
    if let Value::String(text) = part {
        return Some(Part::Text(text.clone()));
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let inner = |outer: &str, name: &str| text(part.get(outer).and_then(|map| map.get(name)));
    match part.get("type").and_then(Value::as_str)? {
        "text" | "input_text" | "output_text" => text(part.get("text")).map(Part::Text),
        "refusal" => text(part.get("refusal")).map(Part::Text),
        "thinking" => text(part.get("thinking")).map(Part::Reasoning),
        "image_url" | "input_image" => {
            let url = inner("image_url", "url").or_else(|| text(part.get("image_url")));
            url.map(|url| located("image", url))
        }
        "input_audio" => Some(Part::Blob {
            modality: "audio",
            mime_type: format!("audio/{}", inner("input_audio", "format")?),
            content: inner("input_audio", "data")?,
        }),
        "file" | "input_file" => {
            let id = inner("file", "file_id").or_else(|| text(part.get("file_id")));
            id.map(|file_id| Part::File {
                modality: "document",
                file_id,
            })
        }
        "tool_use" => Some(Part::Call {
            id: text(part.get("id")),
            name: text(part.get("name")).unwrap_or_default(),
            arguments: part.get("input").cloned().unwrap_or_default(),
        }),
        "tool_result" => Some(Part::Response {
            id: text(part.get("tool_use_id")),
            response: part.get("content").cloned().unwrap_or_default(),
        }),
        _ => None,
    }
}

/// An address, or what a `data:` address holds.
fn located(modality: &'static str, url: String) -> Part {
    let held = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"));
    match held {
        Some((mime_type, content)) => Part::Blob {
            modality,
            mime_type: mime_type.to_owned(),
            content: content.to_owned(),
        },
        None => Part::Uri { modality, uri: url },
    }
}
