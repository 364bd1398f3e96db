//! `/global/spend/report`, `/global/activity` and `/global/spend/logs`: spend over days.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use event::Usd;
use serde::Serialize;

use super::{
    Api, Shared,
    answer::Refusal,
    asked::{self, ROWS_MAX},
    dates,
    spend::hashed,
};
use crate::{
    books::{Activity, Counts, Label, Span, Whose},
    clock,
    management::{caller::Who, query::Query},
};

/// Days that `/global/spend/logs` tells of, as in LiteLLM.
const LOGS_DAYS: i64 = 30;

#[derive(Serialize)]
struct DayOfTeams {
    group_by_day: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    teams: Option<Vec<OfTeam>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customers: Option<Vec<OfCustomer>>,
}

#[derive(Serialize)]
struct OfTeam {
    team_name: String,
    team_id: String,
    total_spend: Usd,
    metadata: Vec<Detail>,
}

#[derive(Serialize)]
struct OfCustomer {
    customer: String,
    total_spend: Usd,
    /// What end users spent is not kept by model.
    metadata: [Detail; 0],
}

#[derive(Serialize)]
struct Detail {
    model: String,
    spend: Usd,
    total_tokens: i64,
    api_key: String,
}

#[derive(Default, Serialize)]
struct OfKey {
    api_key: String,
    total_cost: Usd,
    total_input_tokens: i64,
    total_output_tokens: i64,
    model_details: Vec<OfModel>,
}

#[derive(Serialize)]
struct OfModel {
    model: String,
    total_cost: Usd,
    total_input_tokens: i64,
    total_output_tokens: i64,
}

/// Spend by team, by customer, or by key. Who does not see all gets what is their own, by key.
pub(super) async fn report(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let span = asked::required_span(&mut query)?;
    let group = query.text("group_by")?;
    let mut whose = asked::whose(&caller);
    for (param, label) in [
        ("api_key", Label::ApiKey),
        ("internal_user_id", Label::User),
        ("team_id", Label::Team),
    ] {
        if let Some(id) = query.text(param)? {
            whose = whose.only(label, vec![hashed(&id)]);
        }
    }
    let customer = query.text("customer_id")?;
    query.finish()?;
    match (group.as_deref(), customer) {
        (Some("customer"), customer) | (None, customer @ Some(_)) => {
            caller.viewer()?;
            by_customer(&api, span, customer).await
        }
        (Some("team") | None, None) => by_team(&api, &whose, span).await,
        (Some("api_key"), None) => by_key(&api, &whose, span).await,
        (Some("team" | "api_key"), Some(_)) => Err(Refusal::bad_request(
            "customer_id",
            "`customer_id` goes with `group_by=customer`",
        )),
        (Some(_), _) => Err(Refusal::bad_request(
            "group_by",
            "`group_by` has to be `team`, `customer` or `api_key`",
        )),
    }
}

async fn by_team(api: &Api, whose: &Whose, span: Span) -> Result<Response, Refusal> {
    let labels = [Label::Day, Label::Team, Label::Model, Label::ApiKey];
    let rows = api.books.activity(whose, span, &labels, ROWS_MAX).await?;
    let known = api.books.directory().known();
    let mut days: BTreeMap<i64, BTreeMap<String, OfTeam>> = BTreeMap::new();
    for Activity { labels, counts } in asked::whole(rows)? {
        let Ok([day, team, model, api_key]) = <[String; 4]>::try_from(labels) else {
            continue;
        };
        let named = known.snapshot().teams.get(&*team);
        let alias = named.and_then(|team| team.alias.as_ref());
        let teams = days.entry(day.parse().unwrap_or_default()).or_default();
        let of = teams.entry(team.clone()).or_insert_with(|| OfTeam {
            team_name: alias.map_or_else(|| team.clone(), ToString::to_string),
            team_id: team,
            total_spend: Usd::ZERO,
            metadata: Vec::new(),
        });
        of.total_spend += counts.cost;
        of.metadata.push(Detail {
            model,
            spend: counts.cost,
            total_tokens: counts.total_tokens,
            api_key,
        });
    }
    let day = |(day, teams): (i64, BTreeMap<String, OfTeam>)| DayOfTeams {
        group_by_day: dates::day(day).to_string(),
        teams: Some(teams.into_values().collect()),
        customers: None,
    };
    Ok(Json(days.into_iter().map(day).collect::<Vec<_>>()).into_response())
}

async fn by_customer(api: &Api, span: Span, customer: Option<String>) -> Result<Response, Refusal> {
    let ids = customer.map(|id| vec![id]);
    let rows = api
        .books
        .entity_days("end_user", span, ids, ROWS_MAX)
        .await?;
    let mut days: BTreeMap<i64, Vec<OfCustomer>> = BTreeMap::new();
    for Activity { labels, counts } in asked::whole(rows)? {
        let Ok([day, customer]) = <[String; 2]>::try_from(labels) else {
            continue;
        };
        let day = days.entry(day.parse().unwrap_or_default()).or_default();
        day.push(OfCustomer {
            customer,
            total_spend: counts.cost,
            metadata: [],
        });
    }
    let day = |(day, customers): (i64, Vec<OfCustomer>)| DayOfTeams {
        group_by_day: dates::day(day).to_string(),
        teams: None,
        customers: Some(customers),
    };
    Ok(Json(days.into_iter().map(day).collect::<Vec<_>>()).into_response())
}

async fn by_key(api: &Api, whose: &Whose, span: Span) -> Result<Response, Refusal> {
    let labels = [Label::ApiKey, Label::Model];
    let rows = api.books.activity(whose, span, &labels, ROWS_MAX).await?;
    let mut keys: BTreeMap<String, OfKey> = BTreeMap::new();
    for Activity { labels, counts } in asked::whole(rows)? {
        let Ok([api_key, model]) = <[String; 2]>::try_from(labels) else {
            continue;
        };
        let of = keys.entry(api_key.clone()).or_insert_with(|| OfKey {
            api_key,
            ..OfKey::default()
        });
        of.total_cost += counts.cost;
        of.total_input_tokens += counts.prompt_tokens;
        of.total_output_tokens += counts.completion_tokens;
        of.model_details.push(OfModel {
            model,
            total_cost: counts.cost,
            total_input_tokens: counts.prompt_tokens,
            total_output_tokens: counts.completion_tokens,
        });
    }
    Ok(Json(keys.into_values().collect::<Vec<_>>()).into_response())
}

#[derive(Default, Serialize)]
struct Active {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    daily_data: Vec<ActiveDay>,
    sum_api_requests: i64,
    sum_total_tokens: i64,
}

#[derive(Serialize)]
struct ActiveDay {
    /// As LiteLLM writes it: `Nov 20`.
    date: String,
    api_requests: i64,
    total_tokens: i64,
}

impl Active {
    fn add(&mut self, day: &str, counts: &Counts) {
        let day = dates::day(day.parse().unwrap_or_default());
        self.sum_api_requests += counts.calls();
        self.sum_total_tokens += counts.total_tokens;
        self.daily_data.push(ActiveDay {
            date: day.format("%b %d").to_string(),
            api_requests: counts.calls(),
            total_tokens: counts.total_tokens,
        });
    }
}

/// Requests and tokens by day.
pub(super) async fn activity(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let span = asked::required_span(&mut query)?;
    query.finish()?;
    let whose = asked::whose(&caller);
    let rows = api
        .books
        .activity(&whose, span, &[Label::Day], ROWS_MAX)
        .await?;
    let mut active = Active::default();
    for row in asked::whole(rows)? {
        if let [day] = &*row.labels {
            active.add(day, &row.counts);
        }
    }
    Ok(Json(active).into_response())
}

/// The same for each model.
pub(super) async fn activity_by_model(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let span = asked::required_span(&mut query)?;
    query.finish()?;
    let (whose, labels) = (asked::whose(&caller), [Label::Model, Label::Day]);
    let rows = api.books.activity(&whose, span, &labels, ROWS_MAX).await?;
    let mut models: BTreeMap<String, Active> = BTreeMap::new();
    for row in asked::whole(rows)? {
        if let [model, day] = &*row.labels {
            let active = models.entry(model.clone()).or_insert_with(|| Active {
                model: Some(model.clone()),
                ..Active::default()
            });
            active.add(day, &row.counts);
        }
    }
    let mut models: Vec<_> = models.into_values().collect();
    models.sort_by_key(|active| std::cmp::Reverse(active.sum_api_requests));
    Ok(Json(models).into_response())
}

#[derive(Serialize)]
struct SpentDay {
    date: String,
    spend: Usd,
}

/// Spend by day: of the days that are named, or of the last thirty.
pub(super) async fn logs(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let today = clock::now().micros().div_euclid(86_400_000_000);
    let span = asked::span(&mut query)?.unwrap_or(Span {
        first: today - LOGS_DAYS,
        last: today,
    });
    let mut whose = asked::whose(&caller);
    if let Some(key) = query.text("api_key")? {
        whose = whose.only(Label::ApiKey, vec![hashed(&key)]);
    }
    query.finish()?;
    let rows = api
        .books
        .activity(&whose, span, &[Label::Day], ROWS_MAX)
        .await?;
    let day = |row: Activity| {
        let number = row.labels.first().and_then(|day| day.parse().ok());
        SpentDay {
            date: dates::day(number.unwrap_or_default()).to_string(),
            spend: row.counts.cost,
        }
    };
    let days = asked::whole(rows)?.into_iter().map(day);
    Ok(Json(days.collect::<Vec<_>>()).into_response())
}
