//! Whatever goes wrong upstream: the client is told clearly, and the books hold one row.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{
    books::Row,
    client::{Answer, Client},
    stage::{Running, Stage},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Short, so that a provider that hangs does not hold up the tests.
const SETTINGS: &str = "gateway: {upstream_timeout: 1s}";

fn chat(model: &str, script: &str, stream: bool) -> Value {
    let content = format!("[[mock: {script}]]");
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": content}]})
}

/// Checks that an answer is an error in OpenAI's shape.
fn assert_error(answer: &Answer, what: &str) {
    let json = answer.json();
    let error = &json["error"];
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{what}: {json:#}"
    );
    assert!(
        error["type"].is_string() || error["type"].is_null(),
        "{what}: {json:#}"
    );
    assert!(error.get("code").is_some(), "{what}: {json:#}");
}

/// The one row of a call that failed.
async fn failed(running: &Running, answer: &Answer, what: &str) -> Row {
    let row = running.books().row(answer.call_id()).await;
    assert_eq!(row.status, "failure", "{what}: {:#}", row.json);
    row
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_provider_keeps_its_status_and_shape() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    for (script, status) in [
        ("status=400", 400),
        ("status=400 code=context_length_exceeded", 400),
        ("status=401", 401),
        ("status=404", 404),
        ("status=429 retry_after=7", 429),
        ("status=429 code=insufficient_quota", 429),
        ("status=500", 500),
        ("status=500 empty_body", 500),
        ("status=502 html_error", 502),
        ("status=503", 503),
    ] {
        for stream in [false, true] {
            let answer = running.client().chat(&chat("mock", script, stream)).await;
            assert_eq!(answer.status, status, "{script}: {}", answer.text());
            assert_error(&answer, script);
            if script.contains("retry_after") {
                assert_eq!(answer.header("retry-after"), "7");
            }
            let row = failed(&running, &answer, script).await;
            assert_eq!(row.outcome, "provider_error", "{script}: {:#}", row.json);
        }
    }
    assert_eq!(running.books().rows().await.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_cannot_be_reached_or_understood_is_a_server_error() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    for (model, script) in [
        ("gone", ""),
        ("mock", "empty_body"),
        ("mock", "cut_bytes=100"),
    ] {
        let answer = running.client().chat(&chat(model, script, false)).await;
        assert!(
            answer.status.is_server_error(),
            "{model} {script}: {}",
            answer.status
        );
        assert_error(&answer, script);
        let row = failed(&running, &answer, script).await;
        let known = ["provider_error", "interrupted"];
        assert!(
            known.contains(&row.outcome.as_str()),
            "{model} {script}: {:#}",
            row.json
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_hangs_is_a_timeout() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    for stream in [false, true] {
        let answer = running.client().chat(&chat("mock", "hang", stream)).await;
        assert_eq!(answer.status, 408, "{}", answer.text());
        assert_error(&answer, "hang");
        assert_eq!(failed(&running, &answer, "hang").await.outcome, "timeout");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_off_does_not_look_finished_and_is_charged() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    for script in [
        "cut_after=4",
        "cut_bytes=700",
        "error_after=4",
        "hang_after=4",
    ] {
        let answer = running.client().chat(&chat("mock", script, true)).await;
        assert_eq!(answer.status, 200, "{script}: {}", answer.text());
        let text = answer.text();
        assert!(!text.contains("data: [DONE]\n"), "{script}: {text}");
        assert!(
            !answer.complete || text.contains("\"error\""),
            "{script}: {text}"
        );
        let row = failed(&running, &answer, script).await;
        let known = ["interrupted", "provider_error", "timeout"];
        assert!(
            known.contains(&row.outcome.as_str()),
            "{script}: {:#}",
            row.json
        );
        let spend = row.spend.unwrap();
        assert!(
            !spend.is_zero(),
            "{script}: what was streamed is charged: {:#}",
            row.json
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_refused_here_is_told_why() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let nobody = Client {
        key: "sk-wrong".to_owned(),
        ..running.client()
    };
    let unauthorized = nobody.chat(&chat("mock", "", false)).await;
    assert_eq!(unauthorized.status, 401);
    let unknown = running
        .client()
        .chat(&chat("no-such-model", "", false))
        .await;
    assert!(unknown.status.is_client_error(), "{}", unknown.status);
    assert!(
        unknown.text().contains("no-such-model"),
        "{}",
        unknown.text()
    );
    assert_error(&unauthorized, "a wrong key");
    assert_error(&unknown, "an unknown model");
    assert_eq!(
        failed(&running, &unknown, "an unknown model").await.outcome,
        "rejected"
    );
    // A stranger is counted, but cannot fill the books.
    assert!(
        running
            .books()
            .rows_of(unauthorized.call_id())
            .await
            .is_empty()
    );
    assert_eq!(stage.provider.requests(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_in_the_middle_is_still_charged() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let script = "chunks=20 chunk_delay_ms=20 usage=100/20";
    let body = chat("mock", script, true).to_string();
    let mut stream = TcpStream::connect(running.gateway.unwrap()).await.unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-1234\r\n\
         x-litellm-call-id: hangs-up\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len(),
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut some = [0; 512];
    timeout(Duration::from_secs(10), stream.read_exact(&mut some))
        .await
        .unwrap()
        .unwrap();
    drop(stream);
    let row = running.books().row("hangs-up").await;
    assert_eq!(row.outcome, "client_disconnected", "{:#}", row.json);
    assert!(!row.spend.unwrap().is_zero(), "{:#}", row.json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_succeeds_at_the_second_attempt_is_one_row() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let body = chat(
        "stubborn",
        "fail_first=1 status=503 usage=10/10 tag=second",
        false,
    );
    let answer = running.client().chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let row = running.books().row(answer.call_id()).await;
    assert_eq!(row.outcome, "success");
    assert_eq!(stage.provider.requests(), 2);
}
