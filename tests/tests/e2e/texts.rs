//! A text completion stays one: in its stream, in its event, and when it is given again.

use serde_json::{Value, json};
use tests::{client::Answer, stage::Stage};

/// The text that an answer says, whole or as a stream.
fn said(answer: &Answer, streams: bool) -> String {
    let told = |json: &Value| json["choices"][0]["text"].as_str().map(str::to_owned);
    if !streams {
        return told(&answer.json()).unwrap_or_default();
    }
    let text = answer.text();
    let chunks = text.split("\n\n").filter_map(|event| {
        let chunk: Value = serde_json::from_str(event.strip_prefix("data: ")?).ok()?;
        assert_eq!(chunk["object"], "text_completion", "{text}");
        told(&chunk)
    });
    chunks.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_completion_is_the_same_whole_streamed_and_kept() {
    let stage = Stage::with("litellm_settings: {cache: true}").await;
    let running = stage.up().await;
    let client = running.client();
    for first_streams in [false, true] {
        let prompt = format!("[[mock: usage=120/30 chunks=3]] {first_streams}");
        let asked = stage.provider.requests();
        for (turn, streams) in [(0, first_streams), (1, false), (2, true)] {
            let body = json!({"model": "mock", "prompt": prompt, "stream": streams});
            let answer = client.post("/v1/completions", body.to_string()).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(said(&answer, streams), "Hello world,", "{}", answer.text());
            let row = running.books().row(answer.call_id()).await;
            assert_eq!(row.json["call_type"], "atext_completion", "{:#}", row.json);
            assert_eq!(row.json["prompt_tokens"], 120, "{:#}", row.json);
            let hit = row.json["cache_hit"] == "True";
            assert_eq!(hit, turn > 0, "{:#}", row.json);
        }
        assert_eq!(stage.provider.requests(), asked + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_usage_is_counted_by_its_text() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let client = running.client();
    let body = json!({"model": "mock", "stream": true,
        "prompt": "[[mock: no_usage chunks=3]]"});
    let answer = client.post("/v1/completions", body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let row = running.books().row(answer.call_id()).await;
    // "Hello", " world" and ",".
    assert_eq!(row.json["completion_tokens"], 3, "{:#}", row.json);
}
