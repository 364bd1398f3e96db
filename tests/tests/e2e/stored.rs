//! What is passed on as it is, to keep or in a provider's own dialect, is accounted like any call;
//! and what the gateway says of itself.

use bytes::Bytes;
use http::{HeaderValue, Method};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tests::{
    mock_provider::Usage,
    stage::{Stage, price},
};

const USED: Usage = Usage {
    prompt: 12,
    completion: 34,
    cached: 5,
};

/// What is asked, with what body, and LiteLLM's name of it.
const KEPT: &[(Method, &str, &str, &str)] = &[
    (Method::GET, "/v1/responses/r", "", "aget_responses"),
    (Method::DELETE, "/responses/r", "", "adelete_responses"),
    (
        Method::GET,
        "/v1/responses/r/input_items?limit=2",
        "",
        "alist_input_items",
    ),
    (
        Method::POST,
        "/v1/responses/r/cancel",
        "",
        "acancel_responses",
    ),
    (Method::POST, "/v1/files", "any bytes", "acreate_file"),
    (
        Method::GET,
        "/v1/files/f/content?model=mock",
        "",
        "afile_content",
    ),
    (
        Method::POST,
        "/v1/batches",
        "{\"input_file_id\":\"f\"}",
        "acreate_batch",
    ),
    (Method::GET, "/v1/batches/b", "", "aretrieve_batch"),
    (
        Method::POST,
        "/v1/assistants",
        "{\"model\":\"mock\"}",
        "acreate_assistants",
    ),
    (Method::POST, "/v1/threads/t/runs", "{}", "arun_thread"),
    (Method::GET, "/v1/vector_stores", "", "avector_store_list"),
    (Method::POST, "/v1/containers", "{}", "acreate_container"),
    (
        Method::POST,
        "/v1/fine_tuning/jobs",
        "{\"model\":\"base\"}",
        "acreate_fine_tuning_job",
    ),
    (Method::GET, "/v1/files/missing", "", "afile_retrieve"),
    (Method::GET, "/v1/files/hanging", "", "afile_retrieve"),
];

/// Without what the gateway adds to ids of things that one of several accounts keeps.
fn unmarked(body: &[u8]) -> Vec<u8> {
    let mut rest = body.to_vec();
    let sign = b"-tk-";
    while let Some(at) = rest.windows(sign.len()).position(|window| window == sign) {
        rest.drain(at..at + sign.len() + 12);
    }
    rest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_keeps_is_one_event_that_costs_nothing() {
    let stage = Stage::with("gateway: {upstream_timeout: 1s}").await;
    let running = stage.up().await;
    let client = running.client();
    for (method, path, asked, call_type) in KEPT {
        let (status, outcome) = match *path {
            "/v1/files/missing" => (404, "provider_error"),
            "/v1/files/hanging" => (408, "timeout"),
            _ => (200, "success"),
        };
        let mut request = client.request(method.clone(), path, Bytes::from(*asked));
        let tag = HeaderValue::from_static("team-a");
        request.headers_mut().insert("x-litellm-tags", tag);
        let answer = client.send(request).await;
        let what = format!("{method} {path}");
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let row = running.books().row(answer.call_id()).await;
        let shown = format!("{what}: {:#}", row.json);
        assert_eq!(row.outcome, outcome, "{shown}");
        assert_eq!(row.json["call_type"], *call_type, "{shown}");
        assert_eq!(row.spend, Some(Decimal::ZERO), "{shown}");
        assert_eq!(row.json["total_tokens"], 0, "{shown}");
        let tags = row.json["request_tags"].as_array().unwrap();
        assert!(tags.contains(&json!("team-a")), "{shown}");
        if status == 200 {
            let entry = stage.provider.entries().pop().unwrap();
            assert_eq!(unmarked(&answer.body), entry.answered, "{what}");
            let plain = path.split('?').next().unwrap().trim_start_matches("/v1");
            assert_eq!(entry.route, format!("{method} /v1{plain}"));
            let sent = String::from_utf8_lossy(&entry.request).into_owned();
            assert_eq!(sent, asked.replace("mock", "gpt-4o"));
            assert!(!entry.headers.contains_key("x-litellm-tags"), "{what}");
            assert_eq!(
                entry.headers["authorization"], "Bearer sk-upstream",
                "{what}"
            );
        }
    }
    assert_eq!(running.books().rows().await.len(), KEPT.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_own_dialect_is_passed_on_with_the_deployments_key() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let client = running.client();
    let chat = |model: &str| {
        json!({"model": model,
            "messages": [{"role": "user", "content": "[[mock: usage=12/34/5]]"}]})
    };
    // Its own name of the model is as good as ours, and priced as what it is.
    for model in ["gpt-4o", "mock"] {
        let answer = client
            .post("/openai/v1/chat/completions", chat(model).to_string())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let row = running.books().row(answer.call_id()).await;
        assert_eq!(row.spend, Some(price(USED)), "{:#}", row.json);
        assert_eq!(row.json["model"], "openai/gpt-4o");
    }
    let mut message = chat("claude-sonnet-4-5");
    message["max_tokens"] = 9.into();
    for stream in [false, true] {
        message["stream"] = stream.into();
        let answer = client
            .post("/anthropic/v1/messages", message.to_string())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let row = running.books().row(answer.call_id()).await;
        assert_eq!(
            row.spend,
            Decimal::try_from_i128_with_scale(5325, 7).ok(),
            "{:#}",
            row.json
        );
    }
    let listed = client.get("/openai/v1/files?limit=3").await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    let row = running.books().row(listed.call_id()).await;
    assert_eq!(row.json["call_type"], "pass_through_endpoint");
    assert_eq!(row.spend, Some(Decimal::ZERO));
    for path in ["/openai/../etc", "/openai/v1/%2e%2e/x"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
    let nobody = client.get("/cohere/v1/models").await;
    assert_eq!(nobody.status, 400);
    assert!(
        nobody.text().contains("add one to `model_list`"),
        "{}",
        nobody.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_counted_by_the_provider_for_nothing() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let asked = json!({"model": "claude",
        "messages": [{"role": "user", "content": "[[mock: usage=12/34/5]]"}]});
    let answer = running
        .client()
        .post("/v1/messages/count_tokens", asked.to_string())
        .await;
    assert_eq!(answer.json(), json!({"input_tokens": 12}));
    let row = running.books().row(answer.call_id()).await;
    assert_eq!(
        (row.spend, &row.json["total_tokens"]),
        (Some(Decimal::ZERO), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_described_without_secrets() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let client = running.client();
    let told = client.get("/v1/model/info").await;
    assert!(!told.text().contains("sk-upstream"), "{}", told.text());
    let told = told.json();
    let models = told["data"].as_array().unwrap();
    let mock = models
        .iter()
        .find(|model| model["model_name"] == "mock")
        .unwrap();
    assert_eq!(mock["litellm_params"]["model"], "openai/gpt-4o");
    assert_eq!(mock["model_info"]["max_input_tokens"], 128_000);
    assert_eq!(mock["model_info"]["supports_vision"], true);
    assert_eq!(
        mock["model_info"]["input_cost_per_token"].to_string(),
        "2.5e-6"
    );
    assert_eq!(mock["model_info"]["mode"], "chat");

    let group = client
        .get("/model_group/info?model_group=mock")
        .await
        .json();
    assert_eq!(
        group["data"][0]["providers"],
        json!(["openai"]),
        "{group:#}"
    );
    assert_eq!(client.get("/v1/models/mock").await.json()["id"], "mock");
    assert_eq!(client.get("/v1/models/nobody").await.status, 404);

    let known = client
        .get("/utils/supported_openai_params?model=claude")
        .await
        .json();
    let known: Vec<&str> = known["supported_openai_params"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        known.contains(&"tools") && !known.contains(&"logit_bias"),
        "{known:?}"
    );
    let asked = json!({"model": "mock", "prompt": "four"});
    let counted = client
        .post("/utils/token_counter", asked.to_string())
        .await
        .json();
    assert_eq!(
        (&counted["total_tokens"], &counted["model_used"]),
        (&json!(1), &json!("gpt-4o"))
    );

    let health = client.get("/health").await.json();
    assert_eq!(health["unhealthy_count"], 0, "{health:#}");
    assert_eq!(
        running.books().rows().await.len(),
        0,
        "none of these is a call"
    );
}
