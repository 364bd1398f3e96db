//! What one account keeps is asked of that account, also when the other one is next in turn.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use http::Method;
use serde_json::{Value, json};
use tests::{
    mock_provider::{MockProvider, Options},
    stage::{Running, Stage},
};

/// A second provider that knows another key, and a model that both answer.
async fn second(stage: &Stage) -> MockProvider {
    let key = Some("sk-second".to_owned());
    let other = MockProvider::with(Options {
        log: 100,
        key,
        ..Options::default()
    })
    .await
    .unwrap();
    let deployment = |base: &str, key: &str| {
        format!(
            "  - model_name: both\n    litellm_params: \
             {{model: openai/gpt-4o, api_base: \"{base}\", api_key: {key}, num_retries: 0}}\n"
        )
    };
    let first = deployment(&stage.provider.base(), "sk-upstream");
    let second = deployment(&other.base(), "sk-second");
    stage.add_models(&format!("{first}{second}"));
    other
}

async fn made(running: &Running, stream: bool) -> String {
    let body = json!({"model": "both", "input": "[[mock: chunks=2]]", "stream": stream});
    let answer = running
        .client()
        .post("/v1/responses", body.to_string())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let created = text.lines().find_map(|line| line.strip_prefix("data: "));
    let answer: Value = serde_json::from_str(created.unwrap_or(&text)).unwrap();
    let response = answer.get("response").unwrap_or(&answer);
    response["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_leads_back_to_the_account_that_made_it() {
    let stage = Stage::new().await;
    let other = second(&stage).await;
    let running = stage.up().await;
    let client = running.client();
    let mut seen = [0, 0];
    for turn in 0..8 {
        let before = [stage.provider.requests(), other.requests()];
        let id = made(&running, turn % 2 == 1).await;
        let (plain, _mark) = id.split_once("-tk-").unwrap();
        let is_second = other.requests() > before[1];
        seen[usize::from(is_second)] += 1;
        let keeper = if is_second { &other } else { &stage.provider };
        for (method, path) in [
            (Method::GET, format!("/v1/responses/{id}")),
            (Method::DELETE, format!("/v1/responses/{id}")),
        ] {
            let asked = keeper.requests();
            let request = client.request(method.clone(), &path, "".into());
            let answer = client.send(request).await;
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
            assert_eq!(keeper.requests(), asked + 1, "{method} {path}");
            let entry = keeper.entries().pop().unwrap();
            assert_eq!(entry.route, format!("{method} /v1/responses/{plain}"));
        }
        let follows = json!({"model": "both", "input": "x", "previous_response_id": id});
        let asked = keeper.requests();
        let answer = client.post("/v1/responses", follows.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(keeper.requests(), asked + 1);
        let sent = keeper.entries().pop().unwrap().request;
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["previous_response_id"], plain);
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    let unknown = client.get("/v1/files/file-1-tk-0123456789ab").await;
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    let two = made(&running, false).await;
    let mixed = json!({"input_file_id": two, "id": "file-1-tk-0123456789ab"});
    let mixed = client.post("/v1/batches", mixed.to_string()).await;
    assert_eq!(mixed.status, 400, "{}", mixed.text());
}
