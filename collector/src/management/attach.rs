//! Ties entities to others: budgets that are shared or made for one, users that come into being.

use uuid::Uuid;

use super::form::Form;
use crate::{
    api::answer::Refusal,
    entities::{BudgetRow, Change, Limits, Organization, Role, Stored, Team, User},
};

/// A new id.
pub(super) fn new_id() -> String {
    Uuid::new_v4().to_string()
}

/// What `budget_id` and the limits in a request make of an entity's budget. Limits make a budget of
/// its own, or change the one it has.
pub(super) async fn budget<S: Stored>(
    change: &mut Change<'_>,
    form: &mut Form,
    entity: &S,
    budget_id: &mut Option<String>,
) -> Result<(), Refusal> {
    let named = form.has("budget_id");
    let previous = budget_id.clone();
    form.text("budget_id")?.put(budget_id);
    let current = match &*budget_id {
        Some(id) => Some(shared(change, id).await?),
        None => None,
    };
    let before = current
        .as_ref()
        .map(|row| row.limits.clone())
        .unwrap_or_default();
    let mut limits = before.clone();
    form.limits(&mut limits)?;
    if *budget_id != previous {
        drop_own(change, entity, previous.as_deref()).await?;
    }
    if limits == before {
        return Ok(());
    }
    if named && current.is_some() {
        let message = "give either `budget_id` or limits, not both: a shared budget is changed by \
                       `/budget/update`";
        return Err(Refusal::bad_request("budget_id", message));
    }
    own(change, entity, current, limits, budget_id).await
}

/// Gives an entity a budget of its own with these limits.
pub(super) async fn own<S: Stored>(
    change: &mut Change<'_>,
    entity: &S,
    current: Option<BudgetRow>,
    limits: Limits,
    budget_id: &mut Option<String>,
) -> Result<(), Refusal> {
    let current = current.filter(|row| row.is_of(entity));
    let mut row = current.unwrap_or_else(|| BudgetRow {
        budget_id: new_id(),
        owner: Some((S::TABLE.to_owned(), entity.id())),
        ..BudgetRow::default()
    });
    row.limits = limits;
    change.put(&mut row).await?;
    *budget_id = Some(row.budget_id);
    Ok(())
}

/// Takes an entity's own budget away with it.
pub(super) async fn drop_own<S: Stored>(
    change: &mut Change<'_>,
    entity: &S,
    budget_id: Option<&str>,
) -> Result<(), Refusal> {
    let Some(id) = budget_id else {
        return Ok(());
    };
    if let Some(row) = change.get::<BudgetRow>(id).await?
        && row.is_of(entity)
    {
        change.remove(&row).await?;
    }
    Ok(())
}

/// The budget of this id.
pub(super) async fn shared(change: &mut Change<'_>, id: &str) -> Result<BudgetRow, Refusal> {
    let missing = || Refusal::bad_request("budget_id", &format!("Budget={id} does not exist"));
    change.get(id).await?.ok_or_else(missing)
}

/// The team of this id.
pub(super) async fn team(change: &mut Change<'_>, id: &str) -> Result<Team, Refusal> {
    let team = change.get(id).await?;
    team.ok_or_else(|| no_team(id))
}

/// That there is no such team.
pub(super) fn no_team(id: &str) -> Refusal {
    let message = format!("Team doesn't exist in db. Team={id}. Create team via `/team/new` call.");
    Refusal::not_found(&message).of_kind("auth_error")
}

/// The organization of this id.
pub(super) async fn organization(
    change: &mut Change<'_>,
    id: &str,
) -> Result<Organization, Refusal> {
    let missing = || Refusal::not_found(&format!("Organization={id} does not exist"));
    change.get(id).await?.ok_or_else(missing)
}

/// The user of this id, new if there is none: so LiteLLM takes users that are named for a key or
/// for a team. Nobody said that such a user may make keys, so they may not.
pub(super) async fn user(change: &mut Change<'_>, id: &str) -> Result<User, Refusal> {
    if let Some(user) = change.get(id).await? {
        return Ok(user);
    }
    let mut user = fresh(id.to_owned());
    user.user_role = Role::InternalUserViewer;
    change.put(&mut user).await?;
    Ok(user)
}

/// A user of whom nothing else is known.
pub(super) fn fresh(user_id: String) -> User {
    User {
        user_id,
        metadata: event::Json::empty_object(),
        ..User::default()
    }
}

/// The user with this id or this address, new if there is none.
pub(super) async fn member(change: &mut Change<'_>, form: &mut Form) -> Result<User, Refusal> {
    let id = form.text("user_id")?.value();
    let email = form.text("user_email")?.value();
    let known = match &email {
        Some(email) => change.find::<User>("user_email", email, 1).await?.pop(),
        None => None,
    };
    match (id, email, known) {
        (None, _, Some(user)) => Ok(user),
        (Some(id), Some(_), Some(user)) if user.user_id != id => Err(Refusal::bad_request(
            "user_email",
            "`user_email` is that of another user than `user_id`",
        )),
        (Some(id), None, _) | (Some(id), Some(_), Some(_)) => user(change, &id).await,
        (id, Some(email), None) => {
            let id = id.unwrap_or_else(new_id);
            if let Some(user) = change.get(&id).await? {
                return Ok(user);
            }
            let mut user = fresh(id);
            user.user_role = Role::InternalUserViewer;
            user.user_email = Some(email);
            change.put(&mut user).await?;
            Ok(user)
        }
        (None, None, None) => Err(Refusal::unprocessable(
            "member",
            "a member needs a `user_id` or a `user_email`",
        )),
    }
}
