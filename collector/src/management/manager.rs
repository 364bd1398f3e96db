//! `/budget_manager/…`: the methods of LiteLLM's `BudgetManager`, for programs that used it.
//!
//! A user of it is an end user with a budget of their own, so the gateways enforce it and alerts tell
//! of it. What calls through a gateway cost counts by itself; `update_cost` is for calls that were
//! made elsewhere.

mod costs;

use std::collections::BTreeSet;

use axum::{
    Extension, Json,
    extract::{FromRequest as _, Path, Request, State},
    response::{IntoResponse as _, Response},
};
use event::{Budget, Entity, EntityKind, Timestamp, Usd, Window, WindowDuration};
use serde::Serialize;
use serde_json::value::RawValue;

use self::costs::Reported;
use super::{
    attach,
    caller::{Caller, Who},
    form::Form,
    given::Given,
    query::Query,
};
use crate::{
    api::{Api, Shared, answer::Refusal},
    clock,
    control::tables,
    entities::{BudgetRow, EndUser},
    ledger, rfc3339,
};

/// Users that are named, at most.
const USERS_MAX: usize = 1000;
/// How long a text may be whose tokens are counted, in bytes.
const TEXT_MAX: usize = 1 << 20;
/// Bytes of text that are taken for one token.
const BYTES_PER_TOKEN: usize = 4;

/// LiteLLM's words for how long a budget lasts.
const DURATIONS: [(&str, &str); 4] = [
    ("daily", "1d"),
    ("weekly", "7d"),
    ("monthly", "1mo"),
    ("yearly", "12mo"),
];

/// A user's budget in the window of now.
struct Purse {
    user: String,
    budget: Budget,
    window: Window,
    now: Timestamp,
}

#[derive(Serialize)]
struct Shown {
    user: String,
    total_budget: Usd,
    current_cost: Usd,
    #[serde(with = "rfc3339::option")]
    budget_reset_at: Option<Timestamp>,
}

/// The methods that only tell.
pub(super) async fn read(
    State(api): Shared,
    Extension(caller): Who,
    Path(method): Path<String>,
    mut query: Query,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    if method == "get_users" {
        query.finish()?;
        return users(&api).await;
    }
    let user = query.text("user")?;
    query.finish()?;
    let user = user.ok_or_else(|| Refusal::unprocessable("user", "`user` is missing"))?;
    if method == "is_valid_user" {
        let valid = find(&api, &user).await?.is_some();
        return Ok(Json(serde_json::json!({ "user": user, "valid": valid })).into_response());
    }
    let known = ["get_total_budget", "get_current_cost", "get_model_cost"];
    if !known.contains(&&*method) {
        return Err(unknown(&method));
    }
    let purse = purse(&api, &user).await?;
    match method.as_str() {
        "get_model_cost" => costs::by_model(&api.books, &purse).await,
        _ => Ok(Json(purse.shown(&api).await?).into_response()),
    }
}

/// The methods that change something, or are asked with a body.
pub(super) async fn write(
    State(api): Shared,
    Extension(caller): Who,
    Path(method): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let form = Form::from_request(request, &()).await?;
    match method.as_str() {
        "projected_cost" => {
            caller.viewer()?;
            projected(&api, form).await
        }
        "create_budget" => create(&api, &caller, form).await,
        "update_cost" => update(&api, &caller, form).await,
        "reset_cost" => reset(&api, &caller, form).await,
        // Windows follow each other by themselves: there is nothing to reset and nothing to save.
        "reset_on_duration" => {
            caller.viewer()?;
            let user = user(form)?;
            let purse = purse(&api, &user).await?;
            Ok(Json(purse.shown(&api).await?).into_response())
        }
        "update_budget_all_users" => {
            caller.viewer()?;
            form.finish()?;
            users(&api).await
        }
        "save_data" => {
            caller.viewer()?;
            form.finish()?;
            Ok(Json(serde_json::json!({ "status": "success" })).into_response())
        }
        other => Err(unknown(other)),
    }
}

fn unknown(method: &str) -> Refusal {
    let method: String = method.chars().take(64).collect();
    Refusal::not_found(&format!(
        "`{}` is not a method of the budget manager that is asked this way",
        method.escape_debug()
    ))
}

fn user(mut form: Form) -> Result<String, Refusal> {
    let user = form.text("user")?.required("user")?;
    form.finish()?;
    Ok(user)
}

/// Those who have a budget of their own.
async fn users(api: &Api) -> Result<Response, Refusal> {
    tables::take(&api.books).await?;
    let known = api.books.directory().known();
    let budgets = known.snapshot().budgets.values();
    let entities = budgets.map(|budget| &budget.entity);
    let users: BTreeSet<&str> = entities
        .filter(|entity| entity.kind() == EntityKind::EndUser && entity.model().is_none())
        .filter_map(Entity::id)
        .take(USERS_MAX)
        .collect();
    Ok(Json(serde_json::json!({ "users": users })).into_response())
}

/// Gives a user a budget, or another one than they had.
async fn create(api: &Api, caller: &Caller, mut form: Form) -> Result<Response, Refusal> {
    caller.admin()?;
    let id = form.text("user")?.required("user")?;
    let total = form.usd("total_budget")?.required("total_budget")?;
    let duration = form.text("duration")?.value();
    let duration = duration.as_deref().map(window).transpose()?;
    let answer = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let known: Option<EndUser> = change.get(&id).await?;
    let mut user = known.unwrap_or_else(|| EndUser {
        user_id: id.clone(),
        ..EndUser::default()
    });
    let mut budget_id = user.budget_id.clone();
    let current: Option<BudgetRow> = match &budget_id {
        Some(id) => change.get(id).await?,
        None => None,
    };
    let own = current.filter(|row| row.is_of(&user));
    let mut limits = own
        .as_ref()
        .map(|row| row.limits.clone())
        .unwrap_or_default();
    (limits.max_budget, limits.budget_duration) = (Some(total), duration);
    limits.soft_budget = limits.soft_budget.filter(|soft| *soft < total);
    attach::own(&mut change, &user, own, limits, &mut budget_id).await?;
    user.budget_id = budget_id;
    change.put(&mut user).await?;
    change.commit().await?;
    drop(writer);
    let purse = purse(api, &id).await?;
    Ok(answer.json(&purse.shown(api).await?))
}

fn window(duration: &str) -> Result<WindowDuration, Refusal> {
    let found = DURATIONS.iter().find(|(name, _)| *name == duration);
    let found = found.and_then(|(_, means)| means.parse().ok());
    let message = "`duration` has to be `daily`, `weekly`, `monthly` or `yearly`";
    found.ok_or_else(|| Refusal::bad_request("duration", message))
}

async fn find(api: &Api, user: &str) -> Result<Option<Purse>, Refusal> {
    // Budgets that were made just now count.
    tables::take(&api.books).await?;
    let known = api.books.directory().known();
    let now = clock::now();
    let budget = known.own(EntityKind::EndUser, user).cloned();
    Ok(budget.map(|budget| Purse {
        user: user.to_owned(),
        window: budget.terms.window(now),
        budget,
        now,
    }))
}

async fn purse(api: &Api, user: &str) -> Result<Purse, Refusal> {
    let missing = || {
        let user: String = user.chars().take(256).collect();
        Refusal::not_found(&format!(
            "user `{user}` has no budget: make one with `POST /budget_manager/create_budget`"
        ))
    };
    find(api, user).await?.ok_or_else(missing)
}

impl Purse {
    async fn current(&self, api: &Api) -> Result<Usd, Refusal> {
        let at = (&self.budget.id, &self.window.id);
        Ok(ledger::spent_in(&api.books, at).await?)
    }

    async fn shown(&self, api: &Api) -> Result<Shown, Refusal> {
        Ok(Shown {
            user: self.user.clone(),
            total_budget: self.budget.terms.limit,
            current_cost: self.current(api).await?,
            budget_reset_at: self.window.end,
        })
    }
}

/// What has been spent, and a prompt beside it.
async fn projected(api: &Api, mut form: Form) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Question<'a> {
        model: &'a str,
        messages: &'a RawValue,
    }
    #[derive(Serialize)]
    struct Body {
        user: String,
        projected_cost: Usd,
        current_cost: Usd,
        prompt_cost: Usd,
    }
    let user = form.text("user")?.required("user")?;
    let model = form.text("model")?.required("model")?;
    let messages: Box<RawValue> = form
        .read("messages", "a list of messages")?
        .required("messages")?;
    form.finish()?;
    let question = Question {
        model: &model,
        messages: &messages,
    };
    let prompt_cost = costs::reckoned(api, &question).await?;
    let purse = purse(api, &user).await?;
    let current_cost = purse.current(api).await?;
    Ok(Json(Body {
        user,
        projected_cost: current_cost + prompt_cost,
        current_cost,
        prompt_cost,
    })
    .into_response())
}

/// Counts what a call cost that no gateway saw.
async fn update(api: &Api, caller: &Caller, mut form: Form) -> Result<Response, Refusal> {
    caller.admin()?;
    let user = form.text("user")?.required("user")?;
    let model = form.text("model")?;
    let completion: Given<Box<RawValue>> = form.read("completion_obj", "an object")?;
    let input = text(&mut form, "input_text")?;
    let output = text(&mut form, "output_text")?;
    let answer = form.finish()?;
    let reported = match (completion.value(), input.is_none() && output.is_none()) {
        (Some(completion), true) => Reported::of(api, model.value(), &completion).await?,
        (None, false) => {
            let tokens =
                |text: Option<String>| text.unwrap_or_default().len().div_ceil(BYTES_PER_TOKEN);
            Reported::of_texts(
                api,
                model.required("model")?,
                (tokens(input), tokens(output)),
            )
            .await?
        }
        _ => {
            let message = "give either `completion_obj`, or `model` with `input_text` and \
                           `output_text`";
            return Err(Refusal::bad_request("completion_obj", message));
        }
    };
    let purse = purse(api, &user).await?;
    let counted = costs::count(api, caller, &purse, &reported).await?;
    #[derive(Serialize)]
    struct Body {
        #[serde(flatten)]
        purse: Shown,
        /// What the call cost.
        cost: Usd,
        /// Whether it is counted with this request, and not before.
        counted: bool,
    }
    Ok(answer.json(&Body {
        purse: purse.shown(api).await?,
        cost: reported.cost,
        counted,
    }))
}

fn text(form: &mut Form, field: &'static str) -> Result<Option<String>, Refusal> {
    let text: Option<String> = form.read(field, "a string")?.value();
    if text.as_ref().is_some_and(|text| text.len() > TEXT_MAX) {
        let message = format!("`{field}` has to be at most 1 MiB");
        return Err(Refusal::bad_request(field, &message));
    }
    Ok(text)
}

/// Takes back what the user has spent in the window of now.
async fn reset(api: &Api, caller: &Caller, form: Form) -> Result<Response, Refusal> {
    caller.admin()?;
    let user = user(form)?;
    let purse = purse(api, &user).await?;
    costs::reset(api, caller, &purse).await?;
    Ok(Json(purse.shown(api).await?).into_response())
}
