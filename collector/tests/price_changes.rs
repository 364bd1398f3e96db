//! A price map that is replaced again and again while calls are settled: each call has the price of
//! the instant at which it started, as the history tells it.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use bus::{Journal, JournalOptions, Log as _};
use collector::{Collector, Config, Deps, Sinks};
use event::{CallId, StandardLoggingPayload, Status, Timestamp, codec};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

const PATIENCE: Duration = Duration::from_secs(60);
const CALLS: u64 = 1200;
/// Between two calls.
const PAUSE: Duration = Duration::from_millis(5);
const MAPS: u64 = 4;
/// Between two maps.
const EVERY: Duration = Duration::from_millis(1500);
/// How long calls take, in microseconds: each is recorded so long after its start.
const TOOK: [i64; 4] = [250_000, 500_000, 900_000, 3_000_000];

/// A map in which a token costs so many USD.
fn replace(folder: &Path, price: u64) {
    let map = format!(
        r#"{{"acme/one": {{"litellm_provider": "acme", "input_cost_per_token": {price}}}}}"#
    );
    fs::write(folder.join("draft"), map).unwrap();
    fs::rename(folder.join("draft"), folder.join("map.json")).unwrap();
}

fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

fn call(number: u64, started: i64) -> Vec<u8> {
    codec::encode_finished(&StandardLoggingPayload {
        litellm_call_id: CallId::parse(&format!("call-{number}")).unwrap(),
        call_type: "acompletion".to_owned(),
        status: Status::Success,
        custom_llm_provider: Some("acme".to_owned()),
        start_time: Timestamp::from_micros(started),
        end_time: Timestamp::from_micros(now()),
        model: "acme/one".to_owned(),
        total_tokens: 1,
        prompt_tokens: 1,
        ..StandardLoggingPayload::default()
    })
}

async fn ask(collector: &Collector, method: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(collector.address()).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap()
}

async fn start(folder: &Path, calls: &Journal) -> Collector {
    let priced = Journal::open(&folder.join("priced"), JournalOptions::default()).unwrap();
    let config = json!({
        "listen": "127.0.0.1:0", "prices": { "file": folder.join("map.json") }
    });
    let config: Config = serde_json::from_value(config).unwrap();
    let deps = Deps {
        calls: calls.reader("collector").unwrap(),
        priced: Arc::new(priced),
        data: folder.join("data"),
        master_key: None,
        registrations: sinks::ALL,
    };
    Collector::start(config, Sinks::new(), deps).await.unwrap()
}

/// The version of the map that the history has for an instant.
fn version_at(history: &[(i64, String)], started: i64) -> &str {
    let begun = history.partition_point(|(from, _)| *from <= started);
    &history[begun.saturating_sub(1)].1
}

/// The history, the oldest map first.
async fn history(collector: &Collector) -> Vec<(i64, String)> {
    let status = ask(collector, "GET", "/prices").await;
    let was = |was: &Value| {
        (
            micros(&was["from"]),
            was["version"].as_str().unwrap().to_owned(),
        )
    };
    status["history"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(was)
        .collect()
}

fn micros(at: &Value) -> i64 {
    let at = chrono::DateTime::parse_from_rfc3339(at.as_str().unwrap()).unwrap();
    at.timestamp_micros()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_map_changes_each_call_has_the_price_of_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let calls = Journal::open(&folder.join("calls"), JournalOptions::default()).unwrap();
    replace(folder, 1);
    let collector = start(folder, &calls).await;
    let make_calls = async {
        for (number, took) in (0..CALLS).zip(TOOK.iter().cycle()) {
            calls.append(&[&call(number, now() - took)]).unwrap();
            sleep(PAUSE).await;
        }
    };
    let change_map = async {
        for price in 2..=MAPS {
            sleep(EVERY).await;
            replace(folder, price);
            ask(&collector, "POST", "/prices/update").await;
        }
    };
    tokio::join!(make_calls, change_map);
    let begun = Instant::now();
    while collector.books().totals().await.unwrap().calls() < i64::try_from(CALLS).unwrap() {
        assert!(begun.elapsed() < PATIENCE, "not settled");
        sleep(Duration::from_millis(10)).await;
    }

    let history = history(&collector).await;
    let prices: Vec<&str> = history
        .iter()
        .map(|(_, version)| version.as_str())
        .collect();
    assert_eq!(prices.len(), 4, "{history:?}");
    let rows = ask(&collector, "GET", "/spend/logs").await;
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), usize::try_from(CALLS).unwrap());
    for row in rows {
        let cost = &row["tollkeeper"]["cost"];
        let version = version_at(&history, micros(&row["startTime"]));
        assert_eq!(cost["price_map"], version, "{row:#}\n{history:#?}");
        let price = prices.iter().position(|name| *name == version).unwrap() + 1;
        assert_eq!(cost["total"].to_string(), format!("{price}.0"), "{row:#}");
    }
    assert!(collector.books().audit().await.unwrap().balanced);
    collector.stop().await;
}
