//! The section `collector.budget`: what all calls together may spend.

use event::{BudgetError, Enforcement, Terms, Usd, WhenUnpriced, WindowDuration, WindowRule};
use serde::Deserialize;

/// A budget over everything that passes the gateways. Amounts are in US dollars.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyBudget {
    /// The most that may be spent in a window; `None`: as LiteLLM's section says, else no limit.
    pub max_budget: Option<Usd>,
    /// From which amount on an alert is raised.
    pub soft_budget: Option<Usd>,
    /// How long a window is; `None`: as LiteLLM's section says, else it never ends.
    pub budget_duration: Option<WindowDuration>,
    /// What happens to a call that does not fit.
    pub enforcement: Enforcement,
    /// What a call counts as whose model has no price; without it such a call is refused.
    pub unpriced_charge: Option<Usd>,
}

impl ProxyBudget {
    /// What it allows; `None` if there is no limit.
    ///
    /// # Errors
    /// If its amounts make no sense.
    pub fn terms(&self) -> Result<Option<Terms>, BudgetError> {
        let Some(limit) = self.max_budget else {
            return Ok(None);
        };
        let rule = |duration| WindowRule::new(duration, chrono_tz::Tz::UTC);
        let terms = Terms {
            limit,
            soft: self.soft_budget,
            rule: self.budget_duration.map(rule),
            enforcement: self.enforcement,
            unpriced: self
                .unpriced_charge
                .map_or(WhenUnpriced::Refuse, WhenUnpriced::Charge),
        };
        terms.check()?;
        Ok(Some(terms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_without_a_limit_is_none_and_one_that_makes_no_sense_is_refused() {
        let read = |json: &str| -> ProxyBudget { serde_json::from_str(json).unwrap() };
        let terms =
            read(r#"{"max_budget": 10.5, "budget_duration": "30d", "enforcement": "strict"}"#)
                .terms()
                .unwrap()
                .unwrap();
        assert_eq!(terms.limit.to_string(), "10.5");
        assert_eq!(terms.enforcement, Enforcement::Strict);
        assert!(terms.rule.is_some());
        assert_eq!(read(r#"{"soft_budget": 1}"#).terms(), Ok(None));
        let refused = read(r#"{"max_budget": 1, "soft_budget": 2}"#).terms();
        assert!(matches!(refused, Err(BudgetError::Soft { .. })));
    }
}
