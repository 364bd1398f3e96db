//! Models that are asked in their own dialects, and vectors.

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{prepared, reader, schema, sent, tool};
use crate::{
    operation::Operation,
    provider::{
        Answer, Prepared, ProviderError, Step,
        aws::trial::{chunk, event, params, streamed},
        trial::{self, answer},
    },
};

#[test]
fn models_are_asked_in_their_own_dialects() {
    let claude = "bedrock/invoke/anthropic.claude-3-5-sonnet-20240620-v1:0";
    let hi = json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
    let asked = json!({"temperature": 1, "stop": "E", "max_tokens": 5, "own": 2});
    for (model, asked, wanted) in [
        (
            claude,
            json!({"stream": true}),
            json!({"messages": hi, "max_tokens": 4096, "anthropic_version": "bedrock-2023-05-31"}),
        ),
        (
            "bedrock/mistral.mistral-7b-instruct-v0:2",
            asked.clone(),
            json!({"prompt": "<s>[INST] hi [/INST]", "temperature": 1, "stop": ["E"], "max_tokens": 5, "own": 2}),
        ),
        (
            "bedrock/amazon.titan-text-lite-v1",
            asked,
            json!({"inputText": "User: hi\nBot:", "textGenerationConfig":
                {"temperature": 1, "stopSequences": ["E"], "maxTokenCount": 5, "own": 2}}),
        ),
    ] {
        let (_, body) = sent(model, &asked);
        assert_eq!(body, wanted);
    }
    let with_tool = json!({"response_format": schema(), "tools": [tool("f")]});
    let (_, body) = sent(claude, &with_tool);
    assert_eq!(body["tools"][0]["name"], "json_tool_call");
}

const LLAMA: &str = "bedrock/invoke/meta.llama3-8b-instruct-v1:0";
const MISTRAL: &str = "bedrock/mistral.mistral-7b-instruct-v0:2";
const TITAN: &str = "bedrock/amazon.titan-text-lite-v1";

#[test]
fn what_is_no_answer_is_a_fault() {
    for model in [LLAMA, MISTRAL, TITAN] {
        let prepared = prepared(model, &json!({})).unwrap();
        assert!(trial::whole(prepared, &json!({"x": 1})).is_err());
    }
}

#[test]
fn answers_in_own_dialects_are_completions() {
    let metrics = json!({"inputTokenCount": 3, "outputTokenCount": 4});
    for (model, whole, pieces, reason) in [
        (
            LLAMA,
            json!({"generation": "ab", "stop_reason": "length", "prompt_token_count": 3, "generation_token_count": 4}),
            [
                json!({"generation": "a", "stop_reason": null}),
                json!({"generation": "b", "stop_reason": "length"}),
            ],
            "length",
        ),
        (
            MISTRAL,
            json!({"outputs": [{"text": "ab", "stop_reason": "stop"}]}),
            [
                json!({"outputs": [{"text": "a", "stop_reason": null}]}),
                json!({"outputs": [{"text": "b", "stop_reason": "stop"}]}),
            ],
            "stop",
        ),
        (
            TITAN,
            json!({"inputTextTokenCount": 3, "results": [{"tokenCount": 4, "outputText": "ab", "completionReason": "CONTENT_FILTERED"}]}),
            [
                json!({"outputText": "a", "completionReason": null}),
                json!({"outputText": "b", "completionReason": "CONTENT_FILTERED"}),
            ],
            "content_filter",
        ),
    ] {
        let mut counted = answer(&whole);
        for (name, count) in [("input", "3"), ("output", "4")] {
            let name = format!("x-amzn-bedrock-{name}-token-count");
            let name = http::HeaderName::try_from(name).unwrap();
            counted
                .headers
                .insert(name, HeaderValue::from_static(count));
        }
        for (answer, is_counted) in [(counted, true), (answer(&whole), model != MISTRAL)] {
            let Ok(Step::Done(done)) = reader(model, &json!({})).whole(answer) else {
                panic!("{model}");
            };
            let said: Value = serde_json::from_slice(&done.body).unwrap();
            assert_eq!(said["choices"][0]["message"]["content"], "ab");
            assert_eq!(said["choices"][0]["finish_reason"], reason);
            let usage = done
                .observed
                .usage
                .map(|usage| (usage.prompt_tokens, usage.completion_tokens));
            assert_eq!(usage, is_counted.then_some((3, 4)), "{model}");
        }
        let [first, mut last] = pieces;
        last["amazon-bedrock-invocationMetrics"] = metrics.clone();
        let stream = [chunk(&first), chunk(&last)].concat();
        let (choice, observed) = streamed(|| reader(model, &json!({"stream": true})), &stream);
        assert_eq!(choice["message"]["content"], "ab");
        assert_eq!(choice["finish_reason"], reason);
        assert_eq!(observed.usage.unwrap().total_tokens, 7);
    }
}

#[test]
fn claudes_events_come_in_chunks() {
    let model = "bedrock/invoke/anthropic.claude-3-5-sonnet-20240620-v1:0";
    let stream = [
        chunk(&json!({"type": "message_start", "message": {"usage": {"input_tokens": 3}}})),
        chunk(&json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}})),
        chunk(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}})),
        chunk(&json!({"type": "message_stop"})),
    ]
    .concat();
    let asked = json!({"stream": true});
    let (choice, observed) = streamed(|| reader(model, &asked), &stream);
    assert_eq!(
        (&choice["message"]["content"], &choice["finish_reason"]),
        (&json!("a"), &json!("stop"))
    );
    assert_eq!(observed.usage.unwrap().total_tokens, 7);
    let broken = event("chunk", &json!({"bytes": "?"}));
    let (_, observed) = streamed(|| reader(model, &asked), &broken);
    assert!(observed.error.is_some());
}

fn vectors(model: &str, request: &Value) -> Result<Prepared, ProviderError> {
    trial::prepared(&params(model), Operation::Embedding, request)
}

#[test]
fn vectors_are_asked_for_one_by_one_or_together() {
    let titan = "bedrock/amazon.titan-embed-text-v2:0";
    let cohere = "bedrock/cohere.embed-english-v3";
    for (model, asked, wanted) in [
        (
            titan,
            json!({"input": "a", "dimensions": 256, "encoding_format": "base64"}),
            json!({"inputText": "a", "dimensions": 256, "embeddingTypes": ["float"]}),
        ),
        (
            "bedrock/amazon.titan-embed-text-v1",
            json!({"input": ["a"]}),
            json!({"inputText": "a"}),
        ),
        (
            "bedrock/amazon.titan-embed-image-v1",
            json!({"input": "data:image/png;base64,AA==", "dimensions": 3}),
            json!({"inputImage": "AA==", "embeddingConfig": {"outputEmbeddingLength": 3}}),
        ),
        (
            cohere,
            json!({"input": ["a", "b"], "dimensions": 3}),
            json!({"texts": ["a", "b"], "input_type": "search_document", "output_dimension": 3}),
        ),
        (
            cohere,
            json!({"input": "a", "input_type": "search_query"}),
            json!({"texts": ["a"], "input_type": "search_query"}),
        ),
    ] {
        let outgoing = vectors(model, &asked).unwrap().outgoing;
        let body: Value = serde_json::from_slice(&outgoing.body).unwrap();
        assert_eq!(body, wanted);
    }
    let mut prepared = vectors(titan, &json!({"input": ["a", "b", "c"]})).unwrap();
    for (number, text) in ["a", "b"].into_iter().enumerate() {
        let body: Value = serde_json::from_slice(&prepared.outgoing.body).unwrap();
        assert_eq!(body["inputText"], text);
        let body = json!({"embedding": [number], "inputTextTokenCount": 2});
        let Ok(Step::Again(_, next)) = prepared.reader.whole(answer(&body)) else {
            panic!("there are more texts");
        };
        prepared = *next;
    }
    let body = json!({"embeddingsByType": {"float": [2]}, "inputTextTokenCount": 2});
    let (said, observed) = trial::whole(prepared, &body).unwrap();
    let found: Vec<&Value> = said["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["embedding"])
        .collect();
    assert_eq!(found, [&json!([0]), &json!([1]), &json!([2])]);
    assert_eq!(observed.usage.unwrap().prompt_tokens, 6);
}

#[test]
fn other_inputs_are_refused() {
    let titan = "bedrock/amazon.titan-embed-text-v2:0";
    for (model, asked) in [
        (titan, json!({"input": [[1, 2]]})),
        (titan, json!({"input": []})),
        (titan, json!({"input": vec!["a"; 2049]})),
        ("bedrock/unknown.embed", json!({"input": "a"})),
    ] {
        assert!(vectors(model, &asked).is_err(), "{model}");
    }
}

#[test]
fn vectors_that_nobody_counted_are_counted_for_the_client_only() {
    let cohere = "bedrock/cohere.embed-english-v3";
    let asked = json!({"input": ["a", "b"]});
    for (body, header, wanted) in [
        (json!({"embeddings": [[1], [2]]}), Some("8"), Some(8)),
        (json!({"embeddings": {"float": [[1], [2]]}}), None, None),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(count) = header {
            let value = HeaderValue::from_static(count);
            headers.insert("x-amzn-bedrock-input-token-count", value);
        }
        let answer = Answer {
            headers,
            ..answer(&body)
        };
        let Ok(Step::Done(done)) = vectors(cohere, &asked).unwrap().reader.whole(answer) else {
            panic!("{body}");
        };
        let said: Value = serde_json::from_slice(&done.body).unwrap();
        assert_eq!(said["data"][1]["embedding"], json!([2]));
        assert!(said["usage"]["prompt_tokens"].as_u64() > Some(0));
        assert_eq!(done.observed.usage.map(|usage| usage.prompt_tokens), wanted);
    }
}
