//! Sums over everything, whole and by entity.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use event::Usd;
use serde::Serialize;

use super::{Shared, answer::Refusal};
use crate::books::Counts;

/// Entities of a list, at most.
const ENTITIES_MAX: u32 = 1000;

/// Kinds by the name of their list, as in LiteLLM.
const KINDS: [(&str, &str); 8] = [
    ("keys", "key"),
    ("users", "user"),
    ("teams", "team"),
    ("organizations", "organization"),
    ("end_users", "end_user"),
    ("tags", "tag"),
    ("provider", "provider"),
    ("models", "model"),
];

#[derive(Serialize)]
struct Total {
    max_budget: Option<Usd>,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Serialize)]
struct Line {
    id: String,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Serialize)]
struct Sums {
    spend: Usd,
    total_spend: Usd,
    calls: i64,
    successful_requests: i64,
    failed_requests: i64,
    unpriced_requests: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    cache_read_input_tokens: i64,
    cache_creation_input_tokens: i64,
    reasoning_tokens: i64,
}

impl From<&Counts> for Sums {
    fn from(counts: &Counts) -> Self {
        Self {
            spend: counts.cost,
            total_spend: counts.cost,
            calls: counts.calls(),
            successful_requests: counts.successes,
            failed_requests: counts.failures,
            unpriced_requests: counts.unpriced,
            prompt_tokens: counts.prompt_tokens,
            completion_tokens: counts.completion_tokens,
            total_tokens: counts.total_tokens,
            cache_read_input_tokens: counts.cache_read_tokens,
            cache_creation_input_tokens: counts.cache_write_tokens,
            reasoning_tokens: counts.reasoning_tokens,
        }
    }
}

/// What everything cost.
pub(super) async fn total(State(api): Shared) -> Result<Response, Refusal> {
    let sums = Sums::from(&api.books.totals().await?);
    Ok(Json(Total {
        max_budget: None,
        sums,
    })
    .into_response())
}

/// What each entity of a kind cost, dearest first.
pub(super) async fn by_entity(
    State(api): Shared,
    Path(list): Path<String>,
) -> Result<Response, Refusal> {
    let known = KINDS
        .iter()
        .find(|(name, kind)| *name == list || *kind == list);
    let Some((_, kind)) = known else {
        return Err(Refusal::not_found("no such list of spend"));
    };
    let entities = api.books.entities(kind, ENTITIES_MAX).await?;
    let line = |entity: crate::books::Entity| {
        let sums = Sums::from(&entity.counts);
        Line {
            id: entity.id,
            sums,
        }
    };
    let lines: Vec<Line> = entities.into_iter().map(line).collect();
    Ok(Json(lines).into_response())
}
