//! A streamed answer on its way to the client.
//!
//! Owns the call: when the stream is complete the event is written, and only then does the client
//! get its last chunk. A client that goes away drops the relay; the rest of the answer is then read
//! by a task, so that the provider's own usage is accounted, or it is cancelled and what was
//! streamed is counted: that is `on_disconnect`.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
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
    answer, attempts,
    call::{self, Call, Ending},
    config::OnDisconnect,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    operation::{Dialect, Operation},
    provider::StreamedAnswer,
    report::Written,
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
    /// `None` once the source has ended.
    live: Option<Box<Live>>,
    /// What is still to be sent after that.
    last: Option<Bytes>,
    /// What the client gets once the event is written.
    held: Option<(Bytes, Sync)>,
    dialect: Option<Dialect>,
}

/// Waits for the journal.
type Sync = Pin<Box<dyn Future<Output = Result<(), ApiError>> + Send>>;

/// A stream whose source has not ended.
struct Live {
    /// `None` once the event has been written: what follows the end of the answer is passed on.
    call: Option<Call>,
    shared: Arc<Shared>,
    source: Source,
    answer: Box<dyn StreamedAnswer>,
    /// How the client is told of an error; `None` where no error can stand in what it gets.
    dialect: Option<Dialect>,
    headers: HeaderMap,
    first_token: Option<Timestamp>,
    /// Whether the client has got the beginning of a line without its end.
    in_line: bool,
    /// The event, if it has been written since the client last got something.
    written: Written,
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
        mut call: Call,
        source: Source,
        answer: Box<dyn StreamedAnswer>,
        headers: HeaderMap,
        idle_max: Duration,
    ) -> Self {
        let now = Instant::now();
        let operation = call.open().map(|open| open.draft.operation);
        // What is translated is a stream of events, whatever the provider's own is.
        let holds = |operation: &Operation| {
            !operation.answers_anything() || answer::may_hold_errors(&headers)
        };
        let live = Live {
            dialect: operation.filter(holds).map(Operation::dialect),
            shared: Arc::clone(&call.shared),
            call: Some(call),
            source,
            answer,
            headers,
            first_token: None,
            in_line: false,
            written: Written::default(),
            idle_max,
            last_chunk: now,
            alarm: Box::pin(tokio::time::sleep_until(now + idle_max)),
        };
        Self {
            dialect: live.dialect,
            live: Some(Box::new(live)),
            last: None,
            held: None,
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
            if let Some((bytes, sync)) = &mut self.held {
                let synced = ready!(sync.as_mut().poll(cx));
                let bytes = std::mem::take(bytes);
                self.held = None;
                let bytes = match synced {
                    Ok(()) => bytes,
                    Err(error) => {
                        self.live = None;
                        in_stream(self.dialect, &error)
                    }
                };
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let Some(live) = &mut self.live else {
                return Poll::Ready(self.last.take().map(|bytes| Ok(Frame::data(bytes))));
            };
            let (bytes, ended) = match ready!(live.poll_step(cx)) {
                Step::Chunk(chunk) => (live.forward(chunk), false),
                Step::End => (live.end_of_source(), true),
                Step::Broken => (live.interrupted(), true),
                Step::Late => (live.late(), true),
            };
            let written = std::mem::take(&mut live.written);
            if !written.is_nothing() {
                let sync = Box::pin(written.durable(Arc::clone(&live.shared)));
                self.live = if ended { None } else { self.live.take() };
                self.held = Some((bytes, sync));
            } else if ended {
                self.live = None;
                self.last = Some(bytes).filter(|bytes| !bytes.is_empty());
            } else if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.live.is_none() && self.last.is_none() && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

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

    /// Takes a chunk; returns what the client gets.
    fn forward(&mut self, chunk: Bytes) -> Bytes {
        let bytes = self.take(chunk);
        self.in_line = bytes.last().map_or(self.in_line, |last| *last != b'\n');
        if self.call.is_some() && self.answer.is_complete() {
            self.finish(Outcome::Success, None);
        }
        bytes
    }

    fn take(&mut self, chunk: Bytes) -> Bytes {
        self.last_chunk = Instant::now();
        if self.first_token.is_none() {
            self.first_token = Some((self.shared.clock)());
        }
        self.answer.chunk(chunk)
    }

    fn end_of_source(&mut self) -> Bytes {
        let rest = self.answer.rest();
        let told = if self.answer.is_finished() {
            self.finish(Outcome::Success, None);
            None
        } else {
            self.fail(Outcome::Interrupted, "ended without an end")
        };
        self.in_line = rest.last().map_or(self.in_line, |last| *last != b'\n');
        match told {
            Some(error) => [&rest[..], &self.last(&error)[..]].concat().into(),
            None => rest,
        }
    }

    fn interrupted(&mut self) -> Bytes {
        self.tell(Outcome::Interrupted, "broke off")
    }

    fn late(&mut self) -> Bytes {
        self.tell(
            Outcome::Timeout,
            "sent nothing for longer than `upstream_timeout`",
        )
    }

    /// Ends a stream that failed; returns what the client is told.
    fn tell(&mut self, outcome: Outcome, how: &str) -> Bytes {
        self.fail(outcome, how)
            .map_or_else(Bytes::new, |error| self.last(&error))
    }

    /// An error as the last element of the stream, which must not go on with a line that broke off.
    fn last(&self, error: &ApiError) -> Bytes {
        let end: &[u8] = if self.in_line { b"\n\n" } else { b"" };
        [end, &in_stream(self.dialect, error)[..]].concat().into()
    }

    /// Writes the event of a stream that failed; returns what the client is to be told, unless it
    /// had a complete answer or the provider's own error already.
    fn fail(&mut self, outcome: Outcome, how: &str) -> Option<ApiError> {
        let provider = Some(self.provider()?);
        let class = match outcome {
            Outcome::Timeout => ErrorClass::Timeout,
            _ => ErrorClass::ApiConnection,
        };
        let message = format!("the provider's stream {how}");
        let error = ApiError {
            provider,
            ..ApiError::new(class, message)
        };
        let outcome = self.finish(outcome, Some(error.clone()));
        (outcome != Outcome::ProviderError).then_some(error)
    }

    /// The provider that is being asked.
    fn provider(&mut self) -> Option<String> {
        let open = self.call.as_mut().and_then(Call::open)?;
        Some(open.deployment.provider_name.clone())
    }

    /// Writes the event, unless it has been written; returns the outcome that stands in it.
    fn finish(&mut self, outcome: Outcome, error: Option<ApiError>) -> Outcome {
        let provider = self.provider();
        let Some(mut call) = self.call.take() else {
            return outcome;
        };
        let observed = self.answer.observed();
        let (outcome, error) = match &observed.error {
            Some(fault) => {
                let error = ApiError::new(fault.class, fault.message.clone());
                (Outcome::ProviderError, Some(ApiError { provider, ..error }))
            }
            None => (outcome, error),
        };
        let now = (self.shared.clock)();
        if let Some(open) = call.open() {
            attempts::ended(open, now, error.as_ref());
        }
        let (headers, first_token) = (std::mem::take(&mut self.headers), self.first_token);
        self.written = call.finish(Ending {
            outcome,
            observed,
            error,
            first_token,
            headers,
            answering: true,
            cache_hit: false,
        });
        outcome
    }
}

/// An error as an element of the stream.
fn in_stream(dialect: Option<Dialect>, error: &ApiError) -> Bytes {
    dialect.map_or_else(Bytes::new, |dialect| error.in_stream(dialect))
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
        // Once its event has been written nobody needs the rest.
        let Some(open) = live.call.as_mut().and_then(Call::open) else {
            return;
        };
        open.draft.presence.ends();
        let shared = Arc::clone(&live.shared);
        if shared.config.settings.on_disconnect == OnDisconnect::Drain {
            shared.tasks.spawn(drain(*live));
        }
    }
}

/// A stream that nobody goes on with: its client left and it is not drained, or the gateway stops.
/// What was streamed is counted.
impl Drop for Live {
    fn drop(&mut self) {
        if self.call.is_some() {
            self.abandon();
        }
    }
}

impl Live {
    /// Writes the event of an answer that was not read to its end.
    fn abandon(&mut self) {
        let (outcome, error) = call::abandoned(&self.shared);
        self.finish(outcome, Some(error));
    }
}

/// Reads the rest of an answer that nobody waits for.
async fn drain(mut live: Live) {
    while !live.answer.is_complete() {
        match std::future::poll_fn(|cx| live.poll_step(cx)).await {
            Step::Chunk(chunk) => drop(live.take(chunk)),
            Step::End => {
                live.answer.rest();
                break;
            }
            Step::Broken => return drop(live.interrupted()),
            Step::Late => return drop(live.late()),
        }
    }
    live.abandon();
}
