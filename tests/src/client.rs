//! A small HTTP client for tests: one request, one whole answer.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server and the key for it.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where it listens.
    pub target: SocketAddr,
    /// The bearer key; nothing is sent if it is empty.
    pub key: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// What came of the body.
    pub body: Bytes,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl Answer {
    /// The text of a header, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The id under which the books know the call.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.header("x-litellm-call-id")
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is something else.
    #[must_use]
    #[expect(clippy::panic, reason = "shows what came instead")]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} is not JSON: {error}: {}", self.status, self.text()))
    }
}

impl Client {
    /// A client with the master key of the tests.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            key: "sk-1234".to_owned(),
        }
    }

    /// Asks for `path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path, Bytes::new()))
            .await
    }

    /// Posts JSON to `path`.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(self.request(Method::POST, path, body.into()))
            .await
    }

    /// Makes a chat completion.
    pub async fn chat(&self, body: &Value) -> Answer {
        self.post("/v1/chat/completions", body.to_string()).await
    }

    /// A request that can still be changed.
    ///
    /// # Panics
    ///
    /// If `path` is not a path.
    #[must_use]
    pub fn request(&self, method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.target.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        if !self.key.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        }
        request.body(Full::new(body)).unwrap()
    }

    /// Sends a request over a connection of its own.
    ///
    /// # Panics
    ///
    /// If there is no answer, or not in time.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.try_send(request).await.unwrap()
    }

    /// The same, where having no answer is an answer too.
    ///
    /// # Errors
    ///
    /// If the connection breaks before the head of the answer.
    ///
    /// # Panics
    ///
    /// If it takes too long, or nobody listens.
    pub async fn try_send(&self, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
        let stream = TcpStream::connect(self.target).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        let response = timeout(PATIENCE, sender.send_request(request))
            .await
            .unwrap()?;
        let (head, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        let complete = loop {
            match timeout(PATIENCE, incoming.frame()).await.unwrap() {
                None => break true,
                Some(Err(_error)) => break false,
                Some(Ok(frame)) => body.extend(frame.into_data().unwrap_or_default()),
            }
        };
        let (status, headers) = (head.status, head.headers);
        Ok(Answer {
            status,
            headers,
            body: Bytes::from(body),
            complete,
        })
    }
}
