//! watsonx.ai's dialect, both ways.

use serde_json::{Value, json};

use super::token;
use crate::{
    operation::Operation::{self, Chat, Embedding, Rerank},
    provider::{
        Ask, Need,
        trial::{self, deployment, prepared, sent},
    },
    request::ClientRequest,
};

fn params(model: &str) -> Value {
    json!({ "model": model, "api_base": "https://x", "api_key": "secret", "project_id": "p" })
}

fn needs(params: &Value) -> Vec<Need> {
    let deployment = deployment(params);
    let body = r#"{"model":"m","messages":[]}"#.into();
    let request = ClientRequest::parse(Operation::Chat, body, 100).unwrap();
    let ask = Ask::new(&deployment, &request, event::Timestamp::default(), false).unwrap();
    deployment.provider.needs(&ask).unwrap()
}

#[test]
fn a_key_is_taken_for_a_token_that_is_not_named_by_it() {
    let mut own = params("watsonx/m");
    own["watsonx_iam_url"] = "https://iam/token".into();
    let [Need::Token(request)] = &needs(&own)[..] else {
        panic!("no token");
    };
    assert_eq!(request.outgoing.uri, "https://iam/token");
    let form = "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=secret";
    assert_eq!(request.outgoing.body, form);
    assert!(!request.name.contains("secret"));
    let token = token::read(br#"{"access_token":"t","expires_in":3600}"#).unwrap();
    assert_eq!((token.secret.expose(), token.lives.as_secs()), ("t", 3600));
    assert!(token::read(b"{}").is_none());
    let asked = prepared(&own, Chat, &json!({"messages": []})).unwrap();
    assert_eq!(asked.outgoing.headers["authorization"], "Bearer token");
}

#[test]
fn whoever_has_a_token_needs_none() {
    for (key, value, wanted) in [
        ("token", json!("t"), "Bearer t"),
        ("zen_api_key", json!("z"), "ZenApiKey z"),
        ("extra_headers", json!({"Authorization": "own"}), "own"),
    ] {
        let mut params = params("watsonx/m");
        params[key] = value;
        assert!(needs(&params).is_empty());
        let asked = prepared(&params, Chat, &json!({"messages": []})).unwrap();
        assert_eq!(asked.outgoing.headers["authorization"], wanted);
    }
}

#[test]
fn a_conversation_is_sent_with_who_pays() {
    let request = json!({
        "messages": [{"role": "developer", "content": "x"}], "stream": true,
        "tools": [{"type": "function", "function": {"name": "f", "strict": true,
            "parameters": {"type": "object", "additionalProperties": false}}}],
        "tool_choice": "required",
    });
    let (uri, body) = sent(&params("watsonx/ibm/granite"), Chat, &request);
    assert_eq!(uri, "https://x/ml/v1/text/chat_stream?version=2024-03-13");
    let wanted = json!({
        "model_id": "ibm/granite", "project_id": "p", "tool_choice_option": "required",
        "messages": [{"role": "system", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "f",
            "parameters": {"type": "object"}}}],
    });
    assert_eq!(body, wanted);
    let mut space = params("watsonx/deployment/d1");
    space["api_version"] = "2025-01-01".into();
    let (uri, body) = sent(&space, Chat, &json!({"messages": []}));
    assert_eq!(
        uri,
        "https://x/ml/v1/deployments/d1/text/chat?version=2025-01-01"
    );
    assert_eq!(body, json!({"messages": []}));
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let known = params("watsonx/m");
    let mut homeless = known.clone();
    homeless.as_object_mut().unwrap().remove("project_id");
    for (params, request) in [
        (&known, json!({"messages": [], "top_k": 1})),
        (&known, json!({"messages": [], "logit_bias": {}})),
        (&homeless, json!({"messages": []})),
    ] {
        assert!(prepared(params, Chat, &request).is_err(), "{request}");
    }
    homeless["space_id"] = "s".into();
    assert_eq!(
        sent(&homeless, Chat, &json!({"messages": []})).1["space_id"],
        "s"
    );
}

#[test]
fn a_text_is_continued() {
    let request = json!({
        "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "stop": "END",
        "seed": 1, "frequency_penalty": 1.5, "decoding_method": "greedy", "moderations": {},
    });
    let (uri, body) = sent(&params("watsonx_text/m"), Chat, &request);
    assert_eq!(uri, "https://x/ml/v1/text/generation?version=2024-03-13");
    let wanted = json!({
        "input": "Hi", "model_id": "m", "project_id": "p", "moderations": {},
        "parameters": {"max_new_tokens": 5, "stop_sequences": ["END"], "random_seed": 1,
            "repetition_penalty": 1.5, "decoding_method": "greedy"},
    });
    assert_eq!(body, wanted);
    let asked = prepared(&params("watsonx_text/m"), Chat, &request).unwrap();
    let said = json!({"results": [{"generated_text": "yes", "stop_reason": "max_tokens",
        "input_token_count": 12, "generated_token_count": 9}]});
    let (body, observed) = trial::whole(asked, &said).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "yes");
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(observed.usage.unwrap().total_tokens, 21);
}

#[test]
fn a_stream_of_text_is_read_however_it_is_cut() {
    let stream = concat!(
        "id: 1\nevent: message\ndata: {\"results\":[{\"generated_text\":\"h\u{e9}\",",
        "\"generated_token_count\":1,\"input_token_count\":12,\"stop_reason\":\"not_finished\"}]}\n\n",
        "id: 2\nevent: message\ndata: {\"results\":[{\"generated_text\":\"\",",
        "\"generated_token_count\":9,\"input_token_count\":0,\"stop_reason\":\"eos_token\"}]}\n\n",
    );
    let request = json!({"messages": [], "stream": true});
    let reader = || {
        prepared(&params("watsonx_text/m"), Chat, &request)
            .unwrap()
            .reader
    };
    let (choice, observed) = trial::streamed(reader, stream);
    assert_eq!(choice["message"]["content"], "h\u{e9}");
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(observed.usage.unwrap().total_tokens, 21);
    let broken = "data: {\"errors\":[{\"message\":\"busy\"}]}\n\n";
    let (_, observed) = trial::streamed(reader, broken);
    assert_eq!(observed.error.unwrap().message, "busy");
}

#[test]
fn texts_are_embedded_and_ranked() {
    let params = params("watsonx/m");
    let (uri, body) = sent(
        &params,
        Embedding,
        &json!({"input": "a", "truncate_input_tokens": 3}),
    );
    assert_eq!(uri, "https://x/ml/v1/text/embeddings?version=2024-03-13");
    assert_eq!(body["inputs"], json!(["a"]));
    assert_eq!(body["parameters"], json!({"truncate_input_tokens": 3}));
    let asked = prepared(&params, Embedding, &json!({"input": "a"})).unwrap();
    let said = json!({"results": [{"embedding": [1.0]}], "input_token_count": 8});
    let (body, observed) = trial::whole(asked, &said).unwrap();
    assert_eq!(body["data"][0]["embedding"], json!([1.0]));
    assert_eq!(observed.usage.unwrap().prompt_tokens, 8);
    let request = json!({"query": "q", "documents": ["a"], "top_n": 1, "return_documents": true});
    let (_, body) = sent(&params, Rerank, &request);
    assert_eq!(body["inputs"], json!([{"text": "a"}]));
    let options = json!({"return_options": {"top_n": 1, "inputs": true}});
    assert_eq!(body["parameters"], options);
    let asked = prepared(&params, Rerank, &request).unwrap();
    let said = json!({"results": [{"index": 0, "score": 0.5, "input": "a"}]});
    let (body, _) = trial::whole(asked, &said).unwrap();
    let wanted = json!({"index": 0, "relevance_score": 0.5, "document": {"text": "a"}});
    assert_eq!(body["results"], json!([wanted]));
}
