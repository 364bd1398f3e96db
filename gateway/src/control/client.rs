//! Asks the collector.

use std::time::Duration;

use bytes::Bytes;
use event::{
    Secret,
    control::{self, ControlError, Message},
};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Connections, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use crate::{config::ControlSettings, upstream};

/// How long the collector may take to answer; it lets a question for changes wait for a part of it.
const TIMEOUT: Duration = Duration::from_secs(40);

/// See the [module](self).
pub(super) struct Client {
    connections: Connections<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    secret: Option<Secret>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("the collector cannot be reached")]
    Away,
    #[error(
        "the collector answers with {0}: does it have the same `collector.control_key`, or master key?"
    )]
    Refused(StatusCode),
    /// The generation is closed.
    #[error("the collector has closed this gateway's generation")]
    Closed,
    /// The version is forgotten.
    #[error("the collector has forgotten this version")]
    Gone,
    #[error("the collector's prices cannot be used: {0}")]
    Prices(String),
    #[error("the request cannot be sent")]
    Request(#[from] http::Error),
    #[error("the message cannot be written")]
    Encode(#[from] serde_json::Error),
    #[error("the collector's answer cannot be used")]
    Answer(#[from] ControlError),
}

impl Client {
    pub(super) fn new(settings: &ControlSettings, tls: &ClientConfig) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let connections = Connections::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(https);
        Self {
            connections,
            url: settings.url.trim_end_matches('/').to_owned(),
            secret: settings.secret.clone(),
        }
    }

    /// Asks for what is there.
    pub(super) async fn get<A: Message>(&self, path: &str) -> Result<A, AskError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Tells or asks something.
    pub(super) async fn post<Q: Message, A: Message>(
        &self,
        path: &str,
        message: &Q,
    ) -> Result<A, AskError> {
        let body = control::encode(message)?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask<A: Message>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<A, AskError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .body(Full::new(body))?;
        if let Some(secret) = &self.secret {
            let mut value = HeaderValue::try_from(format!("Bearer {}", secret.expose()))
                .map_err(http::Error::from)?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let deadline = Instant::now() + TIMEOUT;
        let answer = timeout_at(deadline, self.connections.request(request)).await;
        let Ok(Ok(answer)) = answer else {
            return Err(AskError::Away);
        };
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::CONFLICT => return Err(AskError::Closed),
            StatusCode::GONE => return Err(AskError::Gone),
            status => return Err(AskError::Refused(status)),
        }
        let body = upstream::read(answer.into_body(), A::MAX, deadline).await;
        let body = body.map_err(|_broken| AskError::Away)?;
        Ok(control::decode(&body)?)
    }
}
