//! What is said in one dialect means the same in the other.

use serde_json::{Value, json};

use super::*;
use crate::provider::sse::OpenAiStream;

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[test]
fn a_message_request_becomes_a_chat() {
    let asked = json!({
        "system": [{"type": "text", "text": "Be brief."}], "max_tokens": 9, "top_k": 3,
        "stop_sequences": ["x"], "metadata": {"user_id": "u"},
        "thinking": {"type": "enabled", "budget_tokens": 9000},
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "7"}]},
                {"type": "text", "text": "and this"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]}],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true}});
    let knows = |name: &str| name != "top_k";
    let said = messages::chat(object(&asked), &knows).unwrap();
    assert_eq!(
        Value::Object(said),
        json!({
            "max_tokens": 9, "stop": ["x"], "user": "u", "reasoning_effort": "high",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Let me see.", "tool_calls": [
                    {"id": "t1", "type": "function",
                     "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
                {"role": "tool", "tool_call_id": "t1", "content": "7"},
                {"role": "user", "content": [
                    {"type": "text", "text": "and this"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}],
            "tools": [{"type": "function", "function":
                {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
            "tool_choice": "required", "parallel_tool_calls": false})
    );
    let odd = json!({"messages": [{"role": "user", "content": [{"type": "novel"}]}]});
    assert!(messages::chat(object(&odd), &knows).is_err());
}

#[test]
fn a_response_request_becomes_a_chat() {
    let asked = json!({
        "instructions": "Be brief.", "max_output_tokens": 9, "store": false,
        "reasoning": {"effort": "low"}, "temperature": 0.5,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": true}},
        "input": [
            {"role": "developer", "content": "d"},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "Hi"},
                {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"}]},
            {"type": "reasoning", "summary": []},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "7"}],
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": null},
            {"type": "web_search_preview", "search_context_size": "low"}],
        "tool_choice": {"type": "function", "name": "f"}});
    let said = responses::chat(object(&asked), &|_| true).unwrap();
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}});
    assert_eq!(
        Value::Object(said),
        json!({
            "max_tokens": 9, "reasoning_effort": "low", "temperature": 0.5,
            "response_format": {"type": "json_schema",
                "json_schema": {"name": "n", "schema": {}, "strict": true}},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "system", "content": "d"},
                {"role": "user", "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}}]},
                {"role": "assistant", "content": null,
                 "tool_calls": [call("c1", "f"), call("c2", "g")]},
                {"role": "tool", "tool_call_id": "c1", "content": "7"}],
            "web_search_options": {"search_context_size": "low"},
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}}})
    );
    let kept = json!({"input": "x", "previous_response_id": "resp_1"});
    let error = responses::chat(object(&kept), &|_| true).unwrap_err();
    assert!(error.to_string().contains("previous_response_id"));
}

fn completion() -> Value {
    json!({"id": "c", "created": 1, "model": "m", "choices": [{"index": 0,
        "finish_reason": "tool_calls",
        "message": {"role": "assistant", "reasoning_content": "hm", "content": "Hi",
            "tool_calls": [{"id": "t1", "type": "function",
                "function": {"name": "f", "arguments": "{\"a\":1}"}}]}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46,
            "prompt_tokens_details": {"cached_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 2}}})
}

#[test]
fn a_chats_answer_is_said_in_both_dialects() {
    let message = whole(Operation::Messages, &completion());
    assert_eq!(message["stop_reason"], "tool_use");
    assert_eq!(message["content"][0]["thinking"], "hm");
    assert_eq!(message["content"][1]["text"], "Hi");
    assert_eq!(message["content"][2]["input"], json!({"a": 1}));
    assert_eq!(
        message["usage"],
        json!({"input_tokens": 7, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 5, "output_tokens": 34})
    );
    let response = whole(Operation::Responses, &completion());
    assert_eq!(response["status"], "completed");
    assert_eq!(response["output"][0]["type"], "reasoning");
    assert_eq!(response["output"][1]["content"][0]["text"], "Hi");
    assert_eq!(response["output"][2]["call_id"], "t1");
    assert_eq!(
        response["usage"]["input_tokens_details"]["cached_tokens"],
        5
    );
    let mut cut = completion();
    cut["choices"][0]["finish_reason"] = "length".into();
    assert_eq!(whole(Operation::Responses, &cut)["status"], "incomplete");
    assert_eq!(
        whole(Operation::Messages, &cut)["stop_reason"],
        "max_tokens"
    );
}

fn chunks() -> String {
    let chunk = |delta: Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        format!(
            "data: {}\n\n",
            json!({"id": "c", "created": 1, "model": "m", "choices": [choice]})
        )
    };
    let call =
        |function: Value| json!({"tool_calls": [{"index": 0, "id": "t1", "function": function}]});
    let usage = completion()["usage"].clone();
    [
        chunk(json!({"role": "assistant", "content": ""}), None),
        chunk(json!({"reasoning_content": "hm"}), None),
        chunk(json!({"content": "H"}), None),
        chunk(json!({"content": "i ☕"}), None),
        chunk(call(json!({"name": "f", "arguments": ""})), None),
        chunk(call(json!({"arguments": "{\"a\":"})), None),
        chunk(call(json!({"arguments": "1}"})), None),
        chunk(json!({}), Some("tool_calls")),
        format!(
            "data: {}\n\ndata: [DONE]\n\n",
            json!({"id": "c", "choices": [], "usage": usage})
        ),
    ]
    .concat()
}

fn said_of(operation: Operation, text: &str, cut: usize) -> (Vec<Value>, bool, Observed) {
    let mut stream = stream(operation, Box::new(OpenAiStream::new(false)));
    let mut out = Vec::new();
    for piece in text.as_bytes().chunks(cut) {
        out.extend(stream.chunk(Bytes::copy_from_slice(piece)));
    }
    // What was learned is asked for as soon as the answer is complete; the end is said once.
    let early = stream.is_complete().then(|| stream.observed());
    out.extend(stream.rest());
    let out = String::from_utf8(out).unwrap();
    let events = out
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| {
            let (kind, data) = event.split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(kind.strip_prefix("event: "), data["type"].as_str());
            data
        });
    let told = early.unwrap_or_else(|| stream.observed());
    (events.collect(), stream.is_finished(), told)
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect()
}

#[test]
fn a_chats_stream_is_said_as_a_message() {
    let (events, finished, told) = said_of(Operation::Messages, &chunks(), 7);
    assert_eq!(
        kinds(&events),
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    assert!(finished);
    assert_eq!(told.usage.unwrap().completion_tokens, 34);
    assert_eq!(events[8]["content_block"]["name"], "f");
    assert_eq!(events[12]["delta"]["stop_reason"], "tool_use");
    assert_eq!(events[12]["usage"]["input_tokens"], 7);
    for cut in [1, 50, 10_000] {
        assert_eq!(
            said_of(Operation::Messages, &chunks(), cut).0,
            events,
            "{cut}"
        );
    }
}

#[test]
fn a_chats_stream_is_said_as_a_response() {
    let (events, finished, told) = said_of(Operation::Responses, &chunks(), 7);
    let kinds = kinds(&events);
    assert_eq!(kinds[..2], ["response.created", "response.in_progress"]);
    assert_eq!(kinds.last(), Some(&"response.completed"));
    let done = kinds
        .iter()
        .filter(|kind| **kind == "response.output_item.done");
    assert_eq!(done.count(), 3);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let whole = &events.last().unwrap()["response"];
    assert_eq!(whole["output"][1]["content"][0]["text"], "Hi ☕");
    assert_eq!(whole["output"][2]["arguments"], "{\"a\":1}");
    assert_eq!(whole["usage"]["output_tokens"], 34);
    assert!(finished && told.usage.is_some());
}

#[test]
fn a_stream_that_fails_does_not_end_well() {
    let error = "data: {\"error\":{\"message\":\"Overloaded\"}}\n\n";
    for end in ["data: [DONE]\n\n", ""] {
        let broken = chunks().replace("data: [DONE]\n\n", &format!("{error}{end}"));
        let (events, _, told) = said_of(Operation::Messages, &broken, 9);
        assert_eq!(kinds(&events).last(), Some(&"error"));
        assert_eq!(told.error.unwrap().message, "Overloaded");
    }
    let cut = chunks().find("\"finish_reason\":\"tool_calls\"").unwrap() - 300;
    let (events, finished, told) = said_of(Operation::Responses, &chunks()[..cut], 9);
    assert!(!finished && told.usage.is_none());
    assert_ne!(kinds(&events).last(), Some(&"response.completed"));
}
