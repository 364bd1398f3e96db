//! A secret that the program was given is never seen again.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use http::{HeaderValue, Method};
use serde_json::json;
use tests::{
    client::{Answer, Client},
    stage::{MASTER_KEY, PROVIDER_KEY, Running, Stage},
    webhook_receiver::SECRET,
};

/// A key that a stranger tries, and that clients send in the wrong header.
const STRANGER: &str = "sk-canary-of-a-stranger";

/// Everything that came to light: where, and what.
type Seen = Vec<(String, Vec<u8>)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_a_log_a_journal_the_books_a_delivery_or_an_answer() {
    let mut stage = Stage::new().await;
    stage.log = "trace".to_owned();
    let mut running = stage.up().await;
    let mut seen = Seen::new();
    let last = make_calls(&running, &mut seen).await;
    ask_for_everything(&running, &mut seen).await;
    assert!(running.program.terminate().await.success());
    let said = running.program.said().join("\n");
    seen.push(("stdout".to_owned(), said.into_bytes()));
    for delivery in stage.hook.deliveries() {
        seen.push(("delivery".to_owned(), delivery.body.to_vec()));
    }
    let config = stage.path("config.yaml");
    let written = files(config.parent().unwrap());
    for path in written.into_iter().filter(|path| *path != config) {
        seen.push((path.display().to_string(), fs::read(path).unwrap()));
    }

    // The search finds what is there: a call is in both journals and in the books at least.
    let known = seen.iter().filter(|(_, bytes)| holds(bytes, &last)).count();
    assert!(known >= 3, "`{last}` is in {known} places only");
    let secret = SECRET.trim_start_matches("whsec_");
    for word in [MASTER_KEY, PROVIDER_KEY, secret, STRANGER] {
        for (place, bytes) in &seen {
            assert!(!holds(bytes, word), "`{word}` is in {place}");
        }
    }
}

/// Makes calls that end in every way, and returns the id of the last.
async fn make_calls(running: &Running, seen: &mut Seen) -> String {
    let client = running.client();
    let stranger = Client {
        key: STRANGER.to_owned(),
        ..client.clone()
    };
    let mut last = String::new();
    for (script, model) in [
        ("", "mock"),
        ("status=401", "mock"),
        ("status=500 html_error", "mock"),
        ("", "gone"),
        ("", "no-such-model"),
        ("cut_after=2", "mock"),
    ] {
        for stream in [false, true] {
            let message = json!({"role": "user", "content": format!("[[mock: {script}]]")});
            let body = json!({"model": model, "stream": stream, "messages": [message]});
            see(&stranger.chat(&body).await, seen);
            let body = body.to_string().into();
            let mut request = client.request(Method::POST, "/v1/chat/completions", body);
            let headers = request.headers_mut();
            headers.insert("x-api-key", HeaderValue::from_static(STRANGER));
            headers.insert("cookie", HeaderValue::from_static(STRANGER));
            let answer = client.send(request).await;
            see(&answer, seen);
            last = answer.call_id().to_owned();
            running.books().row(&last).await;
        }
    }
    last
}

fn see(answer: &Answer, seen: &mut Seen) {
    let head = format!("{:?}", answer.headers);
    seen.push(("the head of an answer".to_owned(), head.into_bytes()));
    seen.push(("an answer".to_owned(), answer.body.to_vec()));
}

/// What both servers tell.
async fn ask_for_everything(running: &Running, seen: &mut Seen) {
    let collector = Client::new(running.collector.unwrap());
    let told = [
        "/spend/logs",
        "/global/spend",
        "/audit",
        "/sinks",
        "/metrics",
    ];
    for path in told {
        let answer = collector.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        seen.push((path.to_owned(), answer.body.to_vec()));
    }
    for path in ["/metrics", "/v1/models", "/health/readiness"] {
        let answer = running.client().get(path).await;
        seen.push((format!("the gateway's {path}"), answer.body.to_vec()));
    }
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}
