//! Answers in the place of every provider, one case at a time, and keeps what it was sent.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

use crate::case::Answer;

/// One request as it arrived.
#[derive(Clone)]
pub(crate) struct Arrived {
    pub(crate) head: http::request::Parts,
    pub(crate) body: Bytes,
}

/// What all connections share.
#[derive(Default)]
struct State {
    answers: Vec<Answer>,
    arrived: Vec<Arrived>,
}

/// See the [module](self).
pub(crate) struct Provider {
    pub(crate) base: String,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state), base.clone()));
        Self {
            base,
            state,
            _tasks: tasks,
        }
    }

    /// From now on it answers so.
    pub(crate) fn play(&self, answers: &[Answer]) {
        *self.state.lock().unwrap() = State {
            answers: answers.to_vec(),
            arrived: Vec::new(),
        };
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.state.lock().unwrap().arrived.clone()
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, base: String) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _peer)) = listener.accept().await {
        let (state, base) = (Arc::clone(&state), base.clone());
        let service = service_fn(move |request| {
            let (state, base) = (Arc::clone(&state), base.clone());
            async move { Ok::<_, Infallible>(answer(&state, &base, request).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move { drop(connection.await) });
    }
}

async fn answer(
    state: &Mutex<State>,
    base: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut state = state.lock().unwrap();
    let last = state.answers.len() - 1;
    let answer = state.answers[state.arrived.len().min(last)].clone();
    state.arrived.push(Arrived { head, body });
    let mut response = Response::builder()
        .status(answer.status())
        .header("content-type", answer.content_type());
    for (name, value) in &answer.headers {
        if name != "content-type" {
            response = response.header(name, value.as_str().unwrap());
        }
    }
    response.body(Full::new(answer.bytes(base))).unwrap()
}
