//! What a user may write under `sinks:`; defaults stand beside the fields.

use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

use event::{Severity, Status, Usd};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use sink::Takes;

use super::units::{self, Bytes};

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
    /// Whether it gets events, alerts or both; without it events, if the kind takes any.
    #[serde(default)]
    pub send: Option<Takes>,
    /// Which events and alerts it gets.
    #[serde(default)]
    pub filter: FilterConfig,
    /// Of which traces it gets the events.
    #[serde(default)]
    pub sample: SampleConfig,
    /// How much of an event's content it gets.
    #[serde(default)]
    pub privacy: PrivacyConfig,
    /// Whether it gets only events whose key or team names it in its logging settings.
    #[serde(default)]
    pub routed: bool,
    /// What is older when its turn comes is skipped, and an alert says so; without it nothing is.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub retention: Option<Duration>,
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
    /// Batches on their way at once, at most; no more than the kind allows.
    pub concurrency_max: Option<NonZeroUsize>,
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

/// Which events and alerts a sink gets: those that fit every condition that is given. Names may
/// have a `*` at their end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilterConfig {
    /// Ids or aliases of teams.
    pub teams: Vec<String>,
    /// Hashes or aliases of keys.
    pub keys: Vec<String>,
    /// Models, as clients ask for them or as the provider has them.
    pub models: Vec<String>,
    /// Providers.
    pub providers: Vec<String>,
    /// Tags, of which an event needs one.
    pub tags: Vec<String>,
    /// `success` or `failure`.
    pub status: Option<Status>,
    /// What an event costs at least, in USD. Where nobody knows the cost, it does not fit.
    pub cost_min: Option<Usd>,
    /// What an event costs at most, in USD. Where nobody knows the cost, it does not fit.
    pub cost_max: Option<Usd>,
    /// How bad an alert is at least.
    pub severity_min: Option<Severity>,
}

/// Of which traces a sink gets the events: all of a trace or none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SampleConfig {
    /// The part of all traces, from 0 to 1.
    #[serde(deserialize_with = "rate")]
    pub rate: Decimal,
    /// Whether events of failed calls are kept, whatever their trace.
    pub keep_failures: bool,
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self {
            rate: Decimal::ONE,
            keep_failures: true,
        }
    }
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let written = serde_json::Number::deserialize(deserializer)?;
    let rate: Option<Decimal> = written.to_string().parse().ok();
    rate.filter(|rate| (Decimal::ZERO..=Decimal::ONE).contains(rate))
        .ok_or_else(|| D::Error::custom("expected a number from 0 to 1, such as 0.1"))
}

/// How much of an event's content a sink gets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrivacyConfig {
    /// How much.
    pub content: Content,
    /// Characters of each text that are left, for `truncated`.
    pub chars_max: NonZeroUsize,
    /// What is taken out of the texts that are left.
    pub redact: Vec<Redact>,
}

impl Default for PrivacyConfig {
    fn default() -> Self {
        const CHARS: NonZeroUsize = NonZeroUsize::new(1000).unwrap();
        Self {
            content: Content::Full,
            chars_max: CHARS,
            redact: vec![Redact::Secrets],
        }
    }
}

/// How much of the content: of requests, responses, errors, headers and whatever clients wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// All of it.
    #[default]
    Full,
    /// The beginning of each text, and how long it was.
    Truncated,
    /// A SHA-256 in place of each text: the same texts can be told, not what they say.
    Hashed,
    /// No requests, responses, errors, headers; tags, end users and `spend_logs_metadata` stay.
    Metadata,
    /// Nothing that a client wrote.
    None,
}

/// What is taken out of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redact {
    /// Keys, tokens, passwords.
    Secrets,
    /// E-mail addresses, and numbers of phones, cards and accounts.
    Pii,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SinkConfig, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_the_lanes_is_the_sinks() {
        let text = r#"{"kind":"file","timeout":"5s","from":"beginning","batch":{"age_max":"2s"},"path":"x"}"#;
        let config = read(text).unwrap();
        assert_eq!(config.timeout, Duration::from_secs(5));
        assert_eq!(config.from, From::Beginning);
        assert_eq!(config.batch.age_max, Some(Duration::from_secs(2)));
        assert_eq!(config.rest.keys().collect::<Vec<_>>(), ["path"]);
        assert_eq!(config.privacy.redact, [Redact::Secrets]);
        assert_eq!(config.sample.rate, Decimal::ONE);
    }

    #[test]
    fn what_a_sink_gets_is_read_exactly() {
        let config = read(
            r#"{"kind":"file","send":"both","routed":true,"retention":"48h",
                "filter":{"teams":["a*"],"cost_min":0.000000000001,"status":"failure","severity_min":"warning"},
                "sample":{"rate":0.1},"privacy":{"content":"hashed","redact":["secrets","pii"]}}"#,
        )
        .unwrap();
        assert_eq!(config.filter.cost_min, Some(Usd::from_picos(1)));
        assert_eq!(config.sample.rate, Decimal::new(1, 1));
        assert_eq!(config.retention, Some(Duration::from_secs(172_800)));
        assert_eq!((config.send, config.routed), (Some(Takes::Both), true));
        for wrong in [
            r#"{"kind":"x","sample":{"rate":1.1}}"#,
            r#"{"kind":"x","sample":{"rate":-0.1}}"#,
            r#"{"kind":"x","filter":{"team":["a"]}}"#,
            r#"{"kind":"x","privacy":{"content":"some"}}"#,
            r#"{"kind":"x","privacy":{"redact":["names"]}}"#,
            r#"{"kind":"x","send":"nothing"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
