//! The control API: how gateways learn whom to admit, and are lent what they may spend.

mod configured;
mod directory;
pub(crate) mod tables;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State},
    http::header,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use event::{
    Timestamp,
    control::{self, Changes, Hello, LeaseRequest, Message, Snapshot, Welcome},
};
use serde::Deserialize;
use tokio::time::Instant;

use self::directory::After;
pub use self::directory::Directory;
use crate::{
    api::{Api, answer::Refusal},
    clock,
    ledger::{self, LEASE, LONGEST_CALL},
};

/// How long a question for changes waits for one.
const WAIT: Duration = Duration::from_secs(25);

/// The routes; who asks has shown the key for gateways.
pub(crate) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/control/hello", post(hello))
        .route("/control/snapshot", get(snapshot))
        .route("/control/changes", get(changes))
        .route("/control/prices", get(prices_in_force))
        .route("/control/leases", post(leases))
        .layer(DefaultBodyLimit::max(LeaseRequest::MAX))
}

async fn hello(State(api): State<Arc<Api>>, body: Bytes) -> Result<Response, Refusal> {
    let said: Hello = read(&body)?;
    let heard = ledger::hello(&api.books, &said, now()).await?;
    heard.map_err(|closed| Refusal::conflict(&closed.to_string()))?;
    let version = api.books.directory().known().snapshot().version;
    write(&Welcome {
        version,
        lease: LEASE,
        longest_call: LONGEST_CALL,
    })
}

async fn snapshot(State(api): State<Arc<Api>>) -> Result<Response, Refusal> {
    let known = api.books.directory().known();
    let spent = ledger::spent(&api.books, &known, now()).await?;
    write(&Snapshot {
        spent,
        ..known.snapshot().clone()
    })
}

#[derive(Deserialize)]
struct Own {
    /// The SHA-256 of the map that is compiled into the gateway.
    own: String,
}

async fn prices_in_force(
    State(api): State<Arc<Api>>,
    Query(Own { own }): Query<Own>,
) -> Result<Response, Refusal> {
    let told = configured::message(&api.prices, &own).await;
    write(&told.ok_or_else(|| Refusal::unavailable("a price map cannot be read: try again"))?)
}

#[derive(Deserialize)]
struct Since {
    since: u64,
}

/// Answers when something has changed, or after a while.
async fn changes(
    State(api): State<Arc<Api>>,
    Query(Since { since }): Query<Since>,
) -> Result<Response, Refusal> {
    let directory = api.books.directory();
    let mut newer = directory.watch();
    let deadline = Instant::now() + WAIT;
    loop {
        // Before the question, so that no change falls between the two.
        newer.mark_unchanged();
        match directory.after(since) {
            After::Changes(changes) => return write(&*changes),
            After::Forgotten => {
                return Err(Refusal::gone("that version is forgotten: take a snapshot"));
            }
            After::Nothing => {}
        }
        let is_over = tokio::select! {
            changed = newer.changed() => changed.is_err(),
            () = tokio::time::sleep_until(deadline) => true,
            () = api.tasks.stopping() => true,
        };
        if is_over {
            let version = since;
            return write(&Changes {
                since,
                version,
                ..Changes::default()
            });
        }
    }
}

async fn leases(State(api): State<Arc<Api>>, body: Bytes) -> Result<Response, Refusal> {
    let request: LeaseRequest = read(&body)?;
    let known = api.books.directory().known();
    let reply = ledger::lease(&api.books, &known, &request, now()).await?;
    write(&reply.map_err(|closed| Refusal::conflict(&closed.to_string()))?)
}

fn now() -> Timestamp {
    clock::now()
}

fn read<T: Message>(body: &[u8]) -> Result<T, Refusal> {
    control::decode(body).map_err(|error| {
        let source = std::error::Error::source(&error);
        let why = source
            .map(|source| format!(": {source}"))
            .unwrap_or_default();
        Refusal::bad_request("body", &format!("{error}{why}"))
    })
}

fn write<T: Message>(message: &T) -> Result<Response, Refusal> {
    let body =
        control::encode(message).map_err(|error| Refusal::unavailable(&error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
