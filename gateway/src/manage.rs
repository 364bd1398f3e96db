//! The management API behind the gateway's own port: requests about keys, teams and budgets are
//! passed on to the collector that the gateway follows.
//!
//! They are no calls, so they leave no event. Who may ask what is the collector's to say: it gets
//! the key that the client brings, and of its headers nothing else.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use crate::{
    admission,
    answer::{self, AnswerBody},
    auth,
    config::Config,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    upstream::{self, ReadError},
};

/// Bytes of a request, at most: the collector takes no more.
const BODY_MAX: usize = 2 << 20;
/// How long the collector may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What of the collector's headers the client gets.
const TOLD: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::ALLOW,
    header::RETRY_AFTER,
    HeaderName::from_static("x-tollkeeper-ignored"),
];

/// The collector, as somebody who is asked on behalf of clients.
#[derive(Debug)]
pub(crate) struct Collector {
    connections: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
}

impl Collector {
    /// The collector that the gateway follows, if there is one.
    pub(crate) fn of(config: &Config, tls: &ClientConfig) -> Option<Self> {
        let control = config.control.as_ref()?;
        let connections = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(upstream::connector(tls));
        Some(Self {
            connections,
            url: control.url.trim_end_matches('/').to_owned(),
        })
    }
}

/// Passes a request on, and its answer back.
pub(crate) async fn pass_on(
    shared: &Shared,
    request: Request<Incoming>,
    address: IpAddr,
) -> Response<AnswerBody> {
    let asked = match may_come(shared, request.headers(), address) {
        Ok(()) => ask(shared, request).await,
        Err(error) => Err(error),
    };
    asked.unwrap_or_else(|error| answer::error(&error))
}

/// Whether the key may be used from there. A key that is not known here yet, or no more, is the
/// collector's to refuse.
fn may_come(shared: &Shared, headers: &HeaderMap, address: IpAddr) -> Result<(), ApiError> {
    let master_key = shared.config.master_key.as_ref();
    let identity = auth::authenticate(headers, master_key, shared.who_calls());
    let identity = identity.unwrap_or_default();
    admission::from(shared, admission::key_of(&identity), address)
}

async fn ask(
    shared: &Shared,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, ApiError> {
    let Some(collector) = &shared.collector else {
        let message = "no collector is known here, and keys, teams and budgets are kept there: \
                       name it in `gateway.collector`, or run both with `tollkeeper up`";
        return Err(ApiError::new(ErrorClass::ServiceUnavailable, message));
    };
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let deadline = Instant::now() + shared.config.settings.body_timeout;
    let body = upstream::read(body, BODY_MAX, deadline).await;
    let body = body.map_err(|error| unread(&error))?;
    let mut asked = Request::builder()
        .method(head.method)
        .uri(format!("{}{path}", collector.url))
        .body(Full::new(body))
        .map_err(|_error| ApiError::new(ErrorClass::BadRequest, "the path is no path"))?;
    *asked.headers_mut() = passed(&head.headers);
    let deadline = Instant::now() + TIMEOUT;
    let answered = timeout_at(deadline, collector.connections.request(asked)).await;
    let Ok(Ok(answered)) = answered else {
        return Err(away());
    };
    let (head, body) = answered.into_parts();
    let max = shared.config.settings.response_bytes_max;
    let body = upstream::read(body, max, deadline).await;
    let body = body.map_err(|error| match error {
        ReadError::TooLarge => {
            let message = "the collector's answer is larger than `gateway.response_bytes_max`: ask \
                           for a page of it";
            ApiError::new(ErrorClass::BadGateway, message)
        }
        ReadError::Late | ReadError::Broken => away(),
    })?;
    let mut response = answer::whole(body, None);
    *response.status_mut() = head.status;
    for name in TOLD {
        let value = head.headers.get(&name).cloned();
        response
            .headers_mut()
            .extend(value.map(|value| (name, value)));
    }
    Ok(response)
}

/// The headers of a request that the collector gets: the key, wherever the client put it, and what
/// the body is.
fn passed(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    let key = auth::presented(headers).map(|key| format!("Bearer {key}"));
    if let Some(mut key) = key.and_then(|key| HeaderValue::try_from(key).ok()) {
        key.set_sensitive(true);
        passed.insert(header::AUTHORIZATION, key);
    }
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        passed.insert(header::CONTENT_TYPE, kind.clone());
    }
    passed
}

fn unread(error: &ReadError) -> ApiError {
    match error {
        ReadError::TooLarge => {
            let message = format!("the body is larger than {BODY_MAX} bytes");
            ApiError::new(ErrorClass::TooLarge, message)
        }
        ReadError::Late => ApiError::new(ErrorClass::Timeout, "the body did not come in time"),
        ReadError::Broken => ApiError::new(ErrorClass::BadRequest, "the body broke off"),
    }
}

fn away() -> ApiError {
    let message = "the collector does not answer, and keys, teams and budgets are kept there: is \
                   it running at `gateway.collector`? Calls go on meanwhile";
    ApiError::new(ErrorClass::ServiceUnavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_gets_the_key_and_nothing_else_of_the_client() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-api-key", "sk-1"),
            ("cookie", "a=b"),
            ("host", "h"),
            ("x-forwarded-for", "10.0.0.1"),
            ("content-type", "application/json"),
            ("transfer-encoding", "chunked"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let passed = passed(&headers);
        assert_eq!(passed.len(), 2);
        assert_eq!(passed["authorization"], "Bearer sk-1");
        assert!(passed["authorization"].is_sensitive());
        assert_eq!(passed["content-type"], "application/json");
    }
}
