//! Alerts of budgets: which parts of one have been spent, and when the rest will be. Pure.
//!
//! An alert's key names the budget, the window and the threshold, so each is raised once, whoever
//! notices it: the transaction that settles the call that crossed it (at once), or a later look at
//! what has been spent (where a limit was lowered, or a threshold is new).

use chrono_tz::Tz;
use event::{
    Alert, AlertFacts, AlertKind, Budget, Entity, EntityKind, Severity, Timestamp, Usd, Window,
    control::Known,
};

use super::whom;
use crate::{
    books::Once,
    config::{AlertType, AlertingConfig},
    rfc3339,
};

/// A budget in a window, and what was spent of it: before, and now.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) budget: Budget,
    pub(super) window: Window,
    pub(super) before: Usd,
    pub(super) spent: Usd,
}

/// A part of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threshold {
    Soft,
    Percent(u32),
}

impl Threshold {
    fn is_reached(self, budget: &Budget, spent: Usd) -> bool {
        let limit = budget.terms.limit;
        spent > Usd::ZERO
            && match self {
                Self::Soft => budget.terms.soft.is_some_and(|soft| spent >= soft),
                Self::Percent(percent) => {
                    let part = limit.picos().saturating_mul(percent.into());
                    spent.picos().saturating_mul(100) >= part
                }
            }
    }

    const fn kind(self) -> AlertKind {
        match self {
            Self::Soft => AlertKind::SoftBudgetCrossed,
            Self::Percent(..100) => AlertKind::ThresholdCrossed,
            Self::Percent(100..) => AlertKind::BudgetCrossed,
        }
    }

    const fn severity(self) -> Severity {
        match self {
            Self::Percent(100..) => Severity::Critical,
            Self::Percent(95..) | Self::Soft => Severity::Warning,
            Self::Percent(_) => Severity::Info,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Soft => "soft".to_owned(),
            Self::Percent(percent) => percent.to_string(),
        }
    }
}

/// The thresholds that lie between what was spent before and now.
fn between(
    rules: &AlertingConfig,
    budget: &Budget,
    (before, spent): (Usd, Usd),
) -> impl Iterator<Item = Threshold> {
    let percents = rules.alerting_args.thresholds().map(Threshold::Percent);
    let is_raised = rules.raises(AlertType::BUDGETS) && spent > before;
    // A limit of 0 is spent as a whole or not at all.
    let is_zero = budget.terms.limit == Usd::ZERO;
    [Threshold::Soft]
        .into_iter()
        .chain(percents)
        .filter(move |threshold| is_raised && (!is_zero || *threshold == Threshold::Percent(100)))
        .filter(move |threshold| threshold.is_reached(budget, spent))
        .filter(move |threshold| !threshold.is_reached(budget, before))
}

/// Whether a threshold lies between what was spent before and now.
pub(super) fn crosses(rules: &AlertingConfig, budget: &Budget, moved: (Usd, Usd)) -> bool {
    between(rules, budget, moved).next().is_some()
}

/// The alerts of the thresholds that lie between what was spent before and now.
pub(super) fn crossed(
    rules: &AlertingConfig,
    known: &Known,
    moved: &Moved,
    at: Timestamp,
) -> Vec<Once> {
    between(rules, &moved.budget, (moved.before, moved.spent))
        .map(|threshold| alert_of(moved, threshold, known, at))
        .collect()
}

fn alert_of(moved: &Moved, threshold: Threshold, known: &Known, at: Timestamp) -> Once {
    let Moved { budget, window, .. } = moved;
    let facts = AlertFacts {
        threshold_percent: match threshold {
            Threshold::Soft => None,
            Threshold::Percent(percent) => Some(percent),
        },
        ..facts(moved, known)
    };
    let (spent, limit) = (moved.spent, budget.terms.limit);
    let part = match (threshold, budget.terms.soft) {
        (Threshold::Soft, Some(soft)) => format!("soft_budget {soft}"),
        (threshold, _) => format!("{} %", threshold.name()),
    };
    let whom = whom::name(&budget.entity, &facts);
    let told = match threshold.kind() {
        AlertKind::BudgetCrossed => {
            "; calls that do not fit any more are refused where the budget \
                                     is enforced: raise `max_budget`, or wait"
        }
        _ => "",
    };
    let message = format!(
        "{whom} has spent {spent} of {limit} USD, {part} or more{}{told}",
        span(budget, window)
    );
    once(
        moved,
        &threshold.name(),
        Said {
            kind: threshold.kind(),
            severity: threshold.severity(),
            message,
            facts,
        },
        at,
    )
}

struct Said {
    kind: AlertKind,
    severity: Severity,
    message: String,
    facts: AlertFacts,
}

fn once(moved: &Moved, what: &str, said: Said, at: Timestamp) -> Once {
    let alert = Alert {
        key: format!("budget/{}/{}/{what}", moved.budget.id, moved.window.id),
        kind: said.kind,
        severity: said.severity,
        at,
        message: said.message,
        facts: Some(Box::new(said.facts)),
    };
    Once {
        alert,
        ends: moved.window.end,
    }
}

fn facts(moved: &Moved, known: &Known) -> AlertFacts {
    let terms = &moved.budget.terms;
    AlertFacts {
        spend: Some(moved.spent),
        max_budget: Some(terms.limit),
        soft_budget: terms.soft,
        budget: Some(moved.budget.id.clone()),
        window: Some(moved.window.clone()),
        time_zone: Some(zone(&moved.budget).name().to_owned()),
        ..whom::facts(&moved.budget.entity, known)
    }
}

fn zone(budget: &Budget) -> Tz {
    budget.terms.rule.map_or(Tz::UTC, |rule| rule.zone)
}

/// In which window, and when it ends.
fn span(budget: &Budget, window: &Window) -> String {
    let (Some(start), Some(end)) = (window.start, window.end) else {
        return String::new();
    };
    format!(
        " (window from {} to {}, time zone {})",
        rfc3339::text(start),
        rfc3339::text(end),
        zone(budget).name()
    )
}

/// When a budget will be spent, if it goes on as it went since the window began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forecast {
    exhausted: Timestamp,
    /// What will have been spent at the window's end.
    projected: Usd,
}

/// `None` where too little of the window is over, or the limit will hold.
fn forecast(moved: &Moved, after_percent: i128, now: Timestamp) -> Option<Forecast> {
    let (start, end) = (moved.window.start?, moved.window.end?);
    let (spent, limit) = (moved.spent.picos(), moved.budget.terms.limit.picos());
    let total = i128::from(end.since(start).micros());
    let elapsed = i128::from(now.since(start).micros());
    if elapsed <= 0 || elapsed * 100 < total * after_percent || spent <= 0 || spent >= limit {
        return None;
    }
    let projected = spent.checked_mul(total)? / elapsed;
    let needed = elapsed.checked_mul(limit)? / spent;
    if projected <= limit || needed >= total {
        return None;
    }
    let needed = i64::try_from(needed).ok()?;
    Some(Forecast {
        exhausted: Timestamp::from_micros(start.micros().saturating_add(needed)),
        projected: Usd::from_picos(projected),
    })
}

/// The alert that a budget will be spent before its window ends.
pub(super) fn projected(
    rules: &AlertingConfig,
    known: &Known,
    moved: &Moved,
    now: Timestamp,
) -> Option<Once> {
    if !rules.raises(AlertType::BUDGETS) {
        return None;
    }
    let found = forecast(moved, rules.alerting_args.forecast_after(), now)?;
    let zone = zone(&moved.budget);
    let day = found.exhausted.to_utc().with_timezone(&zone).date_naive();
    let facts = AlertFacts {
        projected_exceeded_date: Some(day.to_string()),
        projected_spend: Some(found.projected),
        ..facts(moved, known)
    };
    let whom = whom::name(&moved.budget.entity, &facts);
    let (spent, limit) = (moved.spent, moved.budget.terms.limit);
    let message = format!(
        "{whom} has spent {spent} of {limit} USD; at this rate the budget is exhausted on {day} \
         ({}), and {} USD would be spent{}",
        rfc3339::text(found.exhausted),
        found.projected,
        span(&moved.budget, &moved.window)
    );
    let said = Said {
        kind: AlertKind::ProjectedLimitExceeded,
        severity: Severity::Warning,
        message,
        facts,
    };
    Some(once(moved, "forecast", said, now))
}

/// A key or user, as an entity.
pub(super) fn entity(kind: EntityKind, id: &str) -> Option<Entity> {
    Entity::of(kind, id.parse().ok()?).ok()
}

#[cfg(test)]
mod tests;
