//! `/team/member_…`: who belongs to a team, and what they may spend there.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::Serialize;

use super::{WithMembers, managed, with_members};
use crate::{
    api::{Api, Shared, answer::Refusal},
    entities::{self, BudgetRow, Change, Key, Limits, Team, TeamMember, TeamRole, User},
    management::{
        answer::Answer,
        attach,
        caller::{Caller, Who},
        form::Form,
    },
};

const ROLES: &str = "`admin` or `user`";

/// Adds one member or several.
pub(in crate::management) async fn add(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, team, added) = join(&api, &caller, form, "member").await?;
    #[derive(Serialize)]
    struct Body {
        #[serde(flatten)]
        team: WithMembers,
        updated_users: Vec<User>,
        updated_team_memberships: Vec<TeamMember>,
    }
    let (updated_users, updated_team_memberships) = added.into_iter().unzip();
    let body = Body {
        team: with_members(&api, team).await?,
        updated_users,
        updated_team_memberships,
    };
    Ok(answer.json(&body))
}

/// Adds several members: all of them, or none.
pub(in crate::management) async fn bulk_add(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Line {
        user_id: String,
        user_email: Option<String>,
        success: bool,
        error: Option<()>,
        updated_user: User,
        updated_team_membership: TeamMember,
    }
    #[derive(Serialize)]
    struct Body {
        team_id: String,
        total_requested: usize,
        successful_additions: usize,
        failed_additions: usize,
        results: Vec<Line>,
        updated_team: WithMembers,
    }
    let (answer, team, added) = join(&api, &caller, form, "members").await?;
    let line = |(user, member): (User, TeamMember)| Line {
        user_id: user.user_id.clone(),
        user_email: user.user_email.clone(),
        success: true,
        error: None,
        updated_user: user,
        updated_team_membership: member,
    };
    let results: Vec<Line> = added.into_iter().map(line).collect();
    Ok(answer.json(&Body {
        team_id: team.team_id.clone(),
        total_requested: results.len(),
        successful_additions: results.len(),
        failed_additions: 0,
        results,
        updated_team: with_members(&api, team).await?,
    }))
}

/// Users who are members now, and their places.
type Added = Vec<(User, TeamMember)>;

async fn join(
    api: &Api,
    caller: &Caller,
    mut form: Form,
    field: &'static str,
) -> Result<(Answer, Team, Added), Refusal> {
    let id = form.text("team_id")?.required("team_id")?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let team = managed(api, caller, &mut change, &id).await?;
    let mut limits = Limits::default();
    form.usd("max_budget_in_team")?.put(&mut limits.max_budget);
    form.window("budget_duration")?
        .put(&mut limits.budget_duration);
    let allowed_models = form.texts("allowed_models")?.value().unwrap_or_default();
    let mut added = Vec::new();
    for mut part in form.parts(field)? {
        let role = part.choice::<TeamRole>("role", ROLES)?.value();
        let user = attach::member(&mut change, &mut part).await?;
        part.finish()?;
        let mut member = TeamMember {
            team_id: id.clone(),
            user_id: user.user_id.clone(),
            role: role.unwrap_or_default(),
            allowed_models: allowed_models.clone(),
            ..TeamMember::default()
        };
        let place = TeamMember::id_of(&id, &user.user_id);
        if change.get::<TeamMember>(&place).await?.is_some() {
            let message = format!("User={} is already a member of the team {id}", user.user_id);
            return Err(
                Refusal::bad_request(field, &message).of_kind("team_member_already_in_team")
            );
        }
        set_limits(&mut change, &mut member, None, limits.clone()).await?;
        change.put(&mut member).await?;
        added.push((user, member));
    }
    let answer = form.finish()?;
    change.commit().await?;
    Ok((answer, team, added))
}

/// Spend cannot be set: it is refused, with the reason.
pub(in crate::management) async fn reset_spend(
    State(api): Shared,
    Extension(caller): Who,
    Path((team, user)): Path<(String, String)>,
    mut form: Form,
) -> Result<Response, Refusal> {
    caller.admin()?;
    form.usd("reset_to")?.required("reset_to")?;
    form.finish()?;
    let member: Option<TeamMember> =
        entities::get(&api.books, &TeamMember::id_of(&team, &user)).await?;
    member.ok_or_else(|| absent(&user, &team))?;
    Err(Refusal::spend_is_a_sum())
}

async fn set_limits(
    change: &mut Change<'_>,
    member: &mut TeamMember,
    current: Option<BudgetRow>,
    limits: Limits,
) -> Result<(), Refusal> {
    if current.is_none() && limits.is_empty() {
        return Ok(());
    }
    let mut budget_id = member.budget_id.take();
    attach::own(change, member, current, limits, &mut budget_id).await?;
    member.budget_id = budget_id;
    Ok(())
}

/// The member that a request names.
async fn named(
    change: &mut Change<'_>,
    form: &mut Form,
    team: &str,
) -> Result<TeamMember, Refusal> {
    let id = form.text("user_id")?.value();
    let email = form.text("user_email")?.value();
    let id = match (id, email) {
        (Some(id), _) => id,
        (None, Some(email)) => {
            let user = change.find::<User>("user_email", &email, 1).await?.pop();
            user.ok_or_else(|| absent(&email, team))?.user_id
        }
        (None, None) => {
            return Err(Refusal::unprocessable("user_id", "`user_id` is missing"));
        }
    };
    let member = change.get(&TeamMember::id_of(team, &id)).await?;
    member.ok_or_else(|| absent(&id, team))
}

fn absent(user: &str, team: &str) -> Refusal {
    Refusal::not_found(&format!("User={user} is not a member of the team {team}"))
}

/// Changes what a member may do and spend.
pub(in crate::management) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    let id = form.text("team_id")?.required("team_id")?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    managed(&api, &caller, &mut change, &id).await?;
    let mut member = named(&mut change, &mut form, &id).await?;
    form.choice::<TeamRole>("role", ROLES)?
        .replace(&mut member.role);
    form.texts("allowed_models")?
        .replace(&mut member.allowed_models);
    let current = match &member.budget_id {
        Some(id) => change.get::<BudgetRow>(id).await?,
        None => None,
    };
    let mut limits = current
        .as_ref()
        .map(|row| row.limits.clone())
        .unwrap_or_default();
    form.usd("max_budget_in_team")?.put(&mut limits.max_budget);
    form.window("budget_duration")?
        .put(&mut limits.budget_duration);
    form.count("tpm_limit")?.put(&mut limits.tpm_limit);
    form.count("rpm_limit")?.put(&mut limits.rpm_limit);
    let answer = form.finish()?;
    let max_budget_in_team = limits.max_budget;
    set_limits(&mut change, &mut member, current, limits).await?;
    change.put(&mut member).await?;
    change.commit().await?;
    #[derive(Serialize)]
    struct Body {
        max_budget_in_team: Option<event::Usd>,
        #[serde(flatten)]
        member: TeamMember,
    }
    Ok(answer.json(&Body {
        max_budget_in_team,
        member,
    }))
}

/// Takes a member out of a team, with their keys for it.
pub(in crate::management) async fn delete(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    let id = form.text("team_id")?.required("team_id")?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let team = managed(&api, &caller, &mut change, &id).await?;
    let member = named(&mut change, &mut form, &id).await?;
    let answer = form.finish()?;
    remove(&mut change, &member).await?;
    change.commit().await?;
    drop(writer);
    Ok(answer.json(&with_members(&api, team).await?))
}

async fn remove(change: &mut Change<'_>, member: &TeamMember) -> Result<(), Refusal> {
    attach::drop_own(change, member, member.budget_id.as_deref()).await?;
    for key in change
        .find::<Key>("user_id", &member.user_id, u32::MAX)
        .await?
    {
        if key.team_id.as_deref() == Some(&member.team_id) {
            change.remove(&key).await?;
        }
    }
    Ok(change.remove(member).await?)
}

/// Takes every member out of a team that goes.
pub(super) async fn remove_all(change: &mut Change<'_>, team: &str) -> Result<(), Refusal> {
    for member in change.find::<TeamMember>("team_id", team, u32::MAX).await? {
        remove(change, &member).await?;
    }
    Ok(())
}
