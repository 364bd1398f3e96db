//! Answers of Converse, whole and streamed.

use serde_json::{Value, json};

use super::{CLAUDE, NOVA, prepared, reader, schema, tool};
use crate::{
    error::ErrorClass,
    provider::{
        aws::trial::{event, exception, streamed},
        trial,
    },
};

const USAGE: &str = r#"{"inputTokens": 5, "outputTokens": 7, "totalTokens": 42, "cacheReadInputTokens": 10,
    "cacheWriteInputTokens": 20}"#;

#[test]
fn whole_answers_are_completions_and_no_token_is_lost() {
    let asked = json!({"tools": [tool("a.b")]});
    let body = json!({
        "output": {"message": {"content": [
            {"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": "AA=="}},
            {"text": "x"},
            {"toolUse": {"toolUseId": "1", "name": "a_b", "input": {"z": 1, "a": 2}}},
        ]}},
        "stopReason": "tool_use",
        "usage": serde_json::from_str::<Value>(USAGE).unwrap(),
        "additionalModelResponseFields": {"usage": {"output_tokens_details": {"thinking_tokens": 3}}},
        "serviceTier": {"type": "flex"},
    });
    let (said, observed) = trial::whole(prepared(CLAUDE, &asked).unwrap(), &body).unwrap();
    let choice = &said["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let message = &choice["message"];
    assert_eq!(message["content"], "x");
    assert_eq!(message["reasoning_content"], "t");
    assert_eq!(
        message["thinking_blocks"][1],
        json!({"type": "redacted_thinking", "data": "AA=="})
    );
    let function = json!({"name": "a.b", "arguments": "{\"z\":1,\"a\":2}"});
    assert_eq!(
        message["tool_calls"],
        json!([{"id": "1", "type": "function", "function": function}])
    );
    assert_eq!(observed.service_tier.as_deref(), Some("flex"));
    let usage = observed.usage.unwrap();
    assert_eq!(
        (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens
        ),
        (35, 7, 42)
    );
    let prompt = usage.prompt_tokens_details.unwrap();
    assert_eq!(
        (prompt.cached_tokens, prompt.cache_write_tokens),
        (Some(10), Some(20))
    );
    let thought = usage.completion_tokens_details.unwrap().reasoning_tokens;
    assert_eq!(thought, Some(3));
    for (reason, wanted) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
    ] {
        let body = json!({"output": {"message": {"content": []}}, "stopReason": reason});
        let (said, _) = trial::whole(prepared(NOVA, &json!({})).unwrap(), &body).unwrap();
        assert_eq!(said["choices"][0]["finish_reason"], wanted);
    }
    for body in [json!({}), json!([]), json!({"output": {}})] {
        let fault = trial::whole(prepared(NOVA, &json!({})).unwrap(), &body).unwrap_err();
        assert_eq!(fault.class, ErrorClass::BadGateway);
    }
}

#[test]
fn the_tool_that_takes_the_answer_is_not_seen() {
    let asked = json!({"response_format": schema(), "tools": [tool("f")]});
    let own = json!({"toolUse": {"toolUseId": "1", "name": "json_tool_call", "input": {"c": "x"}}});
    let other = json!({"toolUse": {"toolUseId": "2", "name": "f", "input": {}}});
    for (content, calls, reason) in [
        (json!([{"text": "Sure: "}, own]), 0, "stop"),
        (json!([own, other]), 1, "tool_calls"),
    ] {
        let body = json!({"output": {"message": {"content": content}}, "stopReason": "tool_use"});
        let (said, _) = trial::whole(prepared(NOVA, &asked).unwrap(), &body).unwrap();
        let choice = &said["choices"][0];
        assert_eq!(choice["message"]["content"], "{\"c\": \"x\"}");
        let found = choice["message"]["tool_calls"]
            .as_array()
            .map_or(0, Vec::len);
        assert_eq!((found, &choice["finish_reason"]), (calls, &json!(reason)));
    }
}

fn delta(index: u32, delta: &Value) -> Vec<u8> {
    event(
        "contentBlockDelta",
        &json!({"contentBlockIndex": index, "delta": delta}),
    )
}

fn metadata() -> Vec<u8> {
    let usage: Value = serde_json::from_str(USAGE).unwrap();
    event(
        "metadata",
        &json!({"usage": usage, "serviceTier": {"type": "priority"}}),
    )
}

#[test]
fn a_stream_says_the_same_wherever_it_is_cut() {
    let start = |index: u32, id: &str, name: &str| {
        let call = json!({"toolUse": {"toolUseId": id, "name": name}});
        event(
            "contentBlockStart",
            &json!({"contentBlockIndex": index, "start": call}),
        )
    };
    let stop = |index: u32| event("contentBlockStop", &json!({"contentBlockIndex": index}));
    let own = json!({"usage": {"output_tokens_details": {"thinking_tokens": 2}}});
    let stream = [
        event("messageStart", &json!({"role": "assistant"})),
        delta(0, &json!({"reasoningContent": {"text": "t"}})),
        delta(0, &json!({"reasoningContent": {"signature": "s"}})),
        stop(0),
        delta(1, &json!({"text": "ü"})),
        stop(1),
        start(2, "1", "a_b"),
        delta(2, &json!({"toolUse": {"input": "{\"z\":"}})),
        delta(2, &json!({"toolUse": {"input": "1}"}})),
        stop(2),
        start(3, "2", "f"),
        stop(3),
        event(
            "messageStop",
            &json!({"stopReason": "tool_use", "additionalModelResponseFields": own}),
        ),
        metadata(),
    ]
    .concat();
    let asked = json!({"stream": true, "tools": [tool("a.b"), tool("f")]});
    let (choice, observed) = streamed(|| reader(CLAUDE, &asked), &stream);
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], "ü");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    let calls: Vec<&Value> = calls.iter().map(|call| &call["function"]).collect();
    assert_eq!(*calls[0], json!({"name": "a.b", "arguments": "{\"z\":1}"}));
    assert_eq!(*calls[1], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(observed.service_tier.as_deref(), Some("priority"));
    let usage = observed.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (35, 7));
    assert_eq!(
        usage.completion_tokens_details.unwrap().reasoning_tokens,
        Some(2)
    );
}

#[test]
fn a_stream_that_fails_says_why() {
    let asked = json!({"stream": true});
    let text = delta(0, &json!({"text": "a"}));
    let end = event("messageStop", &json!({"stopReason": "end_turn"}));
    for (last, wanted) in [
        (
            exception("throttlingException", "slow"),
            Some((ErrorClass::RateLimit, "slow")),
        ),
        (
            exception("modelStreamErrorException", "bad"),
            Some((ErrorClass::Api(424), "bad")),
        ),
        (event("contentBlockDelta", &json!("odd")), None),
        (end, None),
    ] {
        let is_whole = wanted.is_none();
        let stream = [text.clone(), last].concat();
        let (_, observed) = streamed(|| reader(NOVA, &asked), &stream);
        let error = observed
            .error
            .as_ref()
            .map(|fault| (fault.class, &*fault.message));
        assert_eq!(error, wanted);
        assert!(is_whole || observed.usage.is_none());
    }
    let mut damaged = text;
    *damaged.last_mut().unwrap() ^= 1;
    let (_, observed) = streamed(|| reader(NOVA, &asked), &damaged);
    assert_eq!(observed.error.unwrap().class, ErrorClass::ApiConnection);
}
