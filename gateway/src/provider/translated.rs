//! A stream in another dialect, given to the client in OpenAI's.

use bytes::Bytes;
use event::Timestamp;

use super::{
    Fault, Observed, StreamedAnswer,
    chunks::Chunks,
    frames::{Frame, Frames},
    sse::OpenAiStream,
};
use crate::error::ErrorClass;

/// What the elements of a provider's stream mean.
pub trait Dialect: Send {
    /// Says `frame` in OpenAI's chunks. The last one closes them.
    ///
    /// # Errors
    ///
    /// If the provider says that something went wrong, or nobody can know what it says.
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault>;

    /// Upstream has ended. A dialect without a last element closes the chunks here if the answer
    /// has come to its end; if they stay open, the stream broke off.
    fn end(&mut self, chunks: &mut Chunks) {
        if chunks.is_finished() {
            chunks.close();
        }
    }
}

/// See the [module](self).
pub struct Translated<F, D> {
    frames: F,
    dialect: D,
    chunks: Chunks,
    /// Reads what the client gets, for the event.
    told: OpenAiStream,
}

impl<F: Frames, D: Dialect> Translated<F, D> {
    /// A stream at its start. `strip_usage`: the client did not ask for the usage.
    pub fn new(frames: F, dialect: D, model: &str, now: Timestamp, strip_usage: bool) -> Self {
        Self {
            frames,
            dialect,
            chunks: Chunks::new(model, now, !strip_usage),
            told: OpenAiStream::new(false),
        }
    }

    fn say(&mut self, frame: &Frame) {
        if let Err(fault) = self.dialect.frame(frame, &mut self.chunks) {
            self.chunks.fail(fault);
        }
    }

    fn out(&mut self) -> Bytes {
        let out = self.chunks.take();
        self.told.chunk(out)
    }
}

impl<F: Frames, D: Dialect> StreamedAnswer for Translated<F, D> {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        if self.chunks.is_done() {
            // Nothing is kept of what follows the end.
            return Bytes::new();
        }
        self.frames.push(&chunk);
        while !self.chunks.is_done() {
            match self.frames.next() {
                Some(Ok(frame)) => self.say(&frame),
                Some(Err(error)) => self.chunks.fail(Fault {
                    class: ErrorClass::ApiConnection,
                    message: error.to_string(),
                }),
                None => break,
            }
        }
        self.out()
    }

    fn is_complete(&self) -> bool {
        self.chunks.is_done()
    }

    fn is_finished(&self) -> bool {
        self.chunks.is_done()
    }

    fn rest(&mut self) -> Bytes {
        if !self.chunks.is_done() {
            if let Some(frame) = self.frames.last() {
                self.say(&frame);
            }
            self.dialect.end(&mut self.chunks);
        }
        self.out()
    }

    fn observed(&mut self) -> Observed {
        let mut observed = self.told.observed();
        let (usage, tier, fault) = self.chunks.told();
        // What the client was told may be a rough count.
        observed.usage = usage;
        observed.service_tier = tier.or(observed.service_tier);
        observed.error = fault.or(observed.error);
        observed
    }
}
