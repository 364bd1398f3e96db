//! What every answer of a call says in its headers.

use std::{sync::Arc, time::Duration};

use event::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::{
    answer::{self, AnswerBody},
    attempts,
    call::Call,
    config::Deployment,
    operation::Dialect,
    payload,
};

/// The header that names the call.
pub(crate) const CALL_ID: &str = "x-litellm-call-id";
/// What the call cost in USD; 0 where nobody knows yet, or nobody knows.
pub(crate) const COST: &str = "x-litellm-response-cost";

/// The bound that the gateway has set on the output, in tokens, where a budget could not pay for
/// more.
const MAX_TOKENS: &str = "x-tollkeeper-max-tokens";

/// See the [module](self).
pub(crate) struct Stamp {
    pub(crate) call_id: String,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) dialect: Dialect,
    attempts: usize,
    fallbacks: usize,
    start: Timestamp,
    /// Microseconds until the answer was there, and those of them that providers took.
    took: i64,
    waited: i64,
    timeout: Option<Duration>,
    retries_max: u32,
    bounded: Option<u64>,
}

impl Stamp {
    /// The stamp of a call that has asked nobody yet.
    pub(crate) const fn new(
        call_id: String,
        deployment: Arc<Deployment>,
        start: Timestamp,
        dialect: Dialect,
    ) -> Self {
        Self {
            call_id,
            deployment,
            dialect,
            attempts: 0,
            fallbacks: 0,
            start,
            took: 0,
            waited: 0,
            timeout: None,
            retries_max: 0,
            bounded: None,
        }
    }

    /// Of a call whose output the gateway has bounded.
    pub(crate) fn bounded(self, bounded: Option<u64>) -> Self {
        Self { bounded, ..self }
    }

    /// The stamp again, after attempts that may have gone elsewhere.
    pub(crate) fn updated(self, call: &mut Call) -> Self {
        let now = (call.shared.clock)();
        let Some(open) = call.open() else {
            return self;
        };
        let deployment = Arc::clone(&open.deployment);
        let (attempts, fallbacks) = (open.attempts.len(), open.fallbacks);
        let asked = open.attempts.iter().map(|attempt| {
            // The one that was answered has no end yet.
            let end = attempt.end_time.max(attempt.start_time);
            let is_open = attempt.end_time < attempt.start_time;
            let end = if is_open { now } else { end };
            end.since(attempt.start_time).micros()
        });
        let waited = asked.sum();
        let took = now.since(self.start).micros();
        let (timeout, retries_max) = attempts::patience(call, &deployment);
        Self {
            deployment,
            attempts,
            fallbacks,
            took,
            waited,
            timeout: Some(timeout),
            retries_max,
            ..self
        }
    }

    /// Says it on an answer, with what the provider said in its own headers.
    pub(crate) fn on(
        &self,
        mut response: Response<AnswerBody>,
        upstream: &HeaderMap,
    ) -> Response<AnswerBody> {
        let headers = response.headers_mut();
        let deployment = &*self.deployment;
        for (name, text) in [
            (CALL_ID, &*self.call_id),
            ("x-litellm-model-id", &deployment.id),
            ("x-litellm-model-group", &deployment.model_name),
            ("x-litellm-model-api-base", &deployment.api_base),
            ("x-litellm-version", env!("CARGO_PKG_VERSION")),
            (COST, "0"),
        ] {
            answer::set(headers, name, text);
        }
        if let Some(tokens) = self.bounded {
            answer::set(headers, MAX_TOKENS, &tokens.to_string());
        }
        let model = payload::qualified(deployment);
        answer::set(headers, "x-litellm-model-name", &model);
        self.figures(headers);
        provided(headers, upstream);
        response
    }

    fn figures(&self, headers: &mut HeaderMap) {
        let retries = self.attempts.saturating_sub(1 + self.fallbacks);
        for (name, count) in [
            ("x-litellm-attempted-retries", retries),
            ("x-litellm-attempted-fallbacks", self.fallbacks),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(count));
        }
        let Some(timeout) = self.timeout else { return };
        let own = (self.took - self.waited).max(0);
        let seconds = timeout.as_millis();
        let seconds = format!("{}.{:03}", seconds / 1000, seconds % 1000);
        for (name, text) in [
            ("x-litellm-response-duration-ms", millis(self.took)),
            ("x-litellm-overhead-duration-ms", millis(own)),
            ("x-litellm-timeout", seconds),
            ("x-litellm-max-retries", self.retries_max.to_string()),
        ] {
            answer::set(headers, name, &text);
        }
    }
}

/// Microseconds as milliseconds.
fn millis(micros: i64) -> String {
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// What the provider said: its limits as they are, and everything under a name of its own.
fn provided(headers: &mut HeaderMap, upstream: &HeaderMap) {
    const OF_THE_CONNECTION: &[&str] = &[
        "connection",
        "content-length",
        "keep-alive",
        "set-cookie",
        "transfer-encoding",
    ];
    for (name, value) in upstream {
        let passed = name.as_str();
        if passed.starts_with("x-ratelimit-") || passed == "x-request-id" || passed == "request-id"
        {
            headers.insert(name.clone(), value.clone());
        }
        if OF_THE_CONNECTION.contains(&passed) {
            continue;
        }
        if let Ok(name) = HeaderName::try_from(format!("llm_provider-{passed}")) {
            headers.append(name, value.clone());
        }
    }
}
