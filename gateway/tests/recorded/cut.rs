//! What is reported of a stream does not depend on where the network cuts it.

use bytes::Bytes;
use event::Usage;
use gateway::provider::Fault;
use serde_json::Value;

use crate::{
    case::{self, Asked, Case},
    whole,
};

/// What a stream is in the end.
#[derive(Debug, PartialEq)]
struct Told {
    /// What the client makes of it.
    client: Result<(Value, Value), Value>,
    /// The same, as the event has it.
    event: Value,
    usage: Option<Usage>,
    error: Option<Fault>,
    is_finished: bool,
}

fn read<'a>(case: &Case, asked: &Asked, pieces: impl Iterator<Item = &'a [u8]>) -> Told {
    let strip = case.request["stream_options"].is_null();
    let mut answer = asked.reader().stream(strip);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(answer.chunk(Bytes::copy_from_slice(piece)));
    }
    out.extend(answer.rest());
    let is_finished = answer.is_finished();
    let observed = answer.observed();
    let client = whole::elements(&out).map(|elements| {
        let (answer, usage) = whole::stream(&elements);
        (without_new_ids(answer), usage)
    });
    let event: Value = observed
        .response
        .and_then(|json| json.read())
        .unwrap_or_default();
    Told {
        client,
        event: without_new_ids(event),
        usage: observed.usage,
        error: observed.error,
        is_finished,
    }
}

/// Ids that are made up are new each time.
fn without_new_ids(mut answer: Value) -> Value {
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("id");
    }
    for choice in answer["choices"].as_array_mut().into_iter().flatten() {
        let calls = choice["message"]["tool_calls"].as_array_mut();
        for call in calls.into_iter().flatten() {
            assert!(call["id"].as_str().is_some_and(|id| !id.is_empty()));
            call["id"] = Value::Null;
        }
    }
    answer
}

/// Cuts the streams of every case whose number has this remainder: two tests take half of the time.
fn cut_everywhere(remainder: usize) {
    let with_stream = |case: Case| case.stream().map(|stream| (case, stream));
    let streams: Vec<(Case, Bytes)> = case::all().into_iter().filter_map(with_stream).collect();
    assert!(streams.len() > 30, "only {} streams", streams.len());
    for (case, stream) in streams.iter().skip(remainder).step_by(2) {
        let asked = case.read();
        let at_once = read(case, &asked, [&stream[..]].into_iter());
        assert_eq!(at_once.client.is_err(), case.is_error(), "{}", case.name);
        assert!(at_once.is_finished, "{}: {at_once:?}", case.name);
        for at in 1..stream.len() {
            let (head, tail) = stream.split_at(at);
            let cut = read(case, &asked, [head, tail].into_iter());
            assert_eq!(cut, at_once, "{} cut at {at}", case.name);
        }
        let by_byte = read(case, &asked, stream.chunks(1));
        assert_eq!(by_byte, at_once, "{} byte by byte", case.name);
    }
}

#[test]
fn streams_are_the_same_wherever_they_are_cut() {
    cut_everywhere(0);
}

#[test]
fn the_other_streams_are_the_same_wherever_they_are_cut() {
    cut_everywhere(1);
}

#[test]
fn a_stream_that_breaks_off_is_not_taken_for_a_whole_one() {
    for case in case::all() {
        let Some(stream) = case.stream() else {
            continue;
        };
        // The first third has no end yet, whatever the dialect.
        let head = &stream[..stream.len() / 3];
        let asked = case.read();
        let mut answer = asked.reader().stream(false);
        let out = [answer.chunk(Bytes::copy_from_slice(head)), answer.rest()].concat();
        let is_told = answer.is_finished() && answer.observed().error.is_some();
        assert!(is_told || !answer.is_finished(), "{}", case.name);
        assert!(!out.ends_with(b"[DONE]\n\n"), "{}", case.name);
    }
}
