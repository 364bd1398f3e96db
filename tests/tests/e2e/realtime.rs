//! A realtime session is one call: one event with what all its answers have consumed, however it
//! ends.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::{client::conn::http1, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tests::stage::{MASTER_KEY, Running, Stage};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

/// From the standard, with the proof that belongs to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PROOF: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

struct Talk {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    call_id: String,
    protocol: String,
    /// The client's end of the connection, as far as it is HTTP's.
    _connection: JoinSet<()>,
}

fn request(more: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(format!("/v1/realtime?model=talk{more}"))
        .header(header::HOST, "gateway")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, KEY);
    request.body(Empty::new()).unwrap()
}

/// A session, or the status of the refusal.
async fn connect(target: SocketAddr, request: Request<Empty<Bytes>>) -> Result<Talk, StatusCode> {
    let stream = TokioIo::new(TcpStream::connect(target).await.unwrap());
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // A test looks at what it gets.
        drop(connection.with_upgrades().await);
    });
    let response = sender.send_request(request).await.unwrap();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(response.status());
    }
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap()).to_owned()
    };
    assert_eq!(header("sec-websocket-accept"), PROOF);
    let (call_id, protocol) = (
        header("x-litellm-call-id"),
        header("sec-websocket-protocol"),
    );
    let socket = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    Ok(Talk {
        socket: WebSocketStream::from_raw_socket(socket, Role::Client, None).await,
        call_id,
        protocol,
        _connection: tasks,
    })
}

/// A session with its key in a header.
async fn open(running: &Running) -> Talk {
    let target = running.gateway.unwrap();
    let mut request = request("&m%6Fdel=gpt-4o&key=sk-stray");
    let key = HeaderValue::try_from(format!("Bearer {MASTER_KEY}")).unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, key);
    let mut talk = connect(target, request).await.unwrap();
    let first = talk.hear("session.created").await;
    assert_eq!(first["session"]["model"], "gpt-realtime", "{first}");
    talk
}

impl Talk {
    async fn say(&mut self, event: &Value) {
        let text = Message::text(event.to_string());
        self.socket.send(text).await.unwrap();
    }

    async fn ask(&mut self, script: &str) {
        let response = json!({"instructions": format!("[[mock: {script}]]")});
        self.say(&json!({"type": "response.create", "response": response}))
            .await;
    }

    /// The next event of this kind.
    async fn hear(&mut self, kind: &str) -> Value {
        loop {
            let message = timeout(Duration::from_secs(10), self.socket.next());
            let message = message.await.unwrap().unwrap().unwrap();
            assert!(message.is_text(), "{kind} was to come, not {message:?}");
            let event: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// What the end of the session says.
    async fn end(&mut self) -> CloseFrame {
        loop {
            let message = timeout(Duration::from_secs(10), self.socket.next());
            if let Message::Close(frame) = message.await.unwrap().unwrap().unwrap() {
                return frame.unwrap();
            }
        }
    }
}

/// USD of tokens by kind, from the public prices of gpt-realtime: text, cached text and sound of
/// the prompt, text and sound of the answer.
fn price([text, cached, heard, written, said]: [i64; 5]) -> Decimal {
    Decimal::new(
        text * 40 + cached * 4 + heard * 320 + written * 160 + said * 640,
        7,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_one_event_with_all_its_answers() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let mut talk = open(&running).await;
    talk.say(&json!({"type": "input_audio_buffer.append", "audio": "A".repeat(1 << 20)}))
        .await;
    talk.say(&json!({"type": "nothing.known"})).await;
    let error = talk.hear("error").await;
    assert!(error["error"]["message"].is_string(), "{error}");
    for script in ["usage=10/4/2 chunks=3", "usage=6/2 chunks=1"] {
        talk.ask(script).await;
        let delta = talk.hear("response.output_text.delta").await;
        assert_eq!(delta["delta"], "☕ response.done");
        talk.hear("response.done").await;
    }
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "bye".into(),
    };
    talk.socket.close(Some(frame)).await.unwrap();
    let row = running.books().row(&talk.call_id).await;
    let shown = format!("{:#}", row.json);
    assert_eq!(row.outcome, "success", "{shown}");
    assert_eq!(row.json["call_type"], "_arealtime", "{shown}");
    assert_eq!(row.json["model_group"], "talk", "{shown}");
    assert_eq!(row.json["prompt_tokens"], 16, "{shown}");
    assert_eq!(row.json["completion_tokens"], 6, "{shown}");
    assert_eq!(row.spend, Some(price([6, 2, 8, 3, 3])), "{shown}");
    assert_eq!(running.books().rows().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_without_an_answer_costs_nothing() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let mut talk = open(&running).await;
    talk.socket.close(None).await.unwrap();
    let row = running.books().row(&talk.call_id).await;
    let end = (&*row.outcome, row.spend);
    assert_eq!(end, ("success", Some(Decimal::ZERO)), "{:#}", row.json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_whose_client_leaves_is_cancelled_and_charged() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let mut talk = open(&running).await;
    talk.ask("usage=10/4/2 chunks=9 hang_after=2").await;
    talk.hear("response.output_text.delta").await;
    drop(talk.socket);
    let row = running.books().row(&talk.call_id).await;
    assert_eq!(row.outcome, "client_disconnected", "{:#}", row.json);
    assert_eq!(row.spend, Some(price([3, 2, 5, 2, 2])), "{:#}", row.json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_the_provider_breaks_off_is_told_and_charged() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let mut talk = open(&running).await;
    talk.ask("usage=6/2 chunks=1").await;
    talk.hear("response.done").await;
    talk.ask("usage=600/200 chunks=9 cut_after=2").await;
    let end = talk.end().await;
    assert_eq!(end.code, CloseCode::Error, "{end}");
    let row = running.books().row(&talk.call_id).await;
    assert_eq!(row.outcome, "interrupted", "{:#}", row.json);
    assert_eq!(row.spend, Some(price([3, 0, 3, 1, 1])), "{:#}", row.json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_lets_an_answer_end() {
    let stage = Stage::new().await;
    let mut running = stage.gateway().await;
    let mut talk = open(&running).await;
    talk.ask("usage=10/4/2 chunks=8 chunk_delay_ms=100").await;
    talk.hear("response.output_text.delta").await;
    running.program.signal("TERM");
    talk.hear("response.done").await;
    let end = talk.end().await;
    assert_eq!(end.code, CloseCode::Away, "{end}");
    drop(talk.socket);
    assert!(running.program.ended().await.success());
    let collector = stage.collector().await;
    let row = collector.books().row(&talk.call_id).await;
    assert_eq!(row.outcome, "aborted", "{:#}", row.json);
    assert_eq!(row.spend, Some(price([3, 2, 5, 2, 2])), "{:#}", row.json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_its_key_as_a_protocol_and_others_are_refused() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let target = running.gateway.unwrap();
    let with = |protocols: &str| {
        let mut request = request("");
        let value = HeaderValue::try_from(protocols).unwrap();
        let name = header::SEC_WEBSOCKET_PROTOCOL;
        request.headers_mut().insert(name, value);
        request
    };
    let key = format!("realtime, openai-insecure-api-key.{MASTER_KEY}");
    let talk = connect(target, with(&key)).await.unwrap();
    assert_eq!(talk.protocol, "realtime");
    for (request, status) in [
        (with("realtime, openai-insecure-api-key.sk-x"), 401),
        (request(""), 401),
    ] {
        let refused = connect(target, request).await.err();
        assert_eq!(refused.map(|refused| refused.as_u16()), Some(status));
    }
    let plain = running.client().get("/v1/realtime?model=talk").await;
    assert_eq!(plain.status, 400, "{}", plain.text());
    let unknown = running.client().get("/v1/realtime").await;
    assert_eq!(unknown.status, 400, "{}", unknown.text());
}
