//! Cohere's dialect, both ways.

use serde_json::{Value, json};

use crate::{
    error::ErrorClass,
    operation::Operation::{Chat, Embedding, Rerank},
    provider::trial::{self, answer, prepared, sent},
};

fn v2() -> Value {
    json!({ "model": "cohere_chat/command-a", "api_key": "k" })
}

fn v1() -> Value {
    json!({ "model": "cohere_chat/v1/command-r", "api_key": "k" })
}

fn tool(name: &str) -> Value {
    let parameters = json!({
        "type": "object",
        "properties": { "city": { "type": "string", "description": "Where" }, "days": {} },
        "required": ["city"],
    });
    let function = json!({ "name": name, "description": "d", "parameters": parameters });
    json!({ "type": "function", "function": function })
}

fn call(id: &str) -> Value {
    let function = json!({ "name": "weather", "arguments": "{\"city\":\"Oslo\"}" });
    json!({ "id": id, "type": "function", "function": function })
}

#[test]
fn addresses_name_the_host_or_all() {
    for (base, model, operation, wanted) in [
        ("https://x", "m", Chat, "https://x/v2/chat"),
        ("https://x/v2", "m", Chat, "https://x/v2/chat"),
        ("https://x/v1/chat", "v1/m", Chat, "https://x/v1/chat"),
        ("https://x", "v1/m", Chat, "https://x/v1/chat"),
        ("https://x", "m", Embedding, "https://x/v2/embed"),
        ("https://x/v2/rerank", "m", Rerank, "https://x/v2/rerank"),
    ] {
        let params = json!({ "model": format!("cohere/{model}"), "api_base": base });
        let request = json!({
            "messages": [], "input": "a", "query": "q", "documents": [],
        });
        let (uri, body) = sent(&params, operation, &request);
        assert_eq!(uri, wanted);
        assert_eq!(body["model"], "m");
    }
}

#[test]
fn parameters_get_cohere_s_names() {
    let request = json!({
        "messages": [{"role": "developer", "content": "x"}], "max_tokens": 1,
        "max_completion_tokens": 2, "n": 3, "top_p": 0.5, "stop": ["a"], "k": 4,
        "user": "u", "stream": true,
    });
    let (_, body) = sent(&v2(), Chat, &request);
    let wanted = json!({
        "messages": [{"role": "system", "content": "x"}], "max_tokens": 2, "num_generations": 3,
        "p": 0.5, "stop_sequences": ["a"], "k": 4, "stream": true, "model": "command-a",
    });
    assert_eq!(body, wanted);
    assert!(prepared(&v2(), Chat, &json!({"messages": [], "logit_bias": {}})).is_err());
}

#[test]
fn tools_are_chosen_as_far_as_cohere_can() {
    let named = json!({"type": "function", "function": {"name": "b"}});
    for (choice, wanted, tools) in [
        (json!("auto"), Value::Null, 2),
        (json!("none"), json!("NONE"), 2),
        (json!("required"), json!("REQUIRED"), 2),
        (named, json!("REQUIRED"), 1),
    ] {
        let request = json!({
            "messages": [], "tools": [tool("a"), tool("b")], "tool_choice": choice,
        });
        let (_, body) = sent(&v2(), Chat, &request);
        assert_eq!(body["tool_choice"], wanted);
        assert_eq!(body["tools"].as_array().unwrap().len(), tools);
    }
}

#[test]
fn version_1_takes_a_conversation_apart() {
    let request = json!({ "tools": [tool("weather")], "messages": [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": null, "tool_calls": [call("1")]},
        {"role": "tool", "tool_call_id": "1", "content": "{\"sky\": \"blue\"}"},
    ]});
    let (_, body) = sent(&v1(), Chat, &request);
    let asked = json!({"name": "weather", "parameters": {"city": "Oslo"}});
    assert_eq!(body["preamble"], "Be terse.");
    assert_eq!(
        body["chat_history"],
        json!([
            {"role": "USER", "message": "Weather?"},
            {"role": "CHATBOT", "message": "", "tool_calls": [asked]},
        ])
    );
    assert_eq!(
        body["tool_results"],
        json!([{"call": asked, "outputs": [{"sky": "blue"}]}])
    );
    assert_eq!(
        body["tools"][0]["parameter_definitions"],
        json!({
            "city": {"type": "string", "description": "Where", "required": true},
            "days": {"type": "", "description": "", "required": false},
        })
    );
    let (_, body) = sent(
        &v1(),
        Chat,
        &json!({"messages": [{"role": "user", "content": "Hi"}]}),
    );
    assert_eq!(body, json!({"message": "Hi", "model": "command-r"}));
}

#[test]
fn answers_of_version_2_are_read() {
    let said = json!({
        "id": "i", "finish_reason": "MAX_TOKENS", "message": {
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yes"}],
            "citations": [{"start": 0, "end": 3, "sources": [
                {"type": "document", "id": "d", "document": {"title": "t"}},
            ]}],
        },
        "usage": {"billed_units": {"input_tokens": 12, "output_tokens": 9}},
    });
    let prepared = prepared(&v2(), Chat, &json!({"messages": []})).unwrap();
    let (body, observed) = trial::whole(prepared, &said).unwrap();
    let choice = &body["choices"][0];
    assert_eq!(choice["message"]["content"], "yes");
    assert_eq!(choice["message"]["reasoning_content"], "hm");
    assert_eq!(choice["finish_reason"], "length");
    let note = &choice["message"]["annotations"][0]["url_citation"];
    assert_eq!(
        (&note["url"], &note["end_index"]),
        (&json!("source:d"), &json!(3))
    );
    assert_eq!(observed.id.as_deref(), Some("i"));
    assert_eq!(observed.usage.unwrap().total_tokens, 21);
}

#[test]
fn answers_of_version_1_are_read() {
    let said = json!({
        "text": "I will look.", "finish_reason": "COMPLETE", "generation_id": "g",
        "tool_calls": [{"name": "weather", "parameters": {"city": "Oslo"}}],
        "meta": {"billed_units": {"input_tokens": 2, "output_tokens": 3}},
    });
    let prepared = prepared(&v1(), Chat, &json!({"messages": []})).unwrap();
    let (body, observed) = trial::whole(prepared, &said).unwrap();
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let function = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(function["arguments"], "{\"city\":\"Oslo\"}");
    assert_eq!(observed.usage.unwrap().completion_tokens, 3);
}

const V2_STREAM: &str = concat!(
    "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"x\"}\n\n: alive\n\n",
    "event: content-delta\r\ndata: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":",
    "{\"thinking\":\"hm\"}}}}\r\n\r\n",
    "data: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"h\u{e9}\"}}}}\n\n",
    "{\"type\":\"tool-call-start\",\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"t\",",
    "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}}}}\n",
    "data: {\"type\":\"tool-call-delta\",\"delta\":{\"message\":{\"tool_calls\":",
    "{\"function\":{\"arguments\":\"{}\"}}}}}\n\n",
    "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TOOL_CALL\",\"usage\":",
    "{\"tokens\":{\"input_tokens\":12,\"output_tokens\":9}}}}\n\n",
    "data: [DONE]\n\n",
);

#[test]
fn streams_of_version_2_are_read_however_they_are_cut() {
    let reader = || {
        prepared(&v2(), Chat, &json!({"messages": []}))
            .unwrap()
            .reader
    };
    let (choice, observed) = trial::streamed(reader, V2_STREAM);
    assert_eq!(choice["message"]["content"], "h\u{e9}");
    assert_eq!(choice["message"]["reasoning_content"], "hm");
    let function = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(function, &json!({"name": "f", "arguments": "{}"}));
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(observed.usage.unwrap().total_tokens, 21);
}

const V1_STREAM: &str = concat!(
    "{\"event_type\":\"stream-start\",\"generation_id\":\"g\"}\n",
    "{\"event_type\":\"text-generation\",\"text\":\"h\u{e9}\"}\n",
    "{\"event_type\":\"stream-end\",\"finish_reason\":\"MAX_TOKENS\",\"response\":{\"meta\":",
    "{\"billed_units\":{\"input_tokens\":2,\"output_tokens\":3}}}}\n",
);

#[test]
fn streams_of_version_1_are_read_however_they_are_cut() {
    let reader = || {
        prepared(&v1(), Chat, &json!({"messages": []}))
            .unwrap()
            .reader
    };
    let (choice, observed) = trial::streamed(reader, V1_STREAM);
    assert_eq!(choice["message"]["content"], "h\u{e9}");
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(observed.usage.unwrap().total_tokens, 5);
}

#[test]
fn what_is_broken_is_an_error() {
    for stream in [
        "data: {\"message\":\"too many\"}\n\n",
        "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\"}}\n",
        "{\"type\":",
    ] {
        let reader = || {
            prepared(&v2(), Chat, &json!({"messages": []}))
                .unwrap()
                .reader
        };
        let (_, observed) = trial::streamed(reader, stream);
        assert!(observed.error.is_some(), "{stream}");
    }
    for (params, body) in [
        (v2(), json!({"finish_reason": "ERROR", "message": {}})),
        (v2(), json!({})),
        (v1(), json!({"text": "", "finish_reason": "ERROR"})),
        (v1(), json!([])),
    ] {
        let prepared = prepared(&params, Chat, &json!({"messages": []})).unwrap();
        assert!(trial::whole(prepared, &body).is_err(), "{body}");
    }
    let reader = prepared(&v2(), Chat, &json!({"messages": []}))
        .unwrap()
        .reader;
    let mut refused = answer(&json!({"message": "too many tokens: 9"}));
    refused.status = http::StatusCode::BAD_REQUEST;
    let fault = reader.fault(&refused);
    assert_eq!(fault.class, ErrorClass::ContextWindowExceeded);
    assert_eq!(fault.message, "too many tokens: 9");
}

#[test]
fn texts_and_images_are_embedded() {
    let params = json!({ "model": "cohere/embed", "input_type": "classification" });
    let image = "data:image/png;base64,AA==";
    for (request, wanted) in [
        (
            json!({"input": "a", "dimensions": 2, "encoding_format": "base64"}),
            json!({"model": "embed", "texts": ["a"], "input_type": "classification",
                "output_dimension": 2, "embedding_types": ["base64"]}),
        ),
        (
            json!({"input": ["a"], "input_type": "search_query"}),
            json!({"model": "embed", "texts": ["a"], "input_type": "search_query"}),
        ),
        (
            json!({"input": [image]}),
            json!({"model": "embed", "images": [image], "input_type": "image"}),
        ),
    ] {
        assert_eq!(sent(&params, Embedding, &request).1, wanted);
    }
    assert!(prepared(&params, Embedding, &json!({"input": [[1, 2]]})).is_err());
    let meta = json!({"billed_units": {"input_tokens": 8}});
    for vectors in [json!([[1.0]]), json!({"float": [[1.0]]})] {
        let prepared = prepared(&params, Embedding, &json!({"input": "a"})).unwrap();
        let said = json!({"embeddings": vectors, "meta": meta});
        let (body, observed) = trial::whole(prepared, &said).unwrap();
        assert_eq!(body["data"][0]["embedding"], json!([1.0]));
        assert_eq!(observed.usage.unwrap().prompt_tokens, 8);
    }
}

#[test]
fn documents_are_ranked() {
    let params = json!({ "model": "cohere/rerank" });
    let request = json!({"query": "q", "documents": ["a"], "top_n": 1, "max_chunks_per_doc": 2});
    let (_, body) = sent(&params, Rerank, &request);
    let wanted = json!({"model": "rerank", "query": "q", "documents": ["a"], "top_n": 1});
    assert_eq!(body, wanted);
    let said = json!({"id": "i", "results": [{"index": 0, "relevance_score": 0.5}],
        "meta": {"billed_units": {"search_units": 1}}});
    let prepared = prepared(&params, Rerank, &request).unwrap();
    let (body, observed) = trial::whole(prepared, &said).unwrap();
    assert_eq!(body, said);
    assert_eq!(observed.usage.unwrap().search_units, Some(1));
}
