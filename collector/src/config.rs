//! What a user may write under `collector:`; defaults stand beside the fields.

mod alerting;
mod budget;
mod prices;
mod sinks;
mod units;

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};

use event::Secret;
use serde::{Deserialize, Deserializer, de::Error as _};

pub(crate) use self::alerting::AlertType;
pub use self::{
    alerting::{AlertingArgs, AlertingConfig},
    budget::ProxyBudget,
    prices::{Factor, PricesConfig},
    sinks::{
        BatchConfig, Content, FilterConfig, From, PrivacyConfig, Redact, SampleConfig, SinkConfig,
        Sinks,
    },
    units::{Bytes, Zone},
};

/// The section `collector:`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the HTTP API listens. Without a master key only a loopback address is taken.
    pub listen: SocketAddr,
    /// How calls are gathered into transactions.
    pub settle: SettleConfig,
    /// Where prices come from.
    pub prices: PricesConfig,
    /// Which alerts are raised, and when.
    pub alerting: AlertingConfig,
    /// What all calls together may spend.
    pub budget: ProxyBudget,
    /// What opens the control API to gateways, in place of the master key; not empty.
    #[serde(deserialize_with = "some_key")]
    pub control_key: Option<Secret>,
    /// Whether `/metrics` asks for the master key.
    pub metrics_auth: bool,
    /// How many label sets of a metric `/metrics` tells apart; the rest is counted as `other`.
    pub metrics_series_max: usize,
    /// In whose calendar the windows of budgets begin that name no zone of their own; UTC if it is
    /// left out.
    pub budget_timezone: Option<Zone>,
    /// Where sinks may connect to.
    pub egress: sink::egress::EgressPolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4001)),
            settle: SettleConfig::default(),
            prices: PricesConfig::default(),
            alerting: AlertingConfig::default(),
            budget: ProxyBudget::default(),
            control_key: None,
            metrics_auth: true,
            metrics_series_max: 2000,
            budget_timezone: None,
            egress: sink::egress::EgressPolicy::default(),
        }
    }
}

fn some_key<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    let key: Option<Secret> = Option::deserialize(from)?;
    if key.as_ref().is_some_and(|key| key.expose().is_empty()) {
        return Err(D::Error::custom(
            "`control_key` is empty: set one, or leave it out",
        ));
    }
    Ok(key)
}

/// How calls are gathered into transactions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SettleConfig {
    /// Records of the calls log in one transaction, at most.
    pub records: NonZeroUsize,
    /// Bytes of them, at most.
    pub bytes: Bytes,
    /// How long to wait for more while calls keep coming.
    #[serde(deserialize_with = "units::duration")]
    pub linger: Duration,
}

impl Default for SettleConfig {
    fn default() -> Self {
        const RECORDS: NonZeroUsize = NonZeroUsize::new(2048).unwrap();
        const BYTES: NonZeroUsize = NonZeroUsize::new(4 << 20).unwrap();
        Self {
            records: RECORDS,
            bytes: Bytes(BYTES),
            linger: Duration::from_millis(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        let config: Config = serde_json::from_str("{}").unwrap();
        assert_eq!(config.listen.port(), 4001);
        assert_eq!(config.settle.records.get(), 2048);
        assert!(config.metrics_auth);
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused() {
        let refused = serde_json::from_str::<Config>(r#"{"settle":{"record":1}}"#);
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("unknown field `record`")
        );
    }
}
