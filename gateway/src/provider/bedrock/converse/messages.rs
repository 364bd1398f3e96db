//! The conversation: system prompt, turns that alternate, and what stands in them.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        super::{
            Fetched, ProviderError,
            content::{Kind, Source, list, parts, plain, text},
        },
        model::Model,
    },
    tools::{Names, cache_point},
};

/// In front of an instruction that came later than the user's words.
const OPERATOR: &str = "Note from the operator of this conversation, not from the user:";
/// Characters of a tool call's id.
const ID_CHARS_MAX: usize = 64;

/// Formats by media type: how the API calls them, and what they are.
const FORMATS: &[(&str, &str, &str)] = &[
    ("image/png", "png", "image"),
    ("image/jpeg", "jpeg", "image"),
    ("image/jpg", "jpeg", "image"),
    ("image/gif", "gif", "image"),
    ("image/webp", "webp", "image"),
    ("application/pdf", "pdf", "document"),
    ("text/csv", "csv", "document"),
    ("application/csv", "csv", "document"),
    ("application/msword", "doc", "document"),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
        "document",
    ),
    ("application/vnd.ms-excel", "xls", "document"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
        "document",
    ),
    ("text/html", "html", "document"),
    ("text/plain", "txt", "document"),
    ("text/markdown", "md", "document"),
    ("video/mp4", "mp4", "video"),
    ("video/quicktime", "mov", "video"),
    ("video/x-matroska", "mkv", "video"),
    ("video/webm", "webm", "video"),
    ("video/x-flv", "flv", "video"),
    ("video/mpeg", "mpeg", "video"),
    ("video/x-ms-wmv", "wmv", "video"),
    ("video/3gpp", "three_gp", "video"),
];

/// Turns messages into the API's.
pub(super) struct Conversation<'a> {
    pub(super) model: &'a Model,
    pub(super) names: &'a Names,
    pub(super) fetched: &'a Fetched,
    /// Whether the request has tools. The API wants them where calls are in the history, so without
    /// them calls and results are told as text.
    pub(super) has_tools: bool,
    /// Whether a guardrail looks at the request: then at what the user says last.
    pub(super) guards: bool,
}

/// System prompt and turns while they are collected.
#[derive(Default)]
struct Said {
    system: Vec<Value>,
    turns: Vec<(&'static str, Vec<Value>)>,
    /// An instruction that waits until the results of tools are given.
    waiting: Vec<Value>,
    documents: usize,
}

impl Said {
    fn add(&mut self, role: &'static str, blocks: Vec<Value>) {
        if blocks.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some((last, turn)) if *last == role => turn.extend(blocks),
            _ => self.turns.push((role, blocks)),
        }
    }

    fn give_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.add("user", waiting);
    }

    /// System prompt and messages, as they are sent.
    fn done(mut self) -> (Vec<Value>, Vec<Value>) {
        self.give_waiting();
        let turns = self.turns.into_iter().map(|(role, mut content)| {
            tidy(role, &mut content);
            json!({ "role": role, "content": content })
        });
        (self.system, turns.collect())
    }
}

/// Gives a turn the order that the API wants: thoughts, texts, calls. Calls and results have ids of
/// their own, and documents stand beside a text.
fn tidy(role: &str, blocks: &mut Vec<Value>) {
    let mut seen = HashSet::new();
    blocks.retain(|block| {
        let own = block.get("toolUse").or_else(|| block.get("toolResult"));
        let id = own.and_then(|own| text(own, "toolUseId"));
        id.is_none_or(|id| seen.insert(id.to_owned()))
    });
    let has = |name: &str| blocks.iter().any(|block| block.get(name).is_some());
    if role == "assistant" && has("toolUse") {
        let rank = |block: &Value| match () {
            () if block.get("reasoningContent").is_some() => 0,
            () if block.get("toolUse").is_some() || block.get("cachePoint").is_some() => 2,
            () => 1,
        };
        blocks.sort_by_key(rank);
    } else if has("document") && !has("text") {
        let is_marked = blocks
            .last()
            .is_some_and(|last| last.get("cachePoint").is_some());
        let at = blocks.len() - usize::from(is_marked);
        blocks.insert(at, json!({ "text": "." }));
    }
}

impl Conversation<'_> {
    /// System prompt and messages.
    ///
    /// # Errors
    ///
    /// If a message cannot be said.
    pub(super) fn say(
        &self,
        messages: &[Value],
    ) -> Result<(Vec<Value>, Vec<Value>), ProviderError> {
        let mut said = Said::default();
        let is_result = |at: usize| {
            let role = messages.get(at).and_then(|message| text(message, "role"));
            matches!(role, Some("tool" | "function"))
        };
        for (at, message) in messages.iter().enumerate() {
            let role = text(message, "role").unwrap_or_default();
            match role {
                "system" | "developer" if said.turns.is_empty() && said.waiting.is_empty() => {
                    let system = self.system(message);
                    said.system.extend(system);
                }
                "system" | "developer" => {
                    let mut note = self.system(message);
                    if let Some(Value::String(text)) =
                        note.first_mut().and_then(|one| one.get_mut("text"))
                    {
                        text.insert_str(0, &format!("{OPERATOR}\n\n"));
                    }
                    said.waiting.extend(note);
                }
                "user" => {
                    said.give_waiting();
                    let is_last = messages[at..]
                        .iter()
                        .all(|one| text(one, "role") == Some("user"));
                    let blocks = self.user(message, is_last, &mut said.documents)?;
                    said.add("user", blocks);
                }
                "tool" | "function" => {
                    let blocks = self.result(message, &mut said.documents)?;
                    said.add("user", blocks);
                }
                "assistant" => {
                    said.give_waiting();
                    let blocks = self.assistant(message, &mut said.documents)?;
                    said.add("assistant", blocks);
                }
                other => return Err(unknown(other)),
            }
            if !is_result(at + 1) && role != "assistant" {
                said.give_waiting();
            }
        }
        Ok(said.done())
    }

    fn system(&self, message: &Value) -> Vec<Value> {
        let mut blocks = Vec::new();
        for part in parts(message.get("content")) {
            if let Kind::Text(text) = part.kind
                && !text.is_empty()
            {
                blocks.push(json!({ "text": text }));
                blocks.extend(self.mark(part.raw, message));
            }
        }
        blocks
    }

    /// The mark behind a part, which it or the whole message asks for.
    fn mark(&self, part: &Value, message: &Value) -> Option<Value> {
        let from = if part.is_string() { message } else { part };
        cache_point(from, self.model)
    }

    fn user(
        &self,
        message: &Value,
        is_last: bool,
        documents: &mut usize,
    ) -> Result<Vec<Value>, ProviderError> {
        let contents = parts(message.get("content"));
        let guarded = |kind: &Kind<'_>| *kind == Kind::Other("guarded_text");
        let guards = self.guards && is_last && !contents.iter().any(|part| guarded(&part.kind));
        let mut blocks = Vec::new();
        for part in contents {
            let own = text(part.raw, "text").unwrap_or_default();
            let block = match part.kind {
                Kind::Text(text) if text.trim().is_empty() => continue,
                Kind::Text(text) if guards => guard(text),
                Kind::Text(text) => json!({ "text": text }),
                Kind::Image(source) | Kind::File(source) => self.media(&source, documents)?,
                Kind::Other("guarded_text") => guard(own),
                Kind::Other("grounding_source" | "query") => json!({ "text": own }),
                Kind::Audio(..) => return Err(unknown("input_audio")),
                Kind::Other(other) => return Err(unknown(other)),
            };
            blocks.push(block);
            blocks.extend(self.mark(part.raw, message));
        }
        Ok(blocks)
    }

    fn media(&self, source: &Source<'_>, documents: &mut usize) -> Result<Value, ProviderError> {
        let encoded = source.encoded(self.fetched)?;
        let kind = encoded.media_type.to_ascii_lowercase();
        let Some((_, format, what)) = FORMATS.iter().find(|(media, ..)| *media == kind) else {
            return Err(ProviderError::Request(format!(
                "`messages` has media of type `{kind}`, which Bedrock does not take"
            )));
        };
        let mut block = json!({ "format": format, "source": { "bytes": encoded.data } });
        if let ("document", Some(block)) = (*what, block.as_object_mut()) {
            // The model reads the name, so it is none of the user's.
            *documents += 1;
            block.insert("name".to_owned(), format!("document-{documents}").into());
        }
        Ok(json!({ *what: block }))
    }

    fn result(&self, message: &Value, documents: &mut usize) -> Result<Vec<Value>, ProviderError> {
        let id = text(message, "tool_call_id").or_else(|| text(message, "name"));
        let id = id.unwrap_or_default();
        if !self.has_tools {
            let said = plain(message.get("content"));
            let told = format!("[Result of the tool call {id}: {said}]");
            return Ok(vec![if self.guards {
                guard(&told)
            } else {
                json!({ "text": told })
            }]);
        }
        let mut content = Vec::new();
        for part in parts(message.get("content")) {
            content.push(match part.kind {
                Kind::Text(text) => json!({ "text": text }),
                Kind::Image(source) | Kind::File(source) => self.media(&source, documents)?,
                Kind::Audio(..) => return Err(unknown("input_audio")),
                Kind::Other(other) => return Err(unknown(other)),
            });
        }
        let results = list(message, "search_results").iter();
        let found: Vec<Value> = results
            .map(|result| json!({ "searchResult": result }))
            .collect();
        if !found.is_empty() {
            content = found;
        }
        let result = json!({ "toolUseId": fit_id(id), "content": content });
        let mut blocks = vec![json!({ "toolResult": result })];
        let marked = list(message, "content")
            .iter()
            .find(|part| part.get("cache_control").is_some());
        blocks
            .extend(cache_point(message, self.model).or_else(|| cache_point(marked?, self.model)));
        Ok(blocks)
    }

    fn assistant(
        &self,
        message: &Value,
        documents: &mut usize,
    ) -> Result<Vec<Value>, ProviderError> {
        let mut blocks: Vec<Value> = list(message, "thinking_blocks")
            .iter()
            .filter_map(thought)
            .collect();
        for part in parts(message.get("content")) {
            match part.kind {
                Kind::Text(text) if text.trim().is_empty() => {}
                Kind::Text(text) => blocks.push(json!({ "text": text })),
                Kind::Image(source) => blocks.push(self.media(&source, documents)?),
                Kind::Other("thinking" | "redacted_thinking") => blocks.extend(thought(part.raw)),
                Kind::Other("refusal") => {
                    let refusal = text(part.raw, "refusal").unwrap_or_default();
                    blocks.push(json!({ "text": refusal }));
                }
                _ => return Err(unknown("media in an answer")),
            }
            blocks.extend(self.mark(part.raw, message));
        }
        for call in list(message, "tool_calls") {
            let function = call.get("function").unwrap_or(&Value::Null);
            let name = text(function, "name").unwrap_or_default();
            let arguments = text(function, "arguments").unwrap_or_default();
            let id = text(call, "id").unwrap_or_default();
            if self.has_tools {
                let name = self.names.sent(name);
                let call =
                    json!({ "toolUseId": fit_id(id), "name": name, "input": input(arguments) });
                blocks.push(json!({ "toolUse": call }));
            } else {
                blocks.push(json!({ "text": format!("[Tool call {id}: {name}({arguments})]") }));
            }
            blocks.extend(cache_point(call, self.model));
        }
        Ok(blocks)
    }
}

/// Arguments as the object that the API wants.
fn input(arguments: &str) -> Value {
    let object: Option<Map<String, Value>> = serde_json::from_str(arguments).ok();
    Value::Object(object.unwrap_or_default())
}

/// A thought, with the signature that proves it.
fn thought(block: &Value) -> Option<Value> {
    if text(block, "type") == Some("redacted_thinking") {
        let data = text(block, "data")?;
        return Some(json!({ "reasoningContent": { "redactedContent": data } }));
    }
    let mut said = json!({ "text": text(block, "thinking")? });
    let signature = text(block, "signature").filter(|signature| !signature.is_empty());
    if let (Some(signature), Some(said)) = (signature, said.as_object_mut()) {
        said.insert("signature".to_owned(), signature.into());
    }
    Some(json!({ "reasoningContent": { "reasoningText": said } }))
}

fn guard(text: &str) -> Value {
    json!({ "guardContent": { "text": { "text": text } } })
}

/// An id of a call with the characters that the API takes, and a digest where others are lost.
fn fit_id(id: &str) -> String {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if (1..=ID_CHARS_MAX).contains(&id.len()) && id.chars().all(is_fit) {
        return id.to_owned();
    }
    let fit = id.chars().take(48).map(|c| if is_fit(c) { c } else { '_' });
    let digest = hex::encode(Sha256::digest(id));
    format!("{}_{}", fit.collect::<String>(), &digest[..8])
}

fn unknown(what: &str) -> ProviderError {
    ProviderError::Request(format!(
        "`messages` has `{what}`, which Bedrock does not take"
    ))
}
