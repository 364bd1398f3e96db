//! Mocks have the shape of answers, whole and streamed, and errors by their names.

use http::{HeaderMap, Request};

use super::*;
use crate::provider::openai;

fn draft(operation: Operation, body: &Value) -> Draft {
    let (head, ()) = Request::new(()).into_parts();
    let request = ClientRequest::parse(operation, body.to_string().into(), 1000).unwrap();
    let mut draft = Draft::new(&head, ("/x", operation), None, Timestamp::from_micros(0));
    assert_eq!(head.headers, HeaderMap::new());
    draft.request = Some(request);
    draft
}

fn mocking(fields: &Value) -> Mocking {
    let mut mocking = Mocking::default();
    for (name, value) in fields.as_object().unwrap() {
        mocking.set(name, Json::of(value)).unwrap();
    }
    mocking
}

fn chat(more: &Value, mock: &Value) -> Mock {
    let mut body =
        json!({"model": "m", "messages": [{"role": "user", "content": "four words of prompt"}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    Mock::new(&mocking(mock), &draft(Operation::Chat, &body))
}

fn whole(mock: &Mock) -> Value {
    serde_json::from_slice(&mock.whole()).unwrap()
}

#[test]
fn a_text_is_said_as_often_as_asked_for_and_counted() {
    let mock = chat(&json!({"n": 2}), &json!({"mock_response": "hello there"}));
    let said = whole(&mock);
    assert_eq!(said["choices"].as_array().unwrap().len(), 2);
    assert_eq!(said["choices"][1]["message"]["content"], "hello there");
    assert_eq!(said["model"], "m");
    let usage = openai::whole(&mock.whole()).usage.unwrap();
    assert!(
        usage.prompt_tokens > 0 && usage.completion_tokens > 0,
        "{usage:?}"
    );
    // Nobody has to say a text.
    let silent = whole(&chat(&json!({}), &json!({"mock_tool_calls": []})));
    assert_eq!(silent["choices"][0]["message"]["content"], TEXT);
}

#[test]
fn a_whole_answer_keeps_what_it_says_and_gets_what_it_lacks() {
    let own = json!({"id": "own", "choices": [{"index": 0, "finish_reason": "length",
        "message": {"role": "assistant", "content": "mine"}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}});
    let mock = chat(&json!({}), &json!({ "mock_response": own }));
    let said = whole(&mock);
    assert_eq!(said["id"], "own");
    assert_eq!(said["choices"], own["choices"]);
    assert_eq!(said["object"], "chat.completion");
    assert_eq!(openai::whole(&mock.whole()).usage.unwrap().total_tokens, 12);
}

#[test]
fn tool_calls_and_vectors_are_answers_too() {
    let calls =
        json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let mock = chat(&json!({}), &json!({ "mock_tool_calls": calls }));
    let choice = &whole(&mock)["choices"][0];
    assert_eq!(choice["message"]["tool_calls"], calls);
    assert_eq!(choice["finish_reason"], "tool_calls");
    let streamed = mock.chunks(Timestamp::from_micros(0));
    let text = String::from_utf8(streamed[0].to_vec()).unwrap();
    assert!(
        text.contains("tool_calls") && text.ends_with("data: [DONE]\n\n"),
        "{text}"
    );
    let body = json!({"model": "m", "input": "x"});
    let mock = mocking(&json!({"mock_response": [0.5, 0.25]}));
    let mock = Mock::new(&mock, &draft(Operation::Embedding, &body));
    assert_eq!(whole(&mock)["data"][0]["embedding"], json!([0.5, 0.25]));
}

#[test]
fn a_streamed_text_is_the_same_in_pieces() {
    let text = "a text that is longer than one chunk of it";
    let mock = chat(&json!({"stream": true}), &json!({ "mock_response": text }));
    let mut said = String::new();
    let chunks = mock.chunks(Timestamp::from_micros(0));
    assert!(chunks.len() > 5);
    let mut usage = Value::Null;
    for chunk in &chunks {
        let line = std::str::from_utf8(chunk).unwrap();
        let line = line.strip_prefix("data: ").unwrap().trim_end();
        let Ok(chunk) = serde_json::from_str::<Value>(line) else {
            assert_eq!(line, "[DONE]");
            continue;
        };
        said += chunk["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap_or_default();
        usage = chunk["usage"].clone();
    }
    assert_eq!(said, text);
    assert_eq!(usage, whole(&mock)["usage"]);
}

#[test]
fn errors_have_their_names() {
    for (text, streams, class) in [
        ("litellm.RateLimitError", false, Some(ErrorClass::RateLimit)),
        (
            "litellm.InternalServerError",
            true,
            Some(ErrorClass::InternalServer),
        ),
        (
            "litellm.ContextWindowExceededError",
            false,
            Some(ErrorClass::ContextWindowExceeded),
        ),
        (
            "Exception: content_filter_policy: no",
            false,
            Some(ErrorClass::ContentPolicyViolation),
        ),
        (
            "Exception: mock_streaming_error",
            false,
            Some(ErrorClass::Api(529)),
        ),
        ("Exception: mock_streaming_error", true, None),
        ("litellm.Something", false, None),
    ] {
        assert_eq!(error(text, streams), class, "{text}");
    }
    let mock = chat(
        &json!({}),
        &json!({"mock_response": "Exception: mock_streaming_error"}),
    );
    let chunks = mock.chunks(Timestamp::from_micros(0));
    assert_eq!(chunks.len(), 2);
    let last = String::from_utf8(chunks[1].to_vec()).unwrap();
    assert!(last.contains("\"error\""), "{last}");
}

#[test]
fn what_is_no_mock_is_refused() {
    for (name, value) in [
        ("mock_response", json!(5)),
        ("mock_tool_calls", json!("x")),
        ("mock_timeout", json!("yes")),
        ("mock_delay", json!(-1)),
        ("mock_delay", json!("soon")),
    ] {
        assert!(
            Mocking::default().set(name, Json::of(&value)).is_err(),
            "{name}: {value}"
        );
    }
    let mut none = Mocking::default();
    none.set("mock_response", Json::default()).unwrap();
    assert_eq!(none, Mocking::default());
    none.set("mock_delay", Json::of(&0.5)).unwrap();
    assert!(none.is_said() && !none.answers());
}
