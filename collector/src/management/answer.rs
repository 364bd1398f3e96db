//! Answers, with a word on what of the request had no effect.

use axum::{
    Json,
    http::{HeaderName, HeaderValue},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

/// Names the fields of a request that had no effect.
const IGNORED: HeaderName = HeaderName::from_static("x-tollkeeper-ignored");

/// An answer to a request that was read to its end.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    ignored: Vec<&'static str>,
}

impl Answer {
    /// An answer to a request of which these fields have no effect.
    pub(super) const fn new(ignored: Vec<&'static str>) -> Self {
        Self { ignored }
    }

    /// Answers with a body.
    pub(super) fn json(self, body: &impl Serialize) -> Response {
        let mut response = Json(body).into_response();
        if !self.ignored.is_empty() {
            let names = self.ignored.join(", ");
            tracing::info!(
                fields = names,
                "fields of a request that have no effect here"
            );
            if let Ok(names) = HeaderValue::from_str(&names) {
                response.headers_mut().insert(IGNORED, names);
            }
        }
        response
    }
}
