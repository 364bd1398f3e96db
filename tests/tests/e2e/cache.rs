//! The same question is asked once: the second answer is the first, is an event, and costs nothing.

use serde_json::{Value, json};
use tests::stage::Stage;

const SETTINGS: &str = "litellm_settings: {cache: true}";

fn chat(text: &str, more: &Value) -> Value {
    let mut body = json!({"model": "mock", "messages": [{"role": "user", "content": text}]});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_given_again_whole_or_as_a_stream() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let client = running.client();
    for first_streams in [false, true] {
        let text = format!("[[mock: usage=120/30]] {first_streams}");
        let asked = stage.provider.requests();
        let first = client
            .chat(&chat(&text, &json!({"stream": first_streams})))
            .await;
        assert_eq!(first.status, 200, "{}", first.text());
        // Kept when the event of the first is written, which is before its last byte.
        for streams in [false, true] {
            let more = json!({"stream": streams, "user": "somebody else"});
            let again = client.chat(&chat(&text, &more)).await;
            assert_eq!(again.status, 200, "{}", again.text());
            assert_eq!(again.header("x-litellm-cache-key").len(), 64);
            if streams {
                assert!(
                    again.text().ends_with("data: [DONE]\n\n"),
                    "{}",
                    again.text()
                );
            } else {
                let said = &again.json()["choices"][0]["message"]["content"];
                assert!(said.as_str().is_some_and(|said| !said.is_empty()), "{said}");
            }
            let row = running.books().row(again.call_id()).await;
            assert_eq!(row.outcome, "success", "{:#}", row.json);
            assert_eq!(row.json["cache_hit"], "True", "{:#}", row.json);
            assert!(
                row.spend.is_some_and(|spend| spend.is_zero()),
                "{:#}",
                row.json
            );
            assert_eq!(row.json["prompt_tokens"], 120);
        }
        assert_eq!(stage.provider.requests(), asked + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_question_another_namespace_and_a_failure_are_asked_again() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let client = running.client();
    for more in [
        json!({}),
        json!({"temperature": 0.5}),
        json!({"cache": {"namespace": "mine"}}),
        json!({"cache": {"no-cache": true}}),
    ] {
        let answer = client.chat(&chat("hello", &more)).await;
        assert_eq!(answer.status, 200, "{more}: {}", answer.text());
    }
    assert_eq!(stage.provider.requests(), 4);
    for _ in 0..2 {
        let answer = client.chat(&chat("[[mock: status=500]]", &json!({}))).await;
        assert_eq!(answer.status, 500);
    }
    assert_eq!(stage.provider.requests(), 6);
}
