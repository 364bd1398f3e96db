//! What goes through and what is learned does not depend on how the stream was cut.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const STREAM: &str = concat!(
    "data: {\"id\":\"c1\",\"created\":5,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":",
    "{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n\n",
    ": a comment\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\\u00e9l\"}}]}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\r\n\r\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",",
    "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,",
    "\"function\":{\"arguments\":\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\n",
    "data: [DONE]\n\n",
);

/// Sends `STREAM` in pieces that end at `cuts`.
fn send(strip_usage: bool, cuts: &[usize]) -> (Vec<u8>, Observed, bool) {
    let mut stream = OpenAiStream::new(strip_usage);
    let mut out = Vec::new();
    let mut start = 0;
    for &cut in cuts.iter().chain([&STREAM.len()]) {
        out.extend(stream.chunk(Bytes::from(&STREAM[start..cut])));
        start = cut;
    }
    let complete = stream.is_complete();
    out.extend(stream.rest());
    (out, stream.observed(), complete)
}

#[test]
fn the_answer_is_put_together() {
    let (out, observed, complete) = send(false, &[]);
    assert!(complete);
    assert_eq!(out, STREAM.as_bytes());
    assert_eq!(observed.usage.unwrap().total_tokens, 12);
    let response: Value = observed.response.unwrap().read().unwrap();
    let message = &response["choices"][0]["message"];
    assert_eq!(message["content"], "héllo");
    assert_eq!(
        message["tool_calls"][0]["function"]["arguments"],
        "{\"a\":1}"
    );
    assert_eq!(response["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn the_text_of_a_completion_is_put_together() {
    let mut stream = OpenAiStream::new(false);
    for chunk in [
        r#"{"id":"cmpl-1","object":"text_completion","choices":[{"index":0,"text":"hél","finish_reason":null}]}"#,
        r#"{"id":"cmpl-1","choices":[{"index":1,"text":"other","finish_reason":"length"}]}"#,
        r#"{"id":"cmpl-1","choices":[{"index":0,"text":"lo","finish_reason":"stop"}]}"#,
    ] {
        stream.chunk(Bytes::from(format!("data: {chunk}\n\n")));
    }
    assert!(stream.is_finished());
    let observed = stream.observed();
    assert_eq!(observed.text_bytes, 6 + 5);
    let response: Value = observed.response.unwrap().read().unwrap();
    assert_eq!(response["object"], "text_completion");
    assert_eq!(response["choices"][0]["text"], "héllo");
    assert_eq!(response["choices"][1]["finish_reason"], "length");
    assert!(response["choices"][0].get("message").is_none());
}

#[test]
fn the_usage_chunk_is_left_out_where_nobody_asked_for_it() {
    let (out, observed, _) = send(true, &[]);
    let out = String::from_utf8(out).unwrap();
    let wanted: String = STREAM
        .split_inclusive("\n\n")
        .filter(|part| !part.contains("prompt_tokens"))
        .collect();
    assert_eq!(out, wanted);
    assert_eq!(observed.usage.unwrap().prompt_tokens, 7);
}

#[test]
fn an_error_in_the_stream_is_seen() {
    let mut stream = OpenAiStream::new(false);
    stream.chunk(Bytes::from(
        "data: {\"error\":{\"message\":\"overloaded\",\"code\":529}}\n\n",
    ));
    assert_eq!(stream.observed().error.unwrap().message, "overloaded");
}

#[test]
fn an_odd_field_does_not_make_the_others_disappear() {
    for odd in [
        r#"{"created":1.5,"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        r#"{"choices":null,"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":null}}"#,
        r#"{"id":7,"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
    ] {
        let mut stream = OpenAiStream::new(true);
        let out = stream.chunk(Bytes::from(format!("data: {odd}\n\n")));
        assert!(out.is_empty(), "{odd}");
        assert_eq!(
            stream.observed().usage.unwrap().completion_tokens,
            2,
            "{odd}"
        );
    }
    let both = r#"{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}}]}"#;
    let mut stream = OpenAiStream::new(false);
    stream.chunk(Bytes::from(format!("data: {both}\n\n")));
    assert_eq!(stream.observed().text_bytes, 1);
}

#[test]
fn a_line_without_end_stays_within_its_bound() {
    for strip_usage in [false, true] {
        let mut stream = OpenAiStream::new(strip_usage);
        let mut passed = 0;
        for _ in 0..40 {
            passed += stream.chunk(Bytes::from(vec![b'x'; 100_000])).len();
            assert!(stream.line.len() <= LINE_BYTES_MAX);
        }
        assert_eq!(passed + stream.rest().len(), 4_000_000);
    }
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        strip_usage: bool,
        mut cuts in prop::collection::vec((0..STREAM.len()).prop_filter("boundary", |&at| STREAM.is_char_boundary(at)), 0..30),
    ) {
        cuts.sort_unstable();
        prop_assert_eq!(send(strip_usage, &cuts), send(strip_usage, &[]));
    }

    #[test]
    fn garbage_goes_through_unharmed(body in prop::collection::vec(any::<u8>(), 0..500), cut in 0..500_usize) {
        for strip_usage in [false, true] {
            let mut stream = OpenAiStream::new(strip_usage);
            let (head, tail) = body.split_at(cut.min(body.len()));
            let mut out = stream.chunk(Bytes::copy_from_slice(head)).to_vec();
            out.extend(stream.chunk(Bytes::copy_from_slice(tail)));
            out.extend(stream.rest());
            prop_assert_eq!(&out, &body);
        }
    }
}
