//! What a client gets: bodies and headers.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

use crate::{error::ApiError, operation::Dialect, relay::Relay};

/// The body of an answer: there as a whole, or still coming.
pub(crate) enum AnswerBody {
    Whole(Full<Bytes>),
    Stream(Relay),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// An answer that is there as a whole.
pub(crate) fn whole(body: Bytes, content_type: Option<HeaderValue>) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Full::new(body)));
    if let Some(content_type) = content_type {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// An answer in JSON.
pub(crate) fn json(text: impl Into<Bytes>) -> Response<AnswerBody> {
    whole(
        text.into(),
        Some(HeaderValue::from_static("application/json")),
    )
}

/// An answer that is still coming: events, unless `content_type` says otherwise.
pub(crate) fn stream(
    status: StatusCode,
    relay: Relay,
    content_type: Option<&HeaderValue>,
) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Stream(relay));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let events = |value: &&HeaderValue| value.as_bytes().starts_with(b"text/event-stream");
    if let Some(own) = content_type.filter(|value| !events(value)) {
        headers.insert(header::CONTENT_TYPE, own.clone());
        return response;
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// An error.
pub(crate) fn error(error: &ApiError) -> Response<AnswerBody> {
    error_in(Dialect::OpenAi, error)
}

/// An error in the dialect that the client speaks.
pub(crate) fn error_in(dialect: Dialect, error: &ApiError) -> Response<AnswerBody> {
    error
        .response(dialect)
        .map(|body| AnswerBody::Whole(Full::new(body)))
}

/// Sets a header, unless no header can carry the text.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

/// Whether a body is a stream of server-sent events.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.trim_start().starts_with("text/event-stream"))
}

/// Whether a stream with these headers is one of events, in which an error can stand. What has no
/// headers is a stream of ours.
pub(crate) fn may_hold_errors(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::CONTENT_TYPE) || is_event_stream(headers)
}
