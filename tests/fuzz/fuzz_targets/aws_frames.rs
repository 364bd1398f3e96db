//! AWS's binary messages do not depend on how their stream was cut, and no length in them is
//! believed. With `sealed`, checksums are made right, so that what is behind them is reached.
#![no_main]

use gateway::provider::frames::{AwsFrames, Frame, FrameError, Frames as _};
use libfuzzer_sys::fuzz_target;

/// Lengths and their checksum.
const PRELUDE: usize = 12;

fn read(pieces: &[&[u8]]) -> Vec<Result<Frame, FrameError>> {
    let mut frames = AwsFrames::default();
    let mut found = Vec::new();
    for piece in pieces {
        frames.push(piece);
        while let Some(frame) = frames.next() {
            found.push(frame);
        }
    }
    found.extend(frames.last().map(Ok));
    found
}

/// The message that `bytes` are but for their checksums and the whole length.
fn seal(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().max(PRELUDE), 0);
    let total = u32::try_from(bytes.len() + 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&total.to_be_bytes());
    let checksum = crc32fast::hash(&bytes[..8]).to_be_bytes();
    bytes[8..PRELUDE].copy_from_slice(&checksum);
    bytes.extend(crc32fast::hash(bytes).to_be_bytes());
}

fuzz_target!(|input: (bool, usize, Vec<u8>)| {
    let (sealed, cut, mut body) = input;
    if sealed {
        seal(&mut body);
    }
    let (head, tail) = body.split_at(cut % (body.len() + 1));
    assert_eq!(read(&[head, tail]), read(&[&body]));
});
