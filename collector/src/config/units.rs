//! Durations as `"20ms"`, `"5s"`, `"10m"`, `"1h"`; sizes as `"8MiB"` or a number of bytes.

use std::{fmt, num::NonZeroUsize, time::Duration};

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, de::Error};

const DURATIONS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

const SIZES: [(&str, usize); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// A time zone by its IANA name: `Europe/Berlin`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone(pub Tz);

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let wrong =
            |_error| D::Error::custom(format!("`{name}` is no time zone: write `Europe/Berlin`"));
        name.parse().map(Self).map_err(wrong)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub NonZeroUsize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(usize),
            Text(String),
        }
        let size = match Written::deserialize(deserializer) {
            Ok(Written::Number(size)) => Some(size),
            Ok(Written::Text(text)) => size(&text),
            Err(_) => None,
        };
        size.and_then(NonZeroUsize::new)
            .map(Self)
            .ok_or_else(|| D::Error::custom("expected a size such as `8MiB` or a number of bytes"))
    }
}

/// Reads a duration.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        D::Error::custom(format!(
            "`{text}` is not a duration such as `20ms`, `5s`, `10m` or `1h`"
        ))
    })
}

/// Reads a duration that may be left out.
pub(crate) fn some_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (digits, unit) = split(text)?;
    let (_, millis) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
    let count: u64 = digits.parse().ok()?;
    count.checked_mul(*millis).map(Duration::from_millis)
}

fn size(text: &str) -> Option<usize> {
    let (digits, unit) = split(text)?;
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit)?;
    let count: usize = digits.parse().ok()?;
    count.checked_mul(*bytes)
}

fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let unit = text.find(|character: char| !character.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(unit)?;
    Some((digits, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(parse_duration("20ms"), Some(Duration::from_millis(20)));
        assert_eq!(parse_duration("5 s"), Some(Duration::from_secs(5)));
        assert_eq!(parse_duration("2h"), Some(Duration::from_secs(7200)));
        for text in [
            "",
            "5",
            "s",
            "1.5s",
            "-1s",
            "5 parsecs",
            "99999999999999999h",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_text_or_numbers() {
        let read = |text: &str| {
            serde_json::from_str::<Bytes>(text)
                .ok()
                .map(|size| size.0.get())
        };
        assert_eq!(read("\"8MiB\""), Some(8 << 20));
        assert_eq!(read("\"3 kB\""), Some(3000));
        assert_eq!(read("512"), Some(512));
        for text in ["0", "-1", "\"8\"", "\"8 mugs\"", "1.5", "null"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
