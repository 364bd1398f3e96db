//! The `gateway` section: limits, and what happens at them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::{ConfigError, unknown};

/// The `gateway` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewaySettings {
    /// The largest request body.
    #[serde(deserialize_with = "bytes")]
    pub request_bytes_max: usize,
    /// The largest answer that is not a stream.
    #[serde(deserialize_with = "bytes")]
    pub response_bytes_max: usize,
    /// The largest message list or answer that is kept in an event; a larger one is replaced by a
    /// note of its size.
    #[serde(deserialize_with = "bytes")]
    pub content_bytes_max: usize,
    /// How long a client may take to send its head, and to stay idle between requests.
    #[serde(deserialize_with = "duration")]
    pub head_timeout: Duration,
    /// How long a client may take to send its body.
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    #[serde(deserialize_with = "duration")]
    pub write_timeout: Duration,
    /// How long a provider may take: to answer in full, or for a stream to its next chunk.
    #[serde(deserialize_with = "duration")]
    pub upstream_timeout: Duration,
    /// How long calls in flight may go on after a shutdown was asked for.
    #[serde(deserialize_with = "duration")]
    pub drain_timeout: Duration,
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// What happens to calls when they cannot be written down.
    pub accounting: Accounting,
    /// What a record has to survive before its call goes on.
    pub durability: Durability,
    /// What happens to a provider's answer when the client has gone.
    pub on_disconnect: OnDisconnect,
    /// Output tokens that a call without a bound of its own is expected to use; charged if the
    /// gateway dies with the call in flight.
    pub reserve_output_tokens: u64,
    /// Whether a request may have its content written down where `turn_off_message_logging` says
    /// that none is.
    pub allow_redaction_opt_out: bool,
    /// The collector to follow, where it is another process: `http://10.0.0.5:4001`.
    pub collector: Option<String>,
    /// The parameters that a request may set beside its model, its content and what is for the
    /// gateway; `None`: any. A key may have a list of its own, which holds instead.
    pub allowed_request_params: Option<Vec<String>>,
    /// How long a call may wait for money that other calls hold.
    #[serde(deserialize_with = "duration")]
    pub budget_wait: Duration,
    /// The smallest bound in tokens that is set on a call's output so that a strict budget can pay
    /// for it; if not even that can be paid, the call is refused.
    pub budget_output_min: u64,
}

/// What happens to calls when the journal cannot take them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accounting {
    /// They are refused with a 503.
    #[default]
    Required,
    /// They are served, and counted as lost.
    BestEffort,
}

/// What a record has to survive before its call goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The death of the process. A power cut can take the last milliseconds.
    #[default]
    Process,
    /// A power cut: calls wait for the disk, before the provider is asked and before the client
    /// gets its last byte.
    Fsync,
}

/// What happens to a provider's answer when the client has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    /// It is read to its end, so that the provider's own usage is accounted.
    #[default]
    Drain,
    /// It is cancelled; what was streamed is counted.
    Cancel,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            request_bytes_max: 32 << 20,
            response_bytes_max: 64 << 20,
            content_bytes_max: 256 << 10,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            upstream_timeout: Duration::from_secs(600),
            drain_timeout: Duration::from_secs(30),
            connections_max: 10_000,
            accounting: Accounting::default(),
            durability: Durability::default(),
            on_disconnect: OnDisconnect::default(),
            reserve_output_tokens: 1024,
            allow_redaction_opt_out: false,
            collector: None,
            allowed_request_params: None,
            budget_wait: Duration::from_secs(2),
            budget_output_min: 256,
        }
    }
}

/// Every key of the section, for the error about an unknown one.
const KEYS: &[&str] = &[
    "request_bytes_max",
    "response_bytes_max",
    "content_bytes_max",
    "head_timeout",
    "body_timeout",
    "write_timeout",
    "upstream_timeout",
    "drain_timeout",
    "connections_max",
    "accounting",
    "durability",
    "on_disconnect",
    "reserve_output_tokens",
    "allow_redaction_opt_out",
    "collector",
    "allowed_request_params",
    "budget_wait",
    "budget_output_min",
];

pub(super) fn read(value: &Value) -> Result<GatewaySettings, ConfigError> {
    let section = super::litellm::object(value, "gateway")?;
    for (key, value) in section {
        let path = format!("gateway.{key}");
        if !KEYS.contains(&key.as_str()) {
            return Err(ConfigError::at(path, unknown(key, KEYS)));
        }
        let alone = Value::Object([(key.clone(), value.clone())].into_iter().collect());
        super::read::<GatewaySettings>(&alone, &path)?;
    }
    super::read(value, "gateway")
}

/// `30s`, `500ms`, `5m`, `1h`, or a number of seconds.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let value = Value::deserialize(from)?;
    parse_duration(&value).ok_or_else(|| {
        D::Error::custom(format!(
            "`{value}` is not a duration: write `30s`, `500ms`, `5m` or `1h`"
        ))
    })
}

/// `32MiB`, `64KiB`, `1GiB`, or a number of bytes.
pub(super) fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let value = Value::deserialize(from)?;
    parse_bytes(&value).ok_or_else(|| {
        D::Error::custom(format!(
            "`{value}` is not a size: write `32MiB`, `64KiB` or bytes"
        ))
    })
}

fn parse_duration(value: &Value) -> Option<Duration> {
    let (number, unit) = quantity(value)?;
    let millis = match unit.as_str() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

fn parse_bytes(value: &Value) -> Option<usize> {
    let (number, unit) = quantity(value)?;
    let factor = match unit.as_str() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    usize::try_from(number.checked_mul(factor)?).ok()
}

/// A whole number and its unit.
fn quantity(value: &Value) -> Option<(u64, String)> {
    if let Some(seconds) = value.as_f64().filter(|_| !value.is_u64()) {
        let exact = Duration::try_from_secs_f64(seconds).ok()?;
        return Some((u64::try_from(exact.as_millis()).ok()?, "ms".to_owned()));
    }
    if let Some(number) = value.as_u64() {
        return Some((number, String::new()));
    }
    let text = value.as_str()?.trim();
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim().to_owned()))
}
