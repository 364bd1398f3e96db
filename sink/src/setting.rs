//! How settings of several sinks are written.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

/// Reads a duration: `"500ms"`, `"20s"`, `"5m"`, `"1h"`, or a whole number of seconds. For
/// `#[serde(deserialize_with = "sink::setting::duration")]`.
///
/// # Errors
///
/// If it is none of these.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    match Written::deserialize(deserializer)? {
        Written::Seconds(seconds) => Ok(Duration::from_secs(seconds)),
        Written::Text(text) => parse(&text)
            .ok_or_else(|| D::Error::custom("use a duration such as `500ms`, `20s`, `5m` or `1h`")),
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "use a duration such as `500ms`, `20s`, `5m` or `1h`"
)]
enum Written {
    Seconds(u64),
    Text(String),
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.len()
        - text
            .trim_start_matches(|char: char| char.is_ascii_digit())
            .len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_number_and_a_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("20s", 20_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "1.5s", "-1s", "5 s", "99999999999999999h"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(
            duration(serde_json::json!(20)).unwrap(),
            Duration::from_secs(20)
        );
        assert!(
            duration(serde_json::json!(-1))
                .unwrap_err()
                .to_string()
                .contains("20s")
        );
    }
}
