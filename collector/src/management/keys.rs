//! `/key/…`: virtual keys.

mod fields;
mod modify;
mod rights;
mod several;

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use event::Secret;
use serde::Serialize;

pub(super) use self::modify::{
    block, delete, regenerate, regenerate_named, reset_spend, unblock, update,
};
pub(super) use self::several::{aliases, bulk_update, health, info_of_several};
use super::{
    attach,
    caller::{Caller, Who},
    edit::{By, Edited as _},
    form::Form,
    query::Query,
    secret,
    shown::{self, Shown},
};
use crate::{
    api::{Api, Shared, answer::Refusal, auth},
    clock,
    entities::{self, Change, Filter, Key, Team},
};

/// An answer that has the key itself in it: the only one.
#[derive(Serialize)]
struct Issued<'a> {
    key: &'a str,
    token_id: &'a str,
    #[serde(flatten)]
    shown: &'a Shown<Key>,
}

/// A key as `/key/info` shows it.
#[derive(Serialize)]
struct Info {
    status: &'static str,
    #[serde(flatten)]
    shown: Shown<Key>,
}

/// Makes a key.
pub(super) async fn generate(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    issue(&api, &caller, form).await
}

/// Makes a key of a team that belongs to no user.
pub(super) async fn generate_for_service(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    if !form.has("team_id") {
        return Err(Refusal::unprocessable("team_id", "`team_id` is missing"));
    }
    form.clear("user_id")?;
    issue(&api, &caller, form).await
}

async fn issue(api: &Api, caller: &Caller, mut form: Form) -> Result<Response, Refusal> {
    caller.must(caller.may_write())?;
    let by = By {
        caller,
        books: &api.books,
        makes: true,
    };
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let secret = match form.text("key")?.value() {
        Some(text) => secret::chosen("key", text)?,
        None => secret::generate()?,
    };
    free(api, &mut change, &secret, "key").await?;
    let mut key = fresh(&secret);
    if !caller.is_admin() {
        key.user_id = caller.user_id().map(str::to_owned);
    }
    let before = key.clone();
    key.read(&mut form, &mut change, by).await?;
    key.settle(&before, &mut change, by).await?;
    let answer = form.finish()?;
    change.put(&mut key).await?;
    change.commit().await?;
    drop(writer);
    let shown = shown::one(&api.books, key).await?;
    Ok(answer.json(&issued(&secret, &shown)))
}

fn issued<'a>(secret: &'a Secret, shown: &'a Shown<Key>) -> Issued<'a> {
    Issued {
        key: secret.expose(),
        token_id: &shown.row.id,
        shown,
    }
}

/// A key without any limit.
pub(super) fn fresh(secret: &Secret) -> Key {
    let digest = secret::digest(secret.expose());
    Key {
        id: digest.clone(),
        hash: digest,
        key_name: secret::name(secret),
        metadata: event::Json::empty_object(),
        ..Key::default()
    }
}

/// Refuses a key that is known already, also one that is kept as an id of a regenerated one.
pub(super) async fn free(
    api: &Api,
    change: &mut Change<'_>,
    secret: &Secret,
    field: &'static str,
) -> Result<(), Refusal> {
    let text = secret.expose();
    let master = api.master_key.as_ref();
    let digest = secret::digest(text);
    let mut taken = master.is_some_and(|master| auth::is_master(master, text));
    for column in ["id", "hash", "previous_hash"] {
        taken |= !change.find::<Key>(column, &digest, 1).await?.is_empty();
    }
    match taken {
        true => Err(Refusal::bad_request(
            field,
            "this key exists already: choose another one",
        )),
        false => Ok(()),
    }
}

/// What is known of a key.
pub(super) async fn info(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let named = query.text("key")?;
    query.finish()?;
    let key = match (named, caller.key()) {
        (Some(named), _) => find(&api, &named).await?,
        (None, Some(own)) => own.clone(),
        (None, None) => return Err(Refusal::unprocessable("key", "`key` is missing")),
    };
    if !sees(&api, &caller, &key).await? {
        return Err(forbidden());
    }
    #[derive(Serialize)]
    struct Body {
        key: String,
        info: Info,
    }
    let (id, status) = (key.id.clone(), key.status(clock::now()));
    let shown = shown::one(&api.books, key).await?;
    let info = Info { status, shown };
    Ok(Json(Body { key: id, info }).into_response())
}

fn forbidden() -> Refusal {
    let message = "You are not allowed to access this key's info. Your role does not own it.";
    Refusal::forbidden(message)
}

async fn find(api: &Api, named: &str) -> Result<Key, Refusal> {
    let digest = secret::digest_of(named);
    for column in ["id", "hash"] {
        if let Some(key) = entities::first(&api.books, column, &digest).await? {
            return Ok(key);
        }
    }
    Err(missing())
}

fn missing() -> Refusal {
    Refusal::not_found("Key not found in database")
}

async fn sees(api: &Arc<Api>, caller: &Caller, key: &Key) -> Result<bool, Refusal> {
    let owner = key.user_id.is_some() && key.user_id.as_deref() == caller.user_id();
    let itself = caller.key().is_some_and(|own| own.id == key.id);
    if caller.sees_all() || owner || itself {
        return Ok(true);
    }
    match &key.team_id {
        Some(id) => match entities::get::<Team>(&api.books, id).await? {
            Some(team) => {
                let books = &api.books;
                let permitted = rights::permitted(caller, books, &team, "/key/info").await?;
                Ok(permitted || caller.manages(books, &team).await?)
            }
            None => Ok(false),
        },
        None => Ok(false),
    }
}

/// The keys that fit, newest first.
pub(super) async fn list(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let wanted = query.wanted("size", 10)?;
    let full = query.flag("return_full_object")?;
    let filter = listed(&api, &caller, query).await?;
    let total_count = entities::count::<Key>(&api.books, &filter).await?;
    let rows: Vec<Key> = entities::page(&api.books, &filter, wanted.page()).await?;
    #[derive(Serialize)]
    struct Body<K> {
        keys: Vec<K>,
        total_count: u64,
        current_page: u32,
        total_pages: u64,
    }
    let (current_page, total_pages) = (wanted.number, wanted.pages(total_count));
    if !full {
        let keys: Vec<String> = rows.into_iter().map(|key| key.id).collect();
        let body = Body {
            keys,
            total_count,
            current_page,
            total_pages,
        };
        return Ok(Json(body).into_response());
    }
    let keys = shown::all(&api.books, rows).await?;
    let body = Body {
        keys,
        total_count,
        current_page,
        total_pages,
    };
    Ok(Json(body).into_response())
}

/// Which keys are asked for, of those that the caller sees.
async fn listed(api: &Api, caller: &Caller, mut query: Query) -> Result<Filter, Refusal> {
    if query.flag("include_team_keys")? && !caller.sees_all() {
        let message = "ask for the keys of one team by its `team_id`";
        return Err(Refusal::bad_request("include_team_keys", message));
    }
    let mut filter = Filter::default();
    let team = query.text("team_id")?;
    if let Some(hash) = query.text("key_hash")? {
        filter = filter.with("id", secret::digest_of(&hash));
    }
    for column in ["user_id", "organization_id", "key_alias"] {
        if let Some(value) = query.text(column)? {
            filter = filter.with(column, value);
        }
    }
    query.finish()?;
    let mut whole_team = false;
    if let Some(id) = &team {
        if let Some(team) = entities::get::<Team>(&api.books, id).await? {
            let books = &api.books;
            let permitted = rights::permitted(caller, books, &team, "/key/list").await?;
            whole_team = permitted || caller.manages(books, &team).await?;
        }
        filter = filter.with("team_id", id);
    }
    if !caller.sees_all() && !whole_team {
        let own = caller.user_id().ok_or_else(|| caller.refusal())?;
        filter = filter.with("user_id", own);
    }
    Ok(filter)
}
