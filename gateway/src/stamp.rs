//! What every answer of a call says in its headers.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::{
    answer::{self, AnswerBody},
    call::Call,
    config::Deployment,
};

/// The header that names the call.
pub(crate) const CALL_ID: &str = "x-litellm-call-id";

/// See the [module](self).
pub(crate) struct Stamp {
    pub(crate) call_id: String,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) attempts: usize,
}

impl Stamp {
    /// The stamp again, after attempts that may have gone elsewhere.
    pub(crate) fn updated(self, call: &mut Call) -> Self {
        match call.open() {
            Some(open) => Self {
                deployment: Arc::clone(&open.deployment),
                attempts: open.attempts.len(),
                ..self
            },
            None => self,
        }
    }

    /// Says it on an answer, with what the provider said of its limits.
    pub(crate) fn on(
        &self,
        mut response: Response<AnswerBody>,
        upstream: &HeaderMap,
    ) -> Response<AnswerBody> {
        let headers = response.headers_mut();
        answer::set(headers, CALL_ID, &self.call_id);
        answer::set(headers, "x-litellm-model-id", &self.deployment.id);
        answer::set(
            headers,
            "x-litellm-model-group",
            &self.deployment.model_name,
        );
        let retries = HeaderValue::from(self.attempts.saturating_sub(1));
        headers.insert(
            HeaderName::from_static("x-litellm-attempted-retries"),
            retries,
        );
        for (name, value) in upstream {
            let passed = name.as_str();
            if passed.starts_with("x-ratelimit-") || passed == "x-request-id" {
                headers.insert(name.clone(), value.clone());
            }
        }
        response
    }
}
