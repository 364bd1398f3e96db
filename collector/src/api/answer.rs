//! Errors in LiteLLM's shape.

use std::error::Error as StdError;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::books::BooksError;

/// A request that is not answered.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<&'static str>,
}

#[derive(Serialize)]
struct Body {
    error: Inner,
}

#[derive(Serialize)]
struct Inner {
    message: String,
    r#type: &'static str,
    param: Option<&'static str>,
    code: String,
}

impl Refusal {
    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "auth_error", message)
    }

    pub(crate) fn bad_request(param: &'static str, message: &str) -> Self {
        let refusal = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message);
        Self {
            param: Some(param),
            ..refusal
        }
    }

    pub(crate) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found_error", message)
    }

    /// A field is missing or of another type.
    pub(crate) fn unprocessable(param: &'static str, message: &str) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let refusal = Self::new(status, "invalid_request_error", message);
        Self {
            param: Some(param),
            ..refusal
        }
    }

    pub(crate) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "auth_error", message)
    }

    /// The same with LiteLLM's word for the kind of error.
    pub(crate) fn of_kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn unavailable(message: &str) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "internal_server_error", message)
    }

    /// LiteLLM has it, and this program does not.
    pub(crate) fn not_implemented(message: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "not_implemented_error",
            message,
        )
    }

    pub(crate) fn method_not_allowed(message: &str) -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, "invalid_request_error", message)
    }

    /// A request to set what was spent.
    pub(crate) fn spend_is_a_sum() -> Self {
        let message = "spend is what the calls in the books add up to, and is never set: raise \
                       `max_budget` instead, or set a `budget_duration`";
        Self::bad_request("reset_to", message)
    }

    pub(crate) fn gone(message: &str) -> Self {
        Self::new(StatusCode::GONE, "invalid_request_error", message)
    }

    pub(crate) fn conflict(message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "invalid_request_error", message)
    }

    fn new(status: StatusCode, kind: &'static str, message: &str) -> Self {
        Self {
            status,
            kind,
            message: message.to_owned(),
            param: None,
        }
    }
}

/// The client is told that the books cannot be read; what is wrong with them is in the log.
impl From<BooksError> for Refusal {
    fn from(error: BooksError) -> Self {
        tracing::error!(error = &error as &dyn StdError, "request not answered");
        Self::unavailable("books unavailable")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self {
            status,
            kind,
            message,
            param,
        } = self;
        let code = status.as_u16().to_string();
        let body = Body {
            error: Inner {
                message,
                r#type: kind,
                param,
                code,
            },
        };
        (status, Json(body)).into_response()
    }
}
