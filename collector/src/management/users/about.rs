//! `/user/info` and its like: what is known of a user.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use crate::{
    api::{Shared, answer::Refusal},
    books::{Books, Page},
    entities::{self, Filter, Key, Stored, Team, TeamMember, User},
    management::{
        caller::{Caller, Who},
        query::Query,
        shown::{self, Shown},
    },
};

/// Keys and teams in one answer, at most.
const SHOWN_MAX: u32 = 1000;

/// A user and what they have; without a user, all there is.
#[derive(Serialize)]
struct WithKeys {
    user_id: Option<String>,
    user_info: Option<WithTeams>,
    keys: Vec<Shown<Key>>,
    teams: Vec<Team>,
}

#[derive(Serialize)]
struct WithTeams {
    #[serde(flatten)]
    shown: Shown<User>,
    teams: Vec<String>,
}

/// What is known of a user, by default of the caller. An admin without a user is shown every key and
/// team.
pub(in crate::management) async fn info(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    let books = &api.books;
    let Some(id) = named(&caller, query)? else {
        let all = Filter::default();
        let body = WithKeys {
            user_id: None,
            user_info: None,
            keys: shown::all(books, some(books, &all).await?).await?,
            teams: some(books, &all).await?,
        };
        return Ok(Json(body).into_response());
    };
    let user_info = with_teams(books, &id).await?;
    let keys = some(books, &Filter::default().with("user_id", &*id)).await?;
    let teams = Filter::default().within("id", user_info.teams.clone());
    let body = WithKeys {
        user_id: Some(id),
        keys: shown::all(books, keys).await?,
        teams: some(books, &teams).await?,
        user_info: Some(user_info),
    };
    Ok(Json(body).into_response())
}

/// The same without keys and teams.
pub(in crate::management) async fn short(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    let missing = || Refusal::unprocessable("user_id", "`user_id` is missing");
    let id = named(&caller, query)?.ok_or_else(missing)?;
    Ok(Json(with_teams(&api.books, &id).await?).into_response())
}

/// The user that a query names, or else the caller's; `None` for an admin who has none.
fn named(caller: &Caller, mut query: Query) -> Result<Option<String>, Refusal> {
    let id = query.text("user_id")?;
    query.finish()?;
    let id = id.or_else(|| caller.user_id().map(str::to_owned));
    let own = id.is_some() && id.as_deref() == caller.user_id();
    caller.must(caller.sees_all() || own)?;
    Ok(id)
}

async fn with_teams(books: &Books, id: &str) -> Result<WithTeams, Refusal> {
    let user: Option<User> = entities::get(books, id).await?;
    let user = user.ok_or_else(|| super::missing(id))?;
    let filter = Filter::default().with("user_id", id);
    let members: Vec<TeamMember> = some(books, &filter).await?;
    Ok(WithTeams {
        shown: shown::one(books, user).await?,
        teams: members.into_iter().map(|member| member.team_id).collect(),
    })
}

async fn some<S: Stored>(books: &Books, filter: &Filter) -> Result<Vec<S>, Refusal> {
    let page = Page {
        skip: 0,
        take: SHOWN_MAX,
    };
    Ok(entities::page(books, filter, page).await?)
}

/// What there is for a user to be.
pub(in crate::management) async fn roles(query: Query) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Role {
        ui_label: &'static str,
        description: &'static str,
    }
    query.finish()?;
    let roles = [
        ("proxy_admin", "Admin (All Permissions)", "may everything"),
        (
            "proxy_admin_viewer",
            "Admin (View Only)",
            "reads everything",
        ),
        (
            "internal_user",
            "Internal User (Create/Delete/View)",
            "makes and changes keys of their own",
        ),
        (
            "internal_user_viewer",
            "Internal User (View Only)",
            "reads what is their own",
        ),
    ];
    let role = |(name, ui_label, description)| {
        let role = Role {
            ui_label,
            description,
        };
        (name, role)
    };
    let roles: BTreeMap<&str, Role> = roles.into_iter().map(role).collect();
    Ok(Json(roles).into_response())
}
