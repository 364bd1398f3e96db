//! Realtime sessions: a WebSocket from the client, one to the provider, and what passes between.
//!
//! Messages go on as they came; those of the provider are read along. A session is one call: when
//! it ends, whoever ends it, its event is written with what all its answers have consumed, and only
//! then is the client's end closed. If the client leaves while an answer is being given, the answer
//! is cancelled and its usage waited for. When the gateway stops, an answer under way is let end.

mod told;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use event::Outcome;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use self::told::Told;
use crate::{
    answer::{self, AnswerBody},
    attempts,
    call::{self, Call, Ending},
    error::{ApiError, ErrorClass},
    gateway::Shared,
    lifecycle::internal,
    report::Written,
    request::Socket,
    stamp::Stamp,
};

/// The largest message, and what may wait to be sent of it: OpenAI takes 15 MiB of sound at once.
const MESSAGE_BYTES_MAX: usize = 24 << 20;
/// Bytes that are read at once.
const READ_BYTES: usize = 16 << 10;
/// How long the two ends may take to become WebSockets, to end an answer, and to be closed.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one side may say nothing before the other is shown that it is still connected.
const SILENCE: Duration = Duration::from_secs(30);
/// Bytes of the reason in a frame that closes.
const REASON_BYTES_MAX: usize = 120;

type Ws = WebSocketStream<TokioIo<Upgraded>>;
type From = SplitStream<Ws>;
type To = SplitSink<Ws, Message>;

/// Answers the client that the provider has opened a session, and has the session go on.
pub(crate) fn give(
    mut call: Call,
    mut opened: Response<Incoming>,
    stamp: &Stamp,
) -> Response<AnswerBody> {
    let socket = call.request().and_then(|request| request.socket.clone());
    let Some(socket) = socket else {
        return answer::error(&internal());
    };
    let mut response = stamp.on(answer::whole(Bytes::new(), None), opened.headers());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, socket.accept.clone()),
    ] {
        headers.insert(name, value);
    }
    if let Some(protocol) = socket.protocol {
        let protocol = HeaderValue::from_static(protocol);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let upgrade = hyper::upgrade::on(&mut opened);
    let provider = stamp.deployment.provider_name.clone();
    let session = Session {
        shared: Arc::clone(&call.shared),
        told: Told::new(&provider),
        provider,
        headers: std::mem::take(opened.headers_mut()),
        call: Some(call),
    };
    let shared = Arc::clone(&session.shared);
    shared.tasks.spawn(session.run(socket, upgrade));
    response
}

/// A session that goes on. One that is dropped has its event all the same.
struct Session {
    shared: Arc<Shared>,
    /// `None` once its event has been written.
    call: Option<Call>,
    told: Told,
    provider: String,
    headers: HeaderMap,
}

/// Why no more is passed on in one direction.
enum Stop {
    /// Whoever speaks has closed.
    Closed(Option<CloseFrame>),
    /// Whoever speaks is gone, or says what nobody may say.
    Broken,
    /// Whoever listens is gone.
    Deaf,
}

/// Who ended a session.
enum End {
    Client(Stop),
    Provider(Stop),
    Gateway,
}

/// Makes a WebSocket of a connection that was switched.
async fn open(upgrade: OnUpgrade, role: Role) -> Option<Ws> {
    let upgraded = timeout(PATIENCE, upgrade).await.ok()?.ok()?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let stream = TokioIo::new(upgraded);
    Some(WebSocketStream::from_raw_socket(stream, role, Some(config)).await)
}

/// Passes messages on until one end is gone, or `is_last` says so of a text. The next one is read
/// when this one has been sent.
async fn forward(from: &mut From, to: &mut To, mut is_last: impl FnMut(&str) -> bool) -> Stop {
    loop {
        let message = match timeout(SILENCE, from.next()).await {
            Err(_silent) => Message::Ping(Bytes::new()),
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(_)) | None) => return Stop::Broken,
        };
        let ends = match &message {
            Message::Close(frame) => return Stop::Closed(frame.clone()),
            // Each end answers for itself.
            Message::Pong(_) | Message::Frame(_) => continue,
            Message::Text(text) => is_last(text),
            Message::Binary(_) | Message::Ping(_) => false,
        };
        if to.send(message).await.is_err() {
            return Stop::Deaf;
        }
        if ends {
            return Stop::Closed(None);
        }
    }
}

impl Session {
    async fn run(mut self, socket: Socket, provider: OnUpgrade) {
        let shared = Arc::clone(&self.shared);
        let opening = open(socket.upgrade, Role::Server);
        let (Some(client), Some(provider)) = tokio::join!(opening, open(provider, Role::Client))
        else {
            return;
        };
        let (mut to_client, mut from_client) = client.split();
        let (mut to_provider, mut from_provider) = provider.split();
        let told = &mut self.told;
        let hear = |text: &str| {
            told.hear(text);
            false
        };
        let end = tokio::select! {
            stop = forward(&mut from_client, &mut to_provider, |_text| false) => End::Client(stop),
            stop = forward(&mut from_provider, &mut to_client, hear) => End::Provider(stop),
            () = shared.tasks.stopping() => End::Gateway,
        };
        match &end {
            End::Client(Stop::Closed(_) | Stop::Broken) | End::Provider(Stop::Deaf) => {
                self.cancel(&mut from_provider, &mut to_provider).await;
            }
            // What it has said already is still to be read.
            End::Client(Stop::Deaf) => self.listen(&mut from_provider).await,
            End::Gateway if self.told.is_answering() => {
                let told = &mut self.told;
                let hear = |text: &str| {
                    told.hear(text);
                    !told.is_answering()
                };
                forward(&mut from_provider, &mut to_client, hear).await;
            }
            End::Provider(_) | End::Gateway => {}
        }
        let (outcome, close) = self.meaning(end);
        let close = match self.finish(outcome, &close).durable(shared).await {
            Ok(()) => close,
            Err(error) => frame(CloseCode::Error, &error.message),
        };
        let farewell = async {
            // Whoever is gone already need not be told.
            let _told = to_provider.send(Message::Close(None)).await;
            let _told = to_client.send(Message::Close(Some(close))).await;
            while let Some(Ok(_message)) = from_client.next().await {}
        };
        let _in_time = timeout(PATIENCE, farewell).await;
    }

    /// Has the provider stop an answer that nobody hears, and say what it has consumed.
    async fn cancel(&mut self, from: &mut From, to: &mut To) {
        let cancel = Message::text(r#"{"type":"response.cancel"}"#);
        if self.told.is_answering() && to.send(cancel).await.is_ok() {
            self.listen(from).await;
        }
    }

    /// Hears the provider out, until its answer has ended.
    async fn listen(&mut self, from: &mut From) {
        let rest = async {
            while self.told.is_answering() {
                match from.next().await {
                    Some(Ok(Message::Text(text))) => self.told.hear(&text),
                    Some(Ok(_other)) => {}
                    Some(Err(_)) | None => break,
                }
            }
        };
        let _in_time = timeout(PATIENCE, rest).await;
    }

    /// How the call ended, and what the client is told.
    fn meaning(&self, end: End) -> (Outcome, CloseFrame) {
        let normal = || frame(CloseCode::Normal, "");
        match end {
            End::Client(Stop::Closed(close)) => (Outcome::Success, close.unwrap_or_else(normal)),
            End::Client(Stop::Broken) | End::Provider(Stop::Deaf) => {
                let close = frame(CloseCode::Policy, "the client's connection broke off");
                (Outcome::ClientDisconnected, close)
            }
            End::Provider(Stop::Closed(close)) => {
                let close = close.unwrap_or_else(normal);
                let outcome = match close.code {
                    CloseCode::Normal | CloseCode::Away => Outcome::Success,
                    _ => Outcome::Interrupted,
                };
                (outcome, close)
            }
            End::Provider(Stop::Broken) | End::Client(Stop::Deaf) => {
                let reason = format!("the connection to {} broke off", self.provider);
                (Outcome::Interrupted, frame(CloseCode::Error, &reason))
            }
            End::Gateway => (
                Outcome::Aborted,
                frame(CloseCode::Away, "the gateway stops"),
            ),
        }
    }

    /// Writes the event.
    fn finish(&mut self, outcome: Outcome, close: &CloseFrame) -> Written {
        let (class, provider) = match outcome {
            Outcome::Success => return self.write(outcome, None),
            Outcome::ClientDisconnected => (ErrorClass::ClientDisconnected, None),
            Outcome::Aborted => (ErrorClass::GatewayAborted, None),
            _ => (ErrorClass::ApiConnection, Some(self.provider.clone())),
        };
        let message = format!("the session was ended: {} {}", close.code, close.reason);
        let error = ApiError {
            provider,
            ..ApiError::new(class, message.trim_end())
        };
        self.write(outcome, Some(error))
    }

    fn write(&mut self, outcome: Outcome, error: Option<ApiError>) -> Written {
        let Some(mut call) = self.call.take() else {
            return Written::default();
        };
        let now = (self.shared.clock)();
        if let Some(open) = call.open() {
            attempts::ended(open, now, error.as_ref());
        }
        call.finish(Ending {
            outcome,
            observed: self.told.observed(),
            error,
            first_token: None,
            headers: std::mem::take(&mut self.headers),
            answering: true,
            cache_hit: false,
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let (outcome, error) = call::abandoned(&self.shared);
        // There is nobody left to tell.
        let _written = self.write(outcome, Some(error));
    }
}

fn frame(code: CloseCode, reason: &str) -> CloseFrame {
    let end = reason.floor_char_boundary(REASON_BYTES_MAX);
    CloseFrame {
        code,
        reason: reason[..end].into(),
    }
}
