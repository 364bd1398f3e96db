//! `/customer/…` and `/end_user/…`: the users whom applications name in their requests.

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use super::{
    attach,
    caller::{Caller, Who},
    edit::{self, By, Edited, Made},
    form::Form,
    query::Query,
    shown,
};
use crate::{
    api::{Api, Shared, answer::Refusal},
    entities::{self, Change, EndUser, Filter},
};

/// Makes a customer.
pub(super) async fn new(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, customer) = edit::make::<EndUser>(&api, &caller, form).await?;
    Ok(answer.json(&shown::one(&api.books, customer).await?))
}

/// Changes fields of a customer.
pub(super) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, customer) = edit::update::<EndUser>(&api, &caller, form).await?;
    Ok(answer.json(&shown::one(&api.books, customer).await?))
}

impl Edited for EndUser {
    async fn find(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        by.caller.admin()?;
        let id = form.text("user_id")?.required("user_id")?;
        existing(change, &id).await
    }

    async fn read(
        &mut self,
        form: &mut Form,
        change: &mut Change<'_>,
        _by: By<'_>,
    ) -> Result<(), Refusal> {
        form.text("alias")?.put(&mut self.alias);
        form.flag("blocked")?.replace(&mut self.blocked);
        form.text("default_model")?.put(&mut self.default_model);
        form.texts("models")?.replace(&mut self.models);
        let mut budget_id = self.budget_id.clone();
        attach::budget(change, form, &*self, &mut budget_id).await?;
        self.budget_id = budget_id;
        Ok(())
    }
}

impl Made for EndUser {
    async fn fresh(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        by.caller.admin()?;
        let id = form.text("user_id")?.required("user_id")?;
        if change.get::<Self>(&id).await?.is_some() {
            let message =
                format!("Customer already exists, passed user_id={id}. Please pass a new user_id.");
            return Err(Refusal::bad_request("user_id", &message).of_kind("bad_request"));
        }
        Ok(Self {
            user_id: id,
            ..Self::default()
        })
    }
}

async fn existing(change: &mut Change<'_>, id: &str) -> Result<EndUser, Refusal> {
    change.get(id).await?.ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Refusal {
    Refusal::not_found(&format!("End User Id={id} does not exist in db"))
}

/// Takes customers away.
pub(super) async fn delete(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    caller.admin()?;
    let ids = form.texts("user_ids")?.required("user_ids")?;
    let answer = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    for id in &ids {
        let customer = existing(&mut change, id).await?;
        attach::drop_own(&mut change, &customer, customer.budget_id.as_deref()).await?;
        change.remove(&customer).await?;
    }
    change.commit().await?;
    #[derive(Serialize)]
    struct Body {
        deleted_customers: usize,
        message: String,
    }
    Ok(answer.json(&Body {
        deleted_customers: ids.len(),
        message: format!("Successfully deleted customers with ids: {ids:?}"),
    }))
}

/// Keeps customers from calling; one who is not known yet is made.
pub(super) async fn block(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    set_blocked(&api, &caller, form, true).await
}

/// Lets them call again.
pub(super) async fn unblock(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    set_blocked(&api, &caller, form, false).await
}

async fn set_blocked(
    api: &Api,
    caller: &Caller,
    mut form: Form,
    blocked: bool,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Body {
        blocked_users: Vec<EndUser>,
    }
    caller.admin()?;
    let ids = form.texts("user_ids")?.required("user_ids")?;
    form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let mut blocked_users = Vec::with_capacity(ids.len());
    for id in ids {
        let mut customer = match change.get::<EndUser>(&id).await? {
            Some(customer) => customer,
            None if blocked => EndUser {
                user_id: id,
                ..EndUser::default()
            },
            None => return Err(missing(&id)),
        };
        customer.blocked = blocked;
        change.put(&mut customer).await?;
        blocked_users.push(customer);
    }
    change.commit().await?;
    Ok(Json(Body { blocked_users }).into_response())
}

/// What is known of a customer.
pub(super) async fn info(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let id = query.text("end_user_id")?;
    query.finish()?;
    let id = id.ok_or_else(|| Refusal::unprocessable("end_user_id", "`end_user_id` is missing"))?;
    let customer: Option<EndUser> = entities::get(&api.books, &id).await?;
    let customer = customer.ok_or_else(|| missing(&id))?;
    Ok(Json(shown::one(&api.books, customer).await?).into_response())
}

/// Customers, newest first.
pub(super) async fn list(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let wanted = query.wanted("page_size", 100)?;
    query.finish()?;
    let rows: Vec<EndUser> = entities::page(&api.books, &Filter::default(), wanted.page()).await?;
    Ok(Json(shown::all(&api.books, rows).await?).into_response())
}
