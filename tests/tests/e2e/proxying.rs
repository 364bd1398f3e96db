//! What the provider sends is what the client gets, to the byte.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use http::Method;
use serde_json::{Value, json};
use tests::{
    client::Answer,
    mock_provider::{Entry, Usage},
    stage::{Stage, price},
};

/// Makes a chat completion and returns what the client got and what the provider knows of it.
async fn ask(stage: &Stage, body: &Value) -> (Answer, Entry) {
    let answer = stage.up().await.client().chat(body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let entries = stage.provider.entries();
    assert_eq!(entries.len(), 1, "{entries:#?}");
    (answer, entries.into_iter().next().unwrap())
}

fn chat(script: &str, more: &Value) -> Value {
    let mut body = json!({
        "model": "mock",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": format!("Grüße ☕ [[mock: {script}]]")},
        ],
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn tools() -> Value {
    json!([{"type": "function", "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }}])
}

/// A stream without the chunk that only tells the usage.
fn without_usage(stream: &str) -> String {
    stream
        .split_inclusive("\n\n")
        .filter(|event| !event.contains("\"choices\":[]"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_in_one_piece_is_passed_on_as_it_is() {
    let stage = Stage::new().await;
    let (answer, entry) = ask(&stage, &chat("usage=12/34/5", &json!({}))).await;
    assert_eq!(answer.text(), String::from_utf8_lossy(&entry.answered));
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_usage_is_passed_on_as_it_is() {
    let stage = Stage::new().await;
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let (answer, entry) = ask(&stage, &chat("chunks=50 chunk_delay_ms=2", &more)).await;
    assert_eq!(answer.text(), String::from_utf8_lossy(&entry.answered));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_usage_lacks_nothing_but_the_usage() {
    let stage = Stage::new().await;
    let body = chat("chunks=20 usage=12/34/5", &json!({"stream": true}));
    let (answer, entry) = ask(&stage, &body).await;
    let sent = String::from_utf8_lossy(&entry.answered);
    assert_eq!(answer.text(), without_usage(&sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_tools_are_passed_on_as_they_are() {
    for stream in [false, true] {
        let stage = Stage::new().await;
        let mut more = json!({"tools": tools(), "tool_choice": "auto", "stream": stream});
        if stream {
            more["stream_options"] = json!({"include_usage": true});
        }
        let (answer, entry) = ask(&stage, &chat("tool_call", &more)).await;
        assert_eq!(answer.text(), String::from_utf8_lossy(&entry.answered));
        assert!(answer.text().contains("weather"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_gets_what_the_client_sent_but_for_the_model() {
    let stage = Stage::new().await;
    let more = json!({
        "temperature": 0.25, "seed": 9_007_199_254_740_993_i64, "stop": ["a", "b"],
        "metadata": {"ticket": "T-1"}, "user": "ümit", "tools": tools(),
        "response_format": {"type": "json_object"}, "logit_bias": {"50256": -100},
    });
    let body = chat("", &more);
    let (_, entry) = ask(&stage, &body).await;
    let mut expected = body;
    expected["model"] = "gpt-4o".into();
    // The gateway may keep the client's metadata to itself.
    let mut got: Value = serde_json::from_slice(&entry.request).unwrap();
    for one in [&mut expected, &mut got] {
        one.as_object_mut().unwrap().remove("metadata");
    }
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_sees_neither_our_key_nor_what_is_meant_for_us() {
    let stage = Stage::new().await;
    let more = json!({
        "num_retries": 0, "litellm_metadata": {"a": 1},
        "metadata": {"tags": ["x", "y"], "trace_id": "t-1"},
    });
    // The provider refuses any field that it does not know.
    let (_, entry) = ask(&stage, &chat("", &more)).await;
    assert_eq!(entry.headers["authorization"], "Bearer sk-upstream");
    for (name, value) in &entry.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        assert!(!name.as_str().starts_with("x-litellm"), "{name}");
        assert!(!value.contains("sk-1234"), "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_usage_that_the_provider_reports_is_what_is_charged() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let (client, books) = (running.client(), running.books());
    let usage = Usage {
        prompt: 1200,
        completion: 345,
        cached: 1024,
    };
    let calls = [
        json!({}),
        json!({"stream": true}),
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    ];
    for more in calls {
        let answer = client.chat(&chat("usage=1200/345/1024", &more)).await;
        let row = books.row(answer.call_id()).await;
        assert_eq!(row.spend, Some(price(usage)), "{more}: {:#}", row.json);
        assert_eq!(row.outcome, "success");
    }
    books.assert_balanced(&books.rows().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_without_a_price_is_not_free() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let mut body = chat("usage=10/10", &json!({}));
    body["model"] = "unpriced".into();
    let answer = running.client().chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let row = running.books().row(answer.call_id()).await;
    assert!(row.json.to_string().contains("unpriced"), "{:#}", row.json);
    assert_eq!(row.spend, None, "{:#}", row.json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_told_the_trace_if_it_is_to_be() {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    for (settings, told) in [
        ("", false),
        (
            "litellm_settings: {forward_traceparent_to_llm_provider: true}",
            true,
        ),
    ] {
        let stage = Stage::with(settings).await;
        let running = stage.up().await;
        let body = json!({"model": "mock", "messages": [{"role": "user", "content": "hello"}]});
        let client = running.client();
        let mut request = client.request(
            Method::POST,
            "/v1/chat/completions",
            body.to_string().into(),
        );
        let value = format!("00-{trace}-b7ad6b7169203331-01").parse().unwrap();
        request.headers_mut().insert("traceparent", value);
        let answer = client.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let entries = stage.provider.entries();
        let header = entries[0]
            .headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok());
        let row = running.books().row(answer.call_id()).await;
        assert_eq!(
            header.is_some_and(|header| header.contains(trace)),
            told,
            "{:#}",
            row.json
        );
    }
}
