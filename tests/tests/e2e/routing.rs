//! A group that cannot answer does not end a call: others are asked, and one event says how it went.

use serde_json::{Value, json};
use tests::stage::Stage;

const SETTINGS: &str = "litellm_settings:
  fallbacks: [{gone: [mock]}]
  context_window_fallbacks: [{mock: [stubborn]}]
";

fn chat(model: &str, script: &str, more: &Value) -> Value {
    let content = format!("[[mock: {script}]]");
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": content}]});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_group_answers_for_one_that_cannot() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let too_long = "fail_first=1 status=400 code=context_length_exceeded";
    for (model, script, more, answered_by) in [
        ("gone", "", json!({}), "mock"),
        ("gone", "", json!({"fallbacks": ["stubborn"]}), "stubborn"),
        ("gone", "", json!({"stream": true}), "mock"),
        ("mock", too_long, json!({}), "stubborn"),
    ] {
        let what = format!("{model} {script} {more}");
        let answer = running.client().chat(&chat(model, script, &more)).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert_eq!(
            answer.header("x-litellm-model-group"),
            answered_by,
            "{what}"
        );
        assert_eq!(
            answer.header("x-litellm-attempted-fallbacks"),
            "1",
            "{what}"
        );
        assert_eq!(answer.header("x-litellm-attempted-retries"), "0", "{what}");
        let row = running.books().row(answer.call_id()).await;
        assert_eq!(row.outcome, "success", "{what}: {:#}", row.json);
        assert_eq!(row.json["model_group"], answered_by, "{what}");
        assert!(row.spend.is_some_and(|spend| !spend.is_zero()), "{what}");
        let attempts = row.json["metadata"]["attempts"].as_array().unwrap();
        let failed = attempts.iter().map(|one| one["error_class"] != "");
        assert_eq!(
            failed.collect::<Vec<_>>(),
            [true, false],
            "{what}: {attempts:?}"
        );
    }
    assert_eq!(running.books().rows().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_other_answer_gets_the_error() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let body = chat("gone", "", &json!({"disable_fallbacks": true}));
    let answer = running.client().chat(&body).await;
    assert!(answer.status.is_server_error(), "{}", answer.text());
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "0");
    let row = running.books().row(answer.call_id()).await;
    assert_eq!(row.outcome, "provider_error", "{:#}", row.json);
}
