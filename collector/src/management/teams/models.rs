//! `/team/model/…`: puts models into a team's list, and takes them out.

use axum::{Extension, extract::State, response::Response};

use super::{managed, with_members};
use crate::{
    api::{Api, Shared, answer::Refusal},
    management::{
        caller::{Caller, Who},
        form::Form,
    },
};

/// Lets a team use further models.
pub(in crate::management) async fn add(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    // The first name of a list takes every other model away.
    let more = |list: &mut Vec<String>, names: Vec<String>| {
        for name in names {
            if !list.contains(&name) {
                list.push(name);
            }
        }
    };
    edit(&api, &caller, form, more).await
}

/// Takes models away from a team.
pub(in crate::management) async fn delete(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let less = |list: &mut Vec<String>, names: Vec<String>| {
        list.retain(|name| !names.contains(name));
    };
    edit(&api, &caller, form, less).await
}

async fn edit(
    api: &Api,
    caller: &Caller,
    mut form: Form,
    step: impl FnOnce(&mut Vec<String>, Vec<String>),
) -> Result<Response, Refusal> {
    let id = form.text("team_id")?.required("team_id")?;
    let names = form.texts("models")?.required("models")?;
    let answer = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let before = managed(api, caller, &mut change, &id).await?;
    let mut team = before.clone();
    step(&mut team.models, names);
    if team.models.is_empty() && !before.models.is_empty() {
        let message = "the last model of a team cannot be taken away, because a team without a list \
                       may use every model: set `models` to `[\"no-default-models\"]` instead";
        return Err(Refusal::bad_request("models", message));
    }
    if team.loosened(&before).is_some() {
        caller.admin()?;
    }
    change.put(&mut team).await?;
    change.commit().await?;
    drop(writer);
    Ok(answer.json(&with_members(api, team).await?))
}
