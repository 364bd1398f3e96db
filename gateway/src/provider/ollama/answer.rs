//! Answers of Ollama: one object, or one in each line of a stream.

use event::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::prompt;
use crate::{
    error::ErrorClass,
    provider::{
        Answer, Ask, Fault, Reader, Step, StreamedAnswer,
        chunks::Chunks,
        completion::{self, Choice, Completion},
        conversation::Object,
        frames::{Frame, LineFrames},
        translated::{Dialect, Translated},
    },
    tokens,
};

/// Where the text of an answer stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// In a message, with tool calls beside it.
    Message,
    /// Alone.
    Text {
        /// It may be the call of a tool.
        calls: bool,
    },
}

/// Reads answers.
pub(super) struct Ollama {
    model: String,
    now: Timestamp,
    shape: Shape,
    prompt_bytes: usize,
}

impl Ollama {
    pub(super) fn new(ask: &Ask<'_>, shape: Shape, prompt_bytes: usize) -> Self {
        Self {
            model: ask.model().to_owned(),
            now: ask.now,
            shape,
            prompt_bytes,
        }
    }
}

impl Reader for Ollama {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let said = completion::object(&answer)?;
        if let Some(error) = said.get("error") {
            return Err(broken(error));
        }
        let part = self.shape.part(&said).ok_or_else(completion::no_answer)?;
        let mut thinking = part.thinking.to_owned();
        let mut text = part.text;
        if let Some((thought, rest)) = tagged(text).filter(|_| thinking.is_empty()) {
            thought.clone_into(&mut thinking);
            text = rest;
        }
        let mut calls: Vec<(String, String)> = part.calls;
        calls.extend(self.shape.call(text));
        let reason = finish_reason(&said, !calls.is_empty());
        let mut choice = Choice::text(text, reason);
        if matches!(self.shape, Shape::Text { .. }) && !calls.is_empty() {
            choice.message.remove("content");
        }
        if !thinking.is_empty() {
            let name = "reasoning_content".to_owned();
            choice.message.insert(name, thinking.into());
        }
        if !calls.is_empty() {
            let calls: Vec<Value> = calls
                .iter()
                .map(|(name, arguments)| completion::tool_call(&id(), name, arguments))
                .collect();
            choice.message.insert("tool_calls".to_owned(), json!(calls));
        }
        let mut completion = Completion::new(&self.model, self.now);
        completion.usage = usage(&said);
        completion.choices.push(choice);
        if completion.usage.is_none() {
            completion.count(self.prompt_bytes);
        }
        completion.done()
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let lines = Lines {
            shape: self.shape,
            prompt_bytes: self.prompt_bytes,
            ..Lines::default()
        };
        let frames = LineFrames::default();
        let (model, now) = (&self.model, self.now);
        Box::new(Translated::new(frames, lines, model, now, strip_usage))
    }
}

/// What an object of an answer adds.
struct Part<'a> {
    text: &'a str,
    thinking: &'a str,
    /// Names and arguments.
    calls: Vec<(String, String)>,
}

impl Shape {
    fn part(self, said: &Object) -> Option<Part<'_>> {
        let (from, name) = match self {
            Self::Message => (said.get("message")?.as_object()?, "content"),
            Self::Text { .. } => (said, "response"),
        };
        Some(Part {
            text: string(from, name),
            thinking: string(from, "thinking"),
            calls: calls(from),
        })
    }

    /// The call that a text is, where it may be one.
    fn call(self, text: &str) -> Option<(String, String)> {
        match self {
            Self::Text { calls: true } => prompt::call(text),
            _ => None,
        }
    }
}

fn string<'a>(of: &'a Object, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn calls(message: &Object) -> Vec<(String, String)> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let functions = calls
        .into_iter()
        .flatten()
        .filter_map(|call| call.get("function"));
    let named = functions.filter_map(|function| {
        let name = function.get("name")?.as_str()?.to_owned();
        let arguments = match function.get("arguments") {
            Some(Value::String(text)) => text.clone(),
            Some(arguments) => arguments.to_string(),
            None => "{}".to_owned(),
        };
        Some((name, arguments))
    });
    named.collect()
}

/// Ollama gives calls no ids.
fn id() -> String {
    format!("call_{}", Uuid::now_v7().simple())
}

/// Thoughts that a model wrote before its answer, `<think>…</think>`, and the rest.
fn tagged(text: &str) -> Option<(&str, &str)> {
    let (thought, rest) = text
        .trim_start()
        .strip_prefix("<think>")?
        .split_once("</think>")?;
    Some((thought, rest))
}

fn finish_reason(said: &Object, has_tools: bool) -> &'static str {
    match string(said, "done_reason") {
        _ if has_tools => "tool_calls",
        "length" => "length",
        _ => "stop",
    }
}

/// What was consumed. Ollama leaves out the prompt that it still knew from before: then nobody
/// has counted.
fn usage(said: &Object) -> Option<event::Usage> {
    let (read, written) = (said.get("prompt_eval_count")?, said.get("eval_count")?);
    completion::usage_from(Some(read), Some(written))
}

/// An error that stands where an answer should.
fn broken(error: &Value) -> Fault {
    let text = error
        .as_str()
        .map_or_else(|| error.to_string(), str::to_owned);
    Fault {
        class: ErrorClass::InternalServer,
        message: text,
    }
}

/// The lines of a stream.
struct Lines {
    shape: Shape,
    prompt_bytes: usize,
    /// Bytes of the answer so far.
    written: u64,
    tools: usize,
    /// Text that may turn out to be the call of a tool.
    held: String,
    /// Whether some text has turned out to be text.
    speaks: bool,
    thoughts: Thoughts,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            shape: Shape::Message,
            prompt_bytes: 0,
            written: 0,
            tools: 0,
            held: String::new(),
            speaks: false,
            thoughts: Thoughts::Unknown(String::new()),
        }
    }
}

/// Whether the text of a stream is thoughts between tags, which may be cut anywhere.
enum Thoughts {
    /// So much has come that is not clear yet.
    Unknown(String),
    /// They have begun; the end of what came may be the beginning of the tag that ends them.
    Inside(String),
    /// There are none, or no more.
    Over,
}

const BEGIN: &str = "<think>";
const END: &str = "</think>";

impl Thoughts {
    /// Splits `text` into thoughts and answer.
    fn split(&mut self, text: &str) -> (String, String) {
        match self {
            Self::Over => (String::new(), text.to_owned()),
            Self::Unknown(held) => {
                held.push_str(text);
                let begun = held.trim_start();
                if let Some(rest) = begun.strip_prefix(BEGIN) {
                    let rest = rest.to_owned();
                    *self = Self::Inside(String::new());
                    return self.split(&rest);
                }
                if BEGIN.starts_with(begun) {
                    return (String::new(), String::new());
                }
                let text = std::mem::take(held);
                *self = Self::Over;
                (String::new(), text)
            }
            Self::Inside(held) => {
                held.push_str(text);
                if let Some((thought, answer)) = held.split_once(END) {
                    let parts = (thought.to_owned(), answer.to_owned());
                    *self = Self::Over;
                    return parts;
                }
                let kept = (1..END.len())
                    .rev()
                    .find(|&count| held.ends_with(&END[..count]))
                    .unwrap_or(0);
                let rest = held.split_off(held.len() - kept);
                (std::mem::replace(held, rest), String::new())
            }
        }
    }

    /// What is still held back at the end.
    fn rest(&mut self) -> (String, String) {
        match std::mem::replace(self, Self::Over) {
            Self::Unknown(text) => (String::new(), text),
            Self::Inside(thought) => (thought, String::new()),
            Self::Over => Default::default(),
        }
    }
}

impl Lines {
    fn text(&mut self, text: &str, chunks: &mut Chunks) {
        let may_call = matches!(self.shape, Shape::Text { calls: true }) && !self.speaks;
        if !may_call {
            chunks.text(text);
            return;
        }
        self.held.push_str(text);
        if !prompt::may_be_call(&self.held) {
            self.speaks = true;
            chunks.text(&std::mem::take(&mut self.held));
        }
    }

    fn call(&mut self, (name, arguments): &(String, String), chunks: &mut Chunks) {
        chunks.tool(self.tools, &id(), name, arguments);
        self.tools += 1;
    }

    fn finish(&mut self, said: &Object, chunks: &mut Chunks) {
        let (thought, text) = self.thoughts.rest();
        chunks.reasoning(&thought);
        self.text(&text, chunks);
        let held = std::mem::take(&mut self.held);
        match self.shape.call(&held) {
            Some(call) => self.call(&call, chunks),
            None => chunks.text(&held),
        }
        match usage(said) {
            Some(usage) => chunks.set_usage(usage),
            None => chunks.set_estimate(tokens::estimated(self.prompt_bytes, self.written)),
        }
        chunks.finish(0, finish_reason(said, self.tools > 0));
        chunks.close();
    }
}

impl Dialect for Lines {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        let said: Map<String, Value> =
            serde_json::from_slice(&frame.data).map_err(|_error| completion::no_answer())?;
        if let Some(error) = said.get("error") {
            return Err(broken(error));
        }
        if let Some(part) = self.shape.part(&said) {
            let bytes = part.thinking.len().saturating_add(part.text.len());
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.written = self.written.saturating_add(bytes);
            chunks.reasoning(part.thinking);
            let (thought, text) = self.thoughts.split(part.text);
            chunks.reasoning(&thought);
            self.text(&text, chunks);
            for call in &part.calls {
                self.call(call, chunks);
            }
        }
        if said.get("done") == Some(&Value::Bool(true)) {
            self.finish(&said, chunks);
        }
        Ok(())
    }
}
