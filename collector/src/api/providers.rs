//! `GET /provider/budgets`: what may be spent at each provider, and what has been.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use event::{EntityKind, Timestamp, Usd};
use serde::Serialize;

use super::{Shared, answer::Refusal};
use crate::{
    clock, ledger,
    management::{caller::Who, query::Query},
    rfc3339,
};

#[derive(Serialize)]
struct Budgets {
    providers: BTreeMap<String, Shown>,
}

#[derive(Serialize)]
struct Shown {
    budget_limit: Usd,
    time_period: Option<String>,
    /// In the window of now.
    spend: Usd,
    #[serde(with = "rfc3339::option")]
    budget_reset_at: Option<Timestamp>,
}

/// The budgets of providers.
pub(super) async fn budgets(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    caller.viewer()?;
    let now = clock::now();
    let known = api.books.directory().known();
    let spent = ledger::spent(&api.books, &known, now).await?;
    let budgets = known.snapshot().budgets.values();
    let of = budgets.filter(|budget| budget.entity.kind() == EntityKind::Provider);
    let shown = of.filter_map(|budget| {
        let settled = spent.iter().find(|spent| spent.budget == budget.id);
        let shown = Shown {
            budget_limit: budget.terms.limit,
            time_period: budget.terms.rule.map(|rule| rule.duration.to_string()),
            spend: settled.map(|spent| spent.settled).unwrap_or_default(),
            budget_reset_at: budget.terms.window(now).end,
        };
        Some((budget.entity.id()?.to_owned(), shown))
    });
    let providers = shown.collect();
    Ok(Json(Budgets { providers }).into_response())
}
