//! Gemini's and Cohere's own dialects are passed on with the deployment's key, and accounted
//! however the call ends.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use rust_decimal::Decimal;
use serde_json::json;
use tests::{
    client::Client,
    stage::{MASTER_KEY, Stage},
};
use tokio::time::timeout;

/// A way to ask, and what 12 and 34 tokens cost in 10⁻⁸ USD.
#[derive(Clone, Copy, Debug)]
struct Dialect {
    /// With `{verb}` for how Gemini is asked.
    path: &'static str,
    model: &'static str,
    cost: i64,
}

const DIALECTS: &[Dialect] = &[
    Dialect {
        path: "/gemini/v1beta/models/gemini-2.5-flash:{verb}",
        model: "gemini/gemini-2.5-flash",
        cost: 12 * 30 + 34 * 250,
    },
    // By the name that it has here.
    Dialect {
        path: "/gemini/v1beta/models/flash:{verb}",
        model: "gemini/gemini-2.5-flash",
        cost: 12 * 30 + 34 * 250,
    },
    Dialect {
        path: "/cohere/v2/chat",
        model: "cohere_chat/command-r-08-2024",
        cost: 12 * 15 + 34 * 60,
    },
];

impl Dialect {
    fn request(self, client: &Client, script: &str, stream: bool) -> Request<Full<Bytes>> {
        let text = format!("[[mock: usage=12/34 {script}]]");
        let (verb, body) = if self.path.starts_with("/gemini") {
            let verb = match stream {
                true => "streamGenerateContent?alt=sse",
                false => "generateContent",
            };
            (verb, json!({"contents": [{"parts": [{"text": text}]}]}))
        } else {
            let message = json!({"role": "user", "content": text});
            let model = "command-r-08-2024";
            (
                "",
                json!({"model": model, "messages": [message], "stream": stream}),
            )
        };
        let path = self.path.replace("{verb}", verb);
        client.request(Method::POST, &path, body.to_string().into())
    }

    fn price(self) -> Option<Decimal> {
        Some(Decimal::new(self.cost, 8))
    }
}

async fn stage() -> Stage {
    let stage = Stage::with("gateway: {upstream_timeout: 1s}").await;
    let base = stage.provider.base();
    let deployment = |name: &str, model: &str| {
        format!(
            "  - model_name: {name}\n    litellm_params: \
             {{model: {model}, api_base: \"{base}\", api_key: sk-upstream, num_retries: 0}}\n"
        )
    };
    stage.add_models(&format!(
        "{}{}",
        deployment("flash", "gemini/gemini-2.5-flash"),
        deployment("command", "cohere_chat/command-r-08-2024"),
    ));
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_dialects_are_passed_on_and_priced() {
    let stage = stage().await;
    let running = stage.up().await;
    let client = running.client();
    for &dialect in DIALECTS {
        for stream in [false, true] {
            let request = dialect.request(&client, "chunks=3", stream);
            let answer = client.send(request).await;
            assert_eq!(answer.status, 200, "{dialect:?}: {}", answer.text());
            let entry = stage.provider.entries().pop().unwrap();
            assert_eq!(answer.body, entry.answered, "{dialect:?}");
            let row = running.books().row(answer.call_id()).await;
            let shown = format!("{dialect:?} {stream}: {:#}", row.json);
            assert_eq!(row.outcome, "success", "{shown}");
            assert_eq!(row.json["call_type"], "pass_through_endpoint", "{shown}");
            assert_eq!(row.json["model"], dialect.model, "{shown}");
            assert_eq!(row.spend, dialect.price(), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_googles_shows_its_key_as_google_wants_it() {
    let stage = stage().await;
    let running = stage.up().await;
    let client = running.client();
    let dialect = DIALECTS[0];
    for (header_key, query_key, status) in [
        (Some(MASTER_KEY), None, 200),
        (None, Some(MASTER_KEY), 200),
        (Some("sk-other"), None, 401),
        (None, None, 401),
    ] {
        let mut request = dialect.request(&client, "", false);
        request.headers_mut().remove(header::AUTHORIZATION);
        if let Some(key) = header_key {
            let value = HeaderValue::from_static(key);
            request.headers_mut().insert("x-goog-api-key", value);
        }
        if let Some(key) = query_key {
            *request.uri_mut() = format!("{}?key={key}", request.uri()).parse().unwrap();
        }
        let answer = client.send(request).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_passed_on_is_charged_though_nobody_waits() {
    let stage = stage().await;
    let running = stage.up().await;
    let client = running.client();
    for (number, &dialect) in DIALECTS.iter().enumerate() {
        for (stream, script) in [
            (false, "delay_ms=600"),
            (true, "chunks=9 chunk_delay_ms=90"),
        ] {
            let mut request = dialect.request(&client, script, stream);
            let id = format!("gone-{number}-{stream}");
            let value = HeaderValue::try_from(&id).unwrap();
            request.headers_mut().insert("x-litellm-call-id", value);
            let left = timeout(Duration::from_millis(250), client.try_send(request)).await;
            assert!(left.is_err(), "{dialect:?} was answered too soon");
            let row = running.books().row(&id).await;
            let shown = format!("{dialect:?} {stream}: {:#}", row.json);
            assert_eq!(row.outcome, "client_disconnected", "{shown}");
            assert_eq!(row.spend, dialect.price(), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_silent_is_a_timeout() {
    let stage = stage().await;
    let running = stage.up().await;
    let client = running.client();
    for &dialect in DIALECTS {
        let answer = client.send(dialect.request(&client, "hang", false)).await;
        assert_eq!(answer.status, 408, "{dialect:?}: {}", answer.text());
        let row = running.books().row(answer.call_id()).await;
        let end = (&*row.outcome, row.spend);
        assert_eq!(end, ("timeout", Some(Decimal::ZERO)), "{dialect:?}");
        let request = dialect.request(&client, "chunks=9 hang_after=3", true);
        let answer = client.send(request).await;
        let row = running.books().row(answer.call_id()).await;
        assert_eq!(row.outcome, "timeout", "{dialect:?}: {:#}", row.json);
    }
}
