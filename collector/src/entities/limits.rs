//! How much may be spent, and how fast: what keys, users, teams and budgets have in common. Pure.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use event::{Enforcement, Timestamp, Usd, Window, WindowDuration, WindowRule};
use serde::{Deserialize, Serialize};

/// The window of a budget that `instant` lies in, by the calendar of `zone`.
pub(crate) fn now_in(duration: Option<WindowDuration>, zone: Tz, instant: Timestamp) -> Window {
    let rule = duration.map(|duration| WindowRule::new(duration, zone));
    Window::of(rule.as_ref(), instant)
}

/// Amounts are in US dollars; `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    pub(crate) max_budget: Option<Usd>,
    /// From which amount on an alert is raised.
    pub(crate) soft_budget: Option<Usd>,
    pub(crate) budget_duration: Option<WindowDuration>,
    /// In whose calendar its windows begin; `None` for the collector's `budget_timezone`.
    #[serde(with = "zone")]
    pub(crate) budget_timezone: Option<Tz>,
    /// What happens to a call that does not fit.
    pub(crate) enforcement: Option<Enforcement>,
    /// What a call counts as whose model has no price; without it, a budget that has to know
    /// refuses the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unpriced_charge: Option<Usd>,
    pub(crate) max_parallel_requests: Option<u64>,
    /// Tokens per minute.
    pub(crate) tpm_limit: Option<u64>,
    /// Requests per minute.
    pub(crate) rpm_limit: Option<u64>,
    pub(crate) model_max_budget: BTreeMap<String, ModelLimit>,
}

/// What may be spent on one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelLimit {
    #[serde(default, alias = "max_budget")]
    pub(crate) budget_limit: Option<Usd>,
    #[serde(default, alias = "budget_duration")]
    pub(crate) time_period: Option<WindowDuration>,
    #[serde(default)]
    pub(crate) tpm_limit: Option<u64>,
    #[serde(default)]
    pub(crate) rpm_limit: Option<u64>,
}

/// A further budget of the same entity, over another window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetLimit {
    pub(crate) budget_duration: WindowDuration,
    pub(crate) max_budget: Usd,
}

/// How fast each model may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ModelRates {
    /// Requests per minute.
    pub(crate) model_rpm_limit: BTreeMap<String, u64>,
    /// Tokens per minute.
    pub(crate) model_tpm_limit: BTreeMap<String, u64>,
}

impl Limits {
    /// The first of them that lets more pass than `before` did.
    pub(crate) fn loosened(&self, before: &Self) -> Option<&'static str> {
        let fields = [
            ("max_budget", wider(&before.max_budget, &self.max_budget)),
            (
                "budget_duration",
                before.budget_duration != self.budget_duration,
            ),
            (
                "budget_timezone",
                before.budget_timezone != self.budget_timezone,
            ),
            ("enforcement", before.enforcement != self.enforcement),
            (
                "unpriced_charge",
                before.unpriced_charge != self.unpriced_charge,
            ),
            (
                "max_parallel_requests",
                wider(&before.max_parallel_requests, &self.max_parallel_requests),
            ),
            ("tpm_limit", wider(&before.tpm_limit, &self.tpm_limit)),
            ("rpm_limit", wider(&before.rpm_limit, &self.rpm_limit)),
            (
                "model_max_budget",
                before.model_max_budget != self.model_max_budget,
            ),
        ];
        fields
            .into_iter()
            .find_map(|(field, loosened)| loosened.then_some(field))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// When the window that `now` lies in ends; `usual` is the zone of budgets that name none.
    pub(crate) fn resets_at(&self, usual: Tz, now: Timestamp) -> Option<Timestamp> {
        let zone = self.budget_timezone.unwrap_or(usual);
        now_in(self.budget_duration, zone, now).end
    }
}

/// A zone by its IANA name.
mod zone {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "what serde calls it with")]
    pub(super) fn serialize<S: Serializer>(zone: &Option<Tz>, to: S) -> Result<S::Ok, S::Error> {
        zone.map(Tz::name).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Tz>, D::Error> {
        let name = Option::<String>::deserialize(from)?;
        name.map(|name| name.parse().map_err(D::Error::custom))
            .transpose()
    }
}

/// Whether a limit went up or away.
pub(super) fn wider<T: PartialOrd>(before: &Option<T>, after: &Option<T>) -> bool {
    match (before, after) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => after > before,
    }
}
