//! AWS's event stream: binary messages with headers.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html> describes the
//! framing: total length, length of the headers, CRC-32 of these eight bytes, headers, payload,
//! CRC-32 of all before; integers are big-endian.

use bytes::{Buf as _, BytesMut};
use event::Json;
use serde::Serialize;

use super::{FRAME_BYTES_MAX, Frame, FrameError, Frames};

/// Lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;
/// The type of a header's value that is text.
const TEXT: u8 = 7;

/// Messages of an event stream. The frame's kind is the message's `:event-type`, its
/// `:exception-type`, or its `:error-code`, whose words stand in a header too.
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
        if !sound || total < headers.saturating_add(PRELUDE + TRAILER) {
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
        let said = read(&message[PRELUDE..PRELUDE + headers]).ok_or(FrameError::Damaged)?;
        let mut data = message[PRELUDE + headers..end].to_vec();
        if let (true, Some(words)) = (data.is_empty(), said.words) {
            data = Json::of(&Words { message: &words }).text().into();
        }
        let kind = said.kind;
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

/// What the headers of a message say.
#[derive(Default)]
struct Said {
    /// What the message is.
    kind: String,
    /// What went wrong.
    words: Option<String>,
}

#[derive(Serialize)]
struct Words<'a> {
    message: &'a str,
}

/// Reads headers; `None` if they cannot be read.
fn read(mut headers: &[u8]) -> Option<Said> {
    let mut said = Said::default();
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
        if form != TEXT {
            continue;
        }
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b":event-type" | b":exception-type" | b":error-code" => said.kind = text(),
            b":error-message" => said.words = Some(text()),
            _ => {}
        }
    }
    Some(said)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    bytes.split_off(..count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::aws::trial::message;

    fn all(frames: &mut AwsFrames) -> (Vec<Frame>, Option<FrameError>) {
        let mut whole = Vec::new();
        loop {
            match frames.next() {
                Some(Ok(frame)) => whole.push(frame),
                Some(Err(error)) => return (whole, Some(error)),
                None => return (whole, None),
            }
        }
    }

    fn read_all(pieces: &[&[u8]]) -> (Vec<Frame>, Option<FrameError>) {
        let mut frames = AwsFrames::default();
        let mut found = Vec::new();
        for piece in pieces {
            frames.push(piece);
            let (more, error) = all(&mut frames);
            found.extend(more);
            if error.is_some() {
                assert_eq!(frames.next(), None);
                frames.push(piece);
                assert_eq!(frames.next(), None);
                return (found, error);
            }
        }
        assert_eq!(frames.last(), None);
        (found, None)
    }

    fn stream() -> Vec<u8> {
        let mut stream = message(&[(":event-type", "chunk"), (":content-type", "x")], b"{}");
        stream.extend(message(&[], b""));
        stream.extend(message(
            &[(":exception-type", "throttlingException")],
            b"slow",
        ));
        let error = [
            (":error-code", "InternalFailure"),
            (":error-message", "a \"b\""),
        ];
        stream.extend(message(&error, b""));
        stream
    }

    #[test]
    fn messages_do_not_depend_on_how_they_are_cut() {
        let stream = stream();
        let (wanted, error) = read_all(&[&stream]);
        let said: Vec<(&str, &[u8])> = wanted
            .iter()
            .map(|frame| (&*frame.kind, &*frame.data))
            .collect();
        let told = br#"{"message":"a \"b\""}"#;
        assert_eq!(
            said,
            [
                ("chunk", &b"{}"[..]),
                ("", b""),
                ("throttlingException", b"slow"),
                ("InternalFailure", told),
            ]
        );
        assert_eq!(error, None);
        for at in 0..stream.len() {
            assert_eq!(
                read_all(&[&stream[..at], &stream[at..]]),
                (wanted.clone(), None)
            );
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read_all(&bytes), (wanted, None));
    }

    #[test]
    fn no_damage_goes_unseen() {
        let stream = message(&[(":event-type", "chunk")], b"{\"a\": 1}");
        for at in 0..stream.len() {
            for bit in 0..8 {
                let mut damaged = stream.clone();
                damaged[at] ^= 1 << bit;
                let (found, error) = read_all(&[&damaged]);
                assert_eq!(found, []);
                assert_eq!(error, Some(FrameError::Damaged), "{at} {bit}");
            }
        }
    }

    #[test]
    fn lengths_and_headers_are_not_believed() {
        let prelude = |total: u32, headers: u32| {
            let mut prelude = total.to_be_bytes().to_vec();
            prelude.extend(headers.to_be_bytes());
            prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
            prelude
        };
        for (total, headers, wanted) in [
            (u32::MAX, 0, FrameError::TooLarge),
            (u32::MAX, u32::MAX, FrameError::Damaged),
            (15, 0, FrameError::Damaged),
            (100, 85, FrameError::Damaged),
        ] {
            assert_eq!(read_all(&[&prelude(total, headers)]).1, Some(wanted));
        }
        // A form that nobody knows, and a length behind the end.
        for headers in [
            &[1, b'a', 10][..],
            &[1, b'a', TEXT, 0, 9, b'x'],
            &[200, b'a'],
        ] {
            let total = u32::try_from(PRELUDE + headers.len() + TRAILER).unwrap();
            let mut bytes = prelude(total, u32::try_from(headers.len()).unwrap());
            bytes.extend(headers);
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            assert_eq!(read_all(&[&bytes]).1, Some(FrameError::Damaged));
        }
        // Every form is stepped over.
        let mut headers = Vec::new();
        for (form, length) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 4),
            (5, 8),
            (8, 8),
            (9, 16),
        ] {
            headers.extend([1, b'h', form]);
            headers.extend(vec![0; length]);
        }
        headers.extend([1, b'h', 6, 0, 1, 0]);
        let said = read(&headers).unwrap();
        assert_eq!((&*said.kind, said.words), ("", None));
    }
}
