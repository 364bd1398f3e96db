//! One frame in each line.

use bytes::{Buf as _, BytesMut};

use super::{FRAME_BYTES_MAX, Frame, FrameError, Frames};

/// Beyond this a line is a long one, an image.
const LONG: usize = 1 << 20;

/// Lines that are not empty, without spaces around them.
#[derive(Debug, Default)]
pub struct LineFrames {
    buffer: BytesMut,
    /// Bytes of the buffer in which there is no end of a line.
    searched: usize,
    /// Whether spaces and empty lines count.
    verbatim: bool,
    /// Whether a line has outgrown the bound; nothing is kept of it.
    overlong: bool,
}

impl LineFrames {
    /// Lines in which spaces count, and of which the empty ones are frames too.
    #[must_use]
    pub fn verbatim() -> Self {
        Self {
            verbatim: true,
            ..Self::default()
        }
    }

    /// The next line, without its end.
    pub(super) fn line(&mut self) -> Option<Result<BytesMut, FrameError>> {
        if std::mem::take(&mut self.overlong) {
            return Some(Err(FrameError::TooLarge));
        }
        let fresh = self.buffer.get(self.searched..).unwrap_or_default();
        if let Some(end) = memchr::memchr(b'\n', fresh) {
            let mut line = self.buffer.split_to(self.searched + end);
            self.buffer.advance(1);
            self.searched = 0;
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            return Some(Ok(line));
        }
        self.searched = self.buffer.len();
        if self.searched > FRAME_BYTES_MAX {
            self.buffer = BytesMut::new();
            self.searched = 0;
            return Some(Err(FrameError::TooLarge));
        }
        None
    }

    /// Takes more bytes, unless the line that has not ended outgrows the bound with them: a buffer
    /// for it would be twice as large.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if self.searched == self.buffer.len() {
            let more = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
            if self.searched + more > FRAME_BYTES_MAX {
                self.overlong = true;
                self.buffer = BytesMut::new();
                self.searched = 0;
                return;
            }
            if self.searched + more > LONG {
                // At once: doubling it would hold every size on the way.
                self.buffer.reserve(FRAME_BYTES_MAX - self.searched);
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) fn rest(&mut self) -> BytesMut {
        self.searched = 0;
        std::mem::take(&mut self.buffer)
    }
}

impl Frames for LineFrames {
    fn push(&mut self, bytes: &[u8]) {
        self.take(bytes);
    }

    fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        loop {
            match self.line()? {
                Ok(line) if self.verbatim => return Some(Ok(frame(&line))),
                Ok(line) if line.trim_ascii().is_empty() => {}
                Ok(line) => return Some(Ok(frame(line.trim_ascii()))),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn last(&mut self) -> Option<Frame> {
        let rest = self.rest();
        let rest = if self.verbatim {
            &rest
        } else {
            rest.trim_ascii()
        };
        (!rest.is_empty()).then(|| frame(rest))
    }
}

fn frame(line: &[u8]) -> Frame {
    Frame {
        kind: String::new(),
        data: line.to_vec(),
    }
}
