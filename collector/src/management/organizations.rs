//! `/organization/…`: organizations; their members in `organizations/members.rs`.

pub(super) mod members;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use super::{
    attach,
    caller::Who,
    edit::{self, By, Edited, Made},
    form::Form,
    given::Given,
    query::Query,
    shown::{self, Shown},
};
use crate::{
    api::{Api, Shared, answer::Refusal},
    books::Page,
    entities::{self, Change, Filter, Key, ModelRates, Organization, OrganizationMember, Team},
};

/// Members, teams and organizations in one answer, at most.
const SHOWN_MAX: u32 = 1000;

/// An organization and who belongs to it.
#[derive(Serialize)]
struct WithMembers {
    #[serde(flatten)]
    shown: Shown<Organization>,
    members: Vec<OrganizationMember>,
    teams: Vec<Team>,
}

/// Makes an organization.
pub(super) async fn new(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, organization) = edit::make::<Organization>(&api, &caller, form).await?;
    Ok(answer.json(&shown::one(&api.books, organization).await?))
}

/// Changes fields of an organization.
pub(super) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, organization) = edit::update::<Organization>(&api, &caller, form).await?;
    Ok(answer.json(&shown::one(&api.books, organization).await?))
}

impl Edited for Organization {
    async fn find(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        by.caller.admin()?;
        let id = form.text("organization_id")?.required("organization_id")?;
        let mut organization = attach::organization(change, &id).await?;
        form.text("organization_alias")?
            .replace(&mut organization.organization_alias);
        Ok(organization)
    }

    async fn read(
        &mut self,
        form: &mut Form,
        change: &mut Change<'_>,
        _by: By<'_>,
    ) -> Result<(), Refusal> {
        let rates = ModelRates {
            model_rpm_limit: std::mem::take(&mut self.model_rpm_limit),
            model_tpm_limit: std::mem::take(&mut self.model_tpm_limit),
        };
        self.set_rates(form.rates(rates)?);
        form.texts("models")?.replace(&mut self.models);
        if let Given::Value(metadata) = form.metadata()? {
            self.metadata = metadata;
        }
        let mut budget_id = self.budget_id.clone();
        attach::budget(change, form, &*self, &mut budget_id).await?;
        self.budget_id = budget_id;
        Ok(())
    }
}

impl Made for Organization {
    async fn fresh(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        by.caller.admin()?;
        let id = form.text("organization_id")?.value();
        let id = id.unwrap_or_else(attach::new_id);
        let alias = form.text("organization_alias")?;
        if change.get::<Self>(&id).await?.is_some() {
            let message = format!("Organization={id} already exists");
            return Err(Refusal::bad_request("organization_id", &message));
        }
        Ok(Self {
            organization_id: id,
            organization_alias: alias.required("organization_alias")?,
            metadata: event::Json::empty_object(),
            ..Self::default()
        })
    }
}

/// Takes organizations away that have no teams and no keys any more.
pub(super) async fn delete(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    caller.admin()?;
    let ids = form
        .texts("organization_ids")?
        .required("organization_ids")?;
    let answer = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let mut deleted = Vec::with_capacity(ids.len());
    for id in &ids {
        let organization = attach::organization(&mut change, id).await?;
        let teams = change.find::<Team>("organization_id", id, 1).await?;
        let keys = change.find::<Key>("organization_id", id, 1).await?;
        if !teams.is_empty() || !keys.is_empty() {
            let message = format!("Organization={id} has teams or keys: delete them first");
            return Err(Refusal::bad_request("organization_ids", &message));
        }
        let budget_id = organization.budget_id.as_deref();
        attach::drop_own(&mut change, &organization, budget_id).await?;
        change
            .remove_all::<OrganizationMember>("organization_id", id)
            .await?;
        change.remove(&organization).await?;
        deleted.push(organization);
    }
    change.commit().await?;
    Ok(answer.json(&deleted))
}

async fn with_members(api: &Api, organization: Organization) -> Result<WithMembers, Refusal> {
    let id = organization.organization_id.clone();
    let filter = Filter::default().with("organization_id", id);
    let page = Page {
        skip: 0,
        take: SHOWN_MAX,
    };
    Ok(WithMembers {
        members: entities::page(&api.books, &filter, page).await?,
        teams: entities::page(&api.books, &filter, page).await?,
        shown: shown::one(&api.books, organization).await?,
    })
}

/// What is known of an organization.
pub(super) async fn info(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let id = query.text("organization_id")?;
    query.finish()?;
    let missing = || Refusal::unprocessable("organization_id", "`organization_id` is missing");
    let id = id.ok_or_else(missing)?;
    let member = caller.in_organization(&api.books, &id).await?;
    caller.must(caller.sees_all() || member.is_some())?;
    let organization: Option<Organization> = entities::get(&api.books, &id).await?;
    let missing = || Refusal::not_found(&format!("Organization={id} does not exist"));
    let organization = organization.ok_or_else(missing)?;
    Ok(Json(with_members(&api, organization).await?).into_response())
}

/// The organizations there are, or those that the caller belongs to.
pub(super) async fn list(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    let wanted = query.wanted("page_size", 100)?;
    query.finish()?;
    let mut filter = Filter::default();
    if !caller.sees_all() {
        let user = caller.user_id().ok_or_else(|| caller.refusal())?;
        let own = Filter::default().with("user_id", user);
        let page = Page {
            skip: 0,
            take: SHOWN_MAX,
        };
        let members: Vec<OrganizationMember> = entities::page(&api.books, &own, page).await?;
        let ids = members.into_iter().map(|member| member.organization_id);
        filter = filter.within("id", ids.collect());
    }
    let rows: Vec<Organization> = entities::page(&api.books, &filter, wanted.page()).await?;
    let mut organizations = Vec::with_capacity(rows.len());
    for organization in rows {
        organizations.push(with_members(&api, organization).await?);
    }
    Ok(Json(organizations).into_response())
}
