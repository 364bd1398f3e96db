//! What is passed on is passed on unchanged, and what it tells is read however it is cut.

use serde_json::{Value, json};

use super::*;

fn event(kind: &str, data: &Value) -> String {
    format!("event: {kind}\ndata: {data}\n\n")
}

fn message() -> String {
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message",
        "role": "assistant", "model": "claude-x", "content": [], "stop_reason": null,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1}}});
    let tool = json!({"type": "tool_use", "id": "t", "name": "f", "input": {}});
    [
        event("message_start", &start),
        event(
            "content_block_start",
            &json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}),
        ),
        event("ping", &json!({"type": "ping"})),
        event(
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": "Hi ☕"}}),
        ),
        event(
            "content_block_start",
            &json!({"type": "content_block_start", "index": 1,
            "content_block": tool}),
        ),
        event(
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": "{\"a\":"}}),
        ),
        event(
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": "1}"}}),
        ),
        event(
            "message_delta",
            &json!({"type": "message_delta",
            "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}}),
        ),
        event("message_stop", &json!({"type": "message_stop"})),
    ]
    .concat()
}

fn response(kind: &str) -> String {
    let whole = json!({"id": "resp_1", "object": "response", "model": "gpt-x", "error": null,
        "service_tier": "flex",
        "output": [{"type": "web_search_call"}, {"type": "message"}],
        "usage": {"input_tokens": 20, "input_tokens_details": {"cached_tokens": 8},
            "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 25}});
    [
        event(
            "response.created",
            &json!({"type": "response.created",
            "response": {"id": "resp_1", "model": "gpt-x", "usage": null, "error": null}}),
        ),
        event(
            "response.output_text.delta",
            &json!({"type": "response.output_text.delta",
            "delta": "Hello"}),
        ),
        event(kind, &json!({"type": kind, "response": whole})),
    ]
    .concat()
}

fn read_in(operation: Operation, text: &str, cut: usize) -> (bool, Observed) {
    let mut along = Along::new(operation, "openai");
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    along.head(&headers);
    assert!(along.is_stream(&headers));
    let mut stream = Box::new(along).stream(true);
    let mut out = Vec::new();
    for piece in text.as_bytes().chunks(cut) {
        out.extend(stream.chunk(Bytes::copy_from_slice(piece)));
    }
    out.extend(stream.rest());
    assert_eq!(out, text.as_bytes(), "the client gets what upstream sent");
    (stream.is_finished(), stream.observed())
}

#[test]
fn a_message_is_read_and_put_together() {
    for cut in [1, 7, 10_000] {
        let (finished, told) = read_in(Operation::Messages, &message(), cut);
        assert!(finished);
        assert_eq!(told.id.as_deref(), Some("msg_1"));
        assert_eq!(told.model.as_deref(), Some("claude-x"));
        let usage = told.usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (15, 7));
        let cached = usage.prompt_tokens_details.unwrap().cached_tokens;
        assert_eq!(cached, Some(5));
        let whole: Value = told.response.unwrap().read().unwrap();
        assert_eq!(whole["content"][0]["text"], "Hi ☕");
        assert_eq!(whole["content"][1]["input"], json!({"a": 1}));
        assert_eq!(whole["stop_reason"], "tool_use");
        assert_eq!(whole["usage"]["output_tokens"], 7);
    }
}

#[test]
fn a_message_that_breaks_off_has_no_usage_of_its_own() {
    let whole = message();
    let cut = whole.find("event: message_delta").unwrap();
    let (finished, told) = read_in(Operation::Messages, &whole[..cut], 50);
    assert!(!finished);
    assert_eq!(told.usage, None);
    assert!(told.text_bytes > 0);
}

#[test]
fn a_response_tells_its_usage_at_its_end() {
    for kind in ["response.completed", "response.incomplete"] {
        for cut in [1, 11, 10_000] {
            let (finished, told) = read_in(Operation::Responses, &response(kind), cut);
            assert!(finished, "{kind}");
            assert_eq!(told.id.as_deref(), Some("resp_1"));
            assert_eq!(told.service_tier.as_deref(), Some("flex"));
            let usage = told.usage.unwrap();
            assert_eq!((usage.prompt_tokens, usage.completion_tokens), (20, 5));
            let searches = usage.server_tool_use.unwrap().web_search_requests;
            assert_eq!(searches, Some(1));
            assert_eq!(told.error, None);
            let whole: Value = told.response.unwrap().read().unwrap();
            assert_eq!(whole["object"], "response");
        }
    }
    let begun = response("response.completed");
    let cut = begun.find("event: response.completed").unwrap();
    let (finished, told) = read_in(Operation::Responses, &begun[..cut], 9);
    assert!(!finished && told.usage.is_none() && told.text_bytes > 0);
}

#[test]
fn errors_in_streams_are_errors() {
    let anthropic = json!({"type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let openai = json!({"type": "error", "code": "server_error", "message": "Overloaded"});
    for (operation, said) in [
        (Operation::Messages, anthropic),
        (Operation::Responses, openai),
    ] {
        let (_, told) = read_in(operation, &event("error", &said), 5);
        assert_eq!(told.error.unwrap().message, "Overloaded");
    }
}

fn whole(operation: Operation, body: &str) -> Observed {
    let answer = Answer {
        status: http::StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    match Box::new(Along::new(operation, "openai")).whole(answer) {
        Ok(Step::Done(whole)) => {
            assert_eq!(whole.body, body.as_bytes());
            whole.observed
        }
        _ => panic!("not done"),
    }
}

#[test]
fn whole_answers_tell_what_was_consumed() {
    let image = r#"{"created": 1, "data": [{"b64_json": "x"}],
        "usage": {"input_tokens": 3, "output_tokens": 9, "total_tokens": 12}}"#;
    let usage = whole(Operation::ImageGeneration, image).usage.unwrap();
    assert_eq!(usage.completion_tokens, 9);
    let heard = r#"{"text": "x", "usage": {"type": "duration", "seconds": 9}}"#;
    let usage = whole(Operation::Transcription, heard).usage.unwrap();
    assert_eq!(usage.seconds, "9".parse().ok());
    let verbose = r#"{"text": "x", "duration": 8.5}"#;
    let usage = whole(Operation::Transcription, verbose).usage.unwrap();
    assert_eq!(usage.seconds, "8.5".parse().ok());
    let gemini = r#"[{"x": 1}, {"modelVersion": "g",
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 6, "totalTokenCount": 10}}]"#;
    let told = whole(Operation::PassThrough, gemini);
    assert_eq!(told.usage.unwrap().completion_tokens, 6);
    assert_eq!(told.model.as_deref(), Some("g"));
}

#[test]
fn what_is_kept_was_consumed_before() {
    let stored = r#"{"id": "resp_1", "error": {"message": "x"},
        "usage": {"input_tokens": 3, "output_tokens": 9, "total_tokens": 12}}"#;
    let told = whole(Operation::Stored("aget_responses"), stored);
    assert_eq!((told.usage, told.error), (None, None));
    assert_eq!(told.id.as_deref(), Some("resp_1"));
}

#[test]
fn text_is_an_answer_only_where_it_may_be() {
    assert!(whole(Operation::Transcription, "hello").response.is_some());
    assert!(whole(Operation::Responses, "<html>").response.is_none());
}
