//! The conversation: system prompt, turns that alternate, and what stands in them.

use serde_json::{Value, json};

use super::{
    super::{
        Fetched, ProviderError,
        content::{Encoded, Kind, Part, Source, arguments, list, parts, text},
    },
    Platform,
    tools::Names,
};

/// What stands for a text that is empty: the API refuses those.
const EMPTY: &str = "(empty message)";
/// In front of an instruction that came later than the user's words.
const OPERATOR: &str = "Note from the operator of this conversation, not from the user:";

/// Turns messages into the API's.
pub(super) struct Conversation<'a> {
    pub(super) platform: &'a Platform,
    pub(super) fetched: &'a Fetched,
    pub(super) names: &'a Names,
}

/// System prompt and turns.
#[derive(Default)]
pub(super) struct Said {
    pub(super) system: Vec<Value>,
    turns: Vec<(&'static str, Vec<Value>)>,
    /// Whether each message has a turn of its own.
    apart: bool,
    /// An instruction that waits until the results of tools are given.
    waiting: Vec<Value>,
}

impl Said {
    /// Nothing yet; if turns are to be kept `apart`, only the results of tools share one.
    pub(super) fn new(apart: bool) -> Self {
        Self {
            apart,
            ..Self::default()
        }
    }

    fn turn(&mut self, role: &'static str, is_result: bool) -> &mut Vec<Value> {
        let apart = self.apart;
        let shares = |(last, blocks): &(&str, Vec<Value>)| {
            *last == role && (!apart || is_result && blocks.last().is_some_and(is_tool_result))
        };
        if !self.turns.last().is_some_and(shares) {
            self.turns.push((role, Vec::new()));
        }
        let at = self.turns.len().saturating_sub(1);
        &mut self.turns[at].1
    }

    fn add(&mut self, role: &'static str, blocks: Vec<Value>) {
        if blocks.is_empty() {
            return;
        }
        let is_result = blocks.iter().all(is_tool_result);
        self.turn(role, is_result).extend(blocks);
    }

    fn give_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.add("user", waiting);
    }

    /// The turns, as they are sent.
    pub(super) fn messages(mut self) -> (Vec<Value>, Vec<Value>) {
        self.give_waiting();
        if let Some(("assistant", blocks)) = self.turns.last_mut() {
            blocks.iter_mut().for_each(trim_end);
        }
        let turns = self.turns.into_iter();
        let messages = turns.map(|(role, content)| json!({ "role": role, "content": content }));
        (self.system, messages.collect())
    }
}

fn is_tool_result(block: &Value) -> bool {
    text(block, "type") == Some("tool_result")
}

/// The API refuses an answer to be continued that ends in blanks.
fn trim_end(block: &mut Value) {
    if let Some(Value::String(text)) = block.get_mut("text") {
        text.truncate(text.trim_end().len());
    }
}

impl Conversation<'_> {
    /// All messages.
    ///
    /// # Errors
    ///
    /// If one cannot be said.
    pub(super) fn say(&self, messages: &[Value], mut said: Said) -> Result<Said, ProviderError> {
        for (index, message) in messages.iter().enumerate() {
            let role = text(message, "role").unwrap_or_default();
            let follows_call = messages.get(index + 1).is_some_and(is_result);
            match role {
                "system" | "developer" if said.turns.is_empty() && said.waiting.is_empty() => {
                    let system = system(message);
                    said.system.extend(system);
                }
                "system" | "developer" => {
                    let note = later_system(message);
                    said.waiting.extend(note);
                    if !follows_call {
                        said.give_waiting();
                    }
                }
                "user" => {
                    said.give_waiting();
                    said.add("user", self.user(message)?);
                }
                "tool" | "function" => {
                    let result = self.result(message, index)?;
                    said.add("user", vec![result]);
                    if !follows_call {
                        said.give_waiting();
                    }
                }
                "assistant" => {
                    said.give_waiting();
                    let blocks = self.assistant(message, index)?;
                    said.add("assistant", blocks);
                }
                other => return Err(unknown(other)),
            }
        }
        Ok(said)
    }

    fn user(&self, message: &Value) -> Result<Vec<Value>, ProviderError> {
        let mut blocks = Vec::new();
        for part in parts(message.get("content")) {
            let mut block = match part.kind {
                Kind::Text(text) => text_block(text),
                Kind::Image(source) => self.image(&source)?,
                Kind::File(source) => self.file(&source)?,
                Kind::Audio(..) => return Err(unknown("input_audio")),
                Kind::Other(_) => part.raw.clone(),
            };
            keep_marker(part.raw, &mut block);
            blocks.push(block);
        }
        if blocks.is_empty() {
            blocks.push(text_block(""));
        }
        if let [block] = &mut blocks[..] {
            keep_marker(message, block);
        }
        Ok(blocks)
    }

    fn image(&self, source: &Source<'_>) -> Result<Value, ProviderError> {
        if self.platform.takes(source) {
            let source = json!({ "type": "url", "url": source.address });
            return Ok(json!({ "type": "image", "source": source }));
        }
        Ok(media(&source.encoded(self.fetched)?, "image"))
    }

    fn file(&self, source: &Source<'_>) -> Result<Value, ProviderError> {
        let is_content = source.data().is_some() || self.fetched.media.contains_key(source.address);
        if is_content {
            return Ok(media(&source.encoded(self.fetched)?, "document"));
        }
        if source.address.is_empty() {
            let message = "a part of type `file` needs `file.file_data` or `file.file_id`";
            return Err(ProviderError::Request(message.to_owned()));
        }
        if source.is_address() {
            let source = json!({ "type": "url", "url": source.address });
            return Ok(json!({ "type": "document", "source": source }));
        }
        let id = json!({ "type": "file", "file_id": source.address });
        Ok(match source.format {
            Some("application/pdf" | "text/plain") => json!({ "type": "document", "source": id }),
            Some(format) if format.starts_with("image/") => {
                json!({ "type": "image", "source": id })
            }
            _ => json!({ "type": "container_upload", "file_id": source.address }),
        })
    }

    fn result(&self, message: &Value, index: usize) -> Result<Value, ProviderError> {
        let content = match message.get("content") {
            Some(Value::String(text)) => Value::String(text.clone()),
            content => {
                let blocks = parts(content)
                    .into_iter()
                    .map(|part| self.result_part(&part));
                Value::Array(blocks.collect::<Result<_, _>>()?)
            }
        };
        let id = match text(message, "tool_call_id") {
            Some(id) => fit_id(id),
            // The old way has no ids: a function's result follows its call.
            None => legacy_id(index.saturating_sub(1)),
        };
        let mut block = json!({ "type": "tool_result", "tool_use_id": id, "content": content });
        keep_marker(message, &mut block);
        Ok(block)
    }

    fn result_part(&self, part: &Part<'_>) -> Result<Value, ProviderError> {
        let mut block = match part.kind {
            Kind::Text(text) => json!({ "type": "text", "text": text }),
            Kind::Image(source) => self.image(&source)?,
            Kind::File(source) => self.file(&source)?,
            Kind::Audio(..) => return Err(unknown("input_audio")),
            Kind::Other(_) => part.raw.clone(),
        };
        keep_marker(part.raw, &mut block);
        Ok(block)
    }

    fn assistant(&self, message: &Value, index: usize) -> Result<Vec<Value>, ProviderError> {
        let content = parts(message.get("content"));
        let thinks = |kind: &str| matches!(kind, "thinking" | "redacted_thinking");
        let has_thought = content
            .iter()
            .any(|part| matches!(part.kind, Kind::Other(kind) if thinks(kind)));
        let mut blocks = Vec::new();
        // A thought has to stand in front of what it led to, and its signature proves it.
        if !has_thought {
            let thoughts = list(message, "thinking_blocks").iter();
            blocks.extend(thoughts.filter(|block| is_signed(block)).cloned());
        }
        for part in content {
            let mut block = match part.kind {
                Kind::Text("") => continue,
                Kind::Text(text) => text_block(text),
                Kind::Other("thinking") if !is_signed(part.raw) => continue,
                Kind::Other("refusal") => text_block(text(part.raw, "refusal").unwrap_or_default()),
                Kind::Other(_) => part.raw.clone(),
                _ => return Err(unknown("media in an answer")),
            };
            keep_marker(part.raw, &mut block);
            keep_marker(message, &mut block);
            blocks.push(block);
        }
        self.calls(message, index, &mut blocks)?;
        if blocks.is_empty() {
            blocks.push(text_block(""));
        }
        Ok(blocks)
    }

    /// The calls of an answer; searches that the API ran itself are given with their results.
    fn calls(
        &self,
        message: &Value,
        index: usize,
        blocks: &mut Vec<Value>,
    ) -> Result<(), ProviderError> {
        let own = message
            .get("provider_specific_fields")
            .unwrap_or(&Value::Null);
        let results: Vec<&Value> = ["web_search_results", "tool_results"]
            .iter()
            .flat_map(|name| list(own, name))
            .collect();
        for call in list(message, "tool_calls") {
            let id = text(call, "id").unwrap_or_default();
            let mut block = self.call(call.get("function"), &fit_id(id))?;
            keep_marker(call, &mut block);
            let result = results
                .iter()
                .find(|one| text(one, "tool_use_id") == Some(id));
            match result {
                Some(result) if id.starts_with("srvtoolu_") => {
                    set(&mut block, "type", "server_tool_use".into());
                    blocks.push(block);
                    blocks.push((*result).clone());
                }
                _ => blocks.push(block),
            }
        }
        if let call @ Some(Value::Object(_)) = message.get("function_call") {
            blocks.push(self.call(call, &legacy_id(index))?);
        }
        Ok(())
    }

    fn call(&self, function: Option<&Value>, id: &str) -> Result<Value, ProviderError> {
        let function = function.unwrap_or(&Value::Null);
        let name = text(function, "name").unwrap_or_default();
        let input = arguments(function)?;
        let name = self.names.sent(name);
        Ok(json!({ "type": "tool_use", "id": id, "name": name, "input": input }))
    }
}

fn is_result(message: &Value) -> bool {
    matches!(text(message, "role"), Some("tool" | "function"))
}

fn is_signed(block: &Value) -> bool {
    match text(block, "type") {
        Some("thinking") => text(block, "signature").is_some_and(|signature| !signature.is_empty()),
        _ => true,
    }
}

fn system(message: &Value) -> Vec<Value> {
    let mut blocks = Vec::new();
    for part in parts(message.get("content")) {
        let Kind::Text(text) = part.kind else {
            continue;
        };
        if text.is_empty() {
            continue;
        }
        let mut block = json!({ "type": "text", "text": text });
        keep_marker(part.raw, &mut block);
        keep_marker(message, &mut block);
        blocks.push(block);
    }
    blocks
}

/// An instruction that comes after the conversation has begun.
fn later_system(message: &Value) -> Vec<Value> {
    let mut blocks = system(message);
    if let Some(Value::String(text)) = blocks.first_mut().and_then(|one| one.get_mut("text")) {
        text.insert_str(0, &format!("{OPERATOR}\n\n"));
    }
    blocks
}

fn text_block(text: &str) -> Value {
    let text = if text.trim().is_empty() { EMPTY } else { text };
    json!({ "type": "text", "text": text })
}

fn media(encoded: &Encoded, kind: &str) -> Value {
    let is_document = matches!(&*encoded.media_type, "application/pdf" | "text/plain");
    let kind = if is_document { "document" } else { kind };
    let source = json!({
        "type": "base64",
        "media_type": encoded.media_type,
        "data": encoded.data,
    });
    json!({ "type": kind, "source": source })
}

/// Up to here the prompt is cached.
fn keep_marker(from: &Value, block: &mut Value) {
    if let Some(marker @ Value::Object(_)) = from.get("cache_control") {
        set(block, "cache_control", marker.clone());
    }
}

fn set(block: &mut Value, name: &str, value: Value) {
    if let Some(fields) = block.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// An id of a call with the characters that the API takes.
fn fit_id(id: &str) -> String {
    let fit = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    id.chars().map(fit).collect()
}

fn legacy_id(index: usize) -> String {
    format!("call_{index}")
}

fn unknown(what: &str) -> ProviderError {
    ProviderError::Request(format!(
        "`messages` has `{what}`, which Claude does not take"
    ))
}
