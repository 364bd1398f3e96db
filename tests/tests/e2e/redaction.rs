//! What a client does not want written down is written nowhere, and its call is booked all the same.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use tests::stage::{Running, Stage};
use tokio::time::{Instant, sleep};

/// How long events may take to their sinks.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks with these fields and this header; returns the call's id, once it is booked.
async fn ask(running: &Running, word: &str, fields: &Value, header: &'static str) -> String {
    let mut body = json!({"model": "mock", "messages": [{"role": "user", "content": word}]});
    for (name, value) in fields.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let client = running.client();
    let body = body.to_string().into();
    let mut request = client.request(Method::POST, "/v1/chat/completions", body);
    if !header.is_empty() {
        let name = HeaderName::from_static(header);
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static("true"));
    }
    let answer = client.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let row = running.books().row(answer.call_id()).await;
    assert!(
        row.spend.is_some_and(|spend| !spend.is_zero()),
        "{:#}",
        row.json
    );
    row.call_id
}

/// The text of every file below `folder`.
fn everything(folder: &Path) -> String {
    let mut text = String::new();
    let mut waiting: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        } else {
            text += &String::from_utf8_lossy(&fs::read(path).unwrap());
        }
    }
    text
}

/// What the sinks have, once they have the call `last`.
async fn delivered(stage: &Stage, last: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let files = stage.path("events.000001.jsonl");
        let file = fs::read_to_string(files).unwrap_or_default();
        let hook: Vec<u8> = stage
            .hook
            .deliveries()
            .iter()
            .flat_map(|delivery| delivery.body.to_vec())
            .collect();
        let hook = String::from_utf8(hook).unwrap();
        if file.contains(last) && hook.contains(last) {
            return file + &hook;
        }
        assert!(Instant::now() < deadline, "`{last}` is not delivered");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_may_keep_its_content_out_of_everything() {
    let stage = Stage::new().await;
    let mut running = stage.up().await;
    let enable = "x-litellm-enable-message-redaction";
    let by_header = ask(&running, "canary-one", &json!({}), enable).await;
    let by_field = json!({"turn_off_message_logging": true});
    ask(&running, "canary-two", &by_field, "").await;
    let unlogged = ask(&running, "canary-three", &json!({"no-log": true}), "").await;
    let plain = ask(&running, "seen-by-all", &json!({}), "").await;
    let sinks = delivered(&stage, &plain).await;
    assert!(sinks.contains(&by_header) && sinks.contains("redacted-by-litellm"));
    assert!(
        !sinks.contains(&unlogged),
        "no sink gets a call with `no-log`"
    );
    assert!(running.program.terminate().await.success());
    let config = stage.path("config.yaml");
    let all = everything(config.parent().unwrap());
    assert!(all.contains("seen-by-all") && all.contains(&unlogged));
    for word in ["canary-one", "canary-two", "canary-three"] {
        assert!(!all.contains(word), "`{word}` was written down");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_decides_who_may_have_content_written_down() {
    let settings = "litellm_settings: {turn_off_message_logging: true}\n";
    let stage = Stage::with(settings).await;
    let mut running = stage.up().await;
    let disable = "litellm-disable-message-redaction";
    let off = json!({"turn_off_message_logging": false});
    ask(&running, "canary-four", &off, disable).await;
    assert!(running.program.terminate().await.success());
    let config = stage.path("config.yaml");
    assert!(!everything(config.parent().unwrap()).contains("canary-four"));
    stage.configure(&format!(
        "{settings}gateway: {{allow_redaction_opt_out: true}}"
    ));
    let mut running = stage.up().await;
    ask(&running, "canary-five", &json!({}), "").await;
    ask(&running, "seen-by-wish", &off, disable).await;
    assert!(running.program.terminate().await.success());
    let all = everything(config.parent().unwrap());
    assert!(all.contains("seen-by-wish") && !all.contains("canary-five"));
}
