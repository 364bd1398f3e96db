//! `/user/…`: users; what is known of one in `users/about.rs`.

pub(super) mod about;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use super::{
    attach,
    caller::Who,
    edit::{self, By, Edited},
    form::Form,
    given::Given,
    keys,
    query::Query,
    secret,
    shown::{self, Shown},
};
use crate::{
    api::{Api, Shared, answer::Refusal},
    entities::{self, Change, Filter, Key, OrganizationMember, Role, TeamMember, User},
};

/// Makes a user, with a first key unless `auto_create_key` is false.
pub(super) async fn new(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    caller.admin()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let id = form.text("user_id")?.value();
    if let Some(id) = &id
        && change.get::<User>(id).await?.is_some()
    {
        let message = format!("User with id {id} already exists");
        return Err(Refusal::conflict(&message));
    }
    let mut user = attach::fresh(id.unwrap_or_else(attach::new_id));
    fields(&mut form, &mut change, &mut user).await?;
    let with_key = form.flag("auto_create_key")?.value().unwrap_or(true);
    let alias = form.text("key_alias")?;
    let answer = form.finish()?;
    change.put(&mut user).await?;
    let mut secret = None;
    if with_key {
        let text = secret::generate()?;
        let mut key = keys::fresh(&text);
        alias.put(&mut key.key_alias);
        free_alias(&mut change, key.key_alias.as_deref()).await?;
        key.user_id = Some(user.user_id.clone());
        change.put(&mut key).await?;
        secret = Some((text, key.id));
    }
    change.commit().await?;
    drop(writer);
    #[derive(Serialize)]
    struct Body<'a> {
        key: Option<&'a str>,
        token: Option<&'a str>,
        teams: [&'a str; 0],
        #[serde(flatten)]
        shown: Shown<User>,
    }
    let body = Body {
        key: secret.as_ref().map(|(text, _)| text.expose()),
        token: secret.as_ref().map(|(_, id)| id.as_str()),
        teams: [],
        shown: shown::one(&api.books, user).await?,
    };
    Ok(answer.json(&body))
}

async fn free_alias(change: &mut Change<'_>, alias: Option<&str>) -> Result<(), Refusal> {
    let Some(alias) = alias else {
        return Ok(());
    };
    if change.find::<Key>("key_alias", alias, 1).await?.is_empty() {
        return Ok(());
    }
    let message =
        format!("Key with alias '{alias}' already exists. Unique key aliases are required.");
    Err(Refusal::bad_request("key_alias", &message))
}

impl Edited for User {
    async fn find(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        let id = match (form.text("user_id")?.value(), form.has("user_email")) {
            (Some(id), _) => id,
            (None, true) => {
                let email = form.text("user_email")?.required("user_email")?;
                let found = change.find::<Self>("user_email", &email, 1).await?.pop();
                by.caller.must(by.caller.is_admin() || found.is_some())?;
                found.ok_or_else(|| missing(&email))?.user_id
            }
            (None, false) => {
                return Err(Refusal::unprocessable("user_id", "`user_id` is missing"));
            }
        };
        let itself = by.caller.may_write() && by.caller.user_id() == Some(&id);
        by.caller.must(by.caller.is_admin() || itself)?;
        change.get(&id).await?.ok_or_else(|| missing(&id))
    }

    async fn read(
        &mut self,
        form: &mut Form,
        change: &mut Change<'_>,
        by: By<'_>,
    ) -> Result<(), Refusal> {
        if by.caller.is_admin() {
            return fields(form, change, self).await;
        }
        form.text("user_alias")?.put(&mut self.user_alias);
        if form.is_empty() {
            return Ok(());
        }
        let message = "only an admin may change more of a user than `user_alias`";
        Err(Refusal::forbidden(message))
    }
}

/// Reads what the request says of a user; what it leaves out stays.
async fn fields(form: &mut Form, change: &mut Change<'_>, user: &mut User) -> Result<(), Refusal> {
    form.text("user_alias")?.put(&mut user.user_alias);
    form.text("user_email")?.put(&mut user.user_email);
    if let Some(email) = &user.user_email {
        let same = change.find::<User>("user_email", email, 1).await?;
        if same.iter().any(|other| other.user_id != user.user_id) {
            let message = format!("User with email {email} already exists");
            return Err(Refusal::conflict(&message));
        }
    }
    let names = "`proxy_admin`, `proxy_admin_viewer`, `internal_user` or `internal_user_viewer`";
    form.choice::<Role>("user_role", names)?
        .replace(&mut user.user_role);
    form.limits(&mut user.limits)?;
    form.texts("models")?.replace(&mut user.models);
    if let Given::Value(metadata) = form.metadata()? {
        user.metadata = metadata;
    }
    Ok(())
}

/// A user after a change.
#[derive(Serialize)]
struct Changed {
    user_id: String,
    data: Shown<User>,
}

/// Changes fields of a user. Users themselves may change how they are called.
pub(super) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, user) = edit::update::<User>(&api, &caller, form).await?;
    let user_id = user.user_id.clone();
    let data = shown::one(&api.books, user).await?;
    Ok(answer.json(&Changed { user_id, data }))
}

/// Changes several users: all of them, or none.
pub(super) async fn bulk_update(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Line {
        user_id: String,
        user_email: Option<String>,
        success: bool,
        error: Option<()>,
        updated_user: Shown<User>,
    }
    #[derive(Serialize)]
    struct Body {
        results: Vec<Line>,
        total_requested: usize,
        successful_updates: usize,
        failed_updates: usize,
    }
    caller.admin()?;
    let parts = form.parts("users")?;
    let answer = form.finish()?;
    let changed = edit::each::<User>(&api, &caller, parts).await?;
    let users = changed.into_iter().map(|(_, user)| user).collect();
    let line = |shown: Shown<User>| Line {
        user_id: shown.row.user_id.clone(),
        user_email: shown.row.user_email.clone(),
        success: true,
        error: None,
        updated_user: shown,
    };
    let shown = shown::all(&api.books, users).await?;
    let results: Vec<Line> = shown.into_iter().map(line).collect();
    Ok(answer.json(&Body {
        total_requested: results.len(),
        successful_updates: results.len(),
        failed_updates: 0,
        results,
    }))
}

fn missing(id: &str) -> Refusal {
    Refusal::not_found(&format!("User={id} not found in database"))
}

/// Takes users away, with their keys and memberships.
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
        let user: User = change.get(id).await?.ok_or_else(|| missing(id))?;
        change.remove_all::<Key>("user_id", id).await?;
        for member in change.find::<TeamMember>("user_id", id, u32::MAX).await? {
            attach::drop_own(&mut change, &member, member.budget_id.as_deref()).await?;
            change.remove(&member).await?;
        }
        change
            .remove_all::<OrganizationMember>("user_id", id)
            .await?;
        change.remove(&user).await?;
    }
    change.commit().await?;
    Ok(answer.json(&ids.len()))
}

/// The users that fit, newest first.
pub(super) async fn list(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let wanted = query.wanted("page_size", 25)?;
    let mut filter = Filter::default();
    for (parameter, column) in [("role", "user_role"), ("user_email", "user_email")] {
        if let Some(value) = query.text(parameter)? {
            filter = filter.with(column, value);
        }
    }
    if let Some(ids) = query.list("user_ids")? {
        filter = filter.within("id", ids);
    }
    query.finish()?;
    #[derive(Serialize)]
    struct Line {
        key_count: u64,
        #[serde(flatten)]
        shown: Shown<User>,
    }
    #[derive(Serialize)]
    struct Body {
        users: Vec<Line>,
        total: u64,
        page: u32,
        page_size: u32,
        total_pages: u64,
    }
    let total = entities::count::<User>(&api.books, &filter).await?;
    let rows: Vec<User> = entities::page(&api.books, &filter, wanted.page()).await?;
    let mut users = Vec::with_capacity(rows.len());
    for shown in shown::all(&api.books, rows).await? {
        let key_count = key_count(&api, &shown.row.user_id).await?;
        users.push(Line { key_count, shown });
    }
    let body = Body {
        users,
        total,
        page: wanted.number,
        page_size: wanted.size,
        total_pages: wanted.pages(total),
    };
    Ok(Json(body).into_response())
}

async fn key_count(api: &Api, user: &str) -> Result<u64, Refusal> {
    let filter = Filter::default().with("user_id", user);
    Ok(entities::count::<Key>(&api.books, &filter).await?)
}
