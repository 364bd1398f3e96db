//! Changes keys: their fields, their state, their text; takes them away.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::Serialize;

use super::{free, issued, missing, rights};
use crate::{
    api::{Api, Shared, answer::Refusal},
    entities::Key,
    management::{
        answer::Answer,
        caller::{Caller, Who},
        edit::{self, By, Edited as _},
        form::Form,
        lifetime, secret,
        shown::{self, Shown},
    },
};

/// A key after a change.
#[derive(Serialize)]
struct Changed<'a> {
    key: &'a str,
    #[serde(flatten)]
    shown: &'a Shown<Key>,
}

async fn answer(api: &Api, answer: Answer, key: Key) -> Result<Response, Refusal> {
    let shown = shown::one(&api.books, key).await?;
    let key = &shown.row.id;
    Ok(answer.json(&Changed { key, shown: &shown }))
}

/// Changes fields of a key.
pub(in crate::management) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (ignored, key) = edit::update::<Key>(&api, &caller, form).await?;
    answer(&api, ignored, key).await
}

/// Takes keys away.
pub(in crate::management) async fn delete(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    let keys = form.texts("keys")?.value();
    let aliases = form.texts("key_aliases")?.value();
    let ignored = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let (named, by_alias) = match (keys, aliases) {
        (Some(keys), None) => (keys, false),
        (None, Some(aliases)) => (aliases, true),
        _ => {
            return Err(Refusal::unprocessable(
                "keys",
                "give either `keys` or `key_aliases`",
            ));
        }
    };
    for name in &named {
        let id = match by_alias {
            true => {
                let found = change.find::<Key>("key_alias", name, 1).await?.pop();
                found.ok_or_else(missing)?.id
            }
            false => name.clone(),
        };
        let key = rights::of(&caller, &api.books, &mut change, &id).await?;
        change.remove(&key).await?;
    }
    change.commit().await?;
    drop(writer);
    #[derive(Serialize)]
    struct Body {
        deleted_keys: Vec<String>,
    }
    let shown = |name: String| match by_alias {
        true => name,
        false => secret::digest_of(&name),
    };
    let deleted_keys = named.into_iter().map(shown).collect();
    Ok(ignored.json(&Body { deleted_keys }))
}

/// Keeps a key from being used.
pub(in crate::management) async fn block(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    set_blocked(&api, &caller, form, true).await
}

/// Lets it be used again.
pub(in crate::management) async fn unblock(
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
    let named = form.text("key")?.required("key")?;
    let ignored = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let mut key = rights::named_key(&mut change, &named).await?;
    caller.must(rights::directs(caller, &api.books, &key).await?)?;
    key.blocked = blocked;
    change.put(&mut key).await?;
    change.commit().await?;
    drop(writer);
    answer(api, ignored, key).await
}

/// Gives a key a new text; its spend goes on.
pub(in crate::management) async fn regenerate(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    let named = form.text("key")?.required("key")?;
    renew(&api, &caller, &named, form).await
}

/// The same, with the key in the path.
pub(in crate::management) async fn regenerate_named(
    State(api): Shared,
    Extension(caller): Who,
    Path(named): Path<String>,
    form: Form,
) -> Result<Response, Refusal> {
    renew(&api, &caller, &named, form).await
}

async fn renew(
    api: &Api,
    caller: &Caller,
    named: &str,
    mut form: Form,
) -> Result<Response, Refusal> {
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let before = rights::of(caller, &api.books, &mut change, named).await?;
    // The new text is the owner's to see.
    caller.must(caller.is_admin() || before.user_id.is_none() || rights::owns(caller, &before))?;
    let secret = match form.text("new_key")?.value() {
        Some(text) => secret::chosen("new_key", text)?,
        None => secret::generate()?,
    };
    free(api, &mut change, &secret, "new_key").await?;
    let mut key = before.clone();
    let by = By {
        caller,
        books: &api.books,
        makes: false,
    };
    key.read(&mut form, &mut change, by).await?;
    key.settle(&before, &mut change, by).await?;
    let grace = form.text("grace_period")?.value();
    let until = grace.map(|text| lifetime::after("grace_period", &text, change.at()));
    key.previous_until = until.transpose()?;
    key.previous_hash = key.previous_until.map(|_| before.hash);
    key.hash = secret::digest(secret.expose());
    key.key_name = secret::name(&secret);
    key.rotation_count = key.rotation_count.saturating_add(1);
    let ignored = form.finish()?;
    change.put(&mut key).await?;
    change.commit().await?;
    drop(writer);
    let shown = shown::one(&api.books, key).await?;
    Ok(ignored.json(&issued(&secret, &shown)))
}

/// Spend cannot be set: it is refused, with the reason.
pub(in crate::management) async fn reset_spend(
    State(api): Shared,
    Extension(caller): Who,
    Path(named): Path<String>,
    mut form: Form,
) -> Result<Response, Refusal> {
    caller.admin()?;
    form.usd("reset_to")?.required("reset_to")?;
    form.finish()?;
    super::find(&api, &named).await?;
    Err(Refusal::spend_is_a_sum())
}
