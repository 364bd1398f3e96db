//! Reads answers in nearly OpenAI's dialect, and corrects what the client gets.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::{
    error_fault,
    fixes::{self, Fix},
};
use crate::{
    answer,
    provider::{
        Answer, Ask, Fault, Observed, Reader, Step, StreamedAnswer, Whole, sse::OpenAiStream,
    },
};

/// The longest line of a stream that is corrected; a longer one goes on as it came.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Reads answers of one provider.
#[derive(Clone, Debug)]
pub(in crate::provider) struct Fixed {
    provider: String,
    call_type: &'static str,
    fixes: Vec<Fix>,
}

impl Fixed {
    pub(in crate::provider) fn new(ask: &Ask<'_>, fixes: Vec<Fix>) -> Self {
        Self {
            provider: ask.deployment.provider_name.clone(),
            call_type: ask.operation().call_type(),
            fixes,
        }
    }
}

impl Reader for Fixed {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let body = fixes::fixed(&self.fixes, &answer.body).map_or(answer.body, Bytes::from);
        let (provider, call_type) = (self.provider.as_str(), self.call_type);
        let observed = super::whole_with(&body, |usage| {
            cost_map::reported::usage(Some(provider), Some(call_type), usage).ok()
        });
        Ok(Step::Done(Box::new(Whole { body, observed })))
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let told = OpenAiStream::new(strip_usage).of_provider(self.provider);
        if self.fixes.is_empty() {
            return Box::new(told);
        }
        Box::new(FixedStream {
            fixes: self.fixes,
            line: BytesMut::new(),
            overlong: false,
            told,
        })
    }

    fn is_stream(&self, headers: &HeaderMap) -> bool {
        answer::is_event_stream(headers)
    }

    fn fault(&self, answer: &Answer) -> Fault {
        error_fault(answer)
    }
}

/// Corrects a stream line by line.
#[derive(Debug)]
struct FixedStream {
    fixes: Vec<Fix>,
    /// The start of a line whose end has not come yet.
    line: BytesMut,
    /// Whether the start of this line was let go, because it outgrew [`LINE_BYTES_MAX`].
    overlong: bool,
    told: OpenAiStream,
}

impl FixedStream {
    /// A line with its end, corrected.
    fn write(&self, line: &[u8], out: &mut BytesMut) {
        let text = line.trim_ascii_end();
        let data = text.strip_prefix(b"data:").map(<[u8]>::trim_ascii_start);
        match data.and_then(|data| fixes::fixed(&self.fixes, data)) {
            Some(data) => {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(&data);
                out.extend_from_slice(&line[text.len()..]);
            }
            None => out.extend_from_slice(line),
        }
    }

    /// The lines that have come whole.
    fn lines(&mut self, mut chunk: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(chunk.len());
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (head, rest) = chunk.split_at(end + 1);
            if std::mem::take(&mut self.overlong) {
                out.extend_from_slice(head);
            } else if self.line.is_empty() {
                self.write(head, &mut out);
            } else {
                let mut line = self.line.split();
                line.extend_from_slice(head);
                self.write(&line, &mut out);
            }
            chunk = rest;
        }
        if self.overlong {
            out.extend_from_slice(chunk);
        } else if self.line.len() + chunk.len() > LINE_BYTES_MAX {
            self.overlong = true;
            out.extend_from_slice(&self.line.split());
            out.extend_from_slice(chunk);
        } else {
            self.line.extend_from_slice(chunk);
        }
        out.freeze()
    }
}

impl StreamedAnswer for FixedStream {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        let lines = self.lines(&chunk);
        self.told.chunk(lines)
    }

    fn is_complete(&self) -> bool {
        self.told.is_complete()
    }

    fn is_finished(&self) -> bool {
        self.told.is_finished()
    }

    fn rest(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        let line = self.line.split();
        self.write(&line, &mut out);
        let mut told = BytesMut::from(self.told.chunk(out.freeze()));
        told.extend_from_slice(&self.told.rest());
        told.freeze()
    }

    fn observed(&mut self) -> Observed {
        self.told.observed()
    }
}
