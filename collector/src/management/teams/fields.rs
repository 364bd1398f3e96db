//! The fields of a team, as making and changing one read them.

use super::permissions;
use crate::{
    api::answer::Refusal,
    entities::{Change, Key, ModelRates, Team, TeamMember, TeamRole},
    management::{
        attach,
        edit::{By, Edited, Made},
        form::Form,
        given::Given,
    },
};

impl Edited for Team {
    async fn find(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        let id = form.text("team_id")?.required("team_id")?;
        let team = attach::team(change, &id).await?;
        by.caller.must(by.caller.manages(by.books, &team).await?)?;
        Ok(team)
    }

    async fn read(
        &mut self,
        form: &mut Form,
        _change: &mut Change<'_>,
        _by: By<'_>,
    ) -> Result<(), Refusal> {
        form.text("team_alias")?.put(&mut self.team_alias);
        form.text("organization_id")?.put(&mut self.organization_id);
        form.limits(&mut self.limits)?;
        form.windows()?.replace(&mut self.budget_limits);
        let rates = ModelRates {
            model_rpm_limit: std::mem::take(&mut self.model_rpm_limit),
            model_tpm_limit: std::mem::take(&mut self.model_tpm_limit),
        };
        self.set_rates(form.rates(rates)?);
        form.usd("team_member_budget")?
            .put(&mut self.team_member_budget);
        form.window("team_member_budget_duration")?
            .put(&mut self.team_member_budget_duration);
        form.count("team_member_rpm_limit")?
            .put(&mut self.team_member_rpm_limit);
        form.count("team_member_tpm_limit")?
            .put(&mut self.team_member_tpm_limit);
        form.texts("models")?.replace(&mut self.models);
        form.names("model_aliases")?
            .replace(&mut self.model_aliases);
        form.texts("tags")?.replace(&mut self.tags);
        if let Given::Value(metadata) = form.metadata()? {
            self.metadata = metadata;
        }
        form.flag("blocked")?.replace(&mut self.blocked);
        form.texts("team_member_permissions")?
            .and_then(permissions::checked)?
            .replace(&mut self.team_member_permissions);
        Ok(())
    }

    async fn settle(
        &mut self,
        before: &Self,
        change: &mut Change<'_>,
        by: By<'_>,
    ) -> Result<(), Refusal> {
        if by.makes {
            return self.found(change, by).await;
        }
        if let Some(id) = &self.organization_id {
            attach::organization(change, id).await?;
        }
        if let Some(field) = self.loosened(before).filter(|_| !by.caller.is_admin()) {
            let message = format!("only a proxy admin may raise or remove `{field}` of a team");
            return Err(Refusal::forbidden(&message));
        }
        if self.organization_id != before.organization_id {
            self.take_along(change).await?;
        }
        Ok(())
    }
}

impl Made for Team {
    /// Whether there is one already is looked at when it is known who may ask.
    async fn fresh(
        form: &mut Form,
        _change: &mut Change<'_>,
        _by: By<'_>,
    ) -> Result<Self, Refusal> {
        let id = form.text("team_id")?.value();
        Ok(Self {
            team_id: id.unwrap_or_else(attach::new_id),
            metadata: event::Json::empty_object(),
            ..Self::default()
        })
    }
}

impl Team {
    /// A new team is in an organization that the caller leads, or made by an admin; who makes it
    /// becomes its admin.
    async fn found(&self, change: &mut Change<'_>, by: By<'_>) -> Result<(), Refusal> {
        match &self.organization_id {
            Some(id) => {
                by.caller.must(by.caller.leads(by.books, id).await?)?;
                attach::organization(change, id).await?;
            }
            None => by.caller.admin()?,
        }
        let id = &self.team_id;
        if change.get::<Self>(id).await?.is_some() {
            let message = format!("Team id = {id} already exists. Please use a different team id.");
            return Err(Refusal::bad_request("team_id", &message).of_kind("auth_error"));
        }
        if let Some(user) = by.caller.user_id() {
            let mut admin = TeamMember {
                team_id: self.team_id.clone(),
                user_id: user.to_owned(),
                role: TeamRole::Admin,
                ..TeamMember::default()
            };
            change.put(&mut admin).await?;
        }
        Ok(())
    }

    /// A team's keys are in its organization.
    async fn take_along(&self, change: &mut Change<'_>) -> Result<(), Refusal> {
        for mut key in change
            .find::<Key>("team_id", &self.team_id, u32::MAX)
            .await?
        {
            key.organization_id.clone_from(&self.organization_id);
            change.put(&mut key).await?;
        }
        Ok(())
    }
}
