//! What users of the budget manager spent: counted once, set back, told by model.

use std::collections::BTreeMap;

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use event::Usd;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::{Connection as _, SqliteConnection};

use super::{
    super::{caller::Caller, form},
    Purse,
};
use crate::{
    alerts,
    api::{Api, answer::Refusal, calculate},
    books::{Books, BooksError, Split, enter},
    entities::{self, BudgetRow, EndUser},
    ledger,
};

/// A call that somebody says was made.
pub(super) struct Reported {
    pub(super) cost: Usd,
    model: String,
    completion: Option<String>,
}

impl Reported {
    /// A provider's answer; `model` where it does not say.
    pub(super) async fn of(
        api: &Api,
        model: Option<String>,
        completion: &RawValue,
    ) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Answered {
            id: Option<String>,
            model: Option<String>,
        }
        /// The answer goes on as it came: its numbers are exact.
        #[derive(Serialize)]
        struct Question<'a> {
            model: &'a str,
            completion_response: &'a RawValue,
        }
        const FIELD: &str = "completion_obj";
        let wrong = |error: serde_json::Error| {
            let message = format!("`{FIELD}` has to be a provider's answer: {error}");
            Refusal::unprocessable(FIELD, &message)
        };
        let answered: Answered = serde_json::from_str(completion.get()).map_err(wrong)?;
        let model = answered.model.or(model);
        let model = form::checked("model", model.unwrap_or_default())?;
        let completion_id = answered.id.map(|id| form::checked(FIELD, id)).transpose()?;
        let question = Question {
            model: &model,
            completion_response: completion,
        };
        Ok(Self {
            cost: reckoned(api, &question).await?,
            model,
            completion: completion_id,
        })
    }

    /// A call of which only its texts are known, by their tokens.
    pub(super) async fn of_texts(
        api: &Api,
        model: String,
        (input, output): (usize, usize),
    ) -> Result<Self, Refusal> {
        let usage = serde_json::json!({
            "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        });
        let answered = serde_json::json!({ "model": model, "usage": usage });
        let question = serde_json::json!({ "completion_response": answered });
        Ok(Self {
            cost: reckoned(api, &question).await?,
            model,
            completion: None,
        })
    }
}

/// What a call costs that is asked for as LiteLLM's `/spend/calculate` is.
pub(super) async fn reckoned(api: &Api, question: &impl Serialize) -> Result<Usd, Refusal> {
    let body = serde_json::to_vec(question)
        .map_err(|error| Refusal::bad_request("body", &error.to_string()))?;
    calculate::cost_of(api, &body).await
}

/// Counts a call, and raises the alerts that it brings about. `false` for one that is counted
/// already: a gateway saw it, or it was reported before.
pub(super) async fn count(
    api: &Api,
    caller: &Caller,
    purse: &Purse,
    reported: &Reported,
) -> Result<bool, Refusal> {
    let mut writer = api.books.writer().await;
    let mut transaction = begin(&mut writer).await?;
    if let Some(id) = &reported.completion {
        let sql = "SELECT EXISTS (SELECT 1 FROM calls WHERE call_id = ?1 OR response_id = ?1) \
                   OR EXISTS (SELECT 1 FROM reported_costs WHERE end_user = ?2 AND completion = ?1)";
        let query = sqlx::query_scalar(sql).bind(id).bind(&purse.user);
        if query
            .fetch_one(&mut *transaction)
            .await
            .map_err(BooksError::from)?
        {
            return Ok(false);
        }
    }
    let step = (Some(reported), reported.cost);
    keep(&mut transaction, caller, purse, step).await?;
    let at = (&purse.budget.id, &purse.window.id);
    let spent = ledger::charge(&mut transaction, at, reported.cost).await?;
    let known = api.books.directory().known();
    let raised = alerts::spent(api.books.alerting(), &known, &[spent], purse.now);
    enter(&mut transaction, &raised).await?;
    transaction.commit().await.map_err(BooksError::from)?;
    Ok(true)
}

/// Takes back what was spent in the window of now.
pub(super) async fn reset(api: &Api, caller: &Caller, purse: &Purse) -> Result<(), Refusal> {
    let mut writer = api.books.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let at = (&purse.budget.id, &purse.window.id);
    let spent = ledger::charge(&mut transaction, at, Usd::ZERO).await?;
    ledger::charge(&mut transaction, at, -spent.settled).await?;
    keep(&mut transaction, caller, purse, (None, -spent.settled)).await?;
    transaction.commit().await.map_err(BooksError::from)?;
    Ok(())
}

async fn begin(
    writer: &mut SqliteConnection,
) -> Result<sqlx::Transaction<'_, sqlx::Sqlite>, BooksError> {
    Ok(writer.begin_with("BEGIN IMMEDIATE").await?)
}

async fn keep(
    c: &mut SqliteConnection,
    caller: &Caller,
    purse: &Purse,
    (reported, cost): (Option<&Reported>, Usd),
) -> Result<(), BooksError> {
    let sql = "INSERT INTO reported_costs (end_user, budget, window, at, actor, model, completion, \
               cost_micros, cost_picos) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let actor = caller.key().map_or("master key", |key| &key.id);
    let Split { micros, picos } = Split::of(cost);
    sqlx::query(sql)
        .bind(&purse.user)
        .bind(purse.budget.id.as_str())
        .bind(purse.window.id.as_str())
        .bind(purse.now.micros())
        .bind(actor)
        .bind(reported.map(|reported| &reported.model))
        .bind(reported.and_then(|reported| reported.completion.as_ref()))
        .bind(micros)
        .bind(picos)
        .execute(c)
        .await?;
    Ok(())
}

/// What was spent on each model since the window began, the budget was made, or the costs were set
/// back, whichever was last.
pub(super) async fn by_model(books: &Books, purse: &Purse) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Body<'a> {
        user: &'a str,
        model_cost: BTreeMap<String, Usd>,
    }
    let mut since = purse
        .window
        .start
        .map_or(i64::MIN, event::Timestamp::micros);
    if let Some(made) = made(books, &purse.user).await? {
        since = since.max(made);
    }
    type Row = (String, i64, i64);
    let sql = "SELECT coalesce(max(number), 0), max(at) FROM reported_costs \
               WHERE end_user = ? AND window = ? AND model IS NULL";
    let query = sqlx::query_as(sql).bind(&purse.user);
    let query = query.bind(purse.window.id.as_str());
    let (reset, at): (i64, Option<i64>) = query
        .fetch_one(books.readers())
        .await
        .map_err(BooksError::from)?;
    since = since.max(at.unwrap_or(i64::MIN));
    // Calls are kept in the order of time, so this reads those of the window.
    let sql = "SELECT model, sum(cost / 1000000), sum(cost % 1000000) FROM calls \
               WHERE started >= ?1 AND end_user = ?2 AND cost IS NOT NULL GROUP BY model \
               UNION ALL SELECT model, sum(cost_micros), sum(cost_picos) FROM reported_costs \
               WHERE end_user = ?2 AND window = ?3 AND number > ?4 AND model IS NOT NULL \
               GROUP BY model";
    let rows: Vec<Row> = sqlx::query_as(sql)
        .bind(since)
        .bind(&purse.user)
        .bind(purse.window.id.as_str())
        .bind(reset)
        .fetch_all(books.readers())
        .await
        .map_err(BooksError::from)?;
    let mut model_cost: BTreeMap<String, Usd> = BTreeMap::new();
    for (model, micros, picos) in rows {
        *model_cost.entry(model).or_default() += Split { micros, picos }.usd();
    }
    let user = &purse.user;
    Ok(Json(Body { user, model_cost }).into_response())
}

/// When the user's budget was made.
async fn made(books: &Books, user: &str) -> Result<Option<i64>, BooksError> {
    let user: Option<EndUser> = entities::get(books, user).await?;
    let Some(id) = user.and_then(|user| user.budget_id) else {
        return Ok(None);
    };
    let row: Option<BudgetRow> = entities::get(books, &id).await?;
    Ok(row.map(|row| row.stamps.created_at.micros()))
}
