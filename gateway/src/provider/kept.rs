//! Whose something is that a provider keeps: a mark in its id.
//!
//! A file, a batch or a response is known only to the account that made it. Where several
//! deployments keep such things, the gateway adds to each id that it passes on which of them it is
//! of, and takes that out again when the id comes back, anywhere in a request. Nothing is stored,
//! so a mark holds across restarts and at every gateway with the same configuration. Where there is
//! only one such deployment, ids stay as they are.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use memchr::memmem;
use sha2::{Digest as _, Sha256};

use super::{Answer, Fault, Observed, Prepared, Reader, Step, StreamedAnswer};
use crate::{answer, config::Deployment};

/// What stands between an id and its mark.
const SIGN: &str = "-tk-";
/// Letters of a mark.
const LENGTH: usize = 12;
/// How the ids begin that are asked for later.
const PREFIXES: &[&str] = &[
    "asst_", "batch_", "cntr_", "file-", "file_", "ftjob-", "resp_", "run_", "thread_", "vs_",
];
/// The longest id.
const ID_BYTES_MAX: usize = 512;
/// The longest line of a stream that is marked; a longer one goes on as it came.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Which deployment something is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// The deployment's.
    pub(crate) fn of(deployment: &Deployment) -> Self {
        let digest = hex::encode(Sha256::digest(&deployment.id));
        Self(digest.chars().take(LENGTH).collect())
    }
}

/// A request names things of two deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OfTwo;

/// Takes the marks out of a text. Returns it without them and whose they are; `None` if there are
/// none.
///
/// # Errors
///
/// If they are of two deployments.
pub(crate) fn unmarked(text: &[u8]) -> Result<Option<(Vec<u8>, Mark)>, OfTwo> {
    let mut out = Vec::with_capacity(text.len());
    let mut found: Option<Mark> = None;
    let mut rest = text;
    while let Some(at) = memmem::find(rest, SIGN.as_bytes()) {
        let (before, after) = rest.split_at(at);
        let behind = &after[SIGN.len()..];
        let mark = behind.get(..LENGTH).filter(|mark| is_mark(mark));
        let ends = behind.get(LENGTH).is_none_or(|next| !is_of_id(*next));
        out.extend_from_slice(before);
        match mark.filter(|_| ends && has_id(before)) {
            Some(mark) => {
                let mark = Mark(String::from_utf8_lossy(mark).into_owned());
                if found.as_ref().is_some_and(|found| *found != mark) {
                    return Err(OfTwo);
                }
                found = Some(mark);
                rest = &behind[LENGTH..];
            }
            None => {
                out.extend_from_slice(SIGN.as_bytes());
                rest = behind;
            }
        }
    }
    out.extend_from_slice(rest);
    Ok(found.map(|mark| (out, mark)))
}

fn is_mark(text: &[u8]) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.iter().all(is_digit)
}

const fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether a text ends with an id.
fn has_id(text: &[u8]) -> bool {
    let letters = text.iter().rev().take_while(|byte| is_of_id(**byte));
    let id = &text[text.len() - letters.count()..];
    is_id(id)
}

fn is_id(text: &[u8]) -> bool {
    let mut prefixes = PREFIXES.iter();
    let begins = prefixes.any(|prefix| text.starts_with(prefix.as_bytes()));
    begins && text.len() <= ID_BYTES_MAX && text.iter().copied().all(is_of_id)
}

/// Marks the ids in a text that is JSON, or lines of it.
fn marked(text: &[u8], mark: &Mark) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut names_one = false;
    let mut rest = text;
    while let Some((before, string, after)) = next_string(rest) {
        out.extend_from_slice(before);
        out.extend_from_slice(string);
        let is_name = after[1..].trim_ascii_start().first() == Some(&b':');
        if is_name {
            names_one = is_named(string);
        } else if names_one && is_id(string) {
            out.extend_from_slice(SIGN.as_bytes());
            out.extend_from_slice(mark.0.as_bytes());
        }
        out.push(b'"');
        rest = &after[1..];
    }
    out.extend_from_slice(rest);
    out
}

/// Whether a field of this name holds ids.
fn is_named(name: &[u8]) -> bool {
    let is_one = name == b"id" || name.ends_with(b"_id") || name.ends_with(b"_ids");
    is_one || name == b"container"
}

/// The next string of a JSON text: all before it with its first quote, itself, and the rest with
/// its last quote.
fn next_string(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let begin = memchr::memchr(b'"', text)? + 1;
    let mut end = begin;
    loop {
        end += memchr::memchr2(b'"', b'\\', text.get(end..)?)?;
        if text.get(end) == Some(&b'"') {
            return Some((&text[..begin], &text[begin..end], &text[end..]));
        }
        // Whatever is escaped is no end.
        end += 2;
    }
}

/// Has the ids in the answer marked as the deployment's.
pub(crate) fn marking(prepared: Prepared, deployment: &Deployment) -> Prepared {
    Prepared {
        reader: Box::new(Marking {
            inner: prepared.reader,
            mark: Mark::of(deployment),
            is_events: false,
        }),
        ..prepared
    }
}

struct Marking {
    inner: Box<dyn Reader>,
    mark: Mark,
    /// Whether the answer is a stream of events, as its head says.
    is_events: bool,
}

impl Reader for Marking {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let Self { inner, mark, .. } = *self;
        match inner.whole(answer)? {
            Step::Done(mut whole) => {
                let is_json = whole.observed.response.is_some();
                if is_json {
                    whole.body = marked(&whole.body, &mark).into();
                }
                Ok(Step::Done(whole))
            }
            again @ Step::Again(..) => Ok(again),
        }
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let inner = self.inner.stream(strip_usage);
        if !self.is_events {
            return inner;
        }
        Box::new(MarkingStream {
            inner,
            mark: self.mark,
            line: BytesMut::new(),
            overlong: false,
        })
    }

    fn head(&mut self, headers: &HeaderMap) {
        self.is_events = answer::is_event_stream(headers);
        self.inner.head(headers);
    }

    fn is_stream(&self, headers: &HeaderMap) -> bool {
        self.inner.is_stream(headers)
    }

    fn fault(&self, answer: &Answer) -> Fault {
        self.inner.fault(answer)
    }
}

/// Marks a stream line by line.
struct MarkingStream {
    inner: Box<dyn StreamedAnswer>,
    mark: Mark,
    /// The start of a line whose end has not come yet.
    line: BytesMut,
    /// Whether the start of this line was let go, because it outgrew [`LINE_BYTES_MAX`].
    overlong: bool,
}

impl MarkingStream {
    fn lines(&mut self, mut chunk: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(chunk.len());
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (head, rest) = chunk.split_at(end + 1);
            if std::mem::take(&mut self.overlong) {
                out.extend_from_slice(head);
            } else {
                self.line.extend_from_slice(head);
                out.extend_from_slice(&marked(&self.line.split(), &self.mark));
            }
            chunk = rest;
        }
        self.line.extend_from_slice(chunk);
        if self.overlong || self.line.len() > LINE_BYTES_MAX {
            self.overlong = true;
            out.extend_from_slice(&self.line.split());
        }
        out.freeze()
    }
}

impl StreamedAnswer for MarkingStream {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        let chunk = self.inner.chunk(chunk);
        self.lines(&chunk)
    }

    fn is_complete(&self) -> bool {
        // What is held back is never the end: that is a blank line.
        self.inner.is_complete()
    }

    fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }

    fn rest(&mut self) -> Bytes {
        let rest = self.inner.rest();
        let mut out = BytesMut::from(self.lines(&rest));
        let line = self.line.split();
        out.extend_from_slice(&marked(&line, &self.mark));
        out.freeze()
    }

    fn observed(&mut self) -> Observed {
        self.inner.observed()
    }
}

#[cfg(test)]
mod tests;
