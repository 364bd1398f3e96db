//! AWS's event stream: binary messages with headers.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html> describes the
//! framing: total length, length of the headers, CRC-32 of these eight bytes, headers, payload,
//! CRC-32 of all before; integers are big-endian.

use bytes::{Buf as _, BytesMut};

use super::{FRAME_BYTES_MAX, Frame, FrameError, Frames};

/// Lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;
/// The type of a header's value that is text.
const TEXT: u8 = 7;

/// Messages of an event stream. The frame's kind is the message's `:event-type`, or its
/// `:exception-type`.
#[derive(Debug, Default)]
pub struct AwsFrames {
    buffer: BytesMut,
    damaged: bool,
}

impl AwsFrames {
    fn message(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(prelude) = self.buffer.get(..PRELUDE) else {
            return Ok(None);
        };
        let total = number(prelude, 0);
        let headers = number(prelude, 4);
        let sound = crc32fast::hash(&prelude[..8]) == number32(prelude, 8);
        if !sound || total < PRELUDE + headers + TRAILER {
            return Err(FrameError::Damaged);
        }
        if total > FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge);
        }
        if self.buffer.len() < total {
            return Ok(None);
        }
        let message = self.buffer.split_to(total);
        let end = total - TRAILER;
        if crc32fast::hash(&message[..end]) != number32(&message, end) {
            return Err(FrameError::Damaged);
        }
        let kind = kind(&message[PRELUDE..PRELUDE + headers]).ok_or(FrameError::Damaged)?;
        let data = message[PRELUDE + headers..end].to_vec();
        Ok(Some(Frame { kind, data }))
    }
}

impl Frames for AwsFrames {
    fn push(&mut self, bytes: &[u8]) {
        if !self.damaged {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.damaged {
            return None;
        }
        let message = self.message();
        if message.is_err() {
            // Nobody knows where the next message begins.
            self.damaged = true;
            self.buffer = BytesMut::new();
        }
        message.transpose()
    }

    fn last(&mut self) -> Option<Frame> {
        None
    }
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_be_bytes)
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(number32(bytes, at)).unwrap_or(usize::MAX)
}

/// The text of the header that says what a message is; `None` if the headers cannot be read.
fn kind(mut headers: &[u8]) -> Option<String> {
    let mut kind = String::new();
    while !headers.is_empty() {
        let name = take(&mut headers, 1)?;
        let name = take(&mut headers, usize::from(*name.first()?))?;
        let form = *take(&mut headers, 1)?.first()?;
        let length = match form {
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8,
            6 | TEXT => usize::from(take(&mut headers, 2)?.get_u16()),
            9 => 16,
            _ => return None,
        };
        let value = take(&mut headers, length)?;
        if form == TEXT && matches!(name, b":event-type" | b":exception-type") {
            kind = String::from_utf8_lossy(value).into_owned();
        }
    }
    Some(kind)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    bytes.split_off(..count)
}
