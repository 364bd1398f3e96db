//! Fetches what stands at an address in a request: images, for providers that take no addresses.
//!
//! The address is the client's, so it may lead anywhere: only to public addresses unless the
//! operator says otherwise, checked again at every redirect, within a size and the call's time.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use bytes::Bytes;
use egress::{EgressError, EgressPolicy, ResolveError};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::TokioExecutor,
};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use crate::{
    call::Call,
    error::{ApiError, ErrorClass},
    provider::Media,
    upstream::{self, Failure, ReadError},
};

/// Bytes of all media that one request names.
pub(crate) const MEDIA_BYTES_MAX: usize = 50 << 20;
/// Redirects that are followed.
const REDIRECTS_MAX: usize = 3;
/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const AGENT: &str = concat!("tollkeeper/", env!("CARGO_PKG_VERSION"));

/// Fetches media.
#[derive(Clone, Debug)]
pub(crate) struct MediaClient {
    client: Client<HttpsConnector<HttpConnector<Vetting>>, Empty<Bytes>>,
    policy: Arc<EgressPolicy>,
}

impl MediaClient {
    /// A client that fetches what `policy` allows.
    pub(crate) fn new(tls: &ClientConfig, policy: EgressPolicy) -> Self {
        let policy = Arc::new(policy);
        let mut http = HttpConnector::new_with_resolver(Vetting(Arc::clone(&policy)));
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        // The workers share this client, and a connection lives in the runtime that opened it.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(https);
        Self { client, policy }
    }

    /// What stands at `address`, if it has at most `bytes_max`.
    ///
    /// # Errors
    ///
    /// If it cannot be fetched by `deadline`.
    pub(crate) async fn fetch(
        &self,
        _call: &mut Call,
        address: &str,
        bytes_max: usize,
        deadline: Instant,
    ) -> Result<Media, Box<Failure>> {
        self.get(address, bytes_max, deadline)
            .await
            .map_err(|error| {
                // What follows the path may be a credential.
                let shown = address.split(['?', '#']).next().unwrap_or(address);
                let shown: String = shown.chars().take(200).collect();
                let class = match error {
                    MediaError::Late => ErrorClass::Timeout,
                    _ => ErrorClass::BadRequest,
                };
                let message = format!("`{shown}` cannot be fetched: {error}");
                Failure::without_answer(ApiError::new(class, message))
            })
    }

    async fn get(
        &self,
        address: &str,
        bytes_max: usize,
        deadline: Instant,
    ) -> Result<Media, MediaError> {
        let mut uri = Uri::try_from(address).map_err(|_error| MediaError::Address)?;
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.ask(&uri, deadline).await?;
            if answer.status().is_redirection() {
                uri = redirected(&uri, answer.headers()).ok_or(MediaError::Address)?;
                continue;
            }
            if !answer.status().is_success() {
                return Err(MediaError::Status(answer.status().as_u16()));
            }
            let told = content_type(answer.headers());
            let bytes = upstream::read(answer.into_body(), bytes_max, deadline).await;
            let bytes = bytes.map_err(|error| match error {
                ReadError::TooLarge => MediaError::TooLarge,
                ReadError::Broken => MediaError::Broken,
                ReadError::Late => MediaError::Late,
            })?;
            let content_type = told.unwrap_or_else(|| by_content(&bytes).to_owned());
            return Ok(Media {
                content_type,
                bytes,
            });
        }
        Err(MediaError::Redirects)
    }

    async fn ask(&self, uri: &Uri, deadline: Instant) -> Result<Response<Incoming>, MediaError> {
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(MediaError::Address),
        };
        // The connector resolves names only; what is an address already is checked here.
        let host = uri.host().ok_or(MediaError::Address)?;
        self.policy.check(host, https)?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        match timeout_at(deadline, self.client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(_elapsed) => Err(MediaError::Late),
        }
    }
}

/// Why media could not be fetched.
#[derive(Debug, thiserror::Error)]
enum MediaError {
    #[error("it is no `http` or `https` address")]
    Address,
    #[error(
        "it leads into a private network, which `litellm_settings.user_url_validation` forbids"
    )]
    Forbidden(#[from] EgressError),
    #[error("its server could not be reached")]
    Unreachable,
    #[error("its server answered with status {0}")]
    Status(u16),
    #[error("it is redirected more than {REDIRECTS_MAX} times")]
    Redirects,
    #[error("the media of a request may have {MEDIA_BYTES_MAX} bytes, and these are more")]
    TooLarge,
    #[error("the answer broke off")]
    Broken,
    #[error("its server did not answer in time")]
    Late,
}

/// Where a policy stopped the connection, that is why.
fn unreachable(error: &(dyn std::error::Error + 'static)) -> MediaError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(ResolveError::Forbidden(error)) = error.downcast_ref() {
            return MediaError::Forbidden(error.clone());
        }
        cause = error.source();
    }
    MediaError::Unreachable
}

/// The media type that a server tells, unless it says nothing by it.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let told = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = told.split(';').next()?.trim().to_ascii_lowercase();
    let is_none = kind.is_empty() || kind.ends_with("/octet-stream");
    (!is_none).then_some(kind)
}

/// The media type that the first bytes tell.
fn by_content(bytes: &[u8]) -> &'static str {
    const SIGNS: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"%PDF-", "application/pdf"),
    ];
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return "image/webp";
    }
    let known = SIGNS.iter().find(|(sign, _)| bytes.starts_with(sign));
    known.map_or("application/octet-stream", |(_, kind)| kind)
}

/// Where a redirect leads from `uri`.
fn redirected(uri: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let target = headers.get(header::LOCATION)?.to_str().ok()?;
    let target = target.split('#').next().unwrap_or_default();
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let address = if target.contains("://") {
        target.to_owned()
    } else if let Some(rest) = target.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if target.starts_with('/') {
        format!("{scheme}://{authority}{target}")
    } else {
        let folder = uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{target}")
    };
    Uri::try_from(address).ok()
}

/// Resolves names, and only to addresses that are allowed.
#[derive(Clone, Debug)]
struct Vetting(Arc<EgressPolicy>);

impl tower_service::Service<Name> for Vetting {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            // Plain HTTP is allowed wherever connections are, so the scheme does not matter.
            let found = policy.resolve(name.as_str(), true).await?;
            Ok(found.into_iter())
        })
    }
}

#[cfg(test)]
mod tests;
