//! The frames of a stream do not depend on how it was cut, whatever is in it.
#![no_main]

use gateway::provider::frames::{Frame, FrameError, Frames, LineFrames, SseFrames};
use libfuzzer_sys::fuzz_target;

fn read(mut frames: impl Frames, pieces: &[&[u8]]) -> Vec<Result<Frame, FrameError>> {
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

fuzz_target!(|input: (u8, usize, &[u8])| {
    let (framing, cut, body) = input;
    let (head, tail) = body.split_at(cut % (body.len() + 1));
    let read = |pieces: &[&[u8]]| match framing % 3 {
        0 => read(SseFrames::default(), pieces),
        1 => read(LineFrames::default(), pieces),
        _ => read(LineFrames::verbatim(), pieces),
    };
    assert_eq!(read(&[head, tail]), read(&[body]));
});
