//! The Messages API, both ways.
#![expect(
    clippy::needless_pass_by_value,
    reason = "`json!` is written where it is needed"
)]

use serde_json::{Value, json};

use super::super::trial::{prepared, sent, streamed, whole};
use crate::{error::ErrorClass, operation::Operation::Chat};

const OLD: &str = "anthropic/claude-3-5-sonnet-20241022";
const NEW: &str = "anthropic/claude-sonnet-4-5";

fn params(model: &str) -> Value {
    json!({ "model": model, "api_key": "k", "api_base": "http://x" })
}

/// The body for `request`, without what every body has.
fn body(model: &str, request: &Value) -> Value {
    let (address, mut body) = sent(&params(model), Chat, request);
    assert_eq!(address, "http://x/v1/messages");
    let fields = body.as_object_mut().unwrap();
    assert!(fields.remove("model").is_some());
    fields.remove("max_tokens");
    body
}

fn turns(messages: Value) -> Value {
    body(NEW, &json!({ "messages": messages }))
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

#[test]
fn turns_alternate_and_the_system_stands_apart() {
    let said = turns(json!([
        {"role": "system", "content": "S", "cache_control": {"type": "ephemeral"}},
        {"role": "developer", "content": [text("D"), text("")]},
        {"role": "user", "content": "a"},
        {"role": "user", "content": [text("b")]},
        {"role": "assistant", "content": "c  "},
    ]));
    let marked = json!({"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}});
    assert_eq!(said["system"], json!([marked, text("D")]));
    let wanted = json!([
        {"role": "user", "content": [text("a"), text("b")]},
        {"role": "assistant", "content": [text("c")]},
    ]);
    assert_eq!(said["messages"], wanted);
}

#[test]
fn calls_thoughts_and_results_keep_their_order() {
    let thought = json!({"type": "thinking", "thinking": "t", "signature": "s"});
    let unsigned = json!({"type": "thinking", "thinking": "t"});
    let function = json!({"name": "f", "arguments": "{\"a\":1}"});
    let said = turns(json!([
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": null, "thinking_blocks": [thought, unsigned],
         "tool_calls": [{"id": "call.1", "type": "function", "function": function}]},
        {"role": "system", "content": "later"},
        {"role": "tool", "tool_call_id": "call.1", "content": "r"},
    ]));
    let call = json!({"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}});
    assert_eq!(said["messages"][1]["content"], json!([thought, call]));
    let results = &said["messages"][2]["content"];
    let result = json!({"type": "tool_result", "tool_use_id": "call_1", "content": "r"});
    assert_eq!(results[0], result);
    assert!(results[1]["text"].as_str().unwrap().ends_with("later"));
    // The API wants tools where calls are.
    assert_eq!(said["tools"].as_array().unwrap().len(), 1);
}

#[test]
fn media_are_sent_as_what_they_are() {
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let file = |data: &str| json!({"type": "file", "file": {"file_data": data}});
    let base64 = |kind: &str| json!({"type": "base64", "media_type": kind, "data": "AA=="});
    for (part, wanted) in [
        (
            image("data:image/png;base64,AA=="),
            json!({"type": "image", "source": base64("image/png")}),
        ),
        (
            image("https://h/i.png"),
            json!({"type": "image", "source": {"type": "url", "url": "https://h/i.png"}}),
        ),
        (
            file("data:application/pdf;base64,AA=="),
            json!({"type": "document", "source": base64("application/pdf")}),
        ),
        (
            json!({"type": "file", "file": {"file_id": "file_1", "format": "application/pdf"}}),
            json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        ),
    ] {
        let said = turns(json!([{"role": "user", "content": [part]}]));
        assert_eq!(said["messages"][0]["content"], json!([wanted]), "{part}");
    }
    let refused = json!({"messages": [{"role": "user", "content": [image("nonsense")]}]});
    assert!(prepared(&params(NEW), Chat, &refused).is_err());
}

#[test]
fn tools_have_names_that_the_api_takes_and_give_back_the_clients() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let request = json!({
        "messages": [{"role": "user", "content": "q"}],
        "tools": [tool("a.b"), tool("a_b"), {"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "function", "function": {"name": "a.b"}},
        "parallel_tool_calls": false,
    });
    let said = body(NEW, &request);
    let names: Vec<&str> = said["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a_b_2", "a_b", "web_search"]);
    let choice = json!({"type": "tool", "name": "a_b_2", "disable_parallel_tool_use": true});
    assert_eq!(said["tool_choice"], choice);
    let answer = json!({"content": [{"type": "tool_use", "id": "t", "name": "a_b_2", "input": {}}],
        "stop_reason": "tool_use"});
    let (said, _) = whole(prepared(&params(NEW), Chat, &request).unwrap(), &answer).unwrap();
    let choice = &said["choices"][0];
    assert_eq!(
        choice["message"]["tool_calls"][0]["function"]["name"],
        "a.b"
    );
    assert_eq!(choice["finish_reason"], "tool_calls");
}

fn by_schema() -> Value {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    json!({"messages": [{"role": "user", "content": "q"}], "response_format": format})
}

#[test]
fn a_schema_is_kept_to_by_the_api_or_by_a_tool() {
    let said = body(NEW, &by_schema());
    assert_eq!(said["output_config"]["format"]["type"], "json_schema");
    let said = body(OLD, &by_schema());
    assert_eq!(said["tools"][0]["name"], said["tool_choice"]["name"]);
    let answer = json!({"content": [{"type": "tool_use", "id": "t", "name": "json_tool_call",
        "input": {"n": 1}}], "stop_reason": "tool_use"});
    let (said, _) = whole(prepared(&params(OLD), Chat, &by_schema()).unwrap(), &answer).unwrap();
    let choice = &said["choices"][0];
    let content: Value =
        serde_json::from_str(choice["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(
        (content, &choice["finish_reason"]),
        (json!({"n": 1}), &json!("stop"))
    );
}

fn plain() -> Value {
    json!({ "messages": [{ "role": "user", "content": "q" }] })
}

#[test]
fn an_answer_tells_all_it_holds() {
    let answer = json!({
        "id": "msg_1", "model": "claude-x", "stop_reason": "max_tokens",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "a", "citations": [{"cited_text": "c"}]},
            {"type": "text", "text": "b"},
        ],
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 7},
    });
    let (said, observed) = whole(prepared(&params(NEW), Chat, &plain()).unwrap(), &answer).unwrap();
    let message = &said["choices"][0]["message"];
    assert_eq!(
        (&message["content"], &message["reasoning_content"]),
        (&json!("ab"), &json!("hm"))
    );
    assert_eq!(message["thinking_blocks"].as_array().unwrap().len(), 2);
    let cited = &message["provider_specific_fields"]["citations"][0][0];
    assert_eq!(cited, &json!({"cited_text": "c", "supported_text": "a"}));
    assert_eq!(said["choices"][0]["finish_reason"], "length");
    let usage = observed.usage.unwrap();
    assert_eq!(
        (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens
        ),
        (8, 7, 15)
    );
    assert_eq!(observed.id.as_deref(), Some("msg_1"));
}

fn events(events: &[Value]) -> String {
    let lines = events.iter().map(|event| {
        let kind = event["type"].as_str().unwrap();
        format!("event: {kind}\ndata: {event}\n\n")
    });
    lines.collect()
}

fn start() -> Value {
    let usage = json!({"input_tokens": 5, "output_tokens": 1});
    json!({"type": "message_start", "message": {"id": "m", "model": "c", "usage": usage}})
}

fn block(block: Value) -> Value {
    json!({ "type": "content_block_start", "content_block": block })
}

fn delta(delta: Value) -> Value {
    json!({ "type": "content_block_delta", "delta": delta })
}

#[test]
fn a_stream_is_the_same_wherever_it_is_cut() {
    let stop = json!({"type": "content_block_stop"});
    let stream = events(&[
        start(),
        block(json!({"type": "thinking", "thinking": ""})),
        delta(json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(json!({"type": "signature_delta", "signature": "s"})),
        stop.clone(),
        block(json!({"type": "text", "text": ""})),
        delta(json!({"type": "text_delta", "text": "hé"})),
        stop.clone(),
        block(json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
        delta(json!({"type": "input_json_delta", "partial_json": "{\"a\""})),
        delta(json!({"type": "input_json_delta", "partial_json": ":1}"})),
        stop.clone(),
        block(json!({"type": "tool_use", "id": "u", "name": "g", "input": {}})),
        stop,
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"},
               "usage": {"input_tokens": 0, "output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]);
    let reader = || {
        let mut request = plain();
        request["stream"] = true.into();
        prepared(&params(NEW), Chat, &request).unwrap().reader
    };
    let (choice, observed) = streamed(reader, &stream);
    let message = &choice["message"];
    assert_eq!(
        (&message["content"], &message["reasoning_content"]),
        (&json!("hé"), &json!("hm"))
    );
    let arguments = |index: usize| &message["tool_calls"][index]["function"]["arguments"];
    assert_eq!(
        (arguments(0), arguments(1)),
        (&json!("{\"a\":1}"), &json!("{}"))
    );
    assert_eq!(choice["finish_reason"], "tool_calls");
    let usage = observed.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (5, 9));
}

#[test]
fn a_stream_may_end_badly() {
    let reader = || prepared(&params(NEW), Chat, &plain()).unwrap().reader;
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}});
    let (_, observed) = streamed(reader, &events(&[start(), error]));
    let fault = observed.error.unwrap();
    assert_eq!(
        (fault.class, &*fault.message),
        (ErrorClass::ServiceUnavailable, "Busy")
    );
    // One that breaks off has no end.
    let (choice, observed) = streamed(reader, &events(&[start(), block(text("a"))]));
    assert_eq!(
        (&choice["finish_reason"], observed.usage),
        (&Value::Null, None)
    );
}

#[test]
fn errors_are_told_apart() {
    for (status, kind, words, class) in [
        (
            400,
            "invalid_request_error",
            "prompt is too long: 2 > 1",
            ErrorClass::ContextWindowExceeded,
        ),
        (
            401,
            "authentication_error",
            "invalid x-api-key",
            ErrorClass::Authentication,
        ),
        (429, "rate_limit_error", "slow down", ErrorClass::RateLimit),
        (
            413,
            "request_too_large",
            "too large",
            ErrorClass::BadRequest,
        ),
        (
            529,
            "overloaded_error",
            "Overloaded",
            ErrorClass::ServiceUnavailable,
        ),
    ] {
        let body = json!({"type": "error", "error": {"type": kind, "message": words}});
        let mut answer = super::super::trial::answer(&body);
        answer.status = http::StatusCode::from_u16(status).unwrap();
        let fault = prepared(&params(NEW), Chat, &plain())
            .unwrap()
            .reader
            .fault(&answer);
        assert_eq!((fault.class, &*fault.message), (class, words));
        // The same in an answer that claims to be good.
        let fault = whole(prepared(&params(NEW), Chat, &plain()).unwrap(), &body).unwrap_err();
        assert_eq!((fault.class, &*fault.message), (class, words));
    }
    for body in [json!({}), json!([]), json!({"content": "x"})] {
        let fault = whole(prepared(&params(NEW), Chat, &plain()).unwrap(), &body).unwrap_err();
        assert_eq!(fault.class, ErrorClass::BadGateway);
    }
}
