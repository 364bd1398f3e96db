//! Something a person should know.

mod facts;

use serde::{Deserialize, Serialize};

pub use self::facts::{AlertFacts, ReportLine, SpendReport};
use crate::Timestamp;

/// Something a person should know. Two alerts with the same [`key`](Alert::key) are one alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is about, the same for every time it is noticed: the key that keeps it unique
    /// across replicas and restarts.
    pub key: String,
    /// What happened.
    pub kind: AlertKind,
    /// How bad it is.
    pub severity: Severity,
    /// When it was first noticed.
    pub at: Timestamp,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// The same for programs; `None` where the message says it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<AlertFacts>>,
}

/// What happened. Those of budgets, keys and users are named as the events of LiteLLM's webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertKind {
    /// A model was used that the price map has no price for.
    ModelUnpriced,
    /// A sink does not take what it is sent.
    SinkFailing,
    /// Events were given up for one sink and wait in its dead letters.
    DeadLetters,
    /// A record on the bus cannot be read.
    BadRecord,
    /// A price map was not taken, and the old one stays.
    PriceMapRefused,
    /// Records were lost or deleted before they were read.
    LogGap,
    /// Calls were priced again, and their costs have changed.
    CostsCorrected,
    /// A budget's `soft_budget` has been spent.
    SoftBudgetCrossed,
    /// A part of a budget has been spent.
    ThresholdCrossed,
    /// A budget has been spent.
    BudgetCrossed,
    /// At the rate of now a budget will be spent before its window ends.
    ProjectedLimitExceeded,
    /// A key or user spends many times as much as usual.
    SpendAnomaly,
    /// A key expires soon.
    KeyExpiring,
    /// Calls to a provider's model fail.
    ProviderFailing,
    /// Calls to a provider's model take long.
    ProviderSlow,
    /// What was spent in a day, a week, a month.
    SpendReport,
    /// A key was made.
    KeyCreated,
    /// A key has a new text.
    KeyRotated,
    /// A key was changed.
    KeyUpdated,
    /// A key was deleted.
    KeyDeleted,
    /// A user was made.
    InternalUserCreated,
    /// A user was changed.
    InternalUserUpdated,
    /// A user was deleted.
    InternalUserDeleted,
    /// A team was made.
    TeamCreated,
    /// A team was changed.
    TeamUpdated,
    /// A team was deleted.
    TeamDeleted,
}

impl AlertKind {
    /// Whether LiteLLM's webhook has an event of this name.
    #[must_use]
    pub const fn is_webhook_event(self) -> bool {
        matches!(
            self,
            Self::SoftBudgetCrossed
                | Self::ThresholdCrossed
                | Self::BudgetCrossed
                | Self::ProjectedLimitExceeded
                | Self::KeyCreated
                | Self::KeyRotated
                | Self::InternalUserCreated
        )
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will become a problem.
    Warning,
    /// Is a problem.
    Critical,
}

/// The body that LiteLLM's webhook has: the event, its message, and the facts that are known.
#[derive(Clone, Debug, Serialize)]
pub struct WebhookBody<'a> {
    event: AlertKind,
    event_message: &'a str,
    #[serde(flatten)]
    facts: Option<&'a AlertFacts>,
}

impl Alert {
    /// The body of LiteLLM's webhook; nothing in it is `null`.
    #[must_use]
    pub fn webhook_body(&self) -> WebhookBody<'_> {
        WebhookBody {
            event: self.kind,
            event_message: &self.message,
            facts: self.facts.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> Alert {
        Alert {
            key: "budget/b/ever/80".to_owned(),
            kind: AlertKind::ThresholdCrossed,
            severity: Severity::Warning,
            at: Timestamp::from_micros(1_790_000_000_000_000),
            message: "key `a` has spent 4.1 of 5.0 USD".to_owned(),
            facts: Some(Box::new(AlertFacts {
                event_group: Some("key".to_owned()),
                spend: Some("4.1".parse().unwrap()),
                max_budget: Some("5".parse().unwrap()),
                token: Some("88dc".to_owned()),
                threshold_percent: Some(80),
                ..AlertFacts::default()
            })),
        }
    }

    #[test]
    fn the_webhooks_body_has_litellms_names_and_no_null() {
        let body = serde_json::to_string(&alert().webhook_body()).unwrap();
        assert_eq!(
            body,
            r#"{"event":"threshold_crossed","event_message":"key `a` has spent 4.1 of 5.0 USD","event_group":"key","spend":4.1,"max_budget":5.0,"token":"88dc","threshold_percent":80}"#
        );
    }

    #[test]
    fn an_alert_is_read_as_it_was_written_and_as_older_programs_wrote_it() {
        let text = serde_json::to_string(&alert()).unwrap();
        assert_eq!(serde_json::from_str::<Alert>(&text).unwrap(), alert());
        let plain = r#"{"key":"k","kind":"log_gap","severity":"critical","at":1,"message":"m"}"#;
        assert_eq!(serde_json::from_str::<Alert>(plain).unwrap().facts, None);
    }
}
