//! A streamed answer on its way to the client.
//!
//! Owns the call: when the stream is complete the event is written, and only then does the client
//! get its last chunk. A client that goes away drops the relay; the rest of the answer is then read
//! by a task, so that the provider's own usage is accounted, or it is cancelled and what was
//! streamed is counted: that is `on_disconnect`.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use event::{Outcome, Timestamp};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::{
    call::{Call, Ending},
    config::OnDisconnect,
    error::{ApiError, ErrorClass},
    provider::StreamedAnswer,
};

/// Where the bytes come from.
pub(crate) enum Source {
    /// A provider.
    Provider(Incoming),
    /// The configuration.
    Mock(VecDeque<Bytes>),
}

/// See the [module](self).
pub(crate) struct Relay {
    /// `None` once the event has been written.
    live: Option<Box<Live>>,
    /// What is still to be sent after the event has been written.
    last: Option<Bytes>,
}

/// A stream that has not ended.
struct Live {
    call: Call,
    source: Source,
    answer: Box<dyn StreamedAnswer>,
    headers: HeaderMap,
    first_token: Option<Timestamp>,
    idle_max: Duration,
    last_chunk: Instant,
    alarm: Pin<Box<Sleep>>,
}

/// What the source had.
enum Step {
    Chunk(Bytes),
    End,
    Broken,
    Late,
}

impl Relay {
    pub(crate) fn new(
        call: Call,
        source: Source,
        answer: Box<dyn StreamedAnswer>,
        headers: HeaderMap,
        idle_max: Duration,
    ) -> Self {
        let now = Instant::now();
        let live = Live {
            call,
            source,
            answer,
            headers,
            first_token: None,
            idle_max,
            last_chunk: now,
            alarm: Box::pin(tokio::time::sleep_until(now + idle_max)),
        };
        Self {
            live: Some(Box::new(live)),
            last: None,
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            let Some(live) = &mut self.live else {
                return Poll::Ready(self.last.take().map(|bytes| Ok(Frame::data(bytes))));
            };
            let (bytes, ended) = match ready!(live.poll_step(cx)) {
                Step::Chunk(chunk) => {
                    let bytes = live.take(chunk);
                    let complete = live.answer.is_complete().then_some(Outcome::Success);
                    (bytes, complete.map(|outcome| (outcome, None)))
                }
                Step::End => live.end_of_source(),
                Step::Broken => (Bytes::new(), Some(live.interrupted("broke off"))),
                Step::Late => (Bytes::new(), Some(live.late())),
            };
            if let Some((outcome, error)) = ended {
                let bytes = match self.live.take() {
                    Some(live) => live.finish(outcome, error, bytes),
                    None => bytes,
                };
                self.last = Some(bytes).filter(|bytes| !bytes.is_empty());
            } else if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.live.is_none() && self.last.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// How a stream ended, and what the client is told.
type End = (Outcome, Option<ApiError>);

impl Live {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let polled = match &mut self.source {
            Source::Mock(chunks) => Poll::Ready(chunks.pop_front().map_or(Step::End, Step::Chunk)),
            Source::Provider(body) => Pin::new(body).poll_frame(cx).map(|frame| match frame {
                None => Step::End,
                Some(Ok(frame)) => Step::Chunk(frame.into_data().unwrap_or_default()),
                Some(Err(_error)) => Step::Broken,
            }),
        };
        if polled.is_ready() {
            return polled;
        }
        // The alarm is moved only when it rings, not with every chunk.
        while self.alarm.as_mut().poll_alarm(cx) {
            let deadline = self.last_chunk + self.idle_max;
            if Instant::now() >= deadline {
                return Poll::Ready(Step::Late);
            }
            self.alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn take(&mut self, chunk: Bytes) -> Bytes {
        self.last_chunk = Instant::now();
        if self.first_token.is_none() {
            self.first_token = Some((self.call.shared.clock)());
        }
        self.answer.chunk(chunk)
    }

    fn end_of_source(&mut self) -> (Bytes, Option<End>) {
        let rest = self.answer.rest();
        if self.answer.is_finished() {
            (rest, Some((Outcome::Success, None)))
        } else {
            (rest, Some(self.interrupted("ended without an end")))
        }
    }

    fn interrupted(&mut self, how: &str) -> End {
        let error = self.error(
            ErrorClass::ApiConnection,
            format!("the provider's stream {how}"),
        );
        (Outcome::Interrupted, Some(error))
    }

    fn late(&mut self) -> End {
        let message = "the provider sent nothing for longer than `upstream_timeout`".to_owned();
        (
            Outcome::Timeout,
            Some(self.error(ErrorClass::Timeout, message)),
        )
    }

    fn error(&mut self, class: ErrorClass, message: String) -> ApiError {
        let mut error = ApiError::new(class, message);
        error.provider = self
            .call
            .open()
            .map(|open| open.deployment.provider_name.clone());
        error
    }

    /// Writes the event; returns the last bytes for the client.
    fn finish(mut self, outcome: Outcome, error: Option<ApiError>, bytes: Bytes) -> Bytes {
        let observed = self.answer.observed();
        let (outcome, error, told) = match (&observed.error, error) {
            // The provider said it itself, and the client has it already.
            (Some(message), _) => {
                let error = self.error(ErrorClass::InternalServer, message.clone());
                (Outcome::ProviderError, Some(error), None)
            }
            (None, error) => (outcome, error.clone(), error),
        };
        let now = (self.call.shared.clock)();
        if let Some(open) = self.call.open() {
            crate::attempts::ended(open, now, error.as_ref());
        }
        let Self {
            call,
            headers,
            first_token,
            ..
        } = self;
        let ending = Ending {
            outcome,
            observed,
            error,
            first_token,
            headers,
        };
        match (call.finish(ending), told) {
            // Not written down: the client must not take this for a complete answer.
            (Err(error), _) => in_stream(&error),
            (Ok(()), Some(error)) => [&bytes[..], &in_stream(&error)[..]].concat().into(),
            (Ok(()), None) => bytes,
        }
    }
}

/// An error as an element of the stream.
fn in_stream(error: &ApiError) -> Bytes {
    [b"data: ", &error.body()[..], b"\n\n"].concat().into()
}

/// A timer that can be asked.
trait Alarm {
    /// Whether it has rung; if not, the task is woken when it does.
    fn poll_alarm(self, cx: &mut Context<'_>) -> bool;
}

impl Alarm for Pin<&mut Sleep> {
    fn poll_alarm(self, cx: &mut Context<'_>) -> bool {
        std::future::Future::poll(self, cx).is_ready()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let Some(mut live) = self.live.take() else {
            return;
        };
        if let Some(open) = live.call.open() {
            open.draft.presence.ends();
        }
        let shared = std::sync::Arc::clone(&live.call.shared);
        match shared.config.settings.on_disconnect {
            OnDisconnect::Drain => shared.tasks.spawn(drain(*live)),
            OnDisconnect::Cancel => {
                let error = ApiError::new(ErrorClass::Api(499), "the client went away");
                live.finish(Outcome::ClientDisconnected, Some(error), Bytes::new());
            }
        }
    }
}

/// Reads the rest of an answer that nobody waits for.
async fn drain(mut live: Live) {
    let (outcome, error) = loop {
        match std::future::poll_fn(|cx| live.poll_step(cx)).await {
            Step::Chunk(chunk) => {
                live.take(chunk);
                if live.answer.is_complete() {
                    break (Outcome::ClientDisconnected, None);
                }
            }
            Step::End => {
                live.answer.rest();
                break (Outcome::ClientDisconnected, None);
            }
            Step::Broken => break live.interrupted("broke off"),
            Step::Late => break live.late(),
        }
    };
    let error = error.or_else(|| Some(ApiError::new(ErrorClass::Api(499), "the client went away")));
    live.finish(outcome, error, Bytes::new());
}
