//! Mocks are calls with an event and a cost, and a request has one only where it may.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;

use serde_json::{Value, json};
use tests::stage::Stage;

const MODELS: &str = "model_list:
  - {model_name: canned, litellm_params: {model: openai/gpt-4o, mock_response: \"a canned answer\"}}
  - {model_name: limited, litellm_params: {model: openai/gpt-4o, mock_response: litellm.RateLimitError, num_retries: 0}}
  - {model_name: late, litellm_params: {model: openai/gpt-4o, mock_timeout: true, timeout: 0.2, num_retries: 0}}
  - {model_name: breaks, litellm_params: {model: openai/gpt-4o, mock_response: \"Exception: mock_streaming_error\"}}
  - model_name: open
    model_info: {allow_client_mock_response: true}
    litellm_params: {model: openai/gpt-4o, api_key: k, num_retries: 0}
";

async fn stage() -> Stage {
    let settings = "litellm_settings: {cache: true, fallbacks: [{limited: [mock]}]}";
    let stage = Stage::with(settings).await;
    let path = stage.path("config.yaml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("model_list:\n", MODELS)).unwrap();
    stage
}

fn chat(model: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mock_is_counted_priced_and_not_kept() {
    let stage = stage().await;
    let running = stage.up().await;
    for more in [
        json!({}),
        json!({"stream": true}),
        json!({"n": 2}),
        json!({}),
    ] {
        let answer = running.client().chat(&chat("canned", &more)).await;
        assert_eq!(answer.status, 200, "{more}: {}", answer.text());
        let row = running.books().row(answer.call_id()).await;
        assert_eq!(row.outcome, "success", "{:#}", row.json);
        assert_ne!(row.json["cache_hit"], "True", "{:#}", row.json);
        assert_eq!(row.json["tollkeeper"]["usage_source"], "counted");
        assert!(
            row.spend.is_some_and(|spend| !spend.is_zero()),
            "{:#}",
            row.json
        );
    }
    assert_eq!(stage.provider.requests(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mocked_error_goes_the_way_of_a_real_one() {
    let stage = stage().await;
    let running = stage.up().await;
    let answer = running.client().chat(&chat("limited", &json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-litellm-model-group"), "mock");
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
    let row = running.books().row(answer.call_id()).await;
    assert_eq!(row.json["tollkeeper"]["usage_source"], "provider");
    let alone = json!({"disable_fallbacks": true, "cache": {"no-cache": true}});
    for (model, more, status, outcome) in [
        ("limited", &alone, 429, "provider_error"),
        ("late", &alone, 408, "timeout"),
        ("breaks", &alone, 529, "provider_error"),
        ("breaks", &json!({"stream": true}), 200, "provider_error"),
    ] {
        let answer = running.client().chat(&chat(model, more)).await;
        assert_eq!(answer.status, status, "{model}: {}", answer.text());
        assert!(answer.text().contains("\"error\""), "{}", answer.text());
        let row = running.books().row(answer.call_id()).await;
        assert_eq!(row.outcome, outcome, "{:#}", row.json);
    }
    assert_eq!(stage.provider.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_a_mock_only_where_it_may() {
    let stage = stage().await;
    let mut running = stage.up().await;
    let calls =
        json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let wishes = [
        json!({"mock_response": "mine"}),
        json!({ "mock_tool_calls": calls }),
        json!({"mock_timeout": true, "timeout": 0.1}),
        json!({"mock_delay": 0.01}),
    ];
    for wish in &wishes {
        for model in ["mock", "canned"] {
            let answer = running.client().chat(&chat(model, wish)).await;
            assert_eq!(answer.status, 400, "{wish}: {}", answer.text());
            assert!(answer.text().contains("allow_client_mock_response"));
            let row = running.books().row(answer.call_id()).await;
            assert_eq!(row.outcome, "rejected", "{:#}", row.json);
        }
    }
    let open = chat(
        "open",
        &json!({"mock_response": "mine", "mock_delay": 0.01}),
    );
    let answer = running.client().chat(&open).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let said = &answer.json()["choices"][0]["message"]["content"];
    assert_eq!(said, "mine");
    assert!(running.program.terminate().await.success());

    let path = stage.path("config.yaml");
    let config = fs::read_to_string(&path).unwrap();
    let allowed = "general_settings: {dangerously_allow_mock_testing_request_params: true, ";
    fs::write(&path, config.replace("general_settings: {", allowed)).unwrap();
    let running = stage.up().await;
    for (wish, status) in wishes.iter().zip([200, 200, 408]) {
        let answer = running.client().chat(&chat("mock", wish)).await;
        assert_eq!(answer.status, status, "{wish}: {}", answer.text());
    }
    assert_eq!(stage.provider.requests(), 0);
}
