//! One kept connection, and the reading of an answer.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use serde::de::IgnoredAny;
use tokio::{net::TcpStream, task::JoinSet};

use super::{Call, End, Plan};

/// How a stream ends, in OpenAI's dialect and in Anthropic's.
const DONE: &[u8] = b"data: [DONE]\n\n";
const MESSAGE_STOP: &[u8] = b"data: {\"type\":\"message_stop\"}\n\n";

/// A connection that is closed when it is dropped.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(super) async fn open(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let mut driver = JoinSet::new();
        // How it ended shows in the call that was under way.
        driver.spawn(async move { drop(connection.await) });
        Ok(Self {
            sender,
            _driver: driver,
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Makes one call; also returns the id that the answer names.
    pub(super) async fn call(&mut self, plan: &Plan, call: &Call) -> (End, Option<String>) {
        let Ok(request) = request(plan, call) else {
            return (End::Broken, None);
        };
        if self.sender.ready().await.is_err() {
            return (End::Broken, None);
        }
        let response = match self.sender.send_request(request).await {
            Ok(response) => response,
            Err(_error) => return (End::Broken, None),
        };
        let id = response.headers().get("x-litellm-call-id");
        let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        (read(response, call).await, id)
    }
}

fn request(plan: &Plan, call: &Call) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&plan.path)
        .header(header::HOST, plan.target.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {}", plan.key))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "tollkeeper-load");
    if call.messages {
        request = request
            .header("anthropic-version", "2023-06-01")
            .header("x-api-key", &plan.key);
    }
    if let Some(id) = &call.id {
        request = request.header("x-litellm-call-id", id);
    }
    request.body(Full::new(call.body.clone()))
}

/// Reads an answer to its end and says whether all of it was there.
async fn read(response: Response<Incoming>, call: &Call) -> End {
    let end = if call.messages { MESSAGE_STOP } else { DONE };
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return End::Broken };
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if call.stream && status == 200 {
            keep_tail(&mut kept, data, end.len());
        } else {
            kept.extend_from_slice(data);
        }
    }
    match (status, call.stream) {
        (200, true) if kept.ends_with(end) => End::Complete,
        (200, false) if serde_json::from_slice::<IgnoredAny>(&kept).is_ok() => End::Complete,
        (200, _) => End::Short,
        (status, _) => End::Status(status),
    }
}

/// Keeps as much of the end of a stream as is needed to see how it ended.
fn keep_tail(kept: &mut Vec<u8>, data: &[u8], length: usize) {
    let from = data.len().saturating_sub(length);
    kept.extend_from_slice(&data[from..]);
    let extra = kept.len().saturating_sub(length);
    kept.drain(..extra);
}
