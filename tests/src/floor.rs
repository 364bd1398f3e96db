//! The plainest reverse proxy there is: what the gateway's cost per call is compared with.
//!
//! It reads nothing, writes nothing down and knows nobody; bodies stream through both ways over
//! pooled connections. Whatever a gateway costs beyond this is what it does for its keep.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri, header, uri::Authority};
use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::serve::Server;

/// What belongs to one connection and is not passed on.
const HOP_BY_HOP: [HeaderName; 5] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Starts a proxy on `port` in front of `upstream`.
///
/// # Errors
///
/// If the port is taken, or `upstream` is not an address.
pub async fn start(port: u16, upstream: SocketAddr) -> io::Result<Server> {
    let authority: Authority = upstream.to_string().parse().map_err(io::Error::other)?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let floor = Arc::new(Floor { client, authority });
    Server::start(port, move |request| Arc::clone(&floor).forward(request)).await
}

struct Floor {
    client: Client<HttpConnector, Incoming>,
    authority: Authority,
}

impl Floor {
    async fn forward(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Response<BoxBody<Bytes, hyper::Error>> {
        let path = request.uri().path_and_query().cloned();
        let uri = Uri::builder()
            .scheme("http")
            .authority(self.authority.clone());
        let uri = uri.path_and_query(path.map_or_else(String::new, |path| path.to_string()));
        match uri.build() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_error) => return refuse(StatusCode::BAD_REQUEST),
        }
        strip(request.headers_mut());
        request.headers_mut().remove(header::HOST);
        match self.client.request(request).await {
            Ok(mut response) => {
                strip(response.headers_mut());
                response.map(BodyExt::boxed)
            }
            Err(_error) => refuse(StatusCode::BAD_GATEWAY),
        }
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn refuse(status: StatusCode) -> Response<BoxBody<Bytes, hyper::Error>> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{
        client::Client,
        load::{self, Call, End, Plan, Stop},
        mock_provider::MockProvider,
    };

    async fn rig() -> (MockProvider, Server, Client) {
        let provider = MockProvider::start().await.unwrap();
        let floor = start(0, provider.address()).await.unwrap();
        let client = Client {
            target: floor.address(),
            key: "sk-upstream".to_owned(),
        };
        (provider, floor, client)
    }

    #[tokio::test]
    async fn what_goes_in_comes_out() {
        let (provider, _floor, client) = rig().await;
        for (script, stream) in [("usage=1/2", false), ("chunks=30 chunk_delay_ms=1", true)] {
            let content = format!("☕ [[mock: {script}]]");
            let message = json!({"role": "user", "content": content});
            let body = json!({"model": "m", "stream": stream, "messages": [message]});
            let answer = client.chat(&body).await;
            let entry = provider.entry(answer.header("x-request-id")).await.unwrap();
            assert!(answer.complete && entry.complete);
            assert_eq!(answer.body, entry.answered);
            assert_eq!(entry.request, body.to_string());
        }
    }

    #[tokio::test]
    async fn the_load_generator_sees_how_each_answer_ended() {
        let (_provider, floor, _client) = rig().await;
        for (script, stream, end) in [
            ("", false, End::Complete),
            ("chunks=50", true, End::Complete),
            ("status=429", false, End::Status(429)),
            ("status=502 html_error", true, End::Status(502)),
            ("cut_after=3", true, End::Broken),
            ("cut_bytes=30", false, End::Broken),
            ("no_done", true, End::Short),
            ("error_after=2", true, End::Short),
            ("empty_body", false, End::Short),
            ("hang", false, End::TimedOut),
            ("hang_after=2", true, End::TimedOut),
        ] {
            let mut plan = Plan::calls(floor.address(), 2, 4);
            plan.key = "sk-upstream".to_owned();
            plan.timeout = Duration::from_millis(500);
            let call = Call::chat("m", &format!("[[mock: {script}]]"), stream);
            let report = load::run(plan, Stop::default(), move |_| call.clone())
                .await
                .unwrap();
            let ends: Vec<_> = report.ends().into_iter().collect();
            assert_eq!(ends, [(end, 4)], "{script}");
        }
    }

    #[tokio::test]
    async fn the_load_generator_stays_on_this_machine() {
        let plan = Plan::calls("192.0.2.1:80".parse().unwrap(), 1, 1);
        assert!(
            load::run(plan, Stop::default(), |_| Call::chat("m", "", false))
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn the_mock_provider_refuses_what_the_real_one_would_refuse() {
        let (_provider, _floor, client) = rig().await;
        let good = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
        let odd = [
            ("mock_response", json!("x")),
            ("api_base", json!("x")),
            ("num_retries", json!(1)),
            ("litellm_metadata", json!({})),
            ("metadata", json!({"tags": ["a"]})),
            ("messages", json!([])),
            ("model", json!("")),
            ("stream_options", json!({"include_usage": true})),
            (
                "messages",
                json!([{"role": "user", "content": "[[mock: nonsense]]"}]),
            ),
        ];
        assert_eq!(client.chat(&good).await.status, 200);
        for (name, value) in odd {
            let mut body = good.clone();
            body[name] = value;
            assert_eq!(client.chat(&body).await.status, 400, "{body}");
        }
        let stranger = Client {
            key: "sk-other".to_owned(),
            ..client
        };
        assert_eq!(stranger.chat(&good).await.status, 401);
    }
}
