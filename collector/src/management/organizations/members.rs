//! `/organization/member_…`: who belongs to an organization.

use axum::{Extension, extract::State, response::Response};
use serde::Serialize;

use crate::{
    api::{Shared, answer::Refusal},
    entities::{Change, OrganizationMember, OrganizationRole, User},
    management::{attach, caller::Who, form::Form},
};

const ROLES: &str = "`org_admin`, `internal_user` or `internal_user_viewer`";

/// Adds one member or several.
pub(in crate::management) async fn add(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    let id = form.text("organization_id")?.required("organization_id")?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let leads = caller.leads(&api.books, &id).await?;
    caller.must(leads)?;
    attach::organization(&mut change, &id).await?;
    let mut updated_users = Vec::new();
    let mut updated_organization_memberships = Vec::new();
    for mut part in form.parts("member")? {
        let role = part.choice::<OrganizationRole>("role", ROLES)?.value();
        let user = attach::member(&mut change, &mut part).await?;
        part.finish()?;
        let mut member = OrganizationMember {
            organization_id: id.clone(),
            user_id: user.user_id.clone(),
            user_role: role.unwrap_or_default(),
            ..OrganizationMember::default()
        };
        let place = OrganizationMember::id_of(&id, &user.user_id);
        if change.get::<OrganizationMember>(&place).await?.is_some() {
            let message = format!(
                "User={} is already a member of the organization {id}",
                user.user_id
            );
            return Err(Refusal::bad_request("member", &message));
        }
        change.put(&mut member).await?;
        updated_users.push(user);
        updated_organization_memberships.push(member);
    }
    let answer = form.finish()?;
    change.commit().await?;
    #[derive(Serialize)]
    struct Body {
        organization_id: String,
        updated_users: Vec<User>,
        updated_organization_memberships: Vec<OrganizationMember>,
    }
    Ok(answer.json(&Body {
        organization_id: id,
        updated_users,
        updated_organization_memberships,
    }))
}

/// Changes what a member is.
pub(in crate::management) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    let id = form.text("organization_id")?.required("organization_id")?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    caller.must(caller.leads(&api.books, &id).await?)?;
    let mut member = named(&mut change, &mut form, &id).await?;
    form.choice::<OrganizationRole>("role", ROLES)?
        .replace(&mut member.user_role);
    let answer = form.finish()?;
    change.put(&mut member).await?;
    change.commit().await?;
    Ok(answer.json(&member))
}

/// Takes a member out of an organization.
pub(in crate::management) async fn delete(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    let id = form.text("organization_id")?.required("organization_id")?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    caller.must(caller.leads(&api.books, &id).await?)?;
    let member = named(&mut change, &mut form, &id).await?;
    let answer = form.finish()?;
    change.remove(&member).await?;
    change.commit().await?;
    Ok(answer.json(&member))
}

/// The member that a request names.
async fn named(
    change: &mut Change<'_>,
    form: &mut Form,
    organization: &str,
) -> Result<OrganizationMember, Refusal> {
    let missing = || {
        Refusal::not_found(&format!(
            "no such member of the organization {organization}"
        ))
    };
    let id = form.text("user_id")?.value();
    let email = form.text("user_email")?.value();
    let id = match (id, email) {
        (Some(id), _) => id,
        (None, Some(email)) => {
            let found = change.find::<User>("user_email", &email, 1).await?.pop();
            found.ok_or_else(missing)?.user_id
        }
        (None, None) => {
            return Err(Refusal::unprocessable("user_id", "`user_id` is missing"));
        }
    };
    let place = OrganizationMember::id_of(organization, &id);
    change.get(&place).await?.ok_or_else(missing)
}
