//! Reads the bytes of a map from its file or URL.

use std::{path::Path, time::Duration};

use sink::{
    SinkErrorKind,
    http::{Endpoint, HeaderValue, HttpClient, Method, Outgoing, StatusCode, header, meaning},
};
use tokio::io::AsyncReadExt as _;

use crate::config::PricesConfig;

/// What a server says of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// It is the one that is known.
    Same,
    /// It is this one.
    New {
        bytes: Vec<u8>,
        etag: Option<String>,
    },
}

/// Why there is no map, for a person.
#[derive(Clone, Debug)]
pub(super) struct Unreadable {
    pub(super) message: String,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl From<String> for Unreadable {
    fn from(message: String) -> Self {
        Self {
            message,
            retry_after: None,
        }
    }
}

/// Reads a file of at most `bytes_max`.
pub(super) async fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Unreadable> {
    let shown = path.display();
    let failed = |error| format!("price map `{shown}` cannot be read: {error}");
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .await
        .map_err(failed)?;
    sized(bytes, bytes_max, &shown.to_string())
}

/// Asks the URL once, for a map other than that called `etag`.
pub(super) async fn fetch(
    http: &HttpClient,
    url: &Endpoint,
    etag: Option<&str>,
    config: &PricesConfig,
) -> Result<Fetched, Unreadable> {
    let bytes_max = config.max_bytes.0.get();
    let mut request = Outgoing::new(Method::GET, url.clone(), "")
        .timeout(config.timeout)
        .answer_bytes_max(bytes_max.saturating_add(1))
        .judge(|answer| match answer.status {
            StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(()),
            // A redirect is never followed: it would go where nobody has allowed it.
            status => meaning(status).and(Err(SinkErrorKind::Misconfigured)),
        });
    let known = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
    let is_conditional = known.is_some();
    if let Some(known) = known {
        request = request.header(header::IF_NONE_MATCH, known);
    }
    let answer = http.send(request).await.map_err(|error| Unreadable {
        message: format!("price map of {url} cannot be fetched: {error}"),
        retry_after: error.retry_after(),
    })?;
    if answer.status == StatusCode::NOT_MODIFIED {
        return if is_conditional {
            Ok(Fetched::Same)
        } else {
            Err(Unreadable::from(format!(
                "price map of {url} cannot be fetched: it answered 304 although nothing was known"
            )))
        };
    }
    let etag = answer.headers.get(header::ETAG);
    let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let bytes = sized(answer.body.into(), bytes_max, &url.to_string())?;
    Ok(Fetched::New { bytes, etag })
}

fn sized(bytes: Vec<u8>, bytes_max: usize, source: &str) -> Result<Vec<u8>, Unreadable> {
    if bytes.len() > bytes_max {
        return Err(Unreadable::from(format!(
            "price map of {source} has more than {bytes_max} bytes: see `collector.prices.max_bytes`"
        )));
    }
    Ok(bytes)
}
