//! Sums over everything, whole and by entity.

use axum::{
    Extension, Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use event::Usd;
use serde::Serialize;

use super::{Shared, answer::Refusal, asked};
use crate::{
    books::{Counts, Label, Span, Whose},
    management::{
        caller::{Caller, Who},
        query::Query,
    },
};

/// Entities of a list, at most and by default.
const ENTITIES_MAX: u32 = 1000;
/// Days are told apart only to add them up: kinds that are kept by id alone.
const BY_ID: [(&str, &str); 2] = [("end_users", "end_user"), ("tags", "tag")];

/// Lists by their names, as in LiteLLM.
const LISTS: [(&str, Label); 6] = [
    ("keys", Label::ApiKey),
    ("users", Label::User),
    ("teams", Label::Team),
    ("organizations", Label::Organization),
    ("provider", Label::Provider),
    ("models", Label::Model),
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

/// What everything cost, and the limit of it; for who does not see all, what is their own.
pub(super) async fn total(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let known = api.books.directory().known();
    let counts = match caller.sees_all() {
        true => api.books.totals().await?,
        false => {
            let whose = asked::whose(&caller);
            // Every call has a model.
            let rows = api
                .books
                .activity(&whose, Span::EVER, &[Label::Model], u32::MAX);
            let mut total = Counts::default();
            rows.await?.iter().for_each(|row| total.add(&row.counts));
            total
        }
    };
    let global = known.snapshot().budgets.values();
    let mut global = global.filter(|budget| budget.entity == event::Entity::global());
    let max_budget = global.next().map(|budget| budget.terms.limit);
    let sums = Sums::from(&counts);
    Ok(Json(Total {
        max_budget: max_budget.filter(|_| caller.sees_all()),
        sums,
    })
    .into_response())
}

/// What each entity of a kind cost, dearest first, on the days that are named or ever.
pub(super) async fn by_entity(
    State(api): Shared,
    Extension(caller): Who,
    Path(list): Path<String>,
    mut query: Query,
) -> Result<Response, Refusal> {
    let span = asked::span(&mut query)?.unwrap_or(Span::EVER);
    let limit = query.number("limit", ENTITIES_MAX, ENTITIES_MAX)?;
    query.finish()?;
    Ok(Json(lines(&api, &caller, &list, (span, limit)).await?).into_response())
}

async fn lines(
    api: &super::Api,
    caller: &Caller,
    list: &str,
    (span, limit): (Span, u32),
) -> Result<Vec<Line>, Refusal> {
    let mut found: Vec<(String, Counts)> = Vec::new();
    if let Some((_, label)) = LISTS.iter().find(|(name, _)| *name == list) {
        let (whose, labels) = (asked::whose(caller), [*label]);
        let rows = api.books.activity(&whose, span, &labels, asked::ROWS_MAX);
        for mut row in asked::whole(rows.await?)? {
            found.extend(row.labels.pop().map(|id| (id, row.counts)));
        }
    } else if let Some((_, kind)) = BY_ID.iter().find(|(name, _)| *name == list) {
        caller.viewer()?;
        let dearest = api.books.entities(kind, span, limit).await?;
        found.extend(dearest.into_iter().map(|entity| (entity.id, entity.counts)));
    } else {
        return Err(Refusal::not_found("no such list of spend"));
    }
    found.retain(|(id, _)| !id.is_empty());
    found.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.cost));
    let lines = found.into_iter().map(|(id, counts)| Line {
        id,
        sums: Sums::from(&counts),
    });
    Ok(lines
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .collect())
}

#[derive(Serialize)]
struct Tagged {
    individual_request_tag: String,
    log_count: i64,
    total_spend: Usd,
}

/// What was spent for each tag, dearest first, as LiteLLM's `/spend/tags` has it.
pub(super) async fn tags(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let span = asked::span(&mut query)?.unwrap_or(Span::EVER);
    query.finish()?;
    caller.viewer()?;
    let rows = api.books.entities("tag", span, ENTITIES_MAX).await?;
    let line = |entity: crate::books::Entity| Tagged {
        individual_request_tag: entity.id,
        log_count: entity.counts.calls(),
        total_spend: entity.counts.cost,
    };
    Ok(Json(rows.into_iter().map(line).collect::<Vec<_>>()).into_response())
}

/// The names of all tags that were seen.
pub(super) async fn tag_names(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Body {
        tag_names: Vec<String>,
    }
    query.finish()?;
    caller.viewer()?;
    let rows = api.books.entities("tag", Span::EVER, ENTITIES_MAX).await?;
    let tag_names = rows.into_iter().map(|entity| entity.id).collect();
    Ok(Json(Body { tag_names }).into_response())
}

#[derive(Serialize)]
struct Member {
    team_id: String,
    user_id: String,
    #[serde(flatten)]
    sums: Sums,
}

/// What each member of a team spent in it, on the days that are named or ever.
pub(super) async fn members(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let span = asked::span(&mut query)?.unwrap_or(Span::EVER);
    let team = query.text("team_id")?;
    query.finish()?;
    let id = team.ok_or_else(|| Refusal::unprocessable("team_id", "`team_id` is missing"))?;
    let team: Option<crate::entities::Team> = crate::entities::get(&api.books, &id).await?;
    let sees = match (caller.sees_all(), &team) {
        (true, _) => true,
        (false, Some(team)) => caller.manages(&api.books, team).await?,
        (false, None) => false,
    };
    let whose = match sees {
        true => Whose::default(),
        false => Whose::nobody().or(asked::own(&caller)),
    };
    let whose = whose.only(Label::Team, vec![id.clone()]);
    let rows = api
        .books
        .activity(&whose, span, &[Label::User], asked::ROWS_MAX);
    let rows = asked::whole(rows.await?)?;
    let line = |mut row: crate::books::Activity| Member {
        team_id: id.clone(),
        user_id: row.labels.pop().unwrap_or_default(),
        sums: Sums::from(&row.counts),
    };
    Ok(Json(rows.into_iter().map(line).collect::<Vec<_>>()).into_response())
}
