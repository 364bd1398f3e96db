//! `/team/…`: teams; their members in `teams/members.rs`.

mod fields;
pub(super) mod members;
pub(super) mod models;
pub(super) mod permissions;

use axum::{
    Extension, Json,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use super::{
    attach,
    caller::{Caller, Who},
    edit,
    form::Form,
    query::{Query, Wanted},
    shown::{self, Shown},
};
use crate::{
    api::{Api, Shared, answer::Refusal},
    books::Page,
    entities::{self, BudgetRow, Change, Filter, Key, Team, TeamMember, TeamRole},
};

/// Keys, members and teams in one answer, at most.
const SHOWN_MAX: u32 = 1000;

/// A member as it stands in a team's row.
#[derive(Clone, Debug, Serialize)]
struct Member {
    user_id: String,
    role: TeamRole,
}

/// A team and who belongs to it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WithMembers {
    members_with_roles: Vec<Member>,
    #[serde(flatten)]
    shown: Shown<Team>,
}

/// A team with its members.
pub(super) async fn with_members(api: &Api, team: Team) -> Result<WithMembers, Refusal> {
    let members = members_of(api, &team.team_id).await?;
    let members_with_roles = members.into_iter().map(|member| Member {
        user_id: member.user_id,
        role: member.role,
    });
    Ok(WithMembers {
        members_with_roles: members_with_roles.collect(),
        shown: shown::one(&api.books, team).await?,
    })
}

async fn members_of(api: &Api, team: &str) -> Result<Vec<TeamMember>, Refusal> {
    let filter = Filter::default().with("team_id", team);
    let page = Page {
        skip: 0,
        take: SHOWN_MAX,
    };
    Ok(entities::page(&api.books, &filter, page).await?)
}

/// Makes a team. Who makes it becomes its admin.
pub(super) async fn new(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, team) = edit::make::<Team>(&api, &caller, form).await?;
    Ok(answer.json(&with_members(&api, team).await?))
}

/// Changes fields of a team. Its admin may not loosen what limits it.
pub(super) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    change_fields(&api, &caller, form).await
}

/// The same, with the team in the path.
pub(super) async fn update_named(
    State(api): Shared,
    Extension(caller): Who,
    Path(id): Path<String>,
    mut form: Form,
) -> Result<Response, Refusal> {
    form.set("team_id", &id)?;
    change_fields(&api, &caller, form).await
}

async fn change_fields(api: &Api, caller: &Caller, form: Form) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Body {
        team_id: String,
        data: WithMembers,
    }
    let (answer, team) = edit::update::<Team>(api, caller, form).await?;
    let team_id = team.team_id.clone();
    let data = with_members(api, team).await?;
    Ok(answer.json(&Body { team_id, data }))
}

/// Takes teams away, with their keys and memberships.
pub(super) async fn delete(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    let ids = form.texts("team_ids")?.required("team_ids")?;
    let answer = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let mut teams = Vec::with_capacity(ids.len());
    for id in &ids {
        let team = attach::team(&mut change, id).await?;
        let leads = match &team.organization_id {
            Some(organization) => caller.leads(&api.books, organization).await?,
            None => caller.is_admin(),
        };
        caller.must(leads)?;
        change.remove_all::<Key>("team_id", id).await?;
        members::remove_all(&mut change, id).await?;
        change.remove(&team).await?;
        teams.push(team);
    }
    change.commit().await?;
    Ok(answer.json(&teams))
}

/// Keeps a team's keys from being used.
pub(super) async fn block(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    set_blocked(&api, &caller, form, true).await
}

/// Lets them be used again.
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
    caller.admin()?;
    let id = form.text("team_id")?.required("team_id")?;
    let answer = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let mut team = attach::team(&mut change, &id).await?;
    team.blocked = blocked;
    change.put(&mut team).await?;
    change.commit().await?;
    drop(writer);
    Ok(answer.json(&with_members(api, team).await?))
}

/// A member's place in a team. What they spend there is not counted by itself yet.
#[derive(Serialize)]
struct Membership {
    user_id: String,
    team_id: String,
    budget_id: Option<String>,
    allowed_models: Vec<String>,
    litellm_budget_table: Option<BudgetRow>,
    budget_source: &'static str,
}

/// What is known of a team.
pub(super) async fn info(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let id = query.text("team_id")?;
    query.finish()?;
    let id = id.ok_or_else(|| Refusal::unprocessable("team_id", "`team_id` is missing"))?;
    let missing = || {
        let message = format!("Team not found, passed team id: {id}.");
        Refusal::not_found(&message).of_kind("auth_error")
    };
    let team: Option<Team> = entities::get(&api.books, &id).await?;
    let team = team.ok_or_else(missing)?;
    caller.must(caller.sees(&api.books, &team).await?)?;
    let default = team.team_member_budget.is_some();
    let mut team_memberships = Vec::new();
    for member in members_of(&api, &id).await? {
        team_memberships.push(membership(&api, member, default).await?);
    }
    let filter = Filter::default().with("team_id", &*id);
    let page = Page {
        skip: 0,
        take: SHOWN_MAX,
    };
    let keys: Vec<Key> = entities::page(&api.books, &filter, page).await?;
    #[derive(Serialize)]
    struct Body {
        team_id: String,
        team_info: WithMembers,
        keys: Vec<Shown<Key>>,
        team_memberships: Vec<Membership>,
    }
    let body = Body {
        team_info: with_members(&api, team).await?,
        keys: shown::all(&api.books, keys).await?,
        team_id: id,
        team_memberships,
    };
    Ok(Json(body).into_response())
}

async fn membership(api: &Api, member: TeamMember, default: bool) -> Result<Membership, Refusal> {
    let litellm_budget_table = match &member.budget_id {
        Some(id) => entities::get(&api.books, id).await?,
        None => None,
    };
    let budget_source = match (&member.budget_id, default) {
        (Some(_), _) => "custom",
        (None, true) => "team_default",
        (None, false) => "none",
    };
    Ok(Membership {
        user_id: member.user_id,
        team_id: member.team_id,
        budget_id: member.budget_id,
        allowed_models: member.allowed_models,
        litellm_budget_table,
        budget_source,
    })
}

/// The teams that fit: of a user, of an organization, or all.
pub(super) async fn list(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    let (filter, wanted) = listed(&api, &caller, query).await?;
    Ok(Json(on_page(&api, &filter, wanted).await?).into_response())
}

/// The same, with how many there are.
pub(super) async fn paged(
    State(api): Shared,
    Extension(caller): Who,
    query: Query,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Body {
        teams: Vec<WithMembers>,
        total: u64,
        page: u32,
        page_size: u32,
        total_pages: u64,
    }
    let (filter, wanted) = listed(&api, &caller, query).await?;
    let total = entities::count::<Team>(&api.books, &filter).await?;
    let body = Body {
        teams: on_page(&api, &filter, wanted).await?,
        total,
        page: wanted.number,
        page_size: wanted.size,
        total_pages: wanted.pages(total),
    };
    Ok(Json(body).into_response())
}

/// The teams that users may join by themselves: there are none.
pub(super) async fn available(query: Query) -> Result<Response, Refusal> {
    query.finish()?;
    Ok(Json([(); 0]).into_response())
}

async fn listed(api: &Api, caller: &Caller, mut query: Query) -> Result<(Filter, Wanted), Refusal> {
    let user = query.text("user_id")?;
    let organization = query.text("organization_id")?;
    let (id, alias) = (query.text("team_id")?, query.text("team_alias")?);
    let wanted = query.wanted("page_size", 100)?;
    // litellm's client says it always; without `sort_by`, which is not taken, it says nothing.
    query.text("sort_order")?;
    query.finish()?;
    let own = caller.user_id().map(str::to_owned);
    let user = match (user, caller.sees_all()) {
        (user, true) => user,
        (None, false) => Some(own.ok_or_else(|| caller.refusal())?),
        (user, false) => {
            caller.must(user == own)?;
            user
        }
    };
    let mut filter = Filter::default();
    if let Some(user) = user {
        let member = Filter::default().with("user_id", user);
        let page = Page {
            skip: 0,
            take: u32::MAX,
        };
        let members: Vec<TeamMember> = entities::page(&api.books, &member, page).await?;
        let ids = members.into_iter().map(|member| member.team_id);
        filter = filter.within("id", ids.collect());
    }
    for (column, value) in [
        ("organization_id", organization),
        ("id", id),
        ("team_alias", alias),
    ] {
        if let Some(value) = value {
            filter = filter.with(column, value);
        }
    }
    Ok((filter, wanted))
}

async fn on_page(api: &Api, filter: &Filter, wanted: Wanted) -> Result<Vec<WithMembers>, Refusal> {
    let rows: Vec<Team> = entities::page(&api.books, filter, wanted.page()).await?;
    let mut teams = Vec::with_capacity(rows.len());
    for team in rows {
        teams.push(with_members(api, team).await?);
    }
    Ok(teams)
}

/// The team of this id, for who manages it.
async fn managed(
    api: &Api,
    caller: &Caller,
    change: &mut Change<'_>,
    id: &str,
) -> Result<Team, Refusal> {
    let team = attach::team(change, id).await?;
    caller.must(caller.manages(&api.books, &team).await?)?;
    Ok(team)
}
