//! The only place that opens a connection to a provider.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use crate::{
    call::Call,
    config::Deployment,
    error::{ApiError, ErrorClass},
    provider::{Observed, Outgoing},
};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Idle connections kept for each provider.
const IDLE_MAX: usize = 512;

/// What is trusted: the system's certificates.
///
/// # Errors
///
/// If there are none.
pub(crate) fn tls() -> std::io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .with_native_roots()?
        .with_no_client_auth();
    Ok(config)
}

/// Opens connections, with TLS where the address says so.
pub(crate) fn connector(tls: &ClientConfig) -> HttpsConnector<HttpConnector> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(http)
}

/// Keeps connections to providers.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    agent: HeaderValue,
}

impl Upstream {
    /// A client without connections.
    pub(crate) fn new(tls: &ClientConfig) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector(tls));
        let agent = concat!("tollkeeper/", env!("CARGO_PKG_VERSION"));
        Self {
            client,
            agent: HeaderValue::from_static(agent),
        }
    }

    /// Sends a request for `call` and waits for the answer's head.
    ///
    /// # Errors
    ///
    /// If there is no answer by `deadline`.
    pub(crate) async fn send(
        &self,
        _call: &mut Call,
        deployment: &Deployment,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Box<Failure>> {
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = outgoing.uri;
        *request.headers_mut() = outgoing.headers;
        request
            .headers_mut()
            .insert(header::USER_AGENT, self.agent.clone());
        let name = &deployment.provider_name;
        let response = match timeout_at(deadline, self.client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "no answer");
                let message = format!("{name} could not be reached: {}", reason(&error));
                return Err(Failure::here(
                    deployment,
                    ErrorClass::ApiConnection,
                    message,
                ));
            }
            Err(_elapsed) => {
                let message = format!("{name} did not answer in time");
                return Err(Failure::here(deployment, ErrorClass::Timeout, message));
            }
        };
        Ok(response)
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ApiError,
    /// The status of the provider's answer, if there was one.
    pub(crate) status: Option<u16>,
    pub(crate) headers: HeaderMap,
    /// What was learned, where the provider had begun a good answer: it charges for that.
    pub(crate) answering: Option<Box<Observed>>,
}

impl Failure {
    pub(crate) fn here(
        deployment: &Deployment,
        class: ErrorClass,
        message: impl Into<String>,
    ) -> Box<Self> {
        let mut error = ApiError::new(class, message);
        error.provider = Some(deployment.provider_name.clone());
        Self::without_answer(error)
    }
}

impl Failure {
    /// A call whose event has been written asks nobody.
    pub(crate) fn ended_already() -> Box<Self> {
        let message = "this call has ended already";
        Self::without_answer(ApiError::new(ErrorClass::InternalServer, message))
    }

    /// A failure of which the provider knows nothing.
    pub(crate) fn without_answer(error: ApiError) -> Box<Self> {
        Box::new(Self {
            error,
            status: None,
            headers: HeaderMap::new(),
            answering: None,
        })
    }

    /// The same, after the provider had begun a good answer.
    pub(crate) fn while_answering(mut self: Box<Self>, observed: Observed) -> Box<Self> {
        self.answering = Some(Box::new(observed));
        self
    }
}

/// Reads a whole body of at most `bytes_max`.
///
/// # Errors
///
/// If it is larger, breaks off, or does not come by `deadline`.
pub(crate) async fn read(
    mut body: Incoming,
    bytes_max: usize,
    deadline: Instant,
) -> Result<Bytes, ReadError> {
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_error))) => return Err(ReadError::Broken),
            Err(_elapsed) => return Err(ReadError::Late),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.as_ref().map_or(0, Bytes::len) + whole.len() + data.len() > bytes_max {
            return Err(ReadError::TooLarge);
        }
        // Most bodies come in one piece, which is then not copied.
        match &first {
            None if whole.is_empty() => first = Some(data),
            _ => {
                if let Some(first) = first.take() {
                    whole.extend_from_slice(&first);
                }
                whole.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// It is larger than allowed.
    TooLarge,
    /// It broke off.
    Broken,
    /// It did not come in time.
    Late,
}

/// The innermost cause: what hyper wraps says nothing.
fn reason(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
