//! Ollama's dialect, both ways.

use serde_json::{Value, json};

use crate::{
    operation::Operation::{Chat, Embedding},
    provider::trial::{self, prepared, sent},
};

fn chat() -> Value {
    json!({ "model": "ollama_chat/llama3", "api_base": "http://x" })
}

fn generate() -> Value {
    json!({ "model": "ollama/llama3", "api_base": "http://x/api/generate" })
}

fn tool() -> Value {
    json!({ "type": "function", "function": { "name": "f", "parameters": {} } })
}

fn hello() -> Value {
    json!({ "messages": [{"role": "user", "content": "Hi"}] })
}

#[test]
fn a_conversation_is_sent_as_it_is() {
    let request = json!({
        "messages": [
            {"role": "developer", "content": "Be terse."},
            {"role": "user", "content": [
                {"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ]},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
            ]},
            {"role": "tool", "tool_call_id": "1", "content": "2"},
        ],
        "tools": [tool()], "tool_choice": "required", "functions": [{"name": "g"}],
        "max_tokens": 5, "stop": "END", "num_ctx": 9, "keep_alive": "5m", "user": "u",
        "response_format": {"type": "json_object"}, "reasoning_effort": "low",
    });
    let (uri, body) = sent(&chat(), Chat, &request);
    assert_eq!(uri, "http://x/api/chat");
    let asked = json!([{"function": {"name": "f", "arguments": {"a": 1}}}]);
    let wanted = json!({
        "model": "llama3", "stream": false, "format": "json", "think": true, "keep_alive": "5m",
        "options": {"num_predict": 5, "stop": "END", "num_ctx": 9},
        "tools": [tool(), {"type": "function", "function": {"name": "g"}}],
        "messages": [
            {"role": "system", "content": "Be terse.", "images": []},
            {"role": "user", "content": "What?", "images": ["AA=="]},
            {"role": "assistant", "content": "", "images": [], "tool_calls": asked,
                "thinking": "hm"},
            {"role": "tool", "content": "2", "images": [], "tool_call_id": "1"},
        ],
    });
    assert_eq!(body, wanted);
}

#[test]
fn a_conversation_is_written_out_where_a_model_takes_text() {
    let mut request = hello();
    request["tools"] = json!([tool()]);
    let (uri, body) = sent(&generate(), Chat, &request);
    assert_eq!(uri, "http://x/api/generate");
    let prompt = body["prompt"].as_str().unwrap();
    assert!(
        prompt.starts_with("### User:\nHi\n\n### System:\n"),
        "{prompt}"
    );
    assert!(prompt.contains("\"name\":\"f\""));
    assert_eq!(body["format"], "json");
    let schema = json!({"type": "json_schema", "json_schema": {"schema": {"type": "object"}}});
    request["response_format"] = schema;
    let (_, body) = sent(&generate(), Chat, &request);
    assert_eq!(body["format"], json!({"type": "object"}));
    assert!(
        prepared(
            &generate(),
            Chat,
            &json!({"messages": [], "logit_bias": {}})
        )
        .is_err()
    );
}

#[test]
fn effort_is_a_word_for_the_models_that_know_words() {
    for (model, effort, wanted) in [
        ("ollama_chat/gpt-oss:20b", "high", json!("high")),
        ("ollama_chat/qwen3", "medium", json!(true)),
        ("ollama_chat/qwen3", "none", json!(false)),
    ] {
        let mut request = hello();
        request["reasoning_effort"] = effort.into();
        let (_, body) = sent(&json!({ "model": model }), Chat, &request);
        assert_eq!(body["think"], wanted);
    }
}

/// What an answer or a stream has to come to.
struct Wanted {
    content: Value,
    thoughts: Value,
    reason: &'static str,
}

impl Wanted {
    fn text(content: &str, reason: &'static str) -> Self {
        Self {
            content: content.into(),
            thoughts: Value::Null,
            reason,
        }
    }

    fn thinks(self, thoughts: &str) -> Self {
        Self {
            thoughts: thoughts.into(),
            ..self
        }
    }

    fn calls(content: Value) -> Self {
        Self {
            content,
            thoughts: Value::Null,
            reason: "tool_calls",
        }
    }

    fn check(&self, choice: &Value) {
        let message = &choice["message"];
        let thoughts = message.get("reasoning_content").unwrap_or(&Value::Null);
        assert_eq!(message["content"], self.content, "{choice}");
        assert_eq!(thoughts, &self.thoughts, "{choice}");
        assert_eq!(choice["finish_reason"], self.reason);
        if self.reason == "tool_calls" {
            let function = &message["tool_calls"][0]["function"];
            assert_eq!(function, &json!({"name": "f", "arguments": "{\"a\":1}"}));
        }
    }
}

fn with_tools() -> Value {
    json!({"messages": [], "tools": [tool()]})
}

#[test]
fn answers_are_read() {
    let calls = json!([{"function": {"name": "f", "arguments": {"a": 1}}}]);
    let called = "```json\n{\"name\": \"f\", \"arguments\": {\"a\":1}}\n```";
    let thought = "<think>hm</think>yes";
    let called_beside = json!({"content": "", "tool_calls": calls});
    for (params, request, said, wanted) in [
        (
            chat(),
            hello(),
            json!({"message": {"content": "yes"}}),
            Wanted::text("yes", "stop"),
        ),
        (
            chat(),
            hello(),
            json!({"message": {"content": thought}, "done_reason": "length"}),
            Wanted::text("yes", "length").thinks("hm"),
        ),
        (
            chat(),
            hello(),
            json!({"message": {"content": "yes", "thinking": "hm"}}),
            Wanted::text("yes", "stop").thinks("hm"),
        ),
        (
            chat(),
            hello(),
            json!({"message": called_beside}),
            Wanted::calls("".into()),
        ),
        (
            generate(),
            hello(),
            json!({"response": called}),
            Wanted::text(called, "stop"),
        ),
        (
            generate(),
            with_tools(),
            json!({"response": called}),
            Wanted::calls(Value::Null),
        ),
    ] {
        let mut said = said;
        said["prompt_eval_count"] = 12.into();
        said["eval_count"] = 9.into();
        let prepared = prepared(&params, Chat, &request).unwrap();
        let (body, observed) = trial::whole(prepared, &said).unwrap();
        wanted.check(&body["choices"][0]);
        assert_eq!(observed.usage.unwrap().total_tokens, 21);
    }
}

fn stream_is_read(params: &Value, request: &Value, lines: &[String], wanted: &Wanted) {
    let end =
        "{\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":12,\"eval_count\":9}\n";
    let stream = lines.concat() + end;
    let reader = || prepared(params, Chat, request).unwrap().reader;
    let (choice, observed) = trial::streamed(reader, &stream);
    wanted.check(&choice);
    assert_eq!(observed.usage.unwrap().total_tokens, 21);
}

#[test]
fn streams_of_messages_are_read_however_they_are_cut() {
    let says = |part: &str| format!("{{\"message\":{{{part}}},\"done\":false}}\n");
    let call = "\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]";
    for (first, second, wanted) in [
        (
            "\"content\":\"\",\"thinking\":\"hm\"",
            "\"content\":\"h\u{e9}\"",
            Wanted::text("h\u{e9}", "stop").thinks("hm"),
        ),
        (
            "\"content\":\"<thi\"",
            "\"content\":\"nk>hm</think>yes\"",
            Wanted::text("yes", "stop").thinks("hm"),
        ),
        (call, "", Wanted::calls(Value::Null)),
    ] {
        stream_is_read(&chat(), &hello(), &[says(first), says(second)], &wanted);
    }
}

#[test]
fn streams_of_text_are_read_however_they_are_cut() {
    let writes = |part: &str| format!("{{\"response\":\"{part}\",\"done\":false}}\n");
    for (first, second, wanted) in [
        (
            "{\\\"name\\\":\\\"f\\\",",
            "\\\"arguments\\\":{\\\"a\\\":1}}",
            Wanted::calls(Value::Null),
        ),
        ("{no", " call", Wanted::text("{no call", "stop")),
        ("no", " call", Wanted::text("no call", "stop")),
    ] {
        stream_is_read(
            &generate(),
            &with_tools(),
            &[writes(first), writes(second)],
            &wanted,
        );
    }
}

#[test]
fn a_prompt_that_was_not_counted_is_counted_here() {
    let said = json!({"message": {"content": "four"}, "done": true, "eval_count": 9});
    let asked = prepared(&chat(), Chat, &hello()).unwrap();
    let (body, observed) = trial::whole(asked, &said).unwrap();
    assert_eq!(body["usage"]["total_tokens"], 2);
    assert_eq!(observed.usage, None);
    let mut stream = prepared(&chat(), Chat, &hello())
        .unwrap()
        .reader
        .stream(false);
    let out = stream.chunk(format!("{said}\n").into());
    assert!(String::from_utf8_lossy(&out).contains("\"total_tokens\":2"));
    assert_eq!(
        stream.observed().usage.map(|usage| usage.total_tokens),
        None
    );
}

#[test]
fn an_error_in_a_line_is_one() {
    let stream = "{\"message\":{\"content\":\"a\"}}\n{\"error\":\"no memory\"}\n";
    let reader = || prepared(&chat(), Chat, &hello()).unwrap().reader;
    let (_, observed) = trial::streamed(reader, stream);
    assert_eq!(observed.error.unwrap().message, "no memory");
    for said in [json!({"error": "no memory"}), json!({})] {
        let prepared = prepared(&chat(), Chat, &hello()).unwrap();
        assert!(trial::whole(prepared, &said).is_err());
    }
}

#[test]
fn texts_are_embedded() {
    let params = json!({ "model": "ollama/nomic", "api_key": "k" });
    let request = json!({"input": "a", "dimensions": 2, "truncate": false, "num_ctx": 9});
    let asked = prepared(&params, Embedding, &request).unwrap();
    assert_eq!(asked.outgoing.uri, "http://localhost:11434/api/embed");
    assert!(!asked.outgoing.headers.contains_key("authorization"));
    let (_, body) = sent(&params, Embedding, &request);
    let wanted = json!({"model": "nomic", "input": ["a"], "dimensions": 2, "truncate": false,
        "options": {"num_ctx": 9}});
    assert_eq!(body, wanted);
    let said = json!({"embeddings": [[1.0], [2.0]], "prompt_eval_count": 8});
    let (body, observed) = trial::whole(asked, &said).unwrap();
    assert_eq!(
        body["data"][1],
        json!({"object": "embedding", "index": 1, "embedding": [2.0]})
    );
    assert_eq!(observed.usage.unwrap().prompt_tokens, 8);
    assert!(prepared(&params, Embedding, &json!({"input": [1]})).is_err());
}
