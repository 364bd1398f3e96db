//! Server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use super::{FRAME_BYTES_MAX, Frame, FrameError, Frames, lines::LineFrames};

/// Events that have data.
#[derive(Debug, Default)]
pub struct SseFrames {
    lines: LineFrames,
    kind: String,
    data: Vec<u8>,
    /// Whether the event has a `data` field, which may be empty.
    has_data: bool,
}

impl SseFrames {
    /// Reads a line; an empty one ends the event.
    fn read(&mut self, line: &[u8]) -> Option<Frame> {
        if line.is_empty() {
            return self.event();
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.kind = String::from_utf8_lossy(value).into_owned(),
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            // A comment, or a field that means nothing here.
            _ => {}
        }
        None
    }

    fn event(&mut self) -> Option<Frame> {
        let (kind, data) = (
            std::mem::take(&mut self.kind),
            std::mem::take(&mut self.data),
        );
        std::mem::take(&mut self.has_data).then_some(Frame { kind, data })
    }
}

impl Frames for SseFrames {
    fn push(&mut self, bytes: &[u8]) {
        self.lines.take(bytes);
    }

    fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        loop {
            let line = match self.lines.line()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            if let Some(frame) = self.read(&line) {
                return Some(Ok(frame));
            }
            if self.data.len() > FRAME_BYTES_MAX {
                self.data = Vec::new();
                return Some(Err(FrameError::TooLarge));
            }
        }
    }

    fn last(&mut self) -> Option<Frame> {
        // Some providers end without the blank line behind the last event.
        let rest = self.lines.rest();
        self.read(&rest).or_else(|| self.event())
    }
}
