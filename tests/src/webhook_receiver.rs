//! A receiver that takes a delivery only as Standard Webhooks wants it, and remembers it.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::Value;
use sha2::Sha256;

use crate::{machine::epoch_seconds, serve::Server};

/// The secret of the tests, as a sink's configuration wants it.
pub const SECRET: &str = "whsec_dG9sbGtlZXBlciB3ZWJob29rIHRlc3Qga2V5IQ==";
/// How far a timestamp may be off, in seconds.
const TOLERANCE_S: u64 = 300;

/// One delivery with a good signature, whatever it was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `webhook-id`.
    pub id: String,
    /// The body.
    pub body: Bytes,
    /// What it was answered with.
    pub status: u16,
}

/// A running receiver; it stops when it is dropped.
#[derive(Debug)]
pub struct WebhookReceiver {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    deliveries: Vec<Delivery>,
    violations: Vec<String>,
    /// Answers the next deliveries with these statuses.
    failures: Vec<u16>,
    port: u16,
}

impl WebhookReceiver {
    /// Starts one on any port.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn start() -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let serving = Arc::clone(&state);
        let server = Server::start(0, move |request| answer(Arc::clone(&serving), request)).await?;
        lock(&state).port = server.address().port();
        Ok(Self { server, state })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The next deliveries are answered with these statuses, the rest with 200.
    pub fn fail_with(&self, mut statuses: Vec<u16>) {
        statuses.reverse();
        lock(&self.state).failures = statuses;
    }

    /// Everything that came well signed.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.state).deliveries.clone()
    }

    /// What was wrong with what came: bad signatures, stale times, an id with two bodies.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let mut violations = lock(&self.state).violations.clone();
        let mut bodies = BTreeMap::new();
        for delivery in self.deliveries() {
            let first = bodies
                .entry(delivery.id.clone())
                .or_insert(delivery.body.clone());
            if *first != delivery.body {
                violations.push(format!("`{}` came with two bodies", delivery.id));
            }
        }
        violations
    }

    /// How often each call was delivered and taken, each delivery id counted once.
    ///
    /// # Errors
    ///
    /// If a body is not JSON, or an event in it names no call.
    pub fn calls(&self) -> Result<BTreeMap<String, u64>, String> {
        let mut seen = BTreeMap::new();
        for delivery in self.deliveries() {
            if delivery.status == 200 {
                seen.insert(delivery.id, delivery.body);
            }
        }
        let mut calls = BTreeMap::new();
        for body in seen.values() {
            let json: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
            for event in events(&json) {
                let Some(id) = event.get("litellm_call_id").and_then(Value::as_str) else {
                    return Err(format!("no `litellm_call_id` in {event}"));
                };
                *calls.entry(id.to_owned()).or_default() += 1;
            }
        }
        Ok(calls)
    }
}

/// The events of a body: `data` is one, or holds a list of them.
fn events(json: &Value) -> Vec<&Value> {
    let data = json.get("data").unwrap_or(json);
    match data.get("events").and_then(Value::as_array) {
        Some(list) => list.iter().collect(),
        None => vec![data],
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Full::default());
    if head.method == Method::HEAD {
        // Somebody asks whether we are here.
        return response;
    }
    let Ok(body) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        // The sender broke off.
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let mut state = lock(&state);
    let status = match verify(&head.headers, &body, SECRET, epoch_seconds()) {
        Err(violation) => {
            state.violations.push(violation);
            401
        }
        Ok(id) => {
            let status = state.failures.pop().unwrap_or(200);
            state.deliveries.push(Delivery { id, body, status });
            status
        }
    };
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
    response
}

/// Checks a delivery as the Standard Webhooks specification says, and returns its id.
fn verify(headers: &HeaderMap, body: &[u8], secret: &str, now: u64) -> Result<String, String> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value
            .filter(|value| !value.is_empty())
            .ok_or(format!("`{name}` is missing"))
    };
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let at: u64 = timestamp
        .parse()
        .map_err(|_error| format!("`{timestamp}` is not a time"))?;
    if at.abs_diff(now) > TOLERANCE_S {
        return Err(format!("`{timestamp}` is too far from now"));
    }
    if header("content-type")? != "application/json" {
        return Err("the content type is not application/json".to_owned());
    }
    let key = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = STANDARD.decode(key).map_err(|error| error.to_string())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    let expected = STANDARD.encode(mac.finalize().into_bytes());
    let signatures = header("webhook-signature")?;
    let good = |one: &str| {
        one.strip_prefix("v1,")
            .is_some_and(|given| given == expected)
    };
    match signatures.split(' ').any(good) {
        true => Ok(id.to_owned()),
        false => Err(format!(
            "`{id}` is signed with `{signatures}`, not with `v1,{expected}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(signature: &str) -> HeaderMap {
        let pairs = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signature),
            ("content-type", "application/json"),
        ];
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_example_of_the_specification_is_taken() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        let good = headers("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(verify(&good, body, secret, 1_614_265_400).is_ok());
        assert!(verify(&good, b"{}", secret, 1_614_265_400).is_err());
        assert!(verify(&good, body, secret, 1_614_270_000).is_err());
        assert!(verify(&headers("v1,AAAA"), body, secret, 1_614_265_400).is_err());
    }
}
