//! Reads along with a stream of OpenAI chat-completion chunks.
//!
//! The bytes go on to the client as they came. Only where the client did not ask for the usage
//! chunk are lines held back until they are whole, so that this one chunk can be left out.

use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};
use event::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

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
    /// Whether the blank line behind a chunk that was left out is to be left out too.
    skip_blank: bool,
    complete: bool,
    assembly: Assembly,
    usage: Option<Usage>,
    error: Option<Fault>,
}

/// What to do with a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
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
    #[serde(default)]
    usage: Option<Usage>,
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
            usage: read(self.usage),
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
            skip_blank: false,
            complete: false,
            assembly: Assembly::default(),
            usage: None,
            error: None,
        }
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
            if self.read_line(&line) == Keep::No {
                if !dropped {
                    kept.extend_from_slice(&whole[..whole.len() - rest.len() - line.len()]);
                }
                dropped = true;
            } else if dropped {
                kept.extend_from_slice(&line);
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

    fn read_line(&mut self, line: &[u8]) -> Keep {
        let line = line.trim_ascii();
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
        match serde_json::from_slice::<Chunk<'_>>(data) {
            Ok(chunk) => self.read_chunk(chunk),
            // One odd field must not make usage and text disappear.
            Err(_error) => match serde_json::from_slice::<OddChunk<'_>>(data) {
                Ok(odd) => self.read_chunk(odd.understood()),
                Err(_error) => Keep::Yes,
            },
        }
    }

    fn read_chunk(&mut self, chunk: Chunk<'_>) -> Keep {
        let usage_only = chunk.choices.is_empty() && chunk.usage.is_some();
        if let Some(error) = chunk.error {
            self.error = Some(Fault {
                class: ErrorClass::InternalServer,
                message: openai::error_message(error),
            });
        }
        if chunk.usage.is_some() {
            self.usage.clone_from(&chunk.usage);
        }
        self.assembly.add(chunk);
        if usage_only && self.strip_usage {
            self.skip_blank = true;
            return Keep::No;
        }
        Keep::Yes
    }
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
            return if self.read_line(&line) == Keep::Yes {
                line
            } else {
                Bytes::new()
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
