//! Which alerts are raised, and when: LiteLLM's `alert_types`, `alerting_threshold` and
//! `alerting_args`.

use std::collections::BTreeSet;

use chrono_tz::Tz;
use event::{Exact, Timestamp, Usd, WindowDuration, WindowRule};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// Thresholds of a budget, at most.
const THRESHOLDS_MAX: usize = 20;
/// Thousandths in one.
const MILLI: i128 = 1000;

/// The alerts. Defaults stand beside the fields, bounds where they are read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertingConfig {
    /// The types that are raised. None named: LiteLLM's usual ones and ours. What says that calls
    /// are not accounted for, or that a sink fails, is always raised.
    alert_types: Option<BTreeSet<AlertType>>,
    /// From how many seconds on a call is slow: 300. From 1 to 86 400.
    alerting_threshold: Option<Within<1, 86_400>>,
    /// How long the span of a spend report is, beside that of a month: `7d`. Whole days.
    #[serde(deserialize_with = "whole_days")]
    spend_report_frequency: Option<WindowDuration>,
    /// The rest.
    pub alerting_args: AlertingArgs,
}

/// LiteLLM's arguments of alerts, and ours beside them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertingArgs {
    /// Seconds that a daily report is over: 86 400. Sums are kept by day, so less means a day; 0
    /// switches it off. At most 31 days.
    daily_report_frequency: Within<0, 2_678_400>,
    /// Seconds between two looks at what no call tells of by itself: 60. From 1 to 3600.
    report_check_interval: Within<1, 3600>,
    /// Seconds after which what is still wrong is a new alert: 86 400. From 60 to 31 days. Alerts of
    /// a budget are raised once in a window, however long it is.
    budget_alert_ttl: Within<60, 2_678_400>,
    /// Seconds over which failed and slow calls are counted: 60. From 10 to 3600.
    outage_alert_ttl: Within<10, 3600>,
    /// Failed calls of a model in that time for a warning: 5. From 1.
    minor_outage_alert_threshold: Within<1, 1_000_000>,
    /// The same for a critical alert: 10.
    major_outage_alert_threshold: Within<1, 1_000_000>,
    /// The share of calls that must have failed as well, in percent: 50.
    outage_failure_percent: Within<1, 100>,
    /// How many times the usual spend of a day is an anomaly: 3.0. From 1 to 1000.
    spend_anomaly_multiplier: Multiplier,
    /// Days whose average is the usual: 7. From 1 to 366.
    spend_anomaly_baseline_days: Within<1, 366>,
    /// Below this, in US dollars, nothing is an anomaly: 10.0.
    spend_anomaly_min_spend: Usd,
    /// Which parts of a budget are told of, in percent: 50, 80, 95, 100. Each from 1 to 1000.
    #[serde(deserialize_with = "thresholds")]
    budget_alert_thresholds: BTreeSet<u32>,
    /// How much of a window must be over before its end is forecast, in percent: 10.
    budget_forecast_after_percent: Within<1, 99>,
    /// How many days before it expires a key is told of: 7. From 1 to 366.
    key_expiry_notice_days: Within<1, 366>,
    /// LiteLLM's, without effect here.
    region_outage_alert_ttl: Option<Value>,
    max_outage_alert_list_size: Option<Value>,
    log_to_console: Option<Value>,
    user_spend_check_interval: Option<Value>,
}

impl Default for AlertingArgs {
    fn default() -> Self {
        Self {
            daily_report_frequency: Within(86_400),
            report_check_interval: Within(60),
            budget_alert_ttl: Within(86_400),
            outage_alert_ttl: Within(60),
            minor_outage_alert_threshold: Within(5),
            major_outage_alert_threshold: Within(10),
            outage_failure_percent: Within(50),
            spend_anomaly_multiplier: Multiplier(3 * MILLI),
            spend_anomaly_baseline_days: Within(7),
            spend_anomaly_min_spend: Usd::from_picos(10_000_000_000_000),
            budget_alert_thresholds: BTreeSet::from([50, 80, 95, 100]),
            budget_forecast_after_percent: Within(10),
            key_expiry_notice_days: Within(7),
            region_outage_alert_ttl: None,
            max_outage_alert_list_size: None,
            log_to_console: None,
            user_spend_check_interval: None,
        }
    }
}

/// What can be switched on and off, by LiteLLM's names; ours are `key_spend_anomalies` and
/// `key_expiring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AlertType(&'static str);

macro_rules! alert_types {
    ($($name:ident = $text:literal),+ $(,)?) => {
        impl AlertType {
            $(pub(crate) const $name: Self = Self($text);)+
            /// Those that have an effect here.
            const ALL: &'static [Self] = &[$(Self::$name),+];
        }
    };
}

alert_types! {
    BUDGETS = "budget_alerts",
    SPEND_REPORTS = "spend_reports",
    DAILY_REPORTS = "daily_reports",
    USER_ANOMALIES = "user_spend_anomalies",
    KEY_ANOMALIES = "key_spend_anomalies",
    KEY_EXPIRING = "key_expiring",
    OUTAGES = "outage_alerts",
    SLOW = "llm_too_slow",
    KEY_CREATED = "new_virtual_key_created",
    KEY_UPDATED = "virtual_key_updated",
    KEY_DELETED = "virtual_key_deleted",
    TEAM_CREATED = "new_team_created",
    TEAM_UPDATED = "team_updated",
    TEAM_DELETED = "team_deleted",
    USER_CREATED = "new_internal_user_created",
    USER_UPDATED = "internal_user_updated",
    USER_DELETED = "internal_user_deleted",
}

/// Raised where none are named.
const USUAL: [AlertType; 7] = [
    AlertType::BUDGETS,
    AlertType::SPEND_REPORTS,
    AlertType::DAILY_REPORTS,
    AlertType::KEY_ANOMALIES,
    AlertType::KEY_EXPIRING,
    AlertType::OUTAGES,
    AlertType::SLOW,
];

/// Types of LiteLLM that nothing is raised for here.
const WITHOUT_EFFECT: [&str; 12] = [
    "llm_exceptions",
    "llm_requests_hanging",
    "failed_tracking_spend",
    "user_spend_thresholds",
    "db_exceptions",
    "cooldown_deployment",
    "new_model_added",
    "model_deprecation_warnings",
    "region_outage_alerts",
    "fallback_reports",
    "mcp_tool_description_blocked",
    "mcp_pinned_tools_changed",
];

impl<'de> Deserialize<'de> for AlertType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let named = |known: &&Self| known.0 == name;
        if let Some(known) = Self::ALL.iter().find(named) {
            return Ok(*known);
        }
        let without = WITHOUT_EFFECT.iter().find(|known| **known == name);
        without.map(|known| Self(known)).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|known| known.0).collect();
            let shown: String = name.chars().take(64).collect();
            let known = known.join(", ");
            D::Error::custom(format!("`{shown}` is not an alert type; there are {known}"))
        })
    }
}

/// A whole number within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Within<const MIN: u32, const MAX: u32>(u32);

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Value::deserialize(deserializer)?;
        let read = number.as_u64().and_then(|number| number.try_into().ok());
        match read {
            Some(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(D::Error::custom(format!(
                "expected a whole number from {MIN} to {MAX}"
            ))),
        }
    }
}

/// How many times as much, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Multiplier(i128);

impl<'de> Deserialize<'de> for Multiplier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Exact(times) = Exact::deserialize(deserializer)?;
        let mut times = times.normalize();
        let fits = times.scale() <= 3;
        times.rescale(3);
        match times.mantissa() {
            milli if fits && (MILLI..=1000 * MILLI).contains(&milli) => Ok(Self(milli)),
            _ => Err(D::Error::custom(
                "expected a number from 1 to 1000 with at most three digits after the point",
            )),
        }
    }
}

fn thresholds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<u32>, D::Error> {
    let read: BTreeSet<u32> = BTreeSet::deserialize(deserializer)?;
    if read.len() > THRESHOLDS_MAX || read.iter().any(|percent| !(1..=1000).contains(percent)) {
        return Err(D::Error::custom(format!(
            "expected at most {THRESHOLDS_MAX} whole numbers from 1 to 1000"
        )));
    }
    Ok(read)
}

/// A duration that sums by day can tell of.
fn whole_days<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<WindowDuration>, D::Error> {
    let duration = WindowDuration::deserialize(deserializer)?;
    let window = WindowRule::new(duration, Tz::UTC).window(Timestamp::from_micros(0));
    let span = window.end.zip(window.start);
    let span = span.map_or(0, |(end, start)| end.since(start).micros());
    if span < 86_400_000_000 {
        return Err(D::Error::custom(format!(
            "`{duration}` is less than a day: sums are kept by day, write `1d`, `7d` or `1mo`"
        )));
    }
    Ok(Some(duration))
}

impl AlertingConfig {
    /// Whether alerts of a type are raised.
    pub(crate) fn raises(&self, which: AlertType) -> bool {
        match &self.alert_types {
            Some(types) => types.contains(&which),
            None => USUAL.contains(&which),
        }
    }

    /// From when on a call is slow, in microseconds.
    pub(crate) fn slow_micros(&self) -> i64 {
        let threshold = self.alerting_threshold.map_or(300, |given| given.0);
        i64::from(threshold) * 1_000_000
    }

    /// The spans that spend is reported of.
    pub(crate) fn report_periods(&self) -> Vec<WindowDuration> {
        let daily = self.raises(AlertType::DAILY_REPORTS);
        let days = self.alerting_args.report_days().filter(|_| daily);
        let days = days.map(|days| format!("{days}d"));
        let mut periods: Vec<_> = days.iter().filter_map(|text| text.parse().ok()).collect();
        if self.raises(AlertType::SPEND_REPORTS) {
            let weekly = || "7d".parse().ok();
            periods.extend(self.spend_report_frequency.or_else(weekly));
            periods.extend("1mo".parse::<WindowDuration>());
        }
        periods
    }

    /// What was read and has no effect, by its path below `general_settings`.
    #[must_use]
    pub fn without_effect(&self) -> Vec<String> {
        let types = self.alert_types.iter().flatten();
        let types = types.filter(|known| WITHOUT_EFFECT.contains(&known.0));
        let mut paths: Vec<String> = types
            .map(|known| format!("alert_types: {}", known.0))
            .collect();
        let args = &self.alerting_args;
        for (name, value) in [
            ("region_outage_alert_ttl", &args.region_outage_alert_ttl),
            (
                "max_outage_alert_list_size",
                &args.max_outage_alert_list_size,
            ),
            ("log_to_console", &args.log_to_console),
            ("user_spend_check_interval", &args.user_spend_check_interval),
        ] {
            if value.is_some() {
                paths.push(format!("alerting_args.{name}"));
            }
        }
        paths
    }
}

impl AlertingArgs {
    /// Which parts of a budget are told of, in percent.
    pub(crate) fn thresholds(&self) -> impl Iterator<Item = u32> {
        self.budget_alert_thresholds.iter().copied()
    }

    /// Days that a daily report is over; `None` if there is none.
    const fn report_days(&self) -> Option<u32> {
        match self.daily_report_frequency.0 {
            0 => None,
            seconds => Some(seconds.div_ceil(86_400)),
        }
    }

    /// Between two looks.
    pub(crate) const fn check_interval(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.report_check_interval.0 as u64)
    }

    /// After which silence what is noticed again is a new alert, in microseconds.
    pub(crate) fn repeat_micros(&self) -> i64 {
        i64::from(self.budget_alert_ttl.0) * 1_000_000
    }

    /// Over which time calls are counted, in microseconds: nothing falls between two looks.
    pub(crate) fn outage_micros(&self) -> i64 {
        let longer = self.outage_alert_ttl.0.max(self.report_check_interval.0);
        i64::from(longer) * 1_000_000
    }

    /// Failed calls for a warning and for a critical alert, and their share in percent.
    pub(crate) fn outage(&self) -> (u64, u64, u64) {
        (
            self.minor_outage_alert_threshold.0.into(),
            self.major_outage_alert_threshold.0.into(),
            self.outage_failure_percent.0.into(),
        )
    }

    /// Days whose average is the usual, and below which amount nothing is an anomaly.
    pub(crate) fn baseline(&self) -> (i64, Usd) {
        let days = i64::from(self.spend_anomaly_baseline_days.0);
        (days, self.spend_anomaly_min_spend)
    }

    /// Whether so much in a day is many times as much as the average of so much in the baseline.
    pub(crate) fn is_anomaly(&self, today: Usd, baseline: Usd) -> bool {
        let (days, least) = self.baseline();
        let usual = baseline
            .picos()
            .checked_mul(self.spend_anomaly_multiplier.0);
        let now = today.picos().checked_mul(i128::from(days) * MILLI);
        let (Some(usual), Some(now)) = (usual, now) else {
            return false;
        };
        today >= least && baseline > Usd::ZERO && now >= usual
    }

    /// How much of a window must be over before its end is forecast, in percent.
    pub(crate) fn forecast_after(&self) -> i128 {
        self.budget_forecast_after_percent.0.into()
    }

    /// How long before it expires a key is told of, in microseconds.
    pub(crate) fn expiry_notice_micros(&self) -> i64 {
        i64::from(self.key_expiry_notice_days.0) * 86_400_000_000
    }
}

#[cfg(test)]
mod tests;
