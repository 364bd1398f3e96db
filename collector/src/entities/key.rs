//! A virtual key: what it opens, whose it is, how it is known. Never the key itself.

use std::collections::BTreeMap;

use event::{Json, Timestamp};
use serde::{Deserialize, Serialize};

use super::{BudgetLimit, Limits, ModelRates, Stamps, Stored, limits::wider};
use crate::rfc3339;

/// A virtual key.
///
/// Its `id` stays when the key is regenerated, so that its spend does not begin anew: calls are
/// counted under it. It is the SHA-256 of the key as it was first made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Key {
    #[serde(rename = "token")]
    pub(crate) id: String,
    /// The SHA-256, in hexadecimal digits, that opens the door now.
    pub(crate) hash: String,
    /// The one before it, which opens it until `previous_until`.
    pub(crate) previous_hash: Option<String>,
    #[serde(with = "rfc3339::option")]
    pub(crate) previous_until: Option<Timestamp>,
    /// `sk-...` and its last four characters.
    pub(crate) key_name: String,
    pub(crate) key_alias: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) team_id: Option<String>,
    pub(crate) organization_id: Option<String>,
    pub(crate) budget_id: Option<String>,
    #[serde(flatten, skip_deserializing)]
    pub(crate) limits: Limits,
    pub(crate) budget_limits: Vec<BudgetLimit>,
    pub(crate) model_rpm_limit: BTreeMap<String, u64>,
    pub(crate) model_tpm_limit: BTreeMap<String, u64>,
    /// The models it opens; none named is all.
    pub(crate) models: Vec<String>,
    /// Other names for models.
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) tags: Vec<String>,
    /// The routes it opens; none named is all.
    pub(crate) allowed_routes: Vec<String>,
    /// Networks and addresses that it may be used from; none named is all.
    pub(crate) allowed_ips: Vec<String>,
    /// The parameters that its requests may set; none named is what all may.
    pub(crate) allowed_request_params: Vec<String>,
    /// The parameters that its requests have to set.
    pub(crate) enforced_params: Vec<String>,
    pub(crate) metadata: Json,
    pub(crate) blocked: bool,
    #[serde(with = "rfc3339::option")]
    pub(crate) expires: Option<Timestamp>,
    /// How often it was regenerated.
    pub(crate) rotation_count: u64,
    #[serde(flatten, skip_deserializing)]
    pub(crate) stamps: Stamps,
}

impl Stored for Key {
    const TABLE: &'static str = "keys";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn limits(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }
}

impl Key {
    /// Whether its time is over.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// As LiteLLM says it.
    pub(crate) fn status(&self, now: Timestamp) -> &'static str {
        match (self.blocked, self.is_expired(now)) {
            (true, _) => "revoked",
            (false, true) => "expired",
            (false, false) => "active",
        }
    }

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
            ("aliases", before.aliases != self.aliases),
            (
                "tags",
                before.tags.iter().any(|tag| !self.tags.contains(tag)),
            ),
            (
                "allowed_routes",
                before.allowed_routes != self.allowed_routes,
            ),
            ("allowed_ips", before.allowed_ips != self.allowed_ips),
            (
                "allowed_request_params",
                before.allowed_request_params != self.allowed_request_params,
            ),
            (
                "enforced_params",
                before
                    .enforced_params
                    .iter()
                    .any(|name| !self.enforced_params.contains(name)),
            ),
            ("budget_id", before.budget_id != self.budget_id),
            ("budget_limits", before.budget_limits != self.budget_limits),
            (
                "model_rpm_limit",
                before.model_rpm_limit != self.model_rpm_limit,
            ),
            (
                "model_tpm_limit",
                before.model_tpm_limit != self.model_tpm_limit,
            ),
            ("duration", wider(&before.expires, &self.expires)),
            ("blocked", before.blocked && !self.blocked),
        ];
        let own = fields
            .into_iter()
            .find_map(|(field, loosened)| loosened.then_some(field));
        self.limits.loosened(&before.limits).or(own)
    }
}
