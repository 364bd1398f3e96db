//! Who may change which key, and whose it may become.
//!
//! A key of a user has the user's role. So nobody but an admin makes a key for somebody else, or
//! gets to see a new key of theirs: the admin of a team would otherwise make themselves the proxy's.

use super::{attach, missing};
use crate::{
    api::answer::Refusal,
    books::Books,
    entities::{self, Change, Key, Team, TeamMember},
    management::{caller::Caller, edit::By, secret},
};

/// Where keys of a team are made that belong to no user.
const SERVICE: &str = "/key/service-account/generate";

/// The key that a request names, if the caller may change it.
pub(super) async fn of(
    caller: &Caller,
    books: &Books,
    change: &mut Change<'_>,
    named: &str,
) -> Result<Key, Refusal> {
    let key = named_key(change, named).await?;
    if !directs(caller, books, &key).await? {
        caller.must(caller.may_write() && owns(caller, &key))?;
    }
    Ok(key)
}

/// Whether its limits are the caller's to loosen: those of an admin, of its team's, or of who alone
/// has set them.
pub(super) async fn may_loosen(caller: &Caller, books: &Books, key: &Key) -> Result<bool, Refusal> {
    let own = caller.user_id() == Some(&key.stamps.created_by)
        && key.stamps.created_by == key.stamps.updated_by;
    Ok(own || directs(caller, books, key).await?)
}

/// Whether the caller is an admin, or manages the team that it belongs to.
pub(super) async fn directs(caller: &Caller, books: &Books, key: &Key) -> Result<bool, Refusal> {
    Ok(caller.is_admin() || manages(caller, books, key).await?)
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

async fn manages(caller: &Caller, books: &Books, key: &Key) -> Result<bool, Refusal> {
    let Some(id) = &key.team_id else {
        return Ok(false);
    };
    match entities::get::<Team>(books, id).await? {
        Some(team) => caller.manages(books, &team).await,
        None => Ok(false),
    }
}

/// Whether the caller belongs to a team that lets its members do this.
pub(super) async fn permitted(
    caller: &Caller,
    books: &Books,
    team: &Team,
    what: &str,
) -> Result<bool, Refusal> {
    let mut permissions = team.team_member_permissions.iter();
    if !permissions.any(|name| name == what) {
        return Ok(false);
    }
    let Some(user) = caller.user_id() else {
        return Ok(false);
    };
    let id = TeamMember::id_of(&team.team_id, user);
    let member: Option<TeamMember> = entities::get(books, &id).await?;
    Ok(member.is_some())
}

/// Checks whose a key becomes, and ties it to them.
pub(super) async fn place(
    by: By<'_>,
    change: &mut Change<'_>,
    (before, key): (&Key, &mut Key),
) -> Result<(), Refusal> {
    let By { caller, books, .. } = by;
    let within = in_team(by, change, (before, key)).await?;
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
            caller.must(caller.is_admin() || within == Within::ForTheTeam)?;
        }
        _ => {}
    }
    Ok(())
}

/// What may be done with a key in its team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// It has none, or it is a member's own.
    Own,
    /// It may belong to the team alone.
    ForTheTeam,
}

/// Checks that the caller may have the key in its team, and ties it to the team's organization.
async fn in_team(
    by: By<'_>,
    change: &mut Change<'_>,
    (before, key): (&Key, &mut Key),
) -> Result<Within, Refusal> {
    let Some(id) = &key.team_id else {
        return Ok(Within::Own);
    };
    let By { caller, books, .. } = by;
    let team = attach::team(change, id).await?;
    let manages = caller.manages(books, &team).await?;
    let permitted = by.makes && permitted(caller, books, &team, caller.route()).await?;
    if before.team_id.as_ref() != Some(id) {
        caller.must(manages || (permitted && caller.may_write()))?;
    }
    if key.organization_id.is_none() {
        key.organization_id.clone_from(&team.organization_id);
    }
    if team.organization_id.is_some() && team.organization_id != key.organization_id {
        let message = "`organization_id` is not that of the key's team";
        return Err(Refusal::bad_request("organization_id", message));
    }
    let for_service = permitted && caller.route() == SERVICE;
    Ok(match manages || for_service {
        true => Within::ForTheTeam,
        false => Within::Own,
    })
}
