//! Keys are made at the gateway's own port, and may do what they were given and nothing else.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{net::SocketAddr, time::Duration};

use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tests::{
    client::{Answer, Client},
    stage::{Running, Stage},
};
use tokio::time::{Instant, sleep};

/// How long a change may take to reach the gateway.
const PATIENCE: Duration = Duration::from_secs(10);

fn client(target: SocketAddr, key: &str) -> Client {
    let key = key.to_owned();
    Client { target, key }
}

/// Makes a key at the gateway, and waits until the gateway knows it.
async fn key(running: &Running, wanted: Value) -> Client {
    let made = running
        .client()
        .post("/key/generate", wanted.to_string())
        .await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = client(
        running.gateway.unwrap(),
        made.json()["key"].as_str().unwrap(),
    );
    let deadline = Instant::now() + PATIENCE;
    // 403 is the answer to a key that is known.
    while made.get("/v1/models").await.status == 401 {
        assert!(
            Instant::now() < deadline,
            "the key never reaches the gateway"
        );
        sleep(Duration::from_millis(20)).await;
    }
    made
}

async fn chat(client: &Client, model: &str, more: Value) -> Answer {
    let messages = json!([{ "role": "user", "content": "[[mock: usage=10/5]]" }]);
    let mut body = json!({ "model": model, "max_tokens": 5, "messages": messages });
    let fields = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    client.chat(&body).await
}

fn refused(answer: &Answer, status: u16, kind: &str) {
    let error = &answer.json()["error"];
    assert_eq!(answer.status.as_u16(), status, "{error}");
    assert_eq!(error["type"], kind, "{error}");
    assert_eq!(error["code"], status.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_managed_at_the_gateways_port() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let master = running.client();
    let made = key(&running, json!({ "key_alias": "app" })).await;
    let path = format!("/key/info?key={}", made.key);
    let info = master.get(&path).await.json();
    assert_eq!(info["info"]["key_alias"], "app");
    // Under its own key an application sees itself, and manages nothing.
    assert_eq!(made.get("/key/info").await.json()["key"], info["key"]);
    refused(&made.post("/key/generate", "{}").await, 403, "auth_error");
    let stranger = client(made.target, "sk-nobody-knows-this");
    refused(
        &stranger.get("/key/list").await,
        401,
        "token_not_found_in_db",
    );
    // Other methods, errors and what is ignored come back as they are.
    let acme = json!({ "organization_id": "acme", "organization_alias": "A" }).to_string();
    assert_eq!(master.post("/organization/new", acme).await.status, 200);
    let body = json!({ "organization_id": "acme", "organization_alias": "B" }).to_string();
    let patch = master.request(Method::PATCH, "/organization/update", body.into());
    assert_eq!(master.send(patch).await.json()["organization_alias"], "B");
    let unknown = master.post("/key/generate", r#"{"max_bugdet": 1}"#).await;
    refused(&unknown, 400, "invalid_request_error");
    let ignored = master
        .post("/key/generate", r#"{"send_invite_email": true}"#)
        .await;
    assert_eq!(ignored.header("x-tollkeeper-ignored"), "send_invite_email");
    refused(
        &master.get("/credentials").await,
        501,
        "not_implemented_error",
    );
    let spend = master.get("/global/spend").await;
    assert!(spend.json()["spend"].is_number());
    let large = format!(r#"{{"metadata": "{}"}}"#, "x".repeat(3 << 20));
    assert_eq!(master.post("/key/generate", large).await.status, 413);
    // What gateways and collectors tell each other is nobody else's.
    assert_eq!(master.get("/control/snapshot").await.status, 404);
    // A key that is gone opens nothing, a second later at the latest.
    let body = json!({ "keys": [made.key] }).to_string();
    assert_eq!(master.post("/key/delete", body).await.status, 200);
    let deadline = Instant::now() + PATIENCE;
    while made.get("/v1/models").await.status != 401 {
        assert!(Instant::now() < deadline, "the key is never gone");
        sleep(Duration::from_millis(20)).await;
    }
    // No request of these is a call.
    assert_eq!(master.get("/global/spend").await.json()["calls"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_a_collector_says_so() {
    let stage = Stage::new().await;
    let alone = stage.gateway().await;
    let answer = alone.client().post("/key/generate", "{}").await;
    refused(&answer, 503, "service_unavailable_error");
    assert!(
        answer.text().contains("gateway.collector"),
        "{}",
        answer.text()
    );
    drop(alone);
    // Nobody listens on port 1.
    stage.configure("gateway: {collector: \"http://127.0.0.1:1\"}");
    let lost = stage.gateway().await;
    let answer = lost.client().get("/key/list").await;
    refused(&answer, 503, "service_unavailable_error");
    assert!(
        answer.text().contains("does not answer"),
        "{}",
        answer.text()
    );
}

/// A key that may use two models, and one by its access group.
async fn limited(stage: &Stage) -> (Running, Client) {
    let base = stage.provider.base();
    stage.add_models(&format!(
        "  - model_name: beta\n    model_info: {{access_groups: [early]}}\n    litellm_params: \
         {{model: openai/gpt-4o, api_base: \"{base}\", api_key: sk-upstream}}\n"
    ));
    let running = stage.up().await;
    let limited = key(&running, json!({ "models": ["mock", "gone", "early"] })).await;
    (running, limited)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_calls_the_models_it_may_and_no_other_by_any_way() {
    let stage = Stage::new().await;
    let (_running, limited) = limited(&stage).await;
    for model in ["mock", "beta"] {
        let answer = chat(&limited, model, json!({})).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
    }
    let before = stage.provider.requests();
    let kind = "key_model_access_denied";
    for (model, more) in [
        ("gpt-4o", json!({})),
        ("claude", json!({})),
        ("gone", json!({ "fallbacks": ["gpt-4o"] })),
        (
            "gone",
            json!({ "fallbacks": ["mock", { "model": "gpt-4o" }] }),
        ),
        (
            "mock",
            json!({ "context_window_fallbacks": [{ "mock": ["gpt-4o"] }] }),
        ),
        (
            "mock",
            json!({ "content_policy_fallbacks": [{ "mock": ["gpt-4o"] }] }),
        ),
    ] {
        let answer = chat(&limited, model, more.clone()).await;
        refused(&answer, 403, kind);
    }
    // A path that names another model than the body.
    let body = json!({ "model": "mock", "max_tokens": 5, "messages": [] }).to_string();
    let path = "/anthropic/v1/models/claude-x/messages";
    refused(&limited.post(path, body).await, 403, kind);
    assert_eq!(stage.provider.requests(), before, "nobody was asked");
    // One that the key may use is asked instead.
    let answer = chat(&limited, "gone", json!({ "fallbacks": ["mock"] })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // Of several models each is a call of its own.
    let several = chat(&limited, "mock,gpt-4o", json!({})).await.json();
    assert!(several[0]["choices"].is_array(), "{several}");
    assert_eq!(several[1]["error"]["type"], kind, "{several}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sees_what_it_may_use_and_nothing_of_the_rest() {
    let stage = Stage::new().await;
    let (running, limited) = limited(&stage).await;
    // Not even in errors.
    let listed = limited.get("/v1/models").await.json();
    let names = listed["data"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["beta", "mock", "gone"]);
    let info = limited.get("/model/info").await.json();
    assert_eq!(info["data"].as_array().unwrap().len(), 3);
    let groups = limited.get("/model_group/info").await.json();
    assert_eq!(groups["data"].as_array().unwrap().len(), 3);
    assert_eq!(limited.get("/v1/models/gpt-4o").await.status, 404);
    let parameters = "/utils/supported_openai_params?model=gpt-4o";
    assert_eq!(limited.get(parameters).await.status, 400);
    let health = limited.get("/health").await;
    assert!(!health.text().contains("claude"), "{}", health.text());
    let wrong = chat(&limited, "nonsense", json!({})).await;
    assert!(!wrong.text().contains("claude"), "{}", wrong.text());
    let all = running.client().get("/v1/models").await.json();
    assert!(all["data"].as_array().unwrap().len() > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_used_from_the_addresses_that_it_is_for() {
    let stage = Stage::new().await;
    let config = std::fs::read_to_string(stage.path("config.yaml")).unwrap();
    let more =
        "general_settings: {use_x_forwarded_for: true, trusted_proxy_ranges: [127.0.0.0/8], ";
    let config = config.replacen("general_settings: {", more, 1);
    std::fs::write(stage.path("config.yaml"), config).unwrap();
    let running = stage.up().await;
    let wanted = json!({ "allowed_ips": ["203.0.113.0/24"], "rpm_limit": 2 });
    let placed = key(&running, wanted).await;
    refused(&placed.get("/v1/models").await, 403, "permission_error");
    refused(&placed.get("/key/info").await, 403, "permission_error");
    let via = |path: &str, chain: &'static str| {
        let mut request = placed.request(Method::GET, path, bytes::Bytes::new());
        let value = HeaderValue::from_static(chain);
        request.headers_mut().insert("x-forwarded-for", value);
        placed.send(request)
    };
    assert_eq!(via("/v1/models", "203.0.113.9").await.status, 200);
    assert_eq!(via("/key/info", "203.0.113.9").await.status, 200);
    // What the client itself put in front does not count.
    let forged = via("/v1/models", "203.0.113.9, 198.51.100.1").await;
    refused(&forged, 403, "permission_error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_says_which_parameters_its_requests_set_and_answers_say_its_limits() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let wanted = json!({ "allowed_request_params": ["max_tokens"], "enforced_params": ["user"],
        "rpm_limit": 5, "tpm_limit": 1000, "max_budget": 1 });
    let guarded = key(&running, wanted).await;
    let refusal = chat(&guarded, "mock", json!({ "user": "u" })).await;
    refused(&refusal, 400, "invalid_request_error");
    assert!(
        refusal.text().contains("`user` is not one"),
        "{}",
        refusal.text()
    );
    let body = json!({ "key": guarded.key, "allowed_request_params": ["max_tokens", "user"] });
    let master = running.client();
    master.post("/key/update", body.to_string()).await;
    let deadline = Instant::now() + PATIENCE;
    let answer = loop {
        let answer = chat(&guarded, "mock", json!({ "user": "u" })).await;
        if answer.status == 200 {
            break answer;
        }
        assert!(Instant::now() < deadline, "{}", answer.text());
        sleep(Duration::from_millis(20)).await;
    };
    for (name, value) in [
        ("x-litellm-key-rpm-limit", "5"),
        ("x-litellm-key-tpm-limit", "1000"),
        ("x-litellm-key-max-budget", "1.0"),
        ("x-ratelimit-api_key-limit-requests", "5"),
        ("x-ratelimit-api_key-remaining-requests", "4"),
    ] {
        assert_eq!(answer.header(name), value, "{name}: {:?}", answer.headers);
    }
    let lacks = chat(&guarded, "mock", json!({})).await;
    refused(&lacks, 400, "invalid_request_error");
    assert!(lacks.text().contains("param=user"), "{}", lacks.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_opens_the_routes_that_it_is_for() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let reader = key(&running, json!({ "key_type": "read_only" })).await;
    assert_eq!(reader.get("/v1/models").await.status, 200);
    refused(
        &chat(&reader, "mock", json!({})).await,
        403,
        "permission_error",
    );
    let caller = key(&running, json!({ "key_type": "llm_api" })).await;
    refused(&caller.get("/model/info").await, 403, "permission_error");
    refused(&caller.get("/key/info").await, 403, "auth_error");
    assert_eq!(chat(&caller, "mock", json!({})).await.status, 200);
}

/// Where a request may put what is not its own to say.
const FORGED: &[&str] = &[
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "custom_llm_provider",
    "organization",
    "model_info",
    "litellm_params",
    "extra_headers",
    "extra_body",
    "input_cost_per_token",
    "output_cost_per_image",
    "cache_read_input_token_cost",
    "user_api_key_user_id",
    "user_api_key_hash",
    "user_api_key",
    "proxy_server_request",
    "aws_access_key_id",
    "vertex_credentials",
    "azure_ad_token",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_surface_takes_prices_upstreams_credentials_or_identities() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let client = running.client();
    let before = stage.provider.requests();
    for (path, model, field) in [
        ("/v1/chat/completions", "mock", "messages"),
        (
            "/openai/deployments/mock/chat/completions",
            "mock",
            "messages",
        ),
        ("/openai/v1/chat/completions", "mock", "messages"),
        ("/v1/completions", "mock", "prompt"),
        ("/v1/embeddings", "embed", "input"),
        ("/v1/moderations", "judge", "input"),
        ("/v1/responses", "mock", "input"),
        ("/v1/images/generations", "picture", "prompt"),
        ("/v1/images/edits", "picture", "prompt"),
        ("/v1/audio/speech", "speak", "input"),
        ("/v1/messages", "claude", "messages"),
        ("/anthropic/v1/messages", "claude", "messages"),
        ("/v1/rerank", "rank", "documents"),
    ] {
        let content = match field {
            "messages" => json!([{ "role": "user", "content": "hi" }]),
            "documents" => json!(["a"]),
            _ => json!("hi"),
        };
        for name in FORGED {
            let mut body = json!({ "model": model, "query": "q", "max_tokens": 5 });
            body[field] = content.clone();
            body[*name] = json!("0");
            let answer = client.post(path, body.to_string()).await;
            assert_eq!(answer.status, 400, "{path} {name}: {}", answer.text());
            assert!(
                answer.text().contains(name),
                "{path} {name}: {}",
                answer.text()
            );
        }
    }
    assert_eq!(stage.provider.requests(), before, "nobody was asked");
    // A word about oneself in `metadata` is a word, and nobody's identity.
    let lie = json!({ "metadata": { "user_api_key_hash": "boss", "user_api_key_team_id": "t" } });
    let answer = chat(&client, "mock", lie).await;
    let row = running.books().row(answer.call_id()).await;
    assert_eq!(row.json["api_key"], "litellm_proxy_master_key", "{row:?}");
}
