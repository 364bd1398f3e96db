//! `/reprice`: orders a job that prices calls again, and says how far it is.

use std::time::Duration;

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{Shared, answer::Refusal, dates::When};
use crate::reprice::{self, Order, Report};

/// How long an answer waits for the end of the job.
const PATIENCE: Duration = Duration::from_secs(2);
/// Models that may be named.
const MODELS_MAX: usize = 100;

/// What may be ordered: calls without a price, or with `all` every call. Dates are as in
/// `/spend/logs`; a day that ends the range belongs to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ordered {
    since: String,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    dry_run: bool,
}

/// Starts a job, and answers with its report: whole with 200, as far as it is with 202.
pub(super) async fn start(
    State(api): Shared,
    ordered: Result<Json<Ordered>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(ordered) =
        ordered.map_err(|error| Refusal::bad_request("body", &error.body_text()))?;
    let order = ordered.read()?;
    let started = api.repricer.start(order);
    let mut watched = started.map_err(|busy| Refusal::conflict(&busy.to_string()))?;
    let ended = tokio::time::timeout(PATIENCE, reprice::ended(&mut watched)).await;
    Ok(match ended {
        Ok(Some(report)) => Json(report).into_response(),
        Ok(None) | Err(_) => answer(StatusCode::ACCEPTED, api.repricer.last()),
    })
}

/// The report of the last job, finished or not.
pub(super) async fn last(State(api): Shared) -> Result<Response, Refusal> {
    let report = api.repricer.last();
    let none = "no calls have been priced again since the collector started";
    let report = report.ok_or_else(|| Refusal::not_found(none))?;
    Ok(Json(report).into_response())
}

fn answer(status: StatusCode, report: Option<Report>) -> Response {
    (status, Json(report)).into_response()
}

impl Ordered {
    fn read(self) -> Result<Order, Refusal> {
        let date = |param, text: &str| {
            let expected = "a date is `2026-11-20` or RFC 3339";
            When::parse(text).ok_or_else(|| Refusal::bad_request(param, expected))
        };
        if self.models.len() > MODELS_MAX {
            return Err(Refusal::bad_request("models", "at most 100 models"));
        }
        let since = date("since", &self.since)?.start();
        let until = self.until.as_deref().map(|text| date("until", text));
        let until = until.transpose()?.map(When::end);
        if until.is_some_and(|until| until <= since) {
            let nothing = "the range ends before it begins: `until` has to be after `since`";
            return Err(Refusal::bad_request("until", nothing));
        }
        Ok(Order {
            since,
            until,
            models: self.models,
            all: self.all,
            dry_run: self.dry_run,
        })
    }
}
