//! `/user/…`: users.

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use super::{
    attach,
    caller::Who,
    form::Form,
    given::Given,
    keys,
    query::Query,
    secret,
    shown::{self, Shown},
};
use crate::{
    api::{Api, Shared, answer::Refusal},
    books::Page,
    entities::{self, Change, Filter, Key, OrganizationMember, Role, Team, TeamMember, User},
};

/// Keys and teams that are shown with a user.
const SHOWN_MAX: u32 = 1000;

/// A user and what they have.
#[derive(Serialize)]
struct WithKeys {
    user_id: String,
    user_info: WithTeams,
    keys: Vec<Shown<Key>>,
    teams: Vec<Team>,
}

#[derive(Serialize)]
struct WithTeams {
    #[serde(flatten)]
    shown: Shown<User>,
    teams: Vec<String>,
}

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

/// Changes fields of a user. Users themselves may change how they are called.
pub(super) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    let id = form.text("user_id")?.value();
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let id = match (id, form.has("user_email")) {
        (Some(id), _) => id,
        (None, true) => {
            let email = form.text("user_email")?.required("user_email")?;
            let found = change.find::<User>("user_email", &email, 1).await?.pop();
            found.ok_or_else(|| missing(&email))?.user_id
        }
        (None, false) => return Err(Refusal::unprocessable("user_id", "`user_id` is missing")),
    };
    let itself = caller.may_write() && caller.user_id() == Some(&id);
    caller.must(caller.is_admin() || itself)?;
    let mut user: User = change.get(&id).await?.ok_or_else(|| missing(&id))?;
    if caller.is_admin() {
        fields(&mut form, &mut change, &mut user).await?;
    } else {
        form.text("user_alias")?.put(&mut user.user_alias);
        if !form.is_empty() {
            let message = "only an admin may change more of a user than `user_alias`";
            return Err(Refusal::forbidden(message));
        }
    }
    let answer = form.finish()?;
    change.put(&mut user).await?;
    change.commit().await?;
    drop(writer);
    #[derive(Serialize)]
    struct Body {
        user_id: String,
        data: Shown<User>,
    }
    let data = shown::one(&api.books, user).await?;
    Ok(answer.json(&Body { user_id: id, data }))
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

/// What is known of a user, by default of the caller.
pub(super) async fn info(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let id = query.text("user_id")?;
    query.finish()?;
    let id = id.or_else(|| caller.user_id().map(str::to_owned));
    let id = id.ok_or_else(|| Refusal::unprocessable("user_id", "`user_id` is missing"))?;
    caller.must(caller.sees_all() || caller.user_id() == Some(&id))?;
    let user: Option<User> = entities::get(&api.books, &id).await?;
    let user = user.ok_or_else(|| missing(&id))?;
    let page = Page {
        skip: 0,
        take: SHOWN_MAX,
    };
    let filter = Filter::default().with("user_id", &*id);
    let keys: Vec<Key> = entities::page(&api.books, &filter, page).await?;
    let members: Vec<TeamMember> = entities::page(&api.books, &filter, page).await?;
    let ids: Vec<String> = members.into_iter().map(|member| member.team_id).collect();
    let filter = Filter::default().within("id", ids.clone());
    let teams: Vec<Team> = entities::page(&api.books, &filter, page).await?;
    let body = WithKeys {
        user_id: id,
        user_info: WithTeams {
            shown: shown::one(&api.books, user).await?,
            teams: ids,
        },
        keys: shown::all(&api.books, keys).await?,
        teams,
    };
    Ok(Json(body).into_response())
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
