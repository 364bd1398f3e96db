//! Whatever is asked for, and however it ends: the client is told in its dialect, and the books
//! hold one row.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tests::{
    client::{Answer, Client},
    mock_provider::Usage,
    stage::{Running, Stage, price},
};
use tokio::time::timeout;

/// Short, so that a provider that hangs does not hold up the tests.
const SETTINGS: &str = "gateway: {upstream_timeout: 1s}";

const USED: Usage = Usage {
    prompt: 12,
    completion: 34,
    cached: 5,
};

/// A way to ask.
#[derive(Clone, Copy, Debug)]
struct Surface {
    path: &'static str,
    model: &'static str,
    call_type: &'static str,
    /// The field that carries the script.
    field: &'static str,
    is_form: bool,
    streams: bool,
}

const fn json_of(path: &'static str, model: &'static str, call_type: &'static str) -> Surface {
    Surface {
        path,
        model,
        call_type,
        field: "input",
        is_form: false,
        streams: false,
    }
}

const SURFACES: &[Surface] = &[
    Surface {
        streams: true,
        ..json_of("responses", "mock", "aresponses")
    },
    Surface {
        field: "messages",
        streams: true,
        ..json_of("messages", "claude", "anthropic_messages")
    },
    Surface {
        field: "prompt",
        ..json_of("images/generations", "picture", "aimage_generation")
    },
    Surface {
        field: "prompt",
        is_form: true,
        ..json_of("images/edits", "picture", "aimage_edit")
    },
    Surface {
        field: "prompt",
        is_form: true,
        ..json_of("audio/transcriptions", "hear", "atranscription")
    },
    json_of("audio/speech", "speak", "aspeech"),
    json_of("embeddings", "embed", "aembedding"),
];

impl Surface {
    fn text(script: &str) -> String {
        format!("Grüße [[mock: usage=12/34/5 {script}]]")
    }

    fn body(self, script: &str, stream: bool) -> (String, Vec<u8>) {
        let text = Self::text(script);
        if self.is_form {
            return self.form(&text);
        }
        let content = match self.field {
            "messages" => json!([{"role": "user", "content": text}]),
            _ => json!(text),
        };
        let mut body = json!({"model": self.model, self.field: content});
        let more = match self.call_type {
            "anthropic_messages" => json!({"max_tokens": 100, "metadata": {"user_id": "u-1"},
                "litellm_metadata": {"tags": ["team-a"]}}),
            "aspeech" => json!({"voice": "alloy", "metadata": {"tags": ["team-a"]}}),
            "aresponses" => json!({"litellm_metadata": {"tags": ["team-a"]}}),
            _ => json!({"metadata": {"tags": ["team-a"]}}),
        };
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        if stream {
            body["stream"] = true.into();
        }
        ("application/json".to_owned(), body.to_string().into_bytes())
    }

    fn form(self, text: &str) -> (String, Vec<u8>) {
        let file = match self.call_type {
            "atranscription" => "file",
            _ => "image",
        };
        let mut body = Vec::new();
        let fields = [
            ("model", self.model),
            ("prompt", text),
            ("metadata", r#"{"tags": ["team-a"]}"#),
        ];
        for (name, value) in fields {
            let head = format!("--bnd\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend(head.bytes().chain(value.bytes()).chain(*b"\r\n"));
        }
        let head = format!(
            "--bnd\r\nContent-Disposition: form-data; name=\"{file}\"; filename=\"secret.bin\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend(
            head.bytes()
                .chain(*b"\x00\xffBYTES-OF-THE-FILE\r\n--bnd--\r\n"),
        );
        ("multipart/form-data; boundary=bnd".to_owned(), body)
    }

    fn request(self, client: &Client, script: &str, stream: bool) -> Request<Full<Bytes>> {
        let (kind, body) = self.body(script, stream);
        let path = format!("/v1/{}", self.path);
        let mut request = client.request(Method::POST, &path, body.into());
        let kind = HeaderValue::try_from(kind).unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        request
    }

    /// USD, from the public prices and not from the code under test.
    fn price(self, script: &str) -> Decimal {
        let micros = |count: u64, tenths: i64| Decimal::from(count) * Decimal::new(tenths, 7);
        match self.call_type {
            "aresponses" => price(USED),
            "anthropic_messages" => micros(7, 30) + micros(5, 3) + micros(34, 150),
            "aimage_generation" | "aimage_edit" => micros(12, 50) + micros(34, 400),
            "atranscription" => micros(9, 1000),
            "aspeech" => {
                let characters = Self::text(script).chars().count();
                micros(u64::try_from(characters).unwrap(), 150)
            }
            _ => Decimal::from(12) * Decimal::new(2, 8),
        }
    }

    fn assert_error(self, answer: &Answer) {
        let json = answer.json();
        let message = json["error"]["message"].as_str();
        assert!(message.is_some_and(|text| !text.is_empty()), "{json:#}");
        if self.call_type == "anthropic_messages" {
            assert_eq!(json["type"], "error", "{json:#}");
        } else {
            assert!(json["error"]["code"].is_string(), "{json:#}");
        }
    }
}

async fn one_row(running: &Running, call_id: &str, surface: Surface) -> tests::books::Row {
    let row = running.books().row(call_id).await;
    let shown = format!("{surface:?}: {:#}", row.json);
    assert_eq!(row.json["call_type"], surface.call_type, "{shown}");
    assert_eq!(row.json["model_group"], surface.model, "{shown}");
    let tags = row.json["request_tags"].as_array().unwrap();
    assert!(tags.contains(&json!("team-a")), "{shown}");
    row
}

/// The answer without what the gateway adds to ids: two accounts are configured.
fn unmarked(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    while let Some(at) = body.windows(4).position(|letters| letters == b"-tk-") {
        body.drain(at..at + 16);
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_surface_is_passed_on_and_priced() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let client = running.client();
    let mut calls = 0;
    for &surface in SURFACES {
        for stream in [false, true] {
            if stream && !surface.streams {
                continue;
            }
            let answer = client
                .send(surface.request(&client, "chunks=3", stream))
                .await;
            assert_eq!(answer.status, 200, "{surface:?}: {}", answer.text());
            let id = answer.header("x-request-id").to_owned();
            let entry = stage.provider.entry(&id).await.unwrap();
            assert_eq!(unmarked(&answer.body), entry.answered, "{surface:?}");
            let asked = String::from_utf8_lossy(&entry.request).into_owned();
            assert!(!asked.contains("team-a"), "{asked}");
            let row = one_row(&running, answer.call_id(), surface).await;
            let shown = format!("{surface:?} {stream}: {:#}", row.json);
            assert_eq!(row.outcome, "success", "{shown}");
            assert_eq!(row.spend, Some(surface.price("chunks=3")), "{shown}");
            let told: Decimal = answer.header("x-litellm-response-cost").parse().unwrap();
            let is_stream = stream || surface.call_type == "aspeech";
            let known = if is_stream {
                Decimal::ZERO
            } else {
                row.spend.unwrap()
            };
            assert_eq!(told, known, "{shown}");
            calls += 1;
        }
    }
    assert_eq!(running.books().rows().await.len(), calls);
    let kept: String = stage
        .hook
        .deliveries()
        .iter()
        .map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned())
        .collect();
    assert!(!kept.contains("BYTES-OF-THE-FILE"), "no event holds a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_surface_tells_of_errors_in_its_dialect() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let client = running.client();
    for &surface in SURFACES {
        for (script, status, outcome) in [
            ("status=429 retry_after=7", 429, "provider_error"),
            ("status=503 html_error", 503, "provider_error"),
            ("hang", 408, "timeout"),
        ] {
            let answer = client.send(surface.request(&client, script, false)).await;
            assert_eq!(answer.status, status, "{surface:?}: {}", answer.text());
            surface.assert_error(&answer);
            let row = one_row(&running, answer.call_id(), surface).await;
            let shown = format!("{surface:?}: {:#}", row.json);
            assert_eq!(
                (&*row.outcome, &*row.status),
                (outcome, "failure"),
                "{shown}"
            );
            assert_eq!(row.spend, Some(Decimal::ZERO), "{shown}");
        }
        let mut wrong = surface.request(&client, "", false);
        wrong
            .headers_mut()
            .insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        let answer = client.send(wrong).await;
        assert_eq!(answer.status, 401, "{surface:?}");
        surface.assert_error(&answer);
    }
    assert_eq!(running.books().rows().await.len(), SURFACES.len() * 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_wait_is_charged_on_every_surface() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let client = running.client();
    for &surface in SURFACES {
        let script = "delay_ms=600 chunks=3";
        let mut request = surface.request(&client, script, false);
        let id = format!("gone-{}", surface.call_type);
        let value = HeaderValue::try_from(&id).unwrap();
        request.headers_mut().insert("x-litellm-call-id", value);
        let left = timeout(Duration::from_millis(250), client.try_send(request)).await;
        assert!(left.is_err(), "{surface:?} was answered too soon");
        let row = one_row(&running, &id, surface).await;
        let shown = format!("{surface:?}: {:#}", row.json);
        assert_eq!(row.outcome, "client_disconnected", "{shown}");
        assert_eq!(row.spend, Some(surface.price(script)), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_fail_end_with_an_error_in_their_dialect() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let client = running.client();
    for surface in SURFACES.iter().copied().filter(|surface| surface.streams) {
        for (script, outcome) in [
            ("chunks=9 error_after=4", "provider_error"),
            ("chunks=9 hang_after=4", "timeout"),
            ("chunks=9 cut_after=4", "interrupted"),
            ("chunks=9 no_done", "interrupted"),
        ] {
            let answer = client.send(surface.request(&client, script, true)).await;
            assert_eq!(answer.status, StatusCode::OK);
            let text = answer.text();
            let last = text.trim_end().rsplit("\n\n").next().unwrap();
            let (kind, data) = last.split_once("\ndata: ").unwrap();
            assert_eq!(kind, "event: error", "{surface:?} {script}: {text}");
            let error: Value = serde_json::from_str(data).unwrap();
            assert_eq!(error["type"], "error", "{error:#}");
            assert_eq!(text.matches("event: error").count(), 1, "{text}");
            let row = one_row(&running, answer.call_id(), surface).await;
            let shown = format!("{surface:?} {script}: {:#}", row.json);
            assert_eq!(row.outcome, outcome, "{shown}");
            // What was streamed is charged.
            assert!(!row.spend.unwrap().is_zero(), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azures_and_the_oldest_paths_name_the_model() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let client = running.client();
    let body = json!({"messages": [{"role": "user", "content": "[[mock: usage=12/34/5]]"}]});
    for path in [
        "/openai/deployments/mock/chat/completions?api-version=2024-10-21",
        "/engines/mock/chat/completions",
    ] {
        let answer = client.post(path, body.to_string()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let row = running.books().row(answer.call_id()).await;
        assert_eq!(row.spend, Some(price(USED)), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_tell_what_the_gateway_knows() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let client = running.client();
    let body = json!({"model": "mock",
        "messages": [{"role": "user", "content": "[[mock: delay_ms=30 usage=12/34/5]]"}]});
    let mut request = client.request(Method::POST, "/chat/completions", body.to_string().into());
    let headers = request.headers_mut();
    headers.insert("x-litellm-timeout", HeaderValue::from_static("5.5"));
    headers.insert("x-litellm-num-retries", HeaderValue::from_static("1"));
    let answer = client.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (name, value) in [
        ("x-litellm-model-group", "mock"),
        ("x-litellm-model-name", "openai/gpt-4o"),
        ("x-litellm-model-api-base", &stage.provider.base()),
        ("x-litellm-version", env!("CARGO_PKG_VERSION")),
        ("x-litellm-timeout", "5.500"),
        ("x-litellm-max-retries", "1"),
        ("x-litellm-attempted-retries", "0"),
        (
            "x-litellm-response-cost",
            &price(USED).normalize().to_string(),
        ),
        ("llm_provider-openai-organization", "org-mock"),
        ("x-ratelimit-remaining-requests", "9999"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let figure = |name: &str| -> Decimal { answer.header(name).parse().unwrap() };
    let (whole, own) = (
        figure("x-litellm-response-duration-ms"),
        figure("x-litellm-overhead-duration-ms"),
    );
    assert!(whole >= Decimal::from(30) && own < whole, "{whole} {own}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialect_that_the_provider_does_not_speak_is_translated() {
    let stage = Stage::with(SETTINGS).await;
    let running = stage.up().await;
    let client = running.client();
    let claude = Surface {
        model: "claude",
        ..SURFACES[0]
    };
    let mock = Surface {
        model: "mock",
        ..SURFACES[1]
    };
    for (surface, end) in [(claude, "response.completed"), (mock, "message_stop")] {
        for stream in [false, true] {
            let answer = client
                .send(surface.request(&client, "chunks=3", stream))
                .await;
            assert_eq!(answer.status, 200, "{surface:?}: {}", answer.text());
            let text = answer.text();
            assert!(text.contains("Hello") || text.contains("word"), "{text}");
            assert_eq!(text.contains(&format!("event: {end}")), stream, "{text}");
            let row = one_row(&running, answer.call_id(), surface).await;
            let shown = format!("{surface:?} {stream}: {:#}", row.json);
            // Each costs what the model costs, whatever the dialect.
            let priced = if surface.model == "mock" {
                SURFACES[0]
            } else {
                SURFACES[1]
            };
            assert_eq!(row.spend, Some(priced.price("")), "{shown}");
        }
        for (script, status) in [("status=429", 429), ("hang", 408)] {
            let answer = client.send(surface.request(&client, script, false)).await;
            assert_eq!(answer.status, status, "{surface:?}");
            surface.assert_error(&answer);
        }
        let answer = client
            .send(surface.request(&client, "cut_after=3", true))
            .await;
        assert!(answer.text().contains("event: error"), "{}", answer.text());
        let row = one_row(&running, answer.call_id(), surface).await;
        assert_eq!(row.outcome, "interrupted", "{:#}", row.json);
    }
    let asked = json!({"model": "mock", "messages": [{"role": "user", "content": "four"}]});
    let answer = client
        .post("/v1/messages/count_tokens", asked.to_string())
        .await;
    assert!(answer.json()["input_tokens"].is_u64(), "{}", answer.text());
    let row = running.books().row(answer.call_id()).await;
    assert_eq!(row.spend, Some(Decimal::ZERO));
}
