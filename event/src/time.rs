//! Instants and durations as LiteLLM writes them: seconds, with the fraction kept exactly.

use chrono::{DateTime, Utc};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use crate::Exact;

const PER_SECOND: i64 = 1_000_000;

/// An instant: microseconds since 1970-01-01 UTC. In JSON, epoch seconds (`1795185951.397412`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// A duration in whole microseconds. In JSON, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seconds(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to this; negative if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }

    /// The same instant for a calendar; the epoch itself if it is beyond what a calendar covers.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(instant.timestamp_micros())
    }
}

impl Seconds {
    /// From microseconds.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(seconds(self.0))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(seconds(self.0))
    }
}

/// A double holds every microsecond of epoch seconds until the year 2242, and is written with the
/// fewest digits that mean it.
#[expect(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a time is no money"
)]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        micros(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        micros(deserializer).map(Self)
    }
}

fn micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    if let Some(micros) = plain(raw.get()) {
        return Ok(micros);
    }
    let exact: Result<Exact, _> = serde_json::from_str(raw.get());
    let Exact(seconds) = exact.map_err(D::Error::custom)?;
    seconds
        .checked_mul(Decimal::from(PER_SECOND))
        .and_then(|micros| micros.round().to_i64())
        .ok_or_else(|| D::Error::custom("time is out of range"))
}

/// Microseconds of seconds as we write them: nearly all that are read.
fn plain(text: &str) -> Option<i64> {
    const PLACES: usize = 6;
    let (whole, fraction) = text.split_once('.')?;
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) || fraction.len() > PLACES {
        return None;
    }
    let missing = u32::try_from(PLACES - fraction.len()).ok()?;
    let micros = fraction.parse::<i64>().ok()? * 10_i64.pow(missing);
    let whole = whole.parse::<i64>().ok()?.checked_mul(PER_SECOND)?;
    whole.checked_add(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_seconds_keep_their_microseconds() {
        let read: Timestamp = serde_json::from_str("1795185951.397412").unwrap();
        assert_eq!(read.micros(), 1_795_185_951_397_412);
        assert_eq!(serde_json::to_string(&read).unwrap(), "1795185951.397412");
        let read: Seconds = serde_json::from_str("0.009224891662597656").unwrap();
        assert_eq!(read.micros(), 9225);
        for (text, micros) in [("1.5", 1_500_000), ("-1.5", -1_500_000), ("2", 2_000_000)] {
            let read: Seconds = serde_json::from_str(text).unwrap();
            assert_eq!(read.micros(), micros, "{text}");
        }
        for micros in [
            -1,
            0,
            1,
            999_999,
            1_795_185_951_397_411,
            8_589_934_591_999_999,
        ] {
            let written = serde_json::to_string(&Timestamp(micros)).unwrap();
            assert_eq!(
                serde_json::from_str::<Timestamp>(&written)
                    .unwrap()
                    .micros(),
                micros
            );
        }
    }
}
