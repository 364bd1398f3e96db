//! Realtime sessions: a WebSocket, opened as strictly as the real API opens it.
//!
//! `response.create` carries the script in its `instructions`. Of the tokens of an answer, half are
//! sound, in and out, and those that were cached are text.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

use super::{
    answer::Refusal,
    body::Paced,
    request,
    script::{Script, Usage},
};

type Ws = WebSocketStream<TokioIo<Upgraded>>;

/// What a client may say.
const KNOWN: &[&str] = &[
    "conversation.item.create",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "response.cancel",
    "response.create",
    "session.update",
];

/// Opens a session, which goes on among `sessions`.
pub(super) fn open(
    mut request: Request<Incoming>,
    key: Option<&str>,
    sessions: &mut JoinSet<()>,
) -> Response<Paced> {
    let accept = match accept(&request, key) {
        Ok(accept) => accept,
        Err(refusal) => return super::refuse(&refusal, None),
    };
    let model = model(&request).unwrap_or_default().to_owned();
    let upgrade = hyper::upgrade::on(&mut request);
    sessions.spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let socket = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
            let mut session = Session {
                socket,
                pending: None,
            };
            // A test looks at the other end of it.
            let _ended = session.run(&model).await;
        }
    });
    let mut response = Response::new(Paced::whole(Bytes::new(), None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn model(request: &Request<Incoming>) -> Option<&str> {
    request.uri().query()?.strip_prefix("model=")
}

/// What proves that the request was understood.
fn accept(request: &Request<Incoming>, key: Option<&str>) -> Result<HeaderValue, Refusal> {
    let headers: &HeaderMap = request.headers();
    request::authorize(headers, key)?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is =
        |name: &str, wanted: &str| text(name).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
    if !is("connection", "upgrade") || !is("upgrade", "websocket") {
        return Err(Refusal::invalid("upgrade", "this is no WebSocket"));
    }
    if !is("sec-websocket-version", "13") {
        return Err(Refusal::invalid("sec-websocket-version", "must be 13"));
    }
    if text("sec-websocket-protocol").is_some() || text("sec-websocket-extensions").is_some() {
        return Err(Refusal::invalid("sec-websocket-protocol", "not here"));
    }
    let given = text("sec-websocket-key").unwrap_or_default();
    if STANDARD.decode(given).map_or(0, |bytes| bytes.len()) != 16 {
        return Err(Refusal::invalid("sec-websocket-key", "must be 16 bytes"));
    }
    if model(request).is_none_or(|model| model.is_empty() || model.contains('&')) {
        return Err(Refusal::invalid("model", "the query names one model"));
    }
    let magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let text = format!("{given}{magic}");
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    HeaderValue::try_from(STANDARD.encode(digest))
        .map_err(|_error| Refusal::invalid("sec-websocket-key", "odd"))
}

struct Session {
    socket: Ws,
    /// What an answer that hangs has used.
    pending: Option<Usage>,
}

/// The client is gone, or the script says so.
struct Over;

impl Session {
    async fn run(&mut self, model: &str) -> Result<(), Over> {
        let session = json!({"id": "sess_1", "object": "realtime.session", "model": model});
        self.say(&json!({"type": "session.created", "session": session}))
            .await?;
        while let Some(Ok(message)) = self.socket.next().await {
            let Message::Text(text) = message else {
                match message {
                    Message::Binary(_) => return self.close("text only").await,
                    _ => continue,
                }
            };
            let Ok(event) = serde_json::from_str::<Value>(&text) else {
                return self.close("not JSON").await;
            };
            let kind = event["type"].as_str().unwrap_or_default();
            match kind {
                "response.create" => self.answer(&event["response"]["instructions"]).await?,
                "response.cancel" => {
                    if let Some(usage) = self.pending.take() {
                        self.done("cancelled", usage).await?;
                    }
                }
                known if KNOWN.contains(&known) => {}
                odd => {
                    let error = json!({"type": "error", "error": {"type": "invalid_request_error",
                        "message": format!("no event is called {odd}")}});
                    self.say(&error).await?;
                }
            }
        }
        Ok(())
    }

    async fn answer(&mut self, instructions: &Value) -> Result<(), Over> {
        let text = instructions.as_str().unwrap_or_default();
        let script = Script::of(text, &Script::default()).map_err(|_odd| Over)?;
        let usage = script.usage.unwrap_or(Usage {
            prompt: 8,
            completion: 8,
            cached: 0,
        });
        let response = json!({"id": "resp_1", "status": "in_progress", "usage": null});
        self.say(&json!({"type": "response.created", "response": response}))
            .await?;
        for number in 0..script.chunks {
            if script.cut_after == Some(number) {
                return Err(Over);
            }
            if script.hang_after == Some(number) {
                self.pending = Some(usage);
                return Ok(());
            }
            let delta = json!({"type": "response.output_text.delta", "delta": "☕ response.done"});
            self.say(&delta).await?;
            if script.chunk_delay > Duration::ZERO {
                sleep(script.chunk_delay).await;
            }
        }
        self.done("completed", usage).await
    }

    async fn done(&mut self, status: &str, usage: Usage) -> Result<(), Over> {
        let (heard, said) = (usage.prompt / 2, usage.completion / 2);
        let usage = json!({
            "total_tokens": usage.prompt + usage.completion,
            "input_tokens": usage.prompt,
            "output_tokens": usage.completion,
            "input_token_details": {"text_tokens": usage.prompt - heard, "audio_tokens": heard,
                "image_tokens": 0, "cached_tokens": usage.cached, "cached_tokens_details":
                {"text_tokens": usage.cached, "audio_tokens": 0, "image_tokens": 0}},
            "output_token_details": {"text_tokens": usage.completion - said, "audio_tokens": said},
        });
        let response = json!({"id": "resp_1", "status": status, "usage": usage});
        self.say(&json!({"type": "response.done", "response": response}))
            .await
    }

    async fn say(&mut self, event: &Value) -> Result<(), Over> {
        let message = Message::text(event.to_string());
        self.socket.send(message).await.map_err(|_gone| Over)
    }

    async fn close(&mut self, reason: &'static str) -> Result<(), Over> {
        let code = CloseCode::Unsupported;
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let closed = self.socket.close(Some(frame)).await;
        closed.map_err(|_gone| Over)
    }
}
