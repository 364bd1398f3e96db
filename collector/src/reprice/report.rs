//! What a job has found. Pure.

use std::collections::BTreeMap;

use event::{Timestamp, Usd};
use serde::Serialize;

use super::Order;
use crate::rfc3339;

/// Models and reasons that are named; beyond that they are added up as `other`.
const NAMED_MAX: usize = 1000;
const OTHER: &str = "other";

/// What a job has found so far. `scanned` is the sum of the four counts after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// When the job began; names it.
    #[serde(serialize_with = "rfc3339::serialize")]
    pub id: Timestamp,
    /// How far it is.
    pub state: State,
    /// Why it failed, and what to do.
    pub error: Option<String>,
    /// Whether nothing was changed, only counted.
    pub dry_run: bool,
    /// Whether calls that had a price were priced again as well.
    pub all: bool,
    /// The version of the price map that calls were priced with: the one in force when the job
    /// began, whenever they were made.
    pub price_map: String,
    /// Calls that were priced again.
    pub scanned: u64,
    /// Of them: calls that cost what they cost.
    pub unchanged: u64,
    /// Of them: calls that were corrected, or would be.
    pub corrected: u64,
    /// Of them: calls that nobody knows the price of, now as before.
    pub still_unpriced: u64,
    /// Of them: calls that keep a cost which would have become unknown, or that cannot be priced
    /// again.
    pub kept: u64,
    /// Corrections whose content was gone, so that sinks got them without.
    pub without_content: u64,
    /// By how much costs rose, together; what was not known counts as nothing.
    pub increase: Usd,
    /// By how much costs fell, together; not negative.
    pub decrease: Usd,
    /// The increase less the decrease.
    pub difference: Usd,
    /// The corrections by model, sorted by name.
    pub models: Vec<ModelSum>,
    /// Why calls are still unpriced or kept, sorted.
    pub reasons: Vec<Reason>,
    /// Models of the order that no call of its range has, whether it has a price or not.
    pub unknown_models: Vec<String>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// At work.
    Running,
    /// Through all calls.
    Done,
    /// Ended before; what had been corrected until then stands.
    Failed,
}

/// The corrections of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelSum {
    /// The model as the provider names it.
    pub model: String,
    /// Calls that were corrected.
    pub corrected: u64,
    /// Of them: calls that had no price before.
    pub newly_priced: u64,
    /// By how much their costs changed, together.
    pub difference: Usd,
}

/// Calls that were left as they are, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reason {
    /// `still_unpriced` or `kept`.
    pub fate: &'static str,
    /// Why.
    pub reason: String,
    /// How many.
    pub calls: u64,
}

/// Adds up a report.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    report: Report,
    models: BTreeMap<String, ModelSum>,
    reasons: BTreeMap<(&'static str, String), u64>,
}

/// What became of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Unchanged,
    StillUnpriced(String),
    Kept(String),
}

impl Tally {
    pub(super) fn new(id: Timestamp, order: &Order, price_map: &str) -> Self {
        let report = Report {
            id,
            state: State::Running,
            error: None,
            dry_run: order.dry_run,
            all: order.all,
            price_map: price_map.to_owned(),
            scanned: 0,
            unchanged: 0,
            corrected: 0,
            still_unpriced: 0,
            kept: 0,
            without_content: 0,
            increase: Usd::ZERO,
            decrease: Usd::ZERO,
            difference: Usd::ZERO,
            models: Vec::new(),
            reasons: Vec::new(),
            unknown_models: Vec::new(),
        };
        Self {
            report,
            models: BTreeMap::new(),
            reasons: BTreeMap::new(),
        }
    }

    /// Counts a call that stays as it is.
    pub(super) fn left(&mut self, fate: Fate) {
        let report = &mut self.report;
        report.scanned += 1;
        let (kind, reason) = match fate {
            Fate::Unchanged => {
                report.unchanged += 1;
                return;
            }
            Fate::StillUnpriced(reason) => {
                report.still_unpriced += 1;
                ("still_unpriced", reason)
            }
            Fate::Kept(reason) => {
                report.kept += 1;
                ("kept", reason)
            }
        };
        let mut key = (kind, reason);
        if self.reasons.len() >= NAMED_MAX && !self.reasons.contains_key(&key) {
            key.1 = OTHER.to_owned();
        }
        *self.reasons.entry(key).or_default() += 1;
    }

    /// Counts a call that costs `now` and not `was`.
    pub(super) fn corrected(&mut self, model: &str, was: Option<Usd>, now: Usd) {
        let difference = now - was.unwrap_or_default();
        let report = &mut self.report;
        report.scanned += 1;
        report.corrected += 1;
        report.difference += difference;
        if difference < Usd::ZERO {
            report.decrease += -difference;
        } else {
            report.increase += difference;
        }
        let is_known = self.models.len() < NAMED_MAX || self.models.contains_key(model);
        let name = if is_known { model } else { OTHER };
        let sum = self.models.entry(name.to_owned()).or_default();
        sum.corrected += 1;
        sum.newly_priced += u64::from(was.is_none());
        sum.difference += difference;
    }

    pub(super) const fn without_content(&mut self) {
        self.report.without_content += 1;
    }

    /// A model of the order that no call has.
    pub(super) fn unknown(&mut self, model: &str) {
        self.report.unknown_models.push(model.to_owned());
    }

    pub(super) fn end(&mut self, error: Option<String>) {
        self.report.state = match error {
            None => State::Done,
            Some(_) => State::Failed,
        };
        self.report.error = error;
    }

    pub(super) fn report(&self) -> Report {
        let model = |(model, sum): (&String, &ModelSum)| ModelSum {
            model: model.clone(),
            ..sum.clone()
        };
        let reason = |((fate, reason), calls): (&(&'static str, String), &u64)| Reason {
            fate,
            reason: reason.clone(),
            calls: *calls,
        };
        Report {
            models: self.models.iter().map(model).collect(),
            reasons: self.reasons.iter().map(reason).collect(),
            ..self.report.clone()
        }
    }
}

impl Report {
    /// What names the job: when it began, RFC 3339.
    #[must_use]
    pub fn name(&self) -> String {
        rfc3339::text(self.id)
    }
}
