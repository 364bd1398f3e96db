//! A budget, and what a caller is told when a call cannot be paid from it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CallId, Entity, EntityId, EntityKind, Timestamp, Usd, Window, WindowRule};

/// What an entity may spend in one window.
///
/// One rule for every entity: a call is admitted if its reservation, what has been spent and what
/// other calls hold are together at most the limit. LiteLLM compares what has been spent alone, by
/// `>` for some entities and `≥` for others. A call that costs nothing is always admitted, so a
/// limit of 0 leaves the models that are free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Unique among budgets.
    pub id: EntityId,
    /// Whose spend it limits.
    pub entity: Entity,
    /// How.
    pub terms: Terms,
}

/// What a budget allows. Several budgets may have the same: in LiteLLM, a row that several keys
/// name by its `budget_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The most that may be spent in a window, in US dollars: LiteLLM's `max_budget`.
    pub limit: Usd,
    /// From which amount on an alert is raised, in US dollars: LiteLLM's `soft_budget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft: Option<Usd>,
    /// Its windows: LiteLLM's `budget_duration`. `None` for one that never begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<WindowRule>,
    /// What happens to a call that does not fit.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// What happens to a call whose model has no price.
    #[serde(default)]
    pub unpriced: WhenUnpriced,
}

/// What happens to a call that does not fit into a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// The most a call can cost is held for it; the budget is never exceeded.
    Strict,
    /// What such calls have cost lately is held; the budget is exceeded by the error of that at most.
    #[default]
    Balanced,
    /// Nothing is refused; alerts are raised.
    Alert,
}

/// What happens to a call whose model has no price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnpriced {
    /// It is refused: what it costs cannot be known.
    #[default]
    Refuse,
    /// So much is held and counted for it, in US dollars, until a price is known.
    Charge(Usd),
}

impl Terms {
    /// The window that `instant` lies in.
    #[must_use]
    pub fn window(&self, instant: Timestamp) -> Window {
        Window::of(self.rule.as_ref(), instant)
    }

    /// Whether its amounts make sense.
    ///
    /// # Errors
    ///
    /// If an amount is negative, or the soft one is not below the limit.
    pub fn check(&self) -> Result<(), BudgetError> {
        let charge = match self.unpriced {
            WhenUnpriced::Refuse => Usd::ZERO,
            WhenUnpriced::Charge(amount) => amount,
        };
        for (field, amount) in [
            ("max_budget", self.limit),
            ("soft_budget", self.soft.unwrap_or_default()),
            ("unpriced.charge", charge),
        ] {
            if amount < Usd::ZERO {
                return Err(BudgetError::Negative { field, amount });
            }
        }
        match self.soft {
            Some(soft) if soft >= self.limit => Err(BudgetError::Soft {
                soft,
                limit: self.limit,
            }),
            _ => Ok(()),
        }
    }
}

/// Why a budget makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// An amount is negative.
    #[error("{field} is {amount}: give an amount in US dollars that is not negative")]
    Negative {
        /// Its name in requests.
        field: &'static str,
        /// The amount.
        amount: Usd,
    },
    /// The alert would come after the refusals.
    #[error("soft_budget {soft} must be less than max_budget {limit}")]
    Soft {
        /// From which amount on an alert is raised.
        soft: Usd,
        /// The limit.
        limit: Usd,
    },
}

/// Why a call was not admitted: what its caller is told, in LiteLLM's words and with what explains
/// it. Amounts are in US dollars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The budget.
    pub budget: EntityId,
    /// Whose it is.
    pub entity: Entity,
    /// The window that the call would have counted in.
    pub window: Window,
    /// Its zone, where its rule has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What has been spent in it.
    pub spent: Usd,
    /// What calls in flight hold beyond that.
    pub held: Usd,
    /// What the call may cost.
    pub needed: Usd,
    /// The limit.
    pub limit: Usd,
    /// The call.
    pub call_id: CallId,
}

impl Refusal {
    /// When money is there again at the latest; `None` if the budget never begins anew.
    #[must_use]
    pub const fn resets_at(&self) -> Option<Timestamp> {
        self.window.end
    }

    /// The words that LiteLLM's clients know.
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spent, limit) = (self.spent, self.limit);
        let id = self.entity.id().unwrap_or_default();
        let known = |f: &mut fmt::Formatter<'_>, whose: fmt::Arguments<'_>| {
            write!(
                f,
                "Budget has been exceeded!{whose} Current cost: {spent}, Max budget: {limit}"
            )
        };
        if let Some(model) = self.entity.model() {
            let whose = match self.entity.kind() {
                EntityKind::Team => "Team",
                EntityKind::User => "User",
                EntityKind::EndUser => "End User",
                _ => "Virtual Key",
            };
            return write!(
                f,
                "LiteLLM {whose}: {id}, exceeded budget for model={model}"
            );
        }
        let name = match self.entity.kind() {
            EntityKind::User => {
                return write!(
                    f,
                    "ExceededBudget: User={id} over budget. Spend={spent}, Budget={limit}"
                );
            }
            EntityKind::EndUser => {
                return write!(
                    f,
                    "ExceededBudget: End User={id} over budget. Spend={spent}, Budget={limit}"
                );
            }
            EntityKind::TeamMember => {
                let team = self.entity.team().unwrap_or_default();
                return known(f, format_args!(" User={id} in Team={team} over budget."));
            }
            EntityKind::Global => return known(f, format_args!("")),
            EntityKind::Organization => "Organization",
            EntityKind::Team => "Team",
            EntityKind::Key => "Key",
            EntityKind::Tag => "Tag",
            EntityKind::Provider => "Provider",
            EntityKind::Model => "Model",
            EntityKind::Session => "Session",
        };
        known(f, format_args!(" {name}={id}"))
    }
}

/// The message: LiteLLM's words, then what they leave out.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        write!(
            f,
            " (budget {}, spent {}, held by calls in flight {}, this call may cost {}, limit {}",
            self.budget, self.spent, self.held, self.needed, self.limit
        )?;
        if let (Some(start), Some(end)) = (self.window.start, self.window.end) {
            let shown = |instant: Timestamp| instant.to_utc().format("%Y-%m-%dT%H:%M:%SZ");
            let zone = self.zone.as_deref().unwrap_or("UTC");
            write!(
                f,
                ", window from {}, resets at {}, time zone {zone}",
                shown(start),
                shown(end)
            )?;
        }
        write!(f, ", call {})", self.call_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        serde_json::from_str(
            r#"{"id":"b1","entity":"key:88dc","terms":{"limit":1.5,"rule":{"duration":"30d"},"later":1}}"#,
        )
        .unwrap()
    }

    fn refusal(entity: &str) -> Refusal {
        let usd = |text: &str| text.parse().unwrap();
        let Budget { id, terms, .. } = budget();
        Refusal {
            budget: id,
            entity: entity.parse().unwrap(),
            window: terms.window(Timestamp::from_micros(0)),
            zone: Some("UTC".to_owned()),
            spent: usd("1.25"),
            held: usd("0.125"),
            needed: usd("0.5"),
            limit: terms.limit,
            call_id: CallId::parse("c1").unwrap(),
        }
    }

    #[test]
    fn a_budget_is_read_with_what_is_usual_and_written_exactly() {
        let read = budget().terms;
        assert_eq!(read.enforcement, Enforcement::Balanced);
        assert_eq!(read.unpriced, WhenUnpriced::Refuse);
        let charged = Terms {
            unpriced: WhenUnpriced::Charge("0.01".parse().unwrap()),
            soft: Some("0.1".parse().unwrap()),
            ..read
        };
        let json = serde_json::to_string(&charged).unwrap();
        assert!(
            json.contains(r#""soft":0.1,"#) && json.contains(r#"{"charge":0.01}"#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Terms>(&json).unwrap(), charged);
        assert_eq!(charged.check(), Ok(()));
    }

    #[test]
    fn amounts_that_make_no_sense_are_refused() {
        let usd = |text: &str| text.parse().unwrap();
        for (wrong, said) in [
            (
                Terms {
                    limit: usd("-1"),
                    ..budget().terms
                },
                "max_budget is -1.0",
            ),
            (
                Terms {
                    soft: Some(usd("-1")),
                    ..budget().terms
                },
                "soft_budget is -1.0",
            ),
            (
                Terms {
                    soft: Some(usd("1.5")),
                    ..budget().terms
                },
                "less than max_budget 1.5",
            ),
            (
                Terms {
                    unpriced: WhenUnpriced::Charge(usd("-2")),
                    ..budget().terms
                },
                "unpriced.charge is -2.0",
            ),
        ] {
            let told = wrong.check().unwrap_err().to_string();
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn a_refusal_says_everything_in_words_that_are_known() {
        assert_eq!(
            refusal("key:88dc").to_string(),
            "Budget has been exceeded! Key=88dc Current cost: 1.25, Max budget: 1.5 (budget b1, \
             spent 1.25, held by calls in flight 0.125, this call may cost 0.5, limit 1.5, window \
             from 1970-01-01T00:00:00Z, resets at 1970-02-01T00:00:00Z, time zone UTC, call c1)"
        );
        for (entity, begins) in [
            (
                "global",
                "Budget has been exceeded! Current cost: 1.25, Max budget: 1.5 (",
            ),
            (
                "organization:o",
                "Budget has been exceeded! Organization=o Current cost: 1.25,",
            ),
            (
                "team_member:t/u",
                "Budget has been exceeded! User=u in Team=t over budget. Current",
            ),
            (
                "user:u",
                "ExceededBudget: User=u over budget. Spend=1.25, Budget=1.5 (",
            ),
            (
                "end_user:e",
                "ExceededBudget: End User=e over budget. Spend=1.25, Budget=1.5 (",
            ),
            (
                "key:k?model=m",
                "LiteLLM Virtual Key: k, exceeded budget for model=m (",
            ),
        ] {
            let told = refusal(entity).to_string();
            assert!(told.starts_with(begins), "{told}");
        }
        let mut ever = refusal("tag:t");
        ever.window = Window::ever();
        assert!(!ever.to_string().contains("resets") && ever.resets_at().is_none());
    }
}
