//! A request as it arrived: what its head adds to what its body says.

use std::time::Duration;

use bytes::Bytes;
use event::Json;
use http::{HeaderMap, HeaderName, header, request::Parts};
use serde_json::value::RawValue;

use super::{ClientRequest, Form, Passed, RETRIES_MAX, RequestError, Socket, marks::Marks};
use crate::operation::Operation;

/// Headers of a client that are for the provider, in whatever dialect.
const SENT: [HeaderName; 3] = [
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
];
// What the gateway is asked for where a body cannot say it.
const STREAM_TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-stream-timeout");
const TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-timeout");
const RETRIES: HeaderName = HeaderName::from_static("x-litellm-num-retries");
const SPEND_LOGS: HeaderName = HeaderName::from_static("x-litellm-spend-logs-metadata");

/// What the path says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The model.
    pub(crate) model: Option<String>,
    /// The path at the provider, for what is passed on as it is.
    pub(crate) rest: Option<String>,
    /// Whose deployments can be asked; empty: those of the model.
    pub(crate) providers: &'static [&'static str],
    /// Whether the client speaks the provider's dialect.
    pub(crate) own_dialect: bool,
}

/// A request whose body has been read.
pub(crate) struct Arrived<'a> {
    pub(crate) operation: Operation,
    pub(crate) head: &'a Parts,
    pub(crate) place: Place,
    pub(crate) body: Bytes,
    pub(crate) content_bytes_max: usize,
}

impl ClientRequest {
    /// Understands a request.
    ///
    /// # Errors
    ///
    /// If its body is not what the operation takes.
    pub(crate) fn read(arrived: &Arrived<'_>) -> Result<Self, RequestError> {
        let headers = &arrived.head.headers;
        let Place {
            providers,
            own_dialect,
            ..
        } = arrived.place;
        let mut request = match arrived.operation {
            Operation::Stored(_) | Operation::PassThrough => Passed::read(arrived),
            Operation::Realtime => Socket::read(arrived),
            _ => Self::of_body(arrived),
        }?;
        request.providers = providers;
        request.own_dialect = own_dialect;
        for name in SENT {
            if let Some(value) = headers.get(&name) {
                request.headers.insert(name, value.clone());
            }
        }
        request.add(headers);
        Ok(request)
    }

    fn of_body(arrived: &Arrived<'_>) -> Result<Self, RequestError> {
        let Arrived {
            operation,
            ref body,
            content_bytes_max,
            ..
        } = *arrived;
        let placed = arrived.place.model.clone();
        let understand = |body| Self::understand(operation, body, content_bytes_max, placed);
        if operation == Operation::Responses {
            // The one before, and files and containers, are known to one account.
            let mut marks = Marks::default();
            let mut request = understand(marks.take(body.clone())?)?;
            request.disable_fallbacks |= marks.found.is_some();
            request.mark = marks.found;
            return Ok(request);
        }
        match Form::parse(&arrived.head.headers, body)? {
            Some(form) => Ok(Self {
                form: Some(form.clone()),
                ..understand(form.fields())?
            }),
            None => understand(body.clone()),
        }
    }

    /// The same request said as a chat by `body`.
    ///
    /// # Errors
    ///
    /// If that is none.
    pub(crate) fn as_chat(&self, body: Bytes) -> Result<Self, RequestError> {
        // Kept apart by the request itself already.
        let content_bytes_max = 0;
        let model = Some(self.model.clone());
        let chat = Self::understand(Operation::Chat, body, content_bytes_max, model)?;
        Ok(Self {
            drop_params: self.drop_params,
            dropped: self.dropped.clone(),
            allowed: self.allowed.clone(),
            ..chat
        })
    }

    /// Takes what the headers say where the body says nothing.
    fn add(&mut self, headers: &HeaderMap) {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let seconds = |name: HeaderName| {
            let seconds = text(name)?.trim().parse().ok()?;
            Duration::try_from_secs_f64(seconds).ok()
        };
        if self.timeout.is_none() {
            let of_streams = seconds(STREAM_TIMEOUT).filter(|_| self.stream);
            self.timeout = of_streams.or_else(|| seconds(TIMEOUT));
        }
        if self.retries_max.is_none() {
            let count = text(RETRIES).and_then(|count| count.trim().parse().ok());
            self.retries_max = count.map(|count: u32| count.min(RETRIES_MAX));
        }
        if self.metadata.spend_logs_metadata.is_none() {
            let logged = text(SPEND_LOGS);
            let logged = logged.and_then(|json| serde_json::from_str::<&RawValue>(json).ok());
            self.metadata.spend_logs_metadata = logged.map(Json::from);
        }
    }
}

/// The content type of a body, without parameters.
pub(super) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}
