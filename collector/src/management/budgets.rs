//! `/budget/…`: budgets that entities share by their id.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use chrono_tz::Tz;
use event::Json;
use serde::Serialize;

use super::{
    attach,
    caller::Who,
    edit::{self, By, Edited, Made},
    form::Form,
    query::Query,
    shown::BudgetShown,
};
use crate::{
    api::{Shared, answer::Refusal},
    books::Page,
    clock,
    entities::{
        self, BudgetRow, Change, EndUser, Filter, Key, Limits, Organization, Stored, Tag,
        TeamMember,
    },
};

/// Makes a budget.
pub(super) async fn new(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, row) = edit::make::<BudgetRow>(&api, &caller, form).await?;
    Ok(answer.json(&BudgetShown::of(row, api.books.zone(), clock::now())))
}

/// Changes a budget, for all who share it.
pub(super) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, row) = edit::update::<BudgetRow>(&api, &caller, form).await?;
    Ok(answer.json(&BudgetShown::of(row, api.books.zone(), clock::now())))
}

impl Edited for BudgetRow {
    async fn find(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        by.caller.admin()?;
        let id = form.text("budget_id")?.required("budget_id")?;
        change.get(&id).await?.ok_or_else(|| missing(&id))
    }

    async fn read(
        &mut self,
        form: &mut Form,
        _change: &mut Change<'_>,
        _by: By<'_>,
    ) -> Result<(), Refusal> {
        form.limits(&mut self.limits)
    }
}

impl Made for BudgetRow {
    async fn fresh(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        by.caller.admin()?;
        let id = form.text("budget_id")?.value();
        let budget_id = id.unwrap_or_else(attach::new_id);
        if change.get::<Self>(&budget_id).await?.is_some() {
            let message = format!("Budget={budget_id} already exists");
            return Err(Refusal::bad_request("budget_id", &message));
        }
        Ok(Self {
            budget_id,
            ..Self::default()
        })
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::not_found(&format!("Budget={id} does not exist"))
}

/// Takes a budget away that nobody has any more: their limit would go with it.
pub(super) async fn delete(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    caller.admin()?;
    let id = form.text("id")?.required("id")?;
    let answer = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let row: BudgetRow = change.get(&id).await?.ok_or_else(|| missing(&id))?;
    unused::<Key>(&mut change, &id).await?;
    unused::<TeamMember>(&mut change, &id).await?;
    unused::<Organization>(&mut change, &id).await?;
    unused::<EndUser>(&mut change, &id).await?;
    unused::<Tag>(&mut change, &id).await?;
    change.remove(&row).await?;
    change.commit().await?;
    Ok(answer.json(&row))
}

async fn unused<S: Stored>(change: &mut Change<'_>, id: &str) -> Result<(), Refusal> {
    let users: Vec<S> = change.find("budget_id", id, 1).await?;
    match users.first() {
        None => Ok(()),
        Some(user) => {
            let (table, user) = (S::TABLE, user.id());
            let message =
                format!("Budget={id} is that of `{user}` in {table}: give it another one first");
            Err(Refusal::bad_request("id", &message))
        }
    }
}

/// The budgets of these ids.
pub(super) async fn info(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let ids = form.texts("budgets")?.required("budgets")?;
    let answer = form.finish()?;
    let page = Page {
        skip: 0,
        take: u32::try_from(ids.len()).unwrap_or(u32::MAX),
    };
    let filter = Filter::default().within("id", ids);
    let rows: Vec<BudgetRow> = entities::page(&api.books, &filter, page).await?;
    Ok(answer.json(&shown(rows, api.books.zone())))
}

fn shown(rows: Vec<BudgetRow>, zone: Tz) -> Vec<BudgetShown> {
    let now = clock::now();
    rows.into_iter()
        .map(|row| BudgetShown::of(row, zone, now))
        .collect()
}

/// Budgets, newest first.
pub(super) async fn list(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let wanted = query.wanted("page_size", 100)?;
    query.finish()?;
    let rows: Vec<BudgetRow> =
        entities::page(&api.books, &Filter::default(), wanted.page()).await?;
    Ok(axum::Json(shown(rows, api.books.zone())).into_response())
}

/// What can be set of a budget, and what it is set to.
pub(super) async fn settings(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let id = query.text("budget_id")?;
    query.finish()?;
    let id = id.ok_or_else(|| Refusal::unprocessable("budget_id", "`budget_id` is missing"))?;
    let row: Option<BudgetRow> = entities::get(&api.books, &id).await?;
    let limits = row.ok_or_else(|| missing(&id))?.limits;
    Ok(axum::Json(set(&limits)).into_response())
}

/// What can be set, and what it is set to.
fn set(limits: &Limits) -> [Setting; 8] {
    let rows = [
        (
            "max_budget",
            "Float",
            "What may be spent in a window, in US dollars",
            Json::of(&limits.max_budget),
        ),
        (
            "soft_budget",
            "Float",
            "From which amount on an alert is raised",
            Json::of(&limits.soft_budget),
        ),
        (
            "budget_duration",
            "String",
            "How long a window is",
            Json::of(&limits.budget_duration),
        ),
        (
            "budget_timezone",
            "String",
            "In whose calendar windows begin",
            Json::of(&limits.budget_timezone.map(Tz::name)),
        ),
        (
            "max_parallel_requests",
            "Integer",
            "Calls at a time",
            Json::of(&limits.max_parallel_requests),
        ),
        (
            "tpm_limit",
            "Integer",
            "Tokens per minute",
            Json::of(&limits.tpm_limit),
        ),
        (
            "rpm_limit",
            "Integer",
            "Requests per minute",
            Json::of(&limits.rpm_limit),
        ),
        (
            "model_max_budget",
            "Object",
            "What may be spent on each model",
            Json::of(&limits.model_max_budget),
        ),
    ];
    rows.map(
        |(field_name, field_type, field_description, field_value)| Setting {
            field_name,
            field_type,
            field_description,
            field_value,
            stored_in_db: true,
            field_default_value: None,
        },
    )
}

/// A field of a budget.
#[derive(Serialize)]
struct Setting {
    field_name: &'static str,
    field_type: &'static str,
    field_description: &'static str,
    field_value: Json,
    stored_in_db: bool,
    field_default_value: Option<()>,
}
