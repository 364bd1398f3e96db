//! A team, and who belongs to it.

use std::collections::BTreeMap;

use event::{Json, Usd, WindowDuration};
use serde::{Deserialize, Serialize};

use super::{BudgetLimit, Limits, ModelRates, Stamps, Stored, pair};

/// A team. What `team_member_…` says holds for each member without a budget of their own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Team {
    pub(crate) team_id: String,
    pub(crate) team_alias: Option<String>,
    pub(crate) organization_id: Option<String>,
    #[serde(flatten, skip_deserializing)]
    pub(crate) limits: Limits,
    pub(crate) budget_limits: Vec<BudgetLimit>,
    pub(crate) model_rpm_limit: BTreeMap<String, u64>,
    pub(crate) model_tpm_limit: BTreeMap<String, u64>,
    pub(crate) team_member_budget: Option<Usd>,
    pub(crate) team_member_budget_duration: Option<WindowDuration>,
    pub(crate) team_member_rpm_limit: Option<u64>,
    pub(crate) team_member_tpm_limit: Option<u64>,
    /// The models it may use; none named is all.
    pub(crate) models: Vec<String>,
    /// Other names for models.
    pub(crate) model_aliases: BTreeMap<String, String>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Json,
    pub(crate) blocked: bool,
    /// What members may do who do not manage it.
    pub(crate) team_member_permissions: Vec<String>,
    #[serde(flatten, skip_deserializing)]
    pub(crate) stamps: Stamps,
}

/// What a member may do in a team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TeamRole {
    /// Manage its members and keys.
    Admin,
    /// Spend.
    #[default]
    User,
}

/// A user within a team.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TeamMember {
    pub(crate) team_id: String,
    pub(crate) user_id: String,
    pub(crate) role: TeamRole,
    pub(crate) budget_id: Option<String>,
    /// The models they may use in this team; none named is what the team may use.
    pub(crate) allowed_models: Vec<String>,
    #[serde(flatten, skip_deserializing)]
    pub(crate) stamps: Stamps,
}

impl Team {
    /// How fast each model may be used.
    pub(crate) fn set_rates(&mut self, rates: ModelRates) {
        self.model_rpm_limit = rates.model_rpm_limit;
        self.model_tpm_limit = rates.model_tpm_limit;
    }

    /// The first of its fields that lets more pass than `before` did.
    pub(crate) fn loosened(&self, before: &Self) -> Option<&'static str> {
        let models = !before.models.is_empty()
            && (self.models.is_empty() || self.models.iter().any(|m| !before.models.contains(m)));
        let fields = [
            ("models", models),
            ("model_aliases", before.model_aliases != self.model_aliases),
            ("tags", before.tags != self.tags),
            ("budget_limits", before.budget_limits != self.budget_limits),
            (
                "model_rpm_limit",
                before.model_rpm_limit != self.model_rpm_limit,
            ),
            (
                "model_tpm_limit",
                before.model_tpm_limit != self.model_tpm_limit,
            ),
            (
                "organization_id",
                before.organization_id != self.organization_id,
            ),
            ("blocked", before.blocked && !self.blocked),
        ];
        let own = fields
            .into_iter()
            .find_map(|(field, loosened)| loosened.then_some(field));
        self.limits.loosened(&before.limits).or(own)
    }
}

impl TeamMember {
    /// The id of a user within a team.
    pub(crate) fn id_of(team: &str, user: &str) -> String {
        pair(team, user)
    }
}

impl Stored for Team {
    const TABLE: &'static str = "teams";

    fn id(&self) -> String {
        self.team_id.clone()
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn limits(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }
}

impl Stored for TeamMember {
    const TABLE: &'static str = "team_members";

    fn id(&self) -> String {
        pair(&self.team_id, &self.user_id)
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }
}
