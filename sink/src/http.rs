//! The one HTTP client of all sinks: what goes out, what each status means.

use std::{borrow::Cow, fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use egress::EgressPolicy;
use event::Secret;
use http_body_util::BodyExt;
use serde::{Serialize, de::DeserializeOwned};

use crate::{SinkError, SinkErrorKind};

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

mod clients;
mod compress;
mod endpoint;
mod meaning;

use self::clients::{Clients, broken, forbidden};
pub use self::{
    compress::gzip,
    endpoint::{Endpoint, EndpointError},
    meaning::meaning,
};

/// Bytes of an answer that are read unless the request says otherwise; the rest is left.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Characters of an answer that an error repeats.
const EXCERPT_CHARS_MAX: usize = 500;

/// Sends requests, never follows redirects, and connects only where the [`EgressPolicy`] allows.
#[derive(Clone, Debug)]
pub struct HttpClient {
    clients: Clients,
    policy: EgressPolicy,
}

/// How the client behaves.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where it may connect to.
    pub egress: EgressPolicy,
    /// Time for a connection, with TLS.
    pub connect_timeout: Duration,
    /// Time for a request and its answer, unless the request says otherwise.
    pub timeout: Duration,
    /// The `user-agent` of every request.
    pub user_agent: String,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            egress: EgressPolicy::default(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            user_agent: concat!("tollkeeper/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Whether an answer means that the batch was taken. A sink whose destination means something else
/// by a status brings its own, and falls back to [`meaning`].
pub type Judge = fn(&Answer) -> Result<(), SinkErrorKind>;

/// A request.
#[derive(Clone)]
pub struct Outgoing {
    method: Method,
    endpoint: Endpoint,
    headers: HeaderMap,
    body: Bytes,
    timeout: Option<Duration>,
    answer_bytes_max: usize,
    judge: Judge,
    http2: bool,
}

/// An answer that means success.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// At most the first 64 KB, or what the request asked for.
    pub body: Bytes,
    /// What came behind the body: in gRPC, how it ended.
    pub trailers: HeaderMap,
}

impl Outgoing {
    /// A request of any method.
    #[must_use]
    pub fn new(method: Method, endpoint: Endpoint, body: impl Into<Bytes>) -> Self {
        Self {
            method,
            endpoint,
            headers: HeaderMap::new(),
            body: body.into(),
            timeout: None,
            answer_bytes_max: ANSWER_BYTES_MAX,
            judge: |answer| meaning(answer.status),
            http2: false,
        }
    }

    /// A `POST`.
    #[must_use]
    pub fn post(endpoint: Endpoint, body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, endpoint, body)
    }

    /// A `POST` of JSON.
    ///
    /// # Errors
    ///
    /// If `body` cannot be written as JSON: it has a map whose keys are no strings.
    pub fn json(endpoint: Endpoint, body: &impl Serialize) -> Result<Self, SinkError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            let detail = "the batch cannot be written as JSON";
            SinkError::new(SinkErrorKind::Refused)
                .with_detail(detail)
                .with_source(error)
        })?;
        let json = HeaderValue::from_static("application/json");
        Ok(Self::post(endpoint, body).header(header::CONTENT_TYPE, json))
    }

    /// Compresses the body and says so in `content-encoding`. The same body always gives the same
    /// bytes.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.body = compress::gzip(&self.body).into();
        let gzip = HeaderValue::from_static("gzip");
        self.header(header::CONTENT_ENCODING, gzip)
    }

    /// The body, as it will be sent: for those who sign it.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets a header whose value is `prefix` and `secret`. It is shown nowhere, not even if the
    /// destination repeats it.
    ///
    /// # Errors
    ///
    /// If the secret has characters that no header can have.
    pub fn secret_header(
        self,
        name: HeaderName,
        prefix: &str,
        secret: &Secret,
    ) -> Result<Self, SinkError> {
        let value = HeaderValue::from_str(&format!("{prefix}{}", secret.expose()));
        let mut value = value.map_err(|_error| {
            let detail = format!("the secret for the header `{name}` has a control character");
            SinkError::new(SinkErrorKind::Misconfigured).with_detail(&detail)
        })?;
        value.set_sensitive(true);
        Ok(self.header(name, value))
    }

    /// Replaces the client's time limit.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Replaces how many bytes of the answer are read; the rest is left.
    #[must_use]
    pub fn answer_bytes_max(self, answer_bytes_max: usize) -> Self {
        Self {
            answer_bytes_max,
            ..self
        }
    }

    /// Speaks HTTP/2, and nothing else, as gRPC has to.
    #[must_use]
    pub fn http2(self) -> Self {
        Self {
            http2: true,
            ..self
        }
    }

    /// Replaces what answers mean.
    #[must_use]
    pub fn judge(self, judge: Judge) -> Self {
        Self { judge, ..self }
    }

    /// Hides what must not be shown in what a destination answered.
    fn redact(&self, text: &str) -> String {
        let values = self.headers.values().filter(|value| value.is_sensitive());
        let words = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(str::split_whitespace);
        words
            .filter(|word| word.len() >= 8)
            .fold(text.to_owned(), |text, word| text.replace(word, "…"))
    }
}

impl Answer {
    /// The body, read as JSON.
    ///
    /// # Errors
    ///
    /// [`SinkErrorKind::Failing`] if it is not what was expected: whoever answers that is not the
    /// destination, or it is broken.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, SinkError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The place is enough: a message of serde's may quote the answer.
            let (line, column) = (error.line(), error.column());
            let detail = format!(
                "the answer ({}, {} bytes) is not the JSON that was expected, at line {line}, \
                 column {column}",
                self.status,
                self.body.len()
            );
            SinkError::new(SinkErrorKind::Failing).with_detail(&detail)
        })
    }

    /// What it says to people: gRPC has a place of its own for that.
    fn said(&self) -> Cow<'_, str> {
        let in_grpc = self.trailers.get("grpc-message");
        let in_grpc = in_grpc.or_else(|| self.headers.get("grpc-message"));
        match in_grpc {
            Some(message) => String::from_utf8_lossy(message.as_bytes()),
            None => String::from_utf8_lossy(&self.body),
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", &self.method)
            .field("endpoint", &self.endpoint)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Makes the client. If the program has not installed a crypto provider for `rustls`, `ring`
    /// becomes it.
    ///
    /// # Errors
    ///
    /// If the machine has no CA certificates, so that no `https` destination could be trusted.
    pub fn new(options: HttpOptions) -> Result<Self, SinkError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails if another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        Ok(Self {
            policy: options.egress.clone(),
            clients: Clients::new(options)?,
        })
    }

    /// Checks what can be known without the network about whether requests may go to `endpoint`:
    /// for [`Sink::open`](crate::Sink::open).
    ///
    /// # Errors
    ///
    /// If they may not.
    pub fn check(&self, endpoint: &Endpoint) -> Result<(), SinkError> {
        self.policy
            .check(endpoint.host(), endpoint.is_https())
            .map_err(|error| forbidden(&error))
    }

    /// Sends the request once and reads the answer.
    ///
    /// # Errors
    ///
    /// If the answer does not mean success, or there is none.
    pub async fn send(&self, request: Outgoing) -> Result<Answer, SinkError> {
        self.check(&request.endpoint)?;
        let answer = self.exchange(&request).await?;
        let Err(kind) = (request.judge)(&answer) else {
            return Ok(answer);
        };
        let text = request.redact(&answer.said());
        let excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
        let detail = format!("{} answered {}: {excerpt}", request.endpoint, answer.status);
        let error = SinkError::new(kind).with_detail(detail.trim_end_matches([' ', ':']));
        Err(match meaning::retry_after(&answer.headers) {
            Some(pause) => error.with_retry_after(pause),
            None => error,
        })
    }

    async fn exchange(&self, request: &Outgoing) -> Result<Answer, SinkError> {
        let endpoint = &request.endpoint;
        let client = self.clients.get(request.http2, endpoint.is_https())?;
        let mut sent = client
            .request(request.method.clone(), endpoint.url().clone())
            .headers(request.headers.clone())
            .body(request.body.clone());
        if let Some(timeout) = request.timeout {
            sent = sent.timeout(timeout);
        }
        let answer = sent.send().await.map_err(|error| broken(endpoint, error))?;
        let (head, mut rest) = http::Response::from(answer).into_parts();
        let (mut body, mut trailers) = (BytesMut::new(), HeaderMap::new());
        let broke = loop {
            match rest.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => body.extend_from_slice(&chunk),
                    Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
                },
                None => break None,
                Some(Err(error)) => break Some(error),
            }
            if body.len() >= request.answer_bytes_max {
                break None;
            }
        };
        body.truncate(request.answer_bytes_max);
        let (status, headers) = (head.status, head.headers);
        match broke {
            // Half a yes is not a yes: what is missing may name items that were refused.
            Some(error) if status.is_success() => Err(broken(endpoint, error)),
            _ => Ok(Answer {
                status,
                headers,
                body: body.freeze(),
                trailers,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
