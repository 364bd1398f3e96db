//! `/team/permissions_…`: what members of a team may do who do not manage it.

use axum::{Extension, extract::State, response::Response};
use serde::Serialize;

use crate::{
    api::{Shared, answer::Refusal},
    entities::{self, Team},
    management::{answer::Answer, attach, caller::Who, form::Form, query::Query},
};

/// What a team may let its members do: see its keys, and make keys in it, of their own or of nobody.
const AVAILABLE: [&str; 4] = [
    "/key/info",
    "/key/list",
    "/key/generate",
    "/key/service-account/generate",
];

#[derive(Serialize)]
struct Body {
    team_id: String,
    team_member_permissions: Vec<String>,
    all_available_permissions: [&'static str; 4],
}

impl From<Team> for Body {
    fn from(team: Team) -> Self {
        Self {
            team_id: team.team_id,
            team_member_permissions: team.team_member_permissions,
            all_available_permissions: AVAILABLE,
        }
    }
}

/// Permissions that there are.
pub(super) fn checked(names: Vec<String>) -> Result<Vec<String>, Refusal> {
    match names
        .iter()
        .find(|name| !AVAILABLE.contains(&name.as_str()))
    {
        None => Ok(names),
        Some(name) => {
            let message = format!(
                "`{}` is nothing that members can be let do; there are {}",
                name.escape_debug(),
                AVAILABLE.join(", ")
            );
            Err(Refusal::bad_request("team_member_permissions", &message))
        }
    }
}

/// What members may do, and what they could be let do.
pub(in crate::management) async fn list(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let id = query.text("team_id")?;
    query.finish()?;
    let id = id.ok_or_else(|| Refusal::unprocessable("team_id", "`team_id` is missing"))?;
    let team: Option<Team> = entities::get(&api.books, &id).await?;
    let team = team.ok_or_else(|| attach::no_team(&id))?;
    caller.must(caller.sees(&api.books, &team).await?)?;
    Ok(Answer::new(Vec::new()).json(&Body::from(team)))
}

/// Says what members may do.
pub(in crate::management) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    const FIELD: &str = "team_member_permissions";
    let id = form.text("team_id")?.required("team_id")?;
    let names = checked(form.texts(FIELD)?.required(FIELD)?)?;
    let answer = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let mut team = super::managed(&api, &caller, &mut change, &id).await?;
    team.team_member_permissions = names;
    change.put(&mut team).await?;
    change.commit().await?;
    Ok(answer.json(&Body::from(team)))
}
