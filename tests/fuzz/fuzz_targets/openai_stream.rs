//! What a client gets of a stream does not depend on how the stream was cut.
#![no_main]

use bytes::Bytes;
use gateway::provider::{StreamedAnswer as _, sse::OpenAiStream};
use libfuzzer_sys::fuzz_target;

fn send(strip_usage: bool, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = OpenAiStream::new(strip_usage);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(stream.chunk(Bytes::copy_from_slice(piece)));
    }
    out.extend(stream.rest());
    out
}

fuzz_target!(|input: (bool, usize, &[u8])| {
    let (strip_usage, cut, body) = input;
    let (head, tail) = body.split_at(cut % (body.len() + 1));
    assert_eq!(send(strip_usage, &[head, tail]), send(strip_usage, &[body]));
});
