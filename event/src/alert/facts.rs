//! What an alert is about, for programs: LiteLLM's names where it has them.

use serde::{Deserialize, Serialize};

use crate::{EntityId, Timestamp, Usd, Window};

/// What is known of an alert. The first part is that of LiteLLM's webhook; amounts are in US
/// dollars.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertFacts {
    /// What kind of entity it is about: `key`, `team`, `end_user`, …; `proxy` for everything
    /// together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_group: Option<String>,
    /// What has been spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend: Option<Usd>,
    /// The limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_budget: Option<Usd>,
    /// From which amount on an alert is raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_budget: Option<Usd>,
    /// The key, by its SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The application's own user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// What the team is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_alias: Option<String>,
    /// The organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// Where the user is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_email: Option<String>,
    /// What the key is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_alias: Option<String>,
    /// The day on which the limit will be spent at the rate of now, in the budget's time zone:
    /// `2026-11-23`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projected_exceeded_date: Option<String>,
    /// What will have been spent at the window's end, at the rate of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projected_spend: Option<Usd>,

    /// The budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<EntityId>,
    /// The window that was spent in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The time zone of windows, days and dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Which part of the limit was crossed, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_percent: Option<u32>,
    /// The tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// When the key expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// What is usually spent in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual_spend: Option<Usd>,
    /// Calls that were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Of them, those that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    /// Of them, those that took longer than the threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_calls: Option<u64>,
    /// Who changed it: the SHA-256 of a key, or `master key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// What was spent in a span of days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<SpendReport>,
}

/// What was spent in a span of days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpendReport {
    /// How long the span is, as a budget's duration: `1d`, `7d`, `1mo`.
    pub period: String,
    /// Its first day: `2026-11-16`.
    pub from: String,
    /// Its last day.
    pub to: String,
    /// What was spent, in US dollars.
    pub spend: Usd,
    /// Calls.
    pub calls: u64,
    /// Of them, those that failed.
    pub failures: u64,
    /// Of them, those whose cost is not known.
    pub unpriced: u64,
    /// The teams that spent most.
    pub teams: Vec<ReportLine>,
    /// The keys that spent most.
    pub keys: Vec<ReportLine>,
    /// The tags that most was spent for.
    pub tags: Vec<ReportLine>,
    /// The models that most was spent on.
    pub models: Vec<ReportLine>,
    /// The providers that most was spent on.
    pub providers: Vec<ReportLine>,
}

/// A line of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportLine {
    /// Whose.
    pub id: String,
    /// What was spent, in US dollars.
    pub spend: Usd,
    /// Calls.
    pub calls: u64,
    /// Of them, those that failed.
    pub failures: u64,
}
