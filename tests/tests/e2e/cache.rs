//! The same question is asked once: the second answer is the first, is an event, and costs nothing.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};
use tests::{
    client::Answer,
    redis::RedisServer,
    stage::{Running, Stage},
};
use tokio::time::{Instant, sleep};

/// How long an answer may take to be kept.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// What one of the gateway's counters says.
async fn counted(running: &Running, name: &str) -> u64 {
    let text = running.client().get("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|count| count.trim().parse().ok()).unwrap()
}

/// Waits until so many answers are where they are kept, which is after their clients had them.
async fn until_kept(running: &Running, answers: u64) {
    let deadline = Instant::now() + PATIENCE;
    while counted(running, "gateway_cache_kept_total").await < answers {
        assert!(Instant::now() < deadline, "not kept");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn ask(running: &Running, text: &str) -> Answer {
    let answer = running.client().chat(&chat(text, &json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hit_is_booked_with_what_it_saved() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let first = ask(&running, "[[mock: usage=120/30/20]]").await;
    let again = ask(&running, "[[mock: usage=120/30/20]]").await;
    assert_eq!(stage.provider.requests(), 1);
    assert_eq!(
        first.header("x-litellm-cache-key"),
        again.header("x-litellm-cache-key")
    );
    let paid = running.books().row(first.call_id()).await;
    let saved = running.books().row(again.call_id()).await;
    let said = saved.json["metadata"]["saved_cache_cost"].to_string();
    let said: Decimal = said.parse().unwrap();
    assert_eq!(Some(said), paid.spend, "{:#}", saved.json);
    assert_eq!(saved.spend, Some(Decimal::ZERO));
    assert!(paid.json["metadata"]["saved_cache_cost"].is_null());
    running.books().assert_balanced([&paid, &saved]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_on_disk_outlive_the_gateway() {
    let stage = Stage::with("litellm_settings: {cache: true, cache_params: {type: disk}}").await;
    let mut running = stage.gateway().await;
    let first = ask(&running, "hello").await;
    until_kept(&running, 1).await;
    assert!(running.program.terminate().await.success());
    let running = stage.gateway().await;
    let again = ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 1);
    assert_eq!(first.json()["choices"], again.json()["choices"]);
    // A file that somebody wrote into is asked for again, and kept anew.
    let folder = stage.path("data/response-cache");
    for entry in std::fs::read_dir(&folder).unwrap() {
        std::fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 2);
    assert_eq!(counted(&running, "gateway_cache_errors_total").await, 1);
    until_kept(&running, 1).await;
    ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_in_redis_are_shared_and_its_absence_harms_no_call() {
    let mut redis = RedisServer::start("canary-of-redis").await;
    let port = redis.port;
    let stage = Stage::with(&format!(
        "litellm_settings: {{cache: true, cache_params: {{type: redis, host: 127.0.0.1, \
         port: {port}, password: canary-of-redis, namespace: mine, socket_timeout: 2s}}}}"
    ))
    .await;
    let mut running = stage.gateway().await;
    let first = ask(&running, "hello").await;
    assert!(first.header("x-litellm-cache-key").starts_with("mine:"));
    until_kept(&running, 1).await;
    ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 1);
    // Another process knows it too.
    assert!(running.program.terminate().await.success());
    let running = stage.gateway().await;
    ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 1);

    // Held, it costs one call its wait.
    redis.program.signal("STOP");
    let asked = Instant::now();
    ask(&running, "hello").await;
    assert!(asked.elapsed() < Duration::from_secs(20));
    assert_eq!(stage.provider.requests(), 2);
    assert!(counted(&running, "gateway_cache_errors_total").await > 0);
    // Gone, it costs nothing.
    redis.program.kill();
    ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 3);
    // Back, it is used again.
    redis.again().await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = stage.provider.requests();
        ask(&running, "hello").await;
        if stage.provider.requests() == before {
            break;
        }
        assert!(Instant::now() < deadline, "Redis is not used again");
        sleep(Duration::from_millis(200)).await;
    }
    let log = running.program.errors();
    assert_eq!(log.matches("the response cache fails").count(), 1, "{log}");
    assert!(!log.contains("canary-of-redis"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_spoken_to_over_tls_if_its_certificate_is_trusted() {
    let redis = RedisServer::start_tls("canary-of-redis").await;
    let mut stage = Stage::with(&format!(
        "litellm_settings: {{cache: true, cache_params: {{type: redis, host: 127.0.0.1, \
         port: {}, ssl: true, password: canary-of-redis, socket_timeout: 2s}}}}",
        redis.port
    ))
    .await;
    // Nobody vouches for it: calls are served without it, and it gets no password.
    let mut running = stage.gateway().await;
    ask(&running, "hello").await;
    ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 2);
    assert!(counted(&running, "gateway_cache_errors_total").await > 0);
    assert!(running.program.terminate().await.success());
    stage.environment = vec![("SSL_CERT_FILE", redis.certificate())];
    let mut running = stage.gateway().await;
    ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 3);
    until_kept(&running, 1).await;
    ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 3);
    assert!(running.program.terminate().await.success());
    // It is in Redis, and not in the process.
    let running = stage.gateway().await;
    ask(&running, "hello").await;
    assert_eq!(stage.provider.requests(), 3);
    assert!(!running.program.errors().contains("canary-of-redis"));
}
