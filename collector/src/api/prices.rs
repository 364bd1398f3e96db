//! The price map: what is in force, and a word to look for a new one now.

use std::{collections::BTreeSet, error::Error as StdError};

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{Shared, answer::Refusal};
use crate::price::Outcome;

/// `GET /prices`: what is in force and why.
pub(super) async fn status(State(api): Shared) -> Response {
    Json(api.prices.status()).into_response()
}

/// `GET /prices/layers/SHA256`: the bytes of a layer of any map that is kept.
pub(super) async fn layer(
    State(api): Shared,
    Path(digest): Path<String>,
) -> Result<Response, Refusal> {
    let bytes = match api.prices.bytes(&digest).await {
        None => {
            return Err(Refusal::not_found(
                "no such layer: `GET /prices` names them",
            ));
        }
        Some(bytes) => bytes.map_err(|error| {
            tracing::error!(
                error = &error as &dyn StdError,
                digest,
                "layer cannot be read"
            );
            Refusal::unavailable("this layer cannot be read from the data directory")
        })?,
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// Maps that may be confirmed at once: there are two sources.
const CONFIRM_MAX: usize = 10;

/// The body of `POST /prices/update`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Update {
    /// The SHA-256 of maps to take, whatever speaks against them: `GET /prices` names those that
    /// were refused.
    confirm: BTreeSet<String>,
}

#[derive(Serialize)]
struct Updated {
    /// The version in force now.
    version: String,
    /// What became of each source; without any, there is only the map that is compiled in.
    sources: Vec<Outcome>,
}

/// `POST /prices/update`: reads every source now.
pub(super) async fn update(
    State(api): Shared,
    update: Result<Json<Update>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(update) = update.map_err(|error| Refusal::bad_request("body", &error.body_text()))?;
    if update.confirm.len() > CONFIRM_MAX {
        return Err(Refusal::bad_request("confirm", "at most 10 maps"));
    }
    let sources = api.prices.update(update.confirm).await;
    let sources = sources.ok_or_else(|| Refusal::unavailable("the collector is stopping"))?;
    let version = api.prices.current().version().to_owned();
    Ok(Json(Updated { version, sources }).into_response())
}
