//! Every error that a client can get, in OpenAI's shape, with LiteLLM's classes and statuses.

use bytes::Bytes;
use event::{ErrorInformation, Json};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::operation::Dialect;

/// nginx's status for a client that did not wait; LiteLLM logs the same.
const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_invalid) => StatusCode::REQUEST_TIMEOUT,
};

/// LiteLLM's exception classes, as far as the gateway raises them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request is wrong.
    BadRequest,
    /// The request does not fit the model's context.
    ContextWindowExceeded,
    /// The provider will not answer this.
    ContentPolicyViolation,
    /// The model does not know a parameter.
    UnsupportedParams,
    /// No such model at the provider, or no such route here.
    NotFound,
    /// The method is wrong for the route.
    MethodNotAllowed,
    /// No key, or a wrong one.
    Authentication,
    /// The provider wants to be paid first.
    PaymentRequired,
    /// The key may not do this.
    PermissionDenied,
    /// Not answered in time.
    Timeout,
    /// The request is well-formed, and the provider can do nothing with it.
    Unprocessable,
    /// The body is larger than allowed.
    TooLarge,
    /// Too many calls.
    RateLimit,
    /// There is no money left for the call.
    BudgetExceeded,
    /// The provider broke.
    InternalServer,
    /// The provider could not be reached, or its answer broke off.
    ApiConnection,
    /// The provider's front end broke.
    BadGateway,
    /// The provider, or this gateway, takes no calls now.
    ServiceUnavailable,
    /// The client went away; nobody gets this.
    ClientDisconnected,
    /// The gateway stopped; nobody gets this.
    GatewayAborted,
    /// Any other status.
    Api(u16),
}

impl ErrorClass {
    /// The HTTP status the client gets.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest
            | Self::ContextWindowExceeded
            | Self::ContentPolicyViolation
            | Self::UnsupportedParams => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Authentication => StatusCode::UNAUTHORIZED,
            Self::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            // LiteLLM's `budget_exceeded_status_code`.
            Self::Unprocessable | Self::BudgetExceeded => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimit => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalServer | Self::ApiConnection | Self::GatewayAborted => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::ClientDisconnected => CLIENT_CLOSED_REQUEST,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Api(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY),
        }
    }

    /// LiteLLM's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest | Self::MethodNotAllowed | Self::TooLarge | Self::Unprocessable => {
                "BadRequestError"
            }
            Self::ContextWindowExceeded => "ContextWindowExceededError",
            Self::ContentPolicyViolation => "ContentPolicyViolationError",
            Self::UnsupportedParams => "UnsupportedParamsError",
            Self::NotFound => "NotFoundError",
            Self::Authentication => "AuthenticationError",
            Self::PaymentRequired => "PaymentRequiredError",
            Self::PermissionDenied => "PermissionDeniedError",
            Self::Timeout => "Timeout",
            Self::RateLimit => "RateLimitError",
            Self::BudgetExceeded => "BudgetExceededError",
            Self::InternalServer => "InternalServerError",
            Self::ApiConnection => "APIConnectionError",
            Self::BadGateway => "BadGatewayError",
            Self::ServiceUnavailable => "ServiceUnavailableError",
            Self::ClientDisconnected => "ClientDisconnected",
            Self::GatewayAborted => "GatewayAborted",
            Self::Api(_) => "APIError",
        }
    }

    /// `error.type` in the body.
    const fn kind(self) -> &'static str {
        match self {
            Self::NotFound => "not_found_error",
            Self::Authentication => "auth_error",
            Self::PermissionDenied => "permission_error",
            Self::RateLimit => "throttling_error",
            Self::BudgetExceeded => "budget_exceeded",
            Self::InternalServer | Self::ApiConnection | Self::BadGateway => {
                "internal_server_error"
            }
            Self::ServiceUnavailable => "service_unavailable_error",
            Self::PaymentRequired | Self::Api(500..) => "api_error",
            _ => "invalid_request_error",
        }
    }

    /// LiteLLM's normalised name.
    const fn normalized(self) -> &'static str {
        match self {
            Self::ContextWindowExceeded => "400_CONTEXT_WINDOW_EXCEEDED",
            Self::ContentPolicyViolation => "400_CONTENT_POLICY_VIOLATION",
            Self::BadRequest
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::Unprocessable
            | Self::UnsupportedParams => "400_INVALID_REQUEST",
            Self::NotFound => "404_RESOURCE_NOT_FOUND",
            Self::Authentication => "401_AUTHENTICATION_FAILED",
            Self::PermissionDenied => "403_PERMISSION_DENIED",
            Self::Timeout => "408_UPSTREAM_TIMEOUT",
            Self::RateLimit => "429_RATE_LIMIT_EXCEEDED",
            Self::BudgetExceeded => "429_BUDGET_EXCEEDED",
            Self::ApiConnection => "500_PROVIDER_CONNECTION_ERROR",
            Self::ServiceUnavailable => "503_PROVIDER_OVERLOADED",
            Self::InternalServer | Self::BadGateway => "500_PROVIDER_INTERNAL_ERROR",
            Self::GatewayAborted => "500_INTERNAL_STATE_ERROR",
            Self::PaymentRequired | Self::ClientDisconnected | Self::Api(_) => "UNCLASSIFIED",
        }
    }

    /// The class of a provider's answer with this status and message.
    #[must_use]
    pub fn of_answer(status: u16, message: &str) -> Self {
        let message = message.to_ascii_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
        match status {
            400 | 422 if says(CONTEXT_PHRASES) => Self::ContextWindowExceeded,
            400 | 422 if says(POLICY_PHRASES) => Self::ContentPolicyViolation,
            400 => Self::BadRequest,
            422 => Self::Unprocessable,
            401 => Self::Authentication,
            402 => Self::PaymentRequired,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            429 => Self::RateLimit,
            500 => Self::InternalServer,
            502 => Self::BadGateway,
            503 => Self::ServiceUnavailable,
            other @ 405..600 => Self::Api(other),
            // A redirect, or nothing that HTTP knows: not for the client to follow.
            _ => Self::BadGateway,
        }
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::ApiConnection => true,
            class => matches!(class.status().as_u16(), 408 | 409 | 429 | 500..),
        }
    }
}

const CONTEXT_PHRASES: &[&str] = &[
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "maximum prompt length",
    "context window limit",
    "reduce the length of the messages",
    "too large for model",
    "prompt is too long",
    "string too long",
    "too many tokens",
    "exceeds the maximum number of tokens",
];

const POLICY_PHRASES: &[&str] = &[
    "content_policy_violation",
    "content_filter",
    "responsibleaipolicyviolation",
    "safety system",
    "content policy",
    "usage guidelines",
    "violating our usage policy",
];

/// An error on its way to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What went wrong.
    pub class: ErrorClass,
    /// What went wrong, where, and what to do.
    pub message: String,
    /// The field of the request that is at fault.
    pub param: Option<String>,
    /// The provider that said so.
    pub provider: Option<String>,
    /// The provider's request id.
    pub provider_request_id: Option<String>,
    /// Seconds the provider wants to be left alone.
    pub retry_after: Option<u32>,
    /// What few errors say.
    pub more: Option<Box<More>>,
}

/// What few errors say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// LiteLLM's name of this kind of error, where it is not that of the class.
    pub kind: Option<&'static str>,
    /// What the answer's headers say beyond what is usual.
    pub headers: Vec<(String, String)>,
}

impl ApiError {
    /// An error of this gateway's own.
    #[must_use]
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            param: None,
            provider: None,
            provider_request_id: None,
            retry_after: None,
            more: None,
        }
    }

    /// The same under LiteLLM's name of this kind of error.
    #[must_use]
    pub(crate) fn of_kind(mut self, kind: &'static str) -> Self {
        self.more.get_or_insert_default().kind = Some(kind);
        self
    }

    fn kind(&self) -> &'static str {
        let own = self.more.as_ref().and_then(|more| more.kind);
        own.unwrap_or_else(|| self.class.kind())
    }

    /// The JSON a client gets.
    #[must_use]
    pub fn body(&self) -> Bytes {
        #[derive(Serialize)]
        struct Body<'a> {
            error: Inner<'a>,
        }
        #[derive(Serialize)]
        struct Inner<'a> {
            message: &'a str,
            r#type: &'a str,
            param: Option<&'a str>,
            code: &'a str,
        }
        let status = self.class.status();
        let inner = Inner {
            message: &self.message,
            r#type: self.kind(),
            param: self.param.as_deref(),
            code: status.as_str(),
        };
        Bytes::copy_from_slice(Json::of(&Body { error: inner }).text().as_bytes())
    }

    /// The JSON a client gets that speaks `dialect`.
    #[must_use]
    pub fn body_in(&self, dialect: Dialect) -> Bytes {
        match dialect {
            Dialect::OpenAi | Dialect::Responses => self.body(),
            Dialect::Anthropic => self.by_anthropic(),
        }
    }

    fn by_anthropic(&self) -> Bytes {
        let kind = match self.class.status().as_u16() {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            408 | 504 => "timeout_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 | 529 => "overloaded_error",
            400..500 => "invalid_request_error",
            _ => "api_error",
        };
        let error = serde_json::json!({
            "type": "error",
            "error": { "type": kind, "message": self.message },
        });
        Json::of(&error).text().to_owned().into()
    }

    /// The element that ends a stream in `dialect`.
    #[must_use]
    pub fn in_stream(&self, dialect: Dialect) -> Bytes {
        let (kind, body) = match dialect {
            Dialect::OpenAi => ("", self.body()),
            Dialect::Anthropic => ("event: error\n", self.by_anthropic()),
            Dialect::Responses => {
                let code = self.class.name();
                let error = serde_json::json!({
                    "type": "error",
                    "code": code,
                    "message": self.message,
                    "param": self.param,
                });
                let body = Json::of(&error).text().to_owned().into();
                ("event: error\n", body)
            }
        };
        [kind.as_bytes(), b"data: ", &body[..], b"\n\n"]
            .concat()
            .into()
    }

    /// The whole answer.
    #[must_use]
    pub fn response(&self, dialect: Dialect) -> Response<Bytes> {
        let mut response = Response::new(self.body_in(dialect));
        *response.status_mut() = self.class.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        for (name, value) in self.more.iter().flat_map(|more| &more.headers) {
            let name = HeaderName::try_from(name).ok();
            let pair = name.zip(HeaderValue::try_from(value).ok());
            headers.extend(pair);
        }
        response
    }

    /// As it stands in an event.
    #[must_use]
    pub fn information(&self) -> ErrorInformation {
        let limited = self.class == ErrorClass::RateLimit && self.provider.is_some();
        ErrorInformation {
            error_code: self.class.status().as_str().to_owned(),
            error_class: self.class.name().to_owned(),
            llm_provider: self.provider.clone().unwrap_or_default(),
            error_message: self.message.clone(),
            error_provider_request_id: self.provider_request_id.clone(),
            error_rate_limit_category: limited.then(|| "vendor_rate_limit".to_owned()),
            normalized_error: Some(self.class.normalized().to_owned()),
            ..ErrorInformation::default()
        }
    }
}
