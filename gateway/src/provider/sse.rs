//! Reads along with a stream of OpenAI's chunks, of chats and of text completions.
//!
//! The bytes go on to the client as they came. Only where the client did not ask for the usage
//! chunk are lines held back until they are whole, so that this one chunk can be left out.

use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};
use event::{Json, Usage};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{Fault, Observed, StreamedAnswer, openai};
use crate::error::ErrorClass;

mod assembly;

use assembly::Assembly;

/// The longest line that is looked into; a longer one is passed on unread.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A stream of chunks, see the [module](self).
#[derive(Debug)]
pub struct OpenAiStream {
    strip_usage: bool,
    /// The start of a line whose end has not come yet.
    line: BytesMut,
    /// Whether the line in `line` has outgrown [`LINE_BYTES_MAX`]; its rest is not kept.
    overlong: bool,
    /// Whose usage is read; nobody's if it is OpenAI's own shape.
    provider: Option<String>,
    /// Whether the blank line behind a chunk that was left out is to be left out too.
    skip_blank: bool,
    complete: bool,
    assembly: Assembly,
    usage: Option<Usage>,
    error: Option<Fault>,
}

/// What to do with a line.
enum Keep {
    Yes,
    No,
    /// This goes on in its place.
    Changed(Bytes),
}

/// One chunk, as far as it matters here.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    created: Option<u64>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    system_fingerprint: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    service_tier: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Vec<ChunkChoice<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// A chunk with a field that is not as it should be: the others are read all the same.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct OddChunk<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl<'a> OddChunk<'a> {
    fn understood(self) -> Chunk<'a> {
        fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
            serde_json::from_str(raw?.get()).ok()
        }
        let choices: Vec<&RawValue> = read(self.choices).unwrap_or_default();
        Chunk {
            id: read::<String>(self.id).map(Cow::Owned),
            created: None,
            model: read::<String>(self.model).map(Cow::Owned),
            system_fingerprint: None,
            service_tier: None,
            choices: choices
                .into_iter()
                .filter_map(|choice| read(Some(choice)))
                .collect(),
            usage: self.usage,
            error: self.error,
        }
    }
}

/// One choice of a chunk.
#[derive(Deserialize)]
struct ChunkChoice<'a> {
    #[serde(default)]
    index: usize,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    /// What a text completion has in place of a delta.
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

/// What a chunk adds to a choice.
#[derive(Default, Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Cow<'a, str>>,
    /// Another name for the same; some providers send both.
    #[serde(borrow, default)]
    reasoning: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    refusal: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ToolDelta<'a>>>,
}

/// What a chunk adds to a tool call.
#[derive(Deserialize)]
struct ToolDelta<'a> {
    #[serde(default)]
    index: usize,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    function: Option<FunctionDelta<'a>>,
}

#[derive(Default, Deserialize)]
struct FunctionDelta<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    arguments: Option<Cow<'a, str>>,
}

impl OpenAiStream {
    /// A stream at its start. `strip_usage`: leave out the chunk that carries nothing but usage.
    #[must_use]
    pub fn new(strip_usage: bool) -> Self {
        Self {
            strip_usage,
            line: BytesMut::new(),
            overlong: false,
            provider: None,
            skip_blank: false,
            complete: false,
            assembly: Assembly::default(),
            usage: None,
            error: None,
        }
    }

    /// Reads the usage as this provider means it.
    #[must_use]
    pub fn of_provider(mut self, provider: String) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Reads every line that ends in `chunk`, and says whether all of them are kept.
    fn watch(&mut self, mut chunk: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (head, rest) = chunk.split_at(end + 1);
            if self.line.is_empty() && !self.overlong {
                self.read_line(head);
            } else {
                self.remember(head);
                self.read_remembered();
            }
            chunk = rest;
        }
        self.remember(chunk);
    }

    /// Keeps a part of a line, up to the bound.
    fn remember(&mut self, part: &[u8]) {
        if self.overlong || self.line.len() + part.len() > LINE_BYTES_MAX {
            self.overlong = true;
            self.line.clear();
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn read_remembered(&mut self) -> Keep {
        let line = self.line.split();
        if std::mem::take(&mut self.overlong) {
            Keep::Yes
        } else {
            self.read_line(&line)
        }
    }

    /// Gives back the lines that are kept; holds back the line that is not whole.
    fn filter(&mut self, chunk: Bytes) -> Bytes {
        let length = self.line.len() + chunk.len();
        if length <= LINE_BYTES_MAX && memchr::memchr(b'\n', &chunk).is_none() {
            self.line.extend_from_slice(&chunk);
            return Bytes::new();
        }
        let mut held = std::mem::take(&mut self.line);
        let mut rest = if held.is_empty() {
            chunk
        } else {
            held.extend_from_slice(&chunk);
            held.freeze()
        };
        let mut kept = BytesMut::new();
        let mut whole = rest.clone();
        let mut dropped = false;
        while let Some(end) = memchr::memchr(b'\n', &rest) {
            let line = rest.split_to(end + 1);
            let keep = self.read_line(&line);
            if !dropped && !matches!(keep, Keep::Yes) {
                kept.extend_from_slice(&whole[..whole.len() - rest.len() - line.len()]);
                dropped = true;
            }
            match keep {
                Keep::Yes if dropped => kept.extend_from_slice(&line),
                Keep::Changed(line) => kept.extend_from_slice(&line),
                Keep::Yes | Keep::No => {}
            }
        }
        whole.truncate(whole.len() - rest.len());
        let kept = if dropped { kept.freeze() } else { whole };
        if rest.len() > LINE_BYTES_MAX {
            // Not a usage chunk, whatever it is: let it go.
            return [&kept[..], &rest[..]].concat().into();
        }
        self.line = BytesMut::from(&rest[..]);
        kept
    }

    fn read_line(&mut self, whole: &[u8]) -> Keep {
        let line = whole.trim_ascii();
        if line.is_empty() {
            return if std::mem::take(&mut self.skip_blank) {
                Keep::No
            } else {
                Keep::Yes
            };
        }
        let Some(data) = line.strip_prefix(b"data:") else {
            return Keep::Yes;
        };
        let data = data.trim_ascii_start();
        if data == b"[DONE]" {
            self.complete = true;
            return Keep::Yes;
        }
        // One odd field must not make usage and text disappear.
        let odd = || serde_json::from_slice(data).map(OddChunk::understood);
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(data).or_else(|_error| odd()) else {
            return Keep::Yes;
        };
        let has_choices = !chunk.choices.is_empty();
        let has_usage = self.read_chunk(chunk);
        match (self.strip_usage && has_usage, has_choices) {
            (false, _) => Keep::Yes,
            (true, true) => without_usage(whole, data).map_or(Keep::Yes, Keep::Changed),
            (true, false) => {
                self.skip_blank = true;
                Keep::No
            }
        }
    }

    /// Reads a chunk, and says whether it has the usage.
    fn read_chunk(&mut self, chunk: Chunk<'_>) -> bool {
        if let Some(error) = chunk.error {
            self.error = Some(fault(error));
        }
        let usage = chunk.usage.and_then(|usage| self.understood(usage));
        let has_usage = usage.is_some();
        self.usage = usage.or(self.usage.take());
        self.assembly.add(chunk);
        has_usage
    }

    fn understood(&self, usage: &RawValue) -> Option<Usage> {
        let own = || serde_json::from_str(usage.get()).ok();
        let Some(provider) = &self.provider else {
            return own();
        };
        let told = cost_map::reported::usage(Some(provider), Some("acompletion"), usage);
        told.ok().or_else(own)
    }
}

/// What an error in a stream says; its code may be the status that the answer has not.
fn fault(error: &RawValue) -> Fault {
    #[derive(Deserialize)]
    struct Status {
        code: u16,
    }
    let message = openai::error_message(error);
    match serde_json::from_str(error.get()) {
        Ok(Status {
            code: code @ 400..=599,
        }) => Fault::of(code, message),
        _ => Fault {
            class: ErrorClass::InternalServer,
            message,
        },
    }
}

/// The line without the usage in `data`, its JSON, for a client that did not ask for it.
fn without_usage(line: &[u8], data: &[u8]) -> Option<Bytes> {
    let mut chunk: Map<String, Value> = serde_json::from_slice(data).ok()?;
    chunk.remove("usage");
    let end = &line[line.trim_ascii_end().len()..];
    let text = Json::of(&chunk);
    Some([b"data: ", text.text().as_bytes(), end].concat().into())
}

impl StreamedAnswer for OpenAiStream {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        if self.strip_usage {
            return self.filter(chunk);
        }
        self.watch(chunk.chunk());
        chunk
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_finished(&self) -> bool {
        self.complete || self.assembly.is_finished()
    }

    fn rest(&mut self) -> Bytes {
        if self.strip_usage {
            let line = std::mem::take(&mut self.line).freeze();
            return match self.read_line(&line) {
                Keep::Yes => line,
                Keep::No => Bytes::new(),
                Keep::Changed(line) => line,
            };
        }
        self.read_remembered();
        Bytes::new()
    }

    fn observed(&mut self) -> Observed {
        self.assembly.observed(self.usage.take(), self.error.take())
    }
}

#[cfg(test)]
mod tests;
