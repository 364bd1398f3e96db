//! What a newcomer does in the first minute.

use std::process::Command;

use rust_decimal::Decimal;
use serde_json::json;
use tempfile::TempDir;
use tests::{
    books::Books,
    client::Client,
    process::{Program, tollkeeper},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_configuration_the_demo_model_answers_and_the_call_is_in_the_books() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let any = "127.0.0.1:0";
    let arguments = [
        "up",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        any,
        "--collector-listen",
        any,
    ];
    let mut up = Program::start(tollkeeper(), &arguments, &folder.path().join("log"));
    let gateway = up.address("gateway").await;
    let collector = up.address("collector").await;

    let client = Client {
        target: gateway,
        key: "sk-anything".to_owned(),
    };
    let models = client.get("/v1/models").await.json();
    assert_eq!(models["data"][0]["id"], "demo", "{models:#}");

    let question = json!({"role": "user", "content": "Who are you?"});
    let answer = client
        .chat(&json!({"model": "demo", "messages": [question]}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let said = answer.json()["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!said.is_empty());

    let row = Books::new(collector).row(answer.call_id()).await;
    assert_eq!(row.status, "success");
    assert!(row.spend.unwrap() > Decimal::ZERO, "{:#}", row.json);

    let explained = Command::new(tollkeeper())
        .args([
            "explain",
            answer.call_id(),
            "--collector",
            &format!("http://{collector}"),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&explained.stdout);
    assert!(
        explained.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&explained.stderr)
    );
    let spend = row.spend.unwrap().normalize().to_string();
    assert!(
        text.contains(answer.call_id()) && text.contains(&spend),
        "no {spend} in:\n{text}"
    );

    assert!(up.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_the_demo_model_ends_as_streams_do() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let any = "127.0.0.1:0";
    let arguments = [
        "up",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        any,
        "--collector-listen",
        any,
    ];
    let mut up = Program::start(tollkeeper(), &arguments, &folder.path().join("log"));
    let client = Client::new(up.address("gateway").await);
    let question = json!({"role": "user", "content": "Who are you?"});
    let body = json!({"model": "demo", "stream": true, "messages": [question]});
    let answer = client.chat(&body).await;
    assert_eq!(
        answer.header("content-type").split(';').next(),
        Some("text/event-stream")
    );
    assert!(
        answer.text().ends_with("data: [DONE]\n\n"),
        "{}",
        answer.text()
    );
}
