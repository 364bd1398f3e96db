//! What a user may write under `collector:` and `sinks:`; defaults stand beside the fields.

mod budget;
mod prices;
mod units;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};

use event::Secret;
use serde::{Deserialize, Deserializer, de::Error as _};

pub use self::{
    budget::ProxyBudget,
    prices::{Factor, PricesConfig},
    units::Bytes,
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
    /// What all calls together may spend.
    pub budget: ProxyBudget,
    /// What opens the control API to gateways, in place of the master key; not empty.
    #[serde(deserialize_with = "some_key")]
    pub control_key: Option<Secret>,
    /// Whether `/metrics` asks for the master key.
    pub metrics_auth: bool,
    /// How many label sets of a metric `/metrics` tells apart; the rest is counted as `other`.
    pub metrics_series_max: usize,
    /// Where sinks may connect to.
    pub egress: sink::egress::EgressPolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4001)),
            settle: SettleConfig::default(),
            prices: PricesConfig::default(),
            budget: ProxyBudget::default(),
            control_key: None,
            metrics_auth: true,
            metrics_series_max: 2000,
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

/// The section `sinks:`, by the user's name for each.
pub type Sinks = BTreeMap<String, SinkConfig>;

/// One destination.
#[derive(Clone, Debug, Deserialize)]
pub struct SinkConfig {
    /// Which kind of sink: `file`, `webhook`, ….
    pub kind: String,
    /// How large its batches grow; what is left out is as the kind likes it.
    #[serde(default)]
    pub batch: BatchConfig,
    /// Where a sink starts that has not run before.
    #[serde(default)]
    pub from: From,
    /// How long one attempt may take.
    #[serde(default = "default_timeout", deserialize_with = "units::duration")]
    pub timeout: Duration,
    /// How large its dead letters may grow before it stops for somebody to look at them.
    #[serde(default = "default_dead_letters")]
    pub dead_letters_bytes_max: Bytes,
    /// Everything else is the sink's own.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

const fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

const fn default_dead_letters() -> Bytes {
    const BYTES: NonZeroUsize = NonZeroUsize::new(256 << 20).unwrap();
    Bytes(BYTES)
}

/// How large batches grow.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Events, at most.
    pub items_max: Option<NonZeroUsize>,
    /// Bytes of JSON, at most; a single larger event goes alone.
    pub bytes_max: Option<Bytes>,
    /// Age of the oldest event in the batch.
    #[serde(deserialize_with = "units::some_duration")]
    pub age_max: Option<Duration>,
}

/// Where a new sink starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// With what comes from now on.
    #[default]
    Now,
    /// With the oldest event that is still there.
    Beginning,
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

    #[test]
    fn what_is_not_the_lanes_is_the_sinks() {
        let text = r#"{"kind":"file","timeout":"5s","from":"beginning","batch":{"age_max":"2s"},"path":"x"}"#;
        let config: SinkConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.timeout, Duration::from_secs(5));
        assert_eq!(config.from, From::Beginning);
        assert_eq!(config.batch.age_max, Some(Duration::from_secs(2)));
        assert_eq!(config.rest.keys().collect::<Vec<_>>(), ["path"]);
    }
}
