//! When calls cannot be written down, they are refused or served, as the operator wants it.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{client::Client, stage::Stage};
use tokio::time::{Instant, sleep};

/// A journal that a few dozen calls fill, as long as nobody reads it.
const SMALL: &str = "bus: {journal: {segment_bytes: 32768, bytes_max: 131072}}\n";
/// Enough calls to fill it.
const CALLS: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(60);

fn body() -> Value {
    let message = json!({"role": "user", "content": "[[mock: usage=10/10]]"});
    json!({"model": "mock", "messages": [message]})
}

/// Waits until calls are taken again, and returns the id of the first.
async fn taken_again(client: &Client) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.chat(&body()).await;
        if answer.status == 200 {
            return answer.call_id().to_owned();
        }
        assert!(Instant::now() < deadline, "{}", answer.text());
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_journal_refuses_calls_until_it_is_read() {
    let stage = Stage::with(SMALL).await;
    let gateway = stage.gateway().await;
    let client = gateway.client();
    let mut answered = Vec::new();
    let refused = loop {
        let answer = client.chat(&body()).await;
        if answer.status != 200 {
            break answer;
        }
        answered.push(answer.call_id().to_owned());
        assert!(answered.len() < CALLS as usize, "it never fills");
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    let message = refused.json()["error"]["message"].to_string();
    assert!(message.contains("cannot be written down"), "{message}");

    // There may be room for the beginning of another call or two; then no provider is asked for
    // what cannot be accounted.
    for _ in 0..20 {
        assert_eq!(client.chat(&body()).await.status, 503);
    }
    let asked = stage.provider.requests();
    for _ in 0..20 {
        assert_eq!(client.chat(&body()).await.status, 503);
    }
    assert_eq!(stage.provider.requests(), asked);

    stage.configure("");
    let collector = stage.collector().await;
    answered.push(taken_again(&client).await);
    let books = collector.books();
    for call in &answered {
        assert_eq!(books.row(call).await.outcome, "success");
    }
    books.assert_balanced(&books.rows().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_best_effort_a_full_journal_stops_nobody() {
    let more = format!("{SMALL}gateway: {{accounting: best_effort}}\n");
    let stage = Stage::with(&more).await;
    let gateway = stage.gateway().await;
    for _ in 0..CALLS {
        let answer = gateway.client().chat(&body()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let metrics = gateway.client().get("/metrics").await.text();
    assert!(metrics.contains("journal_errors"), "{metrics}");

    // What waited in memory is written as soon as there is room.
    stage.configure("");
    let collector = stage.collector().await;
    let calls = collector
        .books()
        .settled(|calls| calls.len() >= CALLS as usize)
        .await;
    assert!(calls.values().all(|rows| rows.len() == 1), "{calls:#?}");
}
