//! An organization, and who belongs to it.

use std::collections::BTreeMap;

use event::Json;
use serde::{Deserialize, Serialize};

use super::{ModelRates, Stamps, Stored, pair};

/// An organization: teams that share a budget.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Organization {
    pub(crate) organization_id: String,
    pub(crate) organization_alias: String,
    pub(crate) budget_id: Option<String>,
    pub(crate) model_rpm_limit: BTreeMap<String, u64>,
    pub(crate) model_tpm_limit: BTreeMap<String, u64>,
    /// The models it may use; none named is all.
    pub(crate) models: Vec<String>,
    pub(crate) metadata: Json,
    #[serde(flatten, skip_deserializing)]
    pub(crate) stamps: Stamps,
}

/// What a member may do in an organization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrganizationRole {
    /// Manage its teams and members.
    OrgAdmin,
    /// Belong to it.
    #[default]
    InternalUser,
    /// See it.
    InternalUserViewer,
}

/// A user within an organization.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OrganizationMember {
    pub(crate) organization_id: String,
    pub(crate) user_id: String,
    pub(crate) user_role: OrganizationRole,
    #[serde(flatten, skip_deserializing)]
    pub(crate) stamps: Stamps,
}

impl Organization {
    /// How fast each model may be used.
    pub(crate) fn set_rates(&mut self, rates: ModelRates) {
        self.model_rpm_limit = rates.model_rpm_limit;
        self.model_tpm_limit = rates.model_tpm_limit;
    }
}

impl OrganizationMember {
    /// The id of a user within an organization.
    pub(crate) fn id_of(organization: &str, user: &str) -> String {
        pair(organization, user)
    }
}

impl Stored for Organization {
    const TABLE: &'static str = "organizations";

    fn id(&self) -> String {
        self.organization_id.clone()
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }
}

impl Stored for OrganizationMember {
    const TABLE: &'static str = "organization_members";

    fn id(&self) -> String {
        pair(&self.organization_id, &self.user_id)
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }
}
