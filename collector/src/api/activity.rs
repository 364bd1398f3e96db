//! `/user/daily/activity` and the like: what was spent day by day, taken apart.

mod shown;

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};

use self::shown::{Answer, Days};
use super::{
    Api, Shared,
    answer::Refusal,
    asked::{self, ROWS_MAX},
    spend::hashed,
};
use crate::{
    books::{Label, Page, Span, Whose},
    entities::{self, Filter, Team, TeamMember},
    management::{
        caller::{Caller, Who},
        query::Query,
    },
};

/// Days of a page, at most and by default.
const PAGE_SIZE_MAX: u32 = 1000;
const PAGE_SIZE: u32 = 50;
/// Teams of an asker that are looked at.
const TEAMS_MAX: u32 = 1000;

/// What an answer has besides its sums.
#[derive(Clone, Copy)]
struct Wanted {
    span: Span,
    /// Its number and how many days it has; `None` for all days.
    page: Option<(u32, u32)>,
}

/// Spend of users; whoever does not see all sees their own.
pub(super) async fn users(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    of_users(&api, &caller, query, true).await
}

/// The same for all days at once.
pub(super) async fn users_whole(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    of_users(&api, &caller, query, false).await
}

async fn of_users(
    api: &Api,
    caller: &Caller,
    mut query: Query,
    paged: bool,
) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&mut query, paged)?;
    let user = query.text("user_id")?;
    let whose = narrowed(&mut query, asked::whose(caller))?;
    query.finish()?;
    let whose = match user {
        None => whose,
        Some(user) => {
            caller.must(caller.sees_all() || caller.user_id() == Some(&user))?;
            whose.only(Label::User, vec![user])
        }
    };
    answer(api, &whose, wanted, Label::User).await
}

/// Spend of teams: all of it for who manages the team, their own part for who belongs to it.
pub(super) async fn teams(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&mut query, true)?;
    let ids = query.list("team_ids")?;
    let whose = match (&ids, caller.sees_all()) {
        (Some(ids), true) => Whose::default().only(Label::Team, ids.clone()),
        (None, true) => Whose::default(),
        (ids, false) => of_teams(&api, &caller, ids.as_deref()).await?,
    };
    let whose = narrowed(&mut query, whose)?;
    query.finish()?;
    answer(&api, &whose, wanted, Label::Team).await
}

/// What the asker sees of the teams that are named, or of all of theirs.
async fn of_teams(api: &Api, caller: &Caller, ids: Option<&[String]>) -> Result<Whose, Refusal> {
    let ids = match ids {
        Some(ids) => ids.to_vec(),
        None => own_teams(api, caller).await?,
    };
    let mut whose = Whose::nobody();
    for id in ids {
        let team: Option<Team> = entities::get(&api.books, &id).await?;
        let Some(team) = team else {
            return Err(caller.refusal());
        };
        caller.must(caller.sees(&api.books, &team).await?)?;
        let mut conditions = vec![(Label::Team, vec![id])];
        if !caller.manages(&api.books, &team).await? {
            conditions.extend(asked::own(caller));
        }
        whose = whose.or(conditions);
    }
    Ok(whose)
}

async fn own_teams(api: &Api, caller: &Caller) -> Result<Vec<String>, Refusal> {
    let key = caller.key().and_then(|key| key.team_id.clone());
    let mut teams: Vec<String> = key.into_iter().collect();
    if let Some(user) = caller.user_id() {
        let page = Page {
            skip: 0,
            take: TEAMS_MAX,
        };
        let filter = Filter::default().with("user_id", user);
        let members: Vec<TeamMember> = entities::page(&api.books, &filter, page).await?;
        teams.extend(members.into_iter().map(|member| member.team_id));
    }
    Ok(teams)
}

/// Spend of organizations, for their admins.
pub(super) async fn organizations(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&mut query, true)?;
    let ids = query.list("organization_ids")?;
    if !caller.sees_all() {
        caller.must(ids.is_some())?;
        for id in ids.iter().flatten() {
            caller.must(caller.leads(&api.books, id).await?)?;
        }
    }
    let whose = match ids {
        Some(ids) => Whose::default().only(Label::Organization, ids),
        None => Whose::default(),
    };
    let whose = narrowed(&mut query, whose)?;
    query.finish()?;
    answer(&api, &whose, wanted, Label::Organization).await
}

/// Spend of tags. What a tag spent is not kept by model.
pub(super) async fn tags(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    of_kind(&api, &caller, query, ("tag", "tags")).await
}

/// Spend of end users. What one spent is not kept by model.
pub(super) async fn customers(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    of_kind(&api, &caller, query, ("end_user", "end_user_ids")).await
}

async fn of_kind(
    api: &Api,
    caller: &Caller,
    mut query: Query,
    (kind, param): (&str, &'static str),
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let wanted = Wanted::read(&mut query, true)?;
    let ids = query.list(param)?;
    query.finish()?;
    let rows = api
        .books
        .entity_days(kind, wanted.span, ids, ROWS_MAX)
        .await?;
    let mut days = Days::default();
    for row in asked::whole(rows)? {
        if let [day, id] = &*row.labels {
            days.entity(day, id, &row.counts);
        }
    }
    let names = BTreeMap::new();
    Ok(Json(Answer::of(&days, wanted.page, &names)).into_response())
}

/// What `model` and `api_key` leave of it.
fn narrowed(query: &mut Query, mut whose: Whose) -> Result<Whose, Refusal> {
    if let Some(model) = query.text("model")? {
        whose = whose.only(Label::Model, vec![model]);
    }
    if let Some(key) = query.text("api_key")? {
        whose = whose.only(Label::ApiKey, vec![hashed(&key)]);
    }
    Ok(whose)
}

impl Wanted {
    fn read(query: &mut Query, paged: bool) -> Result<Self, Refusal> {
        let span = asked::required_span(query)?;
        let page = match paged {
            true => Some((
                query.number("page", 1, u32::MAX)?,
                query.number("page_size", PAGE_SIZE, PAGE_SIZE_MAX)?,
            )),
            false => None,
        };
        Ok(Self { span, page })
    }
}

async fn answer(
    api: &Api,
    whose: &Whose,
    wanted: Wanted,
    entity: Label,
) -> Result<Response, Refusal> {
    let labels = [
        Label::Day,
        Label::Model,
        Label::ModelGroup,
        Label::Provider,
        Label::ApiKey,
        entity,
    ];
    let rows = api
        .books
        .activity(whose, wanted.span, &labels, ROWS_MAX)
        .await?;
    let mut days = Days::default();
    for row in asked::whole(rows)? {
        let [day, parts @ .., id] = &*row.labels else {
            continue;
        };
        // What belongs to no team is nothing of teams; what has no user was spent all the same.
        if entity == Label::User || !id.is_empty() {
            days.call(day, (parts, id), &row.counts);
        }
    }
    let known = api.books.directory().known();
    let keys = known.snapshot().keys.values();
    let names = keys.filter_map(|key| {
        let id = key.id.as_ref()?.to_string();
        let team = key.team.as_ref().map(ToString::to_string);
        let alias = key.alias.as_ref().map(ToString::to_string);
        Some((id, (alias, team)))
    });
    let names = names.collect();
    Ok(Json(Answer::of(&days, wanted.page, &names)).into_response())
}
