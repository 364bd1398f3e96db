//! Predictions, from their beginning to their end.

use super::*;
use crate::provider::trial::{answer, prepared, sent, whole};

fn params(model: &str) -> Value {
    json!({ "model": format!("replicate/{model}"), "api_base": "https://x/v1", "api_key": "k" })
}

fn hello() -> Value {
    json!({"messages": [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "Hi"},
    ]})
}

#[test]
fn predictions_are_begun_where_the_model_is() {
    let hash = "a".repeat(VERSION_LETTERS);
    for (model, path, version) in [
        (
            "meta/llama".to_owned(),
            "/models/meta/llama/predictions",
            false,
        ),
        (
            "deployments/me/mine".to_owned(),
            "/deployments/me/mine/predictions",
            false,
        ),
        (format!("meta/llama:{hash}"), "/predictions", true),
    ] {
        let (uri, body) = sent(&params(&model), Operation::Chat, &hello());
        assert_eq!(uri, format!("https://x/v1{path}"));
        assert_eq!(body.get("version").is_some(), version);
    }
}

#[test]
fn the_input_has_the_prompt_and_what_the_model_knows() {
    let mut request = hello();
    for (name, value) in [
        ("max_tokens", json!(5)),
        ("stop", json!("END")),
        ("seed", json!(1)),
        ("top_k", json!(4)),
        ("stream", json!(true)),
    ] {
        request[name] = value;
    }
    let mut params = params("meta/llama");
    let (_, body) = sent(&params, Operation::Chat, &request);
    let wanted = json!({"input": {
        "prompt": "System: Be terse.\n\nUser: Hi\n\nAssistant:", "max_new_tokens": 5,
        "stop_sequences": "END", "top_k": 4, "stream": true,
    }});
    assert_eq!(body, wanted);
    params["supports_system_prompt"] = true.into();
    let (_, body) = sent(&params, Operation::Chat, &request);
    assert_eq!(body["input"]["system_prompt"], "Be terse.");
    assert_eq!(body["input"]["prompt"], "Hi");
}

#[test]
fn a_prediction_is_asked_for_until_it_has_ended() {
    let begun = prepared(&params("meta/llama"), Operation::Chat, &hello()).unwrap();
    let said = json!({"id": "p1", "status": "starting", "urls": {"get": "https://evil/"}});
    let Ok(Step::Again(pause, next)) = begun.reader.whole(answer(&said)) else {
        panic!("not asked for again");
    };
    assert_eq!(pause, PAUSE);
    assert_eq!(next.outgoing.uri, "https://x/v1/predictions/p1");
    assert_eq!(next.outgoing.method, Method::GET);
    assert_eq!(next.outgoing.headers["authorization"], "Token k");
    let said = json!({"status": "succeeded", "output": ["a", "b"],
        "metrics": {"input_token_count": 12, "output_token_count": 9}});
    let (body, observed) = whole(*next, &said).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "ab");
    assert_eq!(observed.usage.unwrap().total_tokens, 21);
}

#[test]
fn what_nobody_counted_is_counted_for_the_client_only() {
    let begun = prepared(&params("meta/llama"), Operation::Chat, &hello()).unwrap();
    let (body, observed) = whole(begun, &json!({"status": "succeeded", "output": "abcd"})).unwrap();
    assert_eq!(body["usage"]["completion_tokens"], 1);
    assert_eq!(observed.usage, None);
}

#[test]
fn other_ends_are_errors() {
    for (said, wanted) in [
        (
            json!({"status": "failed", "error": "no memory"}),
            "prediction failed: no memory",
        ),
        (
            json!({"status": "canceled"}),
            "prediction canceled: no reason given",
        ),
        (json!({"status": "starting", "id": "../x"}), "not an answer"),
        (json!({"status": "novel"}), "not an answer"),
    ] {
        let begun = prepared(&params("meta/llama"), Operation::Chat, &hello()).unwrap();
        let Err(fault) = begun.reader.whole(answer(&said)) else {
            panic!("{said}");
        };
        assert!(fault.message.contains(wanted), "{}", fault.message);
    }
}
