//! Reads how much may be spent, and how fast.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use event::Enforcement;

use super::{Form, bounded, checked, not_negative, short};
use crate::{
    api::answer::Refusal,
    entities::{BudgetLimit, Limits, ModelLimit, ModelRates},
    management::given::Given,
};

impl Form {
    /// The limits that keys, users, teams and budgets have in common.
    pub(in crate::management) fn limits(&mut self, limits: &mut Limits) -> Result<(), Refusal> {
        self.usd("max_budget")?.put(&mut limits.max_budget);
        self.usd("soft_budget")?.put(&mut limits.soft_budget);
        self.window("budget_duration")?
            .put(&mut limits.budget_duration);
        self.zone("budget_timezone")?
            .put(&mut limits.budget_timezone);
        self.choice::<Enforcement>("enforcement", "`strict`, `balanced` or `alert`")?
            .put(&mut limits.enforcement);
        self.usd("unpriced_charge")?
            .put(&mut limits.unpriced_charge);
        self.count("max_parallel_requests")?
            .put(&mut limits.max_parallel_requests);
        self.count("tpm_limit")?.put(&mut limits.tpm_limit);
        self.count("rpm_limit")?.put(&mut limits.rpm_limit);
        self.model_budgets()?.replace(&mut limits.model_max_budget);
        match (limits.soft_budget, limits.max_budget) {
            (Some(soft), Some(max)) if soft >= max => {
                let message =
                    format!("soft_budget ({soft}) must be strictly lower than max_budget ({max})");
                Err(Refusal::bad_request("soft_budget", &message))
            }
            _ => Ok(()),
        }
    }

    fn model_budgets(&mut self) -> Result<Given<BTreeMap<String, ModelLimit>>, Refusal> {
        const FIELD: &str = "model_max_budget";
        let wanted = "an object of models with `budget_limit` in US dollars, `time_period` such as \
                      `30d`, `tpm_limit` and `rpm_limit`";
        let models: Given<BTreeMap<String, ModelLimit>> = self.read(FIELD, wanted)?;
        models.and_then(|models| {
            short(FIELD, models.len())?;
            let model = |(name, limit): (String, ModelLimit)| {
                not_negative(FIELD, limit.budget_limit.unwrap_or_default())?;
                for count in [limit.tpm_limit, limit.rpm_limit].into_iter().flatten() {
                    bounded(FIELD, count)?;
                }
                Ok((checked(FIELD, name)?, limit))
            };
            models.into_iter().map(model).collect()
        })
    }

    /// Further budgets over other windows.
    pub(in crate::management) fn windows(&mut self) -> Result<Given<Vec<BudgetLimit>>, Refusal> {
        const FIELD: &str = "budget_limits";
        let wanted =
            "a list of objects with `budget_duration` such as `30d` and `max_budget` in US dollars";
        let limits: Given<Vec<BudgetLimit>> = self.read(FIELD, wanted)?;
        limits.and_then(|limits| {
            short(FIELD, limits.len())?;
            for limit in &limits {
                not_negative(FIELD, limit.max_budget)?;
            }
            Ok(limits)
        })
    }

    /// How fast each model may be used.
    pub(in crate::management) fn rates(
        &mut self,
        mut rates: ModelRates,
    ) -> Result<ModelRates, Refusal> {
        self.counts("model_rpm_limit")?
            .replace(&mut rates.model_rpm_limit);
        self.counts("model_tpm_limit")?
            .replace(&mut rates.model_tpm_limit);
        Ok(rates)
    }

    /// In whose calendar windows begin.
    fn zone(&mut self, field: &'static str) -> Result<Given<Tz>, Refusal> {
        self.text(field)?.and_then(|name| {
            let wrong = |_error| {
                let message =
                    format!("`{field}` has to be an IANA time zone such as `Europe/Berlin`");
                Refusal::bad_request(field, &message)
            };
            name.parse().map_err(wrong)
        })
    }
}
