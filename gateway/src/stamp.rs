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
pub(crate) const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
/// What the call cost in USD; 0 where nobody knows yet, or nobody knows.
pub(crate) const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
const MODEL_ID: HeaderName = HeaderName::from_static("x-litellm-model-id");
const MODEL_GROUP: HeaderName = HeaderName::from_static("x-litellm-model-group");
const MODEL_NAME: HeaderName = HeaderName::from_static("x-litellm-model-name");
const API_BASE: HeaderName = HeaderName::from_static("x-litellm-model-api-base");
const VERSION: HeaderName = HeaderName::from_static("x-litellm-version");
const RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
const FALLBACKS: HeaderName = HeaderName::from_static("x-litellm-attempted-fallbacks");
const TOOK: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
const OVERHEAD: HeaderName = HeaderName::from_static("x-litellm-overhead-duration-ms");
const TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-timeout");
const RETRIES_MAX: HeaderName = HeaderName::from_static("x-litellm-max-retries");
/// The headers of every answer, with a few that its connection adds.
const OURS: usize = 16;

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
        }
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
        // At once: a map that grows has to place all its headers again.
        headers.reserve(OURS + 2 * upstream.len());
        let deployment = &*self.deployment;
        for (name, text) in [
            (CALL_ID, &*self.call_id),
            (MODEL_ID, &deployment.id),
            (MODEL_GROUP, &deployment.model_name),
            (API_BASE, &deployment.api_base),
            (MODEL_NAME, &payload::qualified(deployment)),
        ] {
            answer::set(headers, name, text);
        }
        let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
        headers.insert(VERSION, version);
        headers.insert(COST, HeaderValue::from_static("0"));
        self.figures(headers);
        provided(headers, upstream);
        response
    }

    fn figures(&self, headers: &mut HeaderMap) {
        let retries = self.attempts.saturating_sub(1 + self.fallbacks);
        for (name, count) in [(RETRIES, retries), (FALLBACKS, self.fallbacks)] {
            headers.insert(name, HeaderValue::from(count));
        }
        let Some(timeout) = self.timeout else { return };
        let own = (self.took - self.waited).max(0);
        let seconds = timeout.as_millis();
        let seconds = format!("{}.{:03}", seconds / 1000, seconds % 1000);
        for (name, text) in [
            (TOOK, millis(self.took)),
            (OVERHEAD, millis(own)),
            (TIMEOUT, seconds),
            (RETRIES_MAX, self.retries_max.to_string()),
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
        if let Ok(name) = HeaderName::try_from(["llm_provider-", passed].concat()) {
            headers.append(name, value.clone());
        }
    }
}
