//! `/sinks`: how far each sink is, whether its destination answers, its dead letters, and orders to
//! deliver something once more.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use super::{Api, Shared, answer::Refusal, dates::When};
use crate::{
    config::FilterConfig,
    deliver::{Control, OrderError, Replay, dead_letters::Selection},
};

/// Letters on a page that says no limit.
const LETTERS: usize = 100;

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/sinks", get(all))
        .route("/sinks/{name}/check", post(check))
        .route("/sinks/{name}/dead-letters", get(letters))
        .route("/sinks/{name}/dead-letters/retry", post(retry))
        .route("/sinks/{name}/dead-letters/drop", post(drop_letters))
        .route("/sinks/{name}/replay", post(replay))
}

async fn all(State(api): Shared) -> Response {
    let sinks: Vec<_> = api.sinks.iter().map(|sink| sink.status()).collect();
    Json(sinks).into_response()
}

#[derive(Serialize)]
struct Checked {
    sink: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Asks the destination whether it would take something.
async fn check(State(api): Shared, Path(name): Path<String>) -> Result<Response, Refusal> {
    let error = api.sink(&name)?.check().await.err();
    let checked = Checked {
        sink: name,
        ok: error.is_none(),
        error,
    };
    Ok(Json(checked).into_response())
}

/// Which page of the letters, and of which.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    position: Option<u64>,
    kind: Option<String>,
    #[serde(default)]
    skip: usize,
    limit: Option<usize>,
}

async fn letters(
    State(api): Shared,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let selection = Selection {
        positions: asked.position.map(|position| [position].into()),
        kind: asked.kind,
    };
    let limit = asked.limit.unwrap_or(LETTERS);
    let sink = api.sink(&name)?;
    Ok(Json(sink.letters(&selection, asked.skip, limit).await?).into_response())
}

#[derive(Serialize)]
struct Count {
    events: u64,
}

type Selected = Result<Json<Selection>, JsonRejection>;

async fn retry(
    State(api): Shared,
    Path(name): Path<String>,
    selected: Selected,
) -> Result<Response, Refusal> {
    let events = api.sink(&name)?.retry(&body(selected)?).await?;
    Ok((StatusCode::ACCEPTED, Json(Count { events })).into_response())
}

async fn drop_letters(
    State(api): Shared,
    Path(name): Path<String>,
    selected: Selected,
) -> Result<Response, Refusal> {
    let events = api.sink(&name)?.drop_letters(&body(selected)?).await?;
    Ok(Json(Count { events }).into_response())
}

/// Dates are as in `/spend/logs`; a day that ends the range belongs to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ordered {
    since: String,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    r#where: FilterConfig,
}

async fn replay(
    State(api): Shared,
    Path(name): Path<String>,
    ordered: Result<Json<Ordered>, JsonRejection>,
) -> Result<Response, Refusal> {
    let sink = api.sink(&name)?;
    let ordered = body(ordered)?;
    let date = |param, text: &str| {
        let expected = "a date is `2026-11-20` or RFC 3339";
        When::parse(text).ok_or_else(|| Refusal::bad_request(param, expected))
    };
    let since = date("since", &ordered.since)?.start();
    let until = ordered.until.as_deref().map(|text| date("until", text));
    let until = until.transpose()?.map(When::end);
    if until.is_some_and(|until| until <= since) {
        let nothing = "the range ends before it begins: `until` has to be after `since`";
        return Err(Refusal::bad_request("until", nothing));
    }
    let order = Replay {
        since,
        until,
        r#where: ordered.r#where,
        end: 0,
    };
    sink.replay(order).await?;
    Ok((StatusCode::ACCEPTED, Json(sink.status())).into_response())
}

fn body<T>(given: Result<Json<T>, JsonRejection>) -> Result<T, Refusal> {
    given
        .map(|Json(body)| body)
        .map_err(|error| Refusal::bad_request("body", &error.body_text()))
}

impl Api {
    fn sink(&self, name: &str) -> Result<&Arc<Control>, Refusal> {
        let found = self.sinks.iter().find(|sink| sink.name() == name);
        found.ok_or_else(|| Refusal::not_found("the configuration has no sink of this name"))
    }
}

impl From<OrderError> for Refusal {
    fn from(error: OrderError) -> Self {
        let message = crate::deliver::dead_letters::chain(&error);
        match error {
            OrderError::Busy => Self::conflict(&message),
            OrderError::Letters(_) | OrderError::Lane(_) => {
                tracing::error!(message, "order not carried out");
                Self::unavailable(&message)
            }
        }
    }
}
