//! Who may change which key, and whose it may become.
//!
//! A key of a user has the user's role. So nobody but an admin makes a key for somebody else, or
//! gets to see a new key of theirs: the admin of a team would otherwise make themselves the proxy's.

use super::{attach, missing};
use crate::{
    api::answer::Refusal,
    books::Books,
    entities::{self, Change, Key, Team},
    management::{caller::Caller, secret},
};

/// The key that a request names, and whether its limits may be loosened.
pub(super) async fn of(
    caller: &Caller,
    books: &Books,
    change: &mut Change<'_>,
    named: &str,
) -> Result<(Key, bool), Refusal> {
    let key = named_key(change, named).await?;
    if caller.is_admin() || manages(caller, books, &key).await? {
        return Ok((key, true));
    }
    caller.must(caller.may_write() && owns(caller, &key))?;
    let own = caller.user_id() == Some(&key.stamps.created_by)
        && key.stamps.created_by == key.stamps.updated_by;
    Ok((key, own))
}

/// The key with this text, digest or id.
pub(super) async fn named_key(change: &mut Change<'_>, named: &str) -> Result<Key, Refusal> {
    let digest = secret::digest_of(named);
    for column in ["id", "hash"] {
        if let Some(key) = change.find(column, &digest, 1).await?.pop() {
            return Ok(key);
        }
    }
    Err(missing())
}

/// Whether it is the caller's.
pub(super) fn owns(caller: &Caller, key: &Key) -> bool {
    key.user_id.is_some() && key.user_id.as_deref() == caller.user_id()
}

/// Whether the caller manages the team that it belongs to.
pub(super) async fn manages(caller: &Caller, books: &Books, key: &Key) -> Result<bool, Refusal> {
    let Some(id) = &key.team_id else {
        return Ok(false);
    };
    match entities::get::<Team>(books, id).await? {
        Some(team) => caller.manages(books, &team).await,
        None => Ok(false),
    }
}

/// Checks whose a key becomes, and ties it to them.
pub(super) async fn place(
    caller: &Caller,
    books: &Books,
    change: &mut Change<'_>,
    (before, key): (&Key, &mut Key),
) -> Result<(), Refusal> {
    if let Some(id) = &key.team_id {
        let team = attach::team(change, id).await?;
        if before.team_id.as_ref() != Some(id) && !caller.manages(books, &team).await? {
            return Err(caller.refusal());
        }
        if key.organization_id.is_none() {
            key.organization_id.clone_from(&team.organization_id);
        }
        if team.organization_id.is_some() && team.organization_id != key.organization_id {
            let message = "`organization_id` is not that of the key's team";
            return Err(Refusal::bad_request("organization_id", message));
        }
    }
    let organization = key.organization_id.clone();
    if let Some(id) = organization.filter(|id| before.organization_id.as_ref() != Some(id)) {
        let organization = attach::organization(change, &id).await?;
        let by_team = key.team_id.is_some();
        let leads = caller.leads(books, &organization.organization_id).await?;
        caller.must(by_team || leads)?;
    }
    // Out of a team or an organization a key has fewer limits.
    let left = (before.team_id.is_some() && before.team_id != key.team_id)
        || (before.organization_id.is_some() && before.organization_id != key.organization_id);
    caller.must(caller.is_admin() || !left)?;
    match &key.user_id {
        Some(id) if before.user_id.as_ref() != Some(id) => {
            caller.must(caller.is_admin() || caller.user_id() == Some(id))?;
            attach::user(change, id).await?;
        }
        // A key of nobody is for a team, or made by an admin.
        None if before.user_id.is_some() => {
            let team = key.team_id.is_some();
            caller.must(caller.is_admin() || team)?;
        }
        _ => {}
    }
    Ok(())
}
