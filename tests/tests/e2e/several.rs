//! One request that several models answer: every one of them is asked, booked and paid on its own.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tests::{
    mock_provider::{MockProvider, Options, Script},
    stage::{PROVIDER_KEY, Stage},
};

fn chat(model: &str, more: &Value) -> Value {
    let message = json!({"role": "user", "content": "[[mock: usage=120/30]] hello"});
    let mut body = json!({"model": model, "messages": [message]});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

/// A stage with a model `slow` beside the others, whose provider takes a minute.
async fn with_slow() -> (Stage, MockProvider) {
    let stage = Stage::new().await;
    let slow = MockProvider::with(Options {
        key: Some(PROVIDER_KEY.to_owned()),
        script: Script {
            delay: Duration::from_secs(60),
            ..Script::default()
        },
        ..Options::default()
    });
    let slow = slow.await.unwrap();
    let model = format!(
        "model_list:\n  - model_name: slow\n    litellm_params: {{model: openai/gpt-4o, \
         api_base: \"{}\", api_key: {PROVIDER_KEY}, num_retries: 0}}\n",
        slow.base()
    );
    let path = stage.path("config.yaml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("model_list:\n", &model)).unwrap();
    (stage, slow)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_answers_come_as_a_list_and_every_model_is_booked() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let answer = running
        .client()
        .chat(&chat("mock, gone,stubborn", &json!({})))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list = answer.json();
    assert_eq!(list.as_array().unwrap().len(), 3, "{list:#}");
    for good in [0, 2] {
        assert_eq!(list[good]["usage"]["total_tokens"], 150, "{list:#}");
    }
    assert!(list[1]["error"]["message"].is_string(), "{list:#}");
    let id = answer.call_id();
    let mut traces = Vec::new();
    for (call, group, outcome, is_paid) in [
        (id.to_owned(), "mock", "success", true),
        (format!("{id}-2"), "gone", "provider_error", false),
        (format!("{id}-3"), "stubborn", "success", true),
    ] {
        let row = running.books().row(&call).await;
        assert_eq!(row.json["model_group"], group, "{:#}", row.json);
        assert_eq!(row.outcome, outcome, "{:#}", row.json);
        let spent = row.spend.is_some_and(|spend| !spend.is_zero());
        assert_eq!(spent, is_paid, "{:#}", row.json);
        traces.push(row.json["tollkeeper"]["trace_id"].clone());
    }
    assert!(traces.iter().all(|trace| *trace == traces[0]), "{traces:?}");
    assert_eq!(running.books().rows().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_conversation_has_a_list_of_its_own() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let talk =
        |usage: &str| json!([{"role": "user", "content": format!("[[mock: usage={usage}]]")}]);
    let more = json!({"messages": [talk("1/2"), talk("3/4")]});
    let answer = running.client().chat(&chat("mock,stubborn", &more)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let lists = answer.json();
    for (number, tokens) in [3, 7].into_iter().enumerate() {
        assert_eq!(lists[number].as_array().unwrap().len(), 2);
        for model in 0..2 {
            assert_eq!(
                lists[number][model]["usage"]["total_tokens"], tokens,
                "{lists:#}"
            );
        }
    }
    assert_eq!(stage.provider.requests(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_answer_is_taken_and_the_others_are_cancelled_and_booked() {
    let (stage, _slow) = with_slow().await;
    let running = stage.up().await;
    for stream in [false, true] {
        let more = json!({"fastest_response": true, "stream": stream});
        let body = chat("slow,gone,mock", &more);
        let answer = running.client().chat(&body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-litellm-model-group"), "mock");
        let fastest = answer.header("x-litellm-fastest_response_batch_completion");
        assert_eq!(fastest, "True");
        let id = answer.call_id();
        let first = id.strip_suffix("-3").unwrap();
        let won = running.books().row(id).await;
        assert_eq!(won.outcome, "success", "{:#}", won.json);
        let lost = running.books().row(first).await;
        assert_eq!(lost.json["model_group"], "slow");
        assert_eq!(lost.outcome, "client_disconnected", "{:#}", lost.json);
        let reason = lost.json["metadata"]["error_information"]["error_message"].to_string();
        assert!(
            reason.contains("another model answered first"),
            "{:#}",
            lost.json
        );
        // Its provider had the prompt, and will charge for that.
        assert_eq!(lost.json["tollkeeper"]["usage_source"], "counted");
        assert!(
            lost.spend.is_some_and(|spend| !spend.is_zero()),
            "{:#}",
            lost.json
        );
        let broken = running.books().row(&format!("{first}-2")).await;
        assert_eq!(broken.outcome, "provider_error", "{:#}", broken.json);
    }
    let body = chat("gone,gone", &json!({"fastest_response": true}));
    let failed = running.client().chat(&body).await;
    assert_eq!(failed.status, 500, "{}", failed.text());
    let booked = running.books().settled(|calls| calls.len() >= 8).await;
    assert_eq!(booked.len(), 8, "{booked:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_if_one_of_the_names_is_wrong() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let many = ["mock"; 17].join(",");
    for (model, more, words) in [
        ("mock,nobody", json!({}), "nobody"),
        ("mock,", json!({}), "Invalid model name"),
        ("mock,stubborn", json!({"stream": true}), "fastest_response"),
        (&many, json!({}), "16 calls"),
    ] {
        let answer = running.client().chat(&chat(model, &more)).await;
        assert_eq!(answer.status, 400, "{model}: {}", answer.text());
        assert!(answer.text().contains(words), "{model}: {}", answer.text());
        let row = running.books().row(answer.call_id()).await;
        assert_eq!(row.outcome, "rejected", "{:#}", row.json);
    }
    assert_eq!(stage.provider.requests(), 0);
    assert_eq!(running.books().rows().await.len(), 4);
}
