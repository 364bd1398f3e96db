//! Requests to Converse.

mod answers;
mod own;

use serde_json::{Value, json};

use crate::{
    error::ErrorClass,
    operation::Operation,
    provider::{Prepared, ProviderError, Reader, aws::trial::params, trial},
};

const CLAUDE: &str = "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "bedrock/amazon.nova-pro-v1:0";
const LLAMA: &str = "bedrock/meta.llama3-3-70b-instruct-v1:0";

fn prepared(model: &str, request: &Value) -> Result<Prepared, ProviderError> {
    let mut request = request.clone();
    if request.get("messages").is_none() {
        request["messages"] = json!([{"role": "user", "content": "hi"}]);
    }
    trial::prepared(&params(model), Operation::Chat, &request)
}

/// The body that is sent, and the last part of the path.
fn sent(model: &str, request: &Value) -> (String, Value) {
    let prepared = prepared(model, request).unwrap();
    let path = prepared.outgoing.uri.path();
    let action = path.rsplit('/').next().unwrap().to_owned();
    assert_eq!(prepared.streams, action.ends_with("stream"));
    (
        action,
        serde_json::from_slice(&prepared.outgoing.body).unwrap(),
    )
}

/// What `request` adds to one without anything.
fn says(model: &str, request: &Value) -> Value {
    let (_, mut body) = sent(model, request);
    let fields = body.as_object_mut().unwrap();
    let plain = json!([{"role": "user", "content": [{"text": "hi"}]}]);
    assert_eq!(fields.remove("messages"), Some(plain));
    body
}

fn reader(model: &str, request: &Value) -> Box<dyn Reader> {
    prepared(model, request).unwrap().reader
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

fn spec(name: &str) -> Value {
    let schema = json!({"type": "object", "properties": {}, "required": []});
    json!({"toolSpec": {"name": name, "description": name, "inputSchema": {"json": schema}}})
}

fn schema() -> Value {
    let schema = json!({"type": "object", "properties": {"c": {"type": "string"}}});
    json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})
}

#[test]
fn addresses_name_model_and_action() {
    let asked = json!({"stream": true});
    for (model, stream, wanted) in [
        (NOVA, false, "/model/amazon.nova-pro-v1%3A0/converse"),
        (NOVA, true, "/model/amazon.nova-pro-v1%3A0/converse-stream"),
        (
            "bedrock/invoke/anthropic.claude-v2:1",
            true,
            "/model/anthropic.claude-v2%3A1/invoke-with-response-stream",
        ),
        (
            "bedrock/arn:aws:bedrock:us-east-1:1:inference-profile/a",
            false,
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fa/converse",
        ),
    ] {
        let asked = if stream { asked.clone() } else { json!({}) };
        let outgoing = prepared(model, &asked).unwrap().outgoing;
        assert_eq!(outgoing.uri.path(), wanted);
    }
    let mut own = params(NOVA);
    own["aws_bedrock_runtime_endpoint"] = "http://proxy:1/b/".into();
    own["model_id"] = "mine".into();
    let asked = json!({"messages": [{"role": "user", "content": "hi"}]});
    let outgoing = trial::prepared(&own, Operation::Chat, &asked)
        .unwrap()
        .outgoing;
    assert_eq!(
        outgoing.uri.to_string(),
        "http://proxy:1/b/model/mine/converse"
    );
    let other = prepared("bedrock/invoke/cohere.command-r-v1:0", &json!({}));
    assert!(
        other
            .err()
            .unwrap()
            .to_string()
            .contains("bedrock/converse/")
    );
}

#[test]
fn parameters_are_said_in_the_apis_words() {
    for (model, asked, wanted) in [
        (
            NOVA,
            json!({"temperature": 0, "top_p": 1, "max_completion_tokens": 9, "stop": "E", "n": 1}),
            json!({"inferenceConfig": {"temperature": 0, "topP": 1, "maxTokens": 9, "stopSequences": ["E"]}}),
        ),
        (NOVA, json!({"stop": "", "max_tokens": null}), json!({})),
        (
            NOVA,
            json!({"top_k": 5, "own": 1}),
            json!({"additionalModelRequestFields": {"inferenceConfig": {"topK": 5}, "own": 1}}),
        ),
        (
            CLAUDE,
            json!({"top_k": 5}),
            json!({"additionalModelRequestFields": {"top_k": 5}}),
        ),
        (LLAMA, json!({"top_k": 5}), json!({})),
        (
            NOVA,
            json!({"service_tier": "auto"}),
            json!({"serviceTier": {"type": "default"}}),
        ),
        (
            NOVA,
            json!({"requestMetadata": {"a": "b"}}),
            json!({"requestMetadata": {"a": "b"}}),
        ),
        (
            NOVA,
            json!({"response_format": {"type": "json_object"}}),
            json!({}),
        ),
    ] {
        assert_eq!(says(model, &asked), wanted, "{model} {asked}");
    }
}

#[test]
fn thinking_is_said_in_the_models_words() {
    let thinking = |budget: u64| {
        json!({
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": budget}},
            "additionalModelResponseFieldPaths": ["/usage/output_tokens_details"],
        })
    };
    let with = |mut base: Value, bound: u64| {
        base["inferenceConfig"] = json!({"maxTokens": bound});
        base
    };
    for (model, asked, wanted) in [
        (
            CLAUDE,
            json!({"reasoning_effort": "high"}),
            with(thinking(4096), 8192),
        ),
        (
            CLAUDE,
            json!({"thinking": {"type": "enabled", "budget_tokens": 5}, "max_tokens": 99}),
            with(thinking(1024), 99),
        ),
        (CLAUDE, json!({"reasoning_effort": "none"}), json!({})),
        (
            "bedrock/openai.gpt-oss-20b-1:0",
            json!({"reasoning_effort": "low"}),
            json!({"additionalModelRequestFields": {"reasoning_effort": "low"}}),
        ),
        (
            "bedrock/amazon.nova-2-lite-v1:0",
            json!({"reasoning_effort": "low"}),
            json!({"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}}),
        ),
    ] {
        assert_eq!(says(model, &asked), wanted, "{model} {asked}");
    }
}

#[test]
fn what_a_model_does_not_know_is_refused() {
    for (model, asked) in [
        (NOVA, json!({"reasoning_effort": "low"})),
        (NOVA, json!({"logprobs": true})),
        (LLAMA, json!({"tool_choice": "auto", "tools": [tool("f")]})),
        (
            "bedrock/amazon.titan-text-lite-v1",
            json!({"tools": [tool("f")]}),
        ),
        (
            "bedrock/invoke/meta.llama3-8b-instruct-v1:0",
            json!({"stop": "a"}),
        ),
    ] {
        let error = prepared(model, &asked).err().unwrap();
        assert_eq!(
            error.class(),
            ErrorClass::UnsupportedParams,
            "{model} {asked}"
        );
    }
}

#[test]
fn tools_and_choices_are_said_in_the_apis_words() {
    let named = json!({"type": "function", "function": {"name": "a.b"}});
    for (model, asked, tools, choice) in [
        (
            NOVA,
            json!({"tool_choice": "required"}),
            json!([spec("f"), spec("a_b")]),
            json!({"any": {}}),
        ),
        (
            NOVA,
            json!({"tool_choice": named}),
            json!([spec("f"), spec("a_b")]),
            json!({"tool": {"name": "a_b"}}),
        ),
        (
            CLAUDE,
            json!({"tool_choice": "required", "reasoning_effort": "low"}),
            json!([spec("f"), spec("a_b")]),
            json!({"auto": {}}),
        ),
    ] {
        let mut asked = asked;
        asked["tools"] = json!([tool("f"), tool("a.b")]);
        let body = says(model, &asked);
        assert_eq!(
            body["toolConfig"],
            json!({"tools": tools, "toolChoice": choice}),
            "{asked}"
        );
    }
    let mut marked = tool("f");
    marked["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
    let asked = json!({"tools": [marked], "parallel_tool_calls": false});
    let point = json!({"cachePoint": {"type": "default", "ttl": "1h"}});
    let body = says(CLAUDE, &asked);
    assert_eq!(body["toolConfig"], json!({"tools": [spec("f"), point]}));
    let alone = json!({"type": "auto", "disable_parallel_tool_use": true});
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"tool_choice": alone})
    );
    assert_eq!(
        says(LLAMA, &asked),
        json!({"toolConfig": {"tools": [spec("f")]}})
    );
    let none = json!({"tools": [tool("f")], "tool_choice": "none"});
    assert_eq!(says(NOVA, &none), json!({}));
}

#[test]
fn answers_are_held_to_schemas() {
    let body = says(CLAUDE, &json!({"response_format": schema()}));
    let held = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
    let closed: Value = serde_json::from_str(held["schema"].as_str().unwrap()).unwrap();
    assert_eq!(held["name"], "n");
    assert_eq!(closed["additionalProperties"], false);
    let (action, body) = sent(NOVA, &json!({"response_format": schema(), "stream": true}));
    assert_eq!(action, "converse");
    let config = &body["toolConfig"];
    assert_eq!(
        config["toolChoice"],
        json!({"tool": {"name": "json_tool_call"}})
    );
    assert_eq!(config["tools"][0]["toolSpec"]["name"], "json_tool_call");
    let (action, _) = sent(LLAMA, &json!({"tools": [tool("f")], "stream": true}));
    assert_eq!(action, "converse");
}

#[test]
fn conversations_are_turns_of_blocks() {
    let call = json!({"id": "c 1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}});
    let marked = json!([{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]);
    let thought = json!([{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "AA=="}]);
    let asked = json!({"tools": [tool("f")], "messages": [
        {"role": "system", "content": marked},
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "a"},
        {"role": "user", "content": [
            {"type": "text", "text": " "},
            {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AA=="}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,BB==", "filename": "x"}},
        ]},
        {"role": "assistant", "content": "b", "thinking_blocks": thought, "tool_calls": [call]},
        {"role": "system", "content": "L"},
        {"role": "tool", "tool_call_id": "c 1", "content": "r"},
        {"role": "tool", "tool_call_id": "c 1", "content": "again"},
        {"role": "user", "content": "c"},
    ]});
    let (_, body) = sent(CLAUDE, &asked);
    assert_eq!(
        body["system"],
        json!([{"text": "S"}, {"cachePoint": {"type": "default"}}, {"text": "D"}])
    );
    let turns = body["messages"].as_array().unwrap();
    let [user, assistant, last] = &turns[..] else {
        panic!("{turns:?}");
    };
    assert_eq!(
        user["content"],
        json!([
            {"text": "a"},
            {"image": {"format": "jpeg", "source": {"bytes": "AA=="}}},
            {"document": {"format": "pdf", "source": {"bytes": "BB=="}, "name": "document-1"}},
        ])
    );
    let id = assistant["content"][3]["toolUse"]["toolUseId"].clone();
    assert!(id.as_str().unwrap().starts_with("c_1_"));
    assert_eq!(
        assistant["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": "AA=="}},
            {"text": "b"},
            {"toolUse": {"toolUseId": id, "name": "f", "input": {"a": 1}}},
        ])
    );
    let note = last["content"][1]["text"].as_str().unwrap();
    assert!(note.ends_with("\n\nL"), "{note}");
    assert_eq!(
        last["content"],
        json!([
            {"toolResult": {"toolUseId": id, "content": [{"text": "r"}]}},
            {"text": note},
            {"text": "c"},
        ])
    );
}

#[test]
fn what_the_api_wants_otherwise_is_done() {
    // Calls in the history without tools are told, and a document has a text beside it.
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let file = json!({"type": "file", "file": {"file_data": "data:text/plain;base64,AA=="}});
    let (_, body) = sent(
        NOVA,
        &json!({"messages": [
            {"role": "user", "content": [file]},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "r"},
        ]}),
    );
    assert!(body.get("toolConfig").is_none());
    assert_eq!(body["messages"][0]["content"][1], json!({"text": "."}));
    assert_eq!(
        body["messages"][1]["content"],
        json!([{"text": "[Tool call 1: f({})]"}])
    );
    assert_eq!(
        body["messages"][2]["content"][0]["text"],
        "[Result of the tool call 1: r]"
    );
    // A guardrail looks at what the user says last.
    let (_, body) = sent(
        NOVA,
        &json!({"guardrailConfig": {"guardrailIdentifier": "g"}, "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ]}),
    );
    assert_eq!(body["guardrailConfig"], json!({"guardrailIdentifier": "g"}));
    assert_eq!(body["messages"][0]["content"], json!([{"text": "a"}]));
    assert_eq!(
        body["messages"][2]["content"],
        json!([{"guardContent": {"text": {"text": "c"}}}])
    );
    for part in [
        json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}),
        json!({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA=="}}),
        json!({"type": "novel"}),
    ] {
        let asked = json!({"messages": [{"role": "user", "content": [part]}]});
        let error = prepared(NOVA, &asked).err().unwrap();
        assert_eq!(error.class(), ErrorClass::BadRequest, "{error}");
    }
}
