//! Whatever comes in, the gateway says what is wrong with it and goes on.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Method;
use serde_json::json;
use tests::{
    client::Client,
    process::{Program, beside},
    stage::{Running, Stage},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(30);
const MIB: usize = 1 << 20;

/// A good call, to see that the gateway still takes them.
async fn assert_well(running: &mut Running) {
    assert!(running.program.is_running(), "{}", running.program.errors());
    let hello = json!({"model": "mock", "messages": [{"role": "user", "content": "Hello"}]});
    let answer = running.client().chat(&hello).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn head(more: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-1234\r\n\
         content-type: application/json\r\n{more}"
    )
}

/// What comes back, until the other side closes or nothing more comes.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(Ok(count)) = timeout(Duration::from_secs(5), stream.read(&mut piece)).await {
        if count == 0 {
            break;
        }
        text.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The status of a raw answer; 0 if there was none.
fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_makes_no_sense_is_a_bad_request_that_says_why() {
    let stage = Stage::new().await;
    let mut running = stage.up().await;
    let deep = "[".repeat(200_000);
    let bodies: [&[u8]; 12] = [
        b"",
        b"{",
        b"nonsense",
        b"[]",
        b"{}",
        b"null",
        br#"{"model": 1, "messages": []}"#,
        br#"{"model": "mock"}"#,
        br#"{"model": "mock", "messages": "hello"}"#,
        b"{\"model\": \"mock\", \"messages\": [{\"role\": \"user\", \"content\": \"\xff\xfe\"}]}",
        b"{\"model\": \"mock\", \"model\": \"mock\", \"messages\": [",
        deep.as_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let body = Bytes::copy_from_slice(body);
        let answer = running.client().post("/v1/chat/completions", body).await;
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(!message.is_empty(), "{shown}: {}", answer.text());
    }
    assert_well(&mut running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_a_hundred_megabytes_is_refused_and_does_not_fill_the_memory() {
    let stage = Stage::new().await;
    let mut running = stage.up().await;
    let announced = head("content-length: 104857600\r\n\r\n");
    let chunked = head("transfer-encoding: chunked\r\n\r\n");
    for (head, chunked) in [(announced, false), (chunked, true)] {
        let mut stream = TcpStream::connect(running.gateway.unwrap()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut piece = vec![b' '; MIB];
        if chunked {
            piece.splice(0..0, format!("{MIB:x}\r\n").into_bytes());
            piece.extend_from_slice(b"\r\n");
        }
        for _ in 0..100 {
            // Refused early, the rest cannot be sent.
            let sent = timeout(Duration::from_secs(3), stream.write_all(&piece)).await;
            if !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
        let answer = answer(&mut stream).await;
        assert_eq!(status(&answer), 413, "chunked: {chunked}: {answer}");
        assert!(answer.contains("\"error\""), "{answer}");
    }
    assert_well(&mut running).await;
    let resident = running.program.resident();
    assert!(resident < 200 << 20, "{resident} bytes resident");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_too_large_or_not_http_are_refused() {
    let stage = Stage::new().await;
    let mut running = stage.up().await;
    let large = head(&format!("x-large: {}\r\n\r\n", "x".repeat(2 * MIB)));
    let many = head(&format!("{}\r\n", "x-one: 1\r\n".repeat(5000)));
    let target = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    for sent in [
        large.as_str(),
        &many,
        &target,
        "HELO example.org\r\n\r\n",
        "\0\u{1}\u{2}\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(running.gateway.unwrap()).await.unwrap();
        // The other side may close before all is sent.
        drop(stream.write_all(sent.as_bytes()).await);
        let answer = answer(&mut stream).await;
        let shown = sent.get(..60).unwrap_or(sent);
        assert!((400..500).contains(&status(&answer)), "{shown:?}: {answer}");
    }
    assert_well(&mut running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_too_slowly_is_dropped() {
    let stage = Stage::with("gateway: {head_timeout: 1s, body_timeout: 1s}").await;
    let mut running = stage.up().await;
    let body = head("content-length: 1000\r\n\r\n");
    for (at_once, what) in [(0, "head"), (body.len(), "body")] {
        let mut stream = TcpStream::connect(running.gateway.unwrap()).await.unwrap();
        stream.write_all(&body.as_bytes()[..at_once]).await.unwrap();
        let began = Instant::now();
        let rest = body.as_bytes()[at_once..]
            .iter()
            .chain(std::iter::repeat(&b' '));
        for byte in rest {
            if stream.write_all(&[*byte]).await.is_err() || is_answered(&mut stream).await {
                break;
            }
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "a slow {what} goes on for ever"
            );
            sleep(Duration::from_millis(100)).await;
        }
        let answer = answer(&mut stream).await;
        // Whoever sends no head may find nothing but a closed connection.
        let known = if what == "head" { [0, 408] } else { [408, 408] };
        assert!(known.contains(&status(&answer)), "{what}: {answer}");
    }
    assert_well(&mut running).await;
}

/// Whether something (or the end) can be read.
async fn is_answered(stream: &mut TcpStream) -> bool {
    let mut one = [0];
    timeout(Duration::from_millis(1), stream.peek(&mut one))
        .await
        .is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_idle_connections_keep_nobody_out() {
    let stage = Stage::new().await;
    let mut running = stage.up().await;
    let target = running.gateway.unwrap().to_string();
    let arguments = ["--idle", "5000", "--target", &target];
    let mut idle = Program::start(&beside("load"), &arguments, &stage.path("idle.log"));
    idle.line("holding 5000").await;
    let began = Instant::now();
    for _ in 0..20 {
        assert_well(&mut running).await;
    }
    assert!(
        began.elapsed() < PATIENCE,
        "{:?} for 20 calls",
        began.elapsed()
    );
    drop(idle);
    assert_well(&mut running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_routes_and_methods_are_named_as_such() {
    let stage = Stage::new().await;
    let mut running = stage.up().await;
    let client: Client = running.client();
    for (method, path, status) in [
        (Method::POST, "/nope", 404),
        (Method::GET, "/v1/nope", 404),
        (Method::GET, "/v1/chat/completions", 405),
        (Method::DELETE, "/v1/models", 405),
        (Method::POST, "/../../etc/passwd", 404),
    ] {
        let answer = client
            .send(client.request(method.clone(), path, Bytes::new()))
            .await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(
            answer.json()["error"]["message"].is_string(),
            "{method} {path}"
        );
    }
    assert_well(&mut running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_gateway_on_the_same_data_is_refused_with_a_reason() {
    let stage = Stage::new().await;
    let mut first = stage.up().await;
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = stage.path("config.yaml");
    let data = stage.path("data");
    let arguments = [
        "gateway",
        "--config",
        config.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
        "--listen",
        &any.to_string(),
    ];
    let program = tests::process::tollkeeper();
    let mut second = Program::start(program, &arguments, &stage.path("second.log"));
    assert!(!second.ended().await.success());
    assert!(!second.errors().is_empty(), "it does not say why");
    assert_well(&mut first).await;
}
