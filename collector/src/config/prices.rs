//! The section `collector.prices`.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use cost_map::{Adjustments, Discounts, Margins};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de::Error};
use sink::http::Endpoint;

use super::units::{self, Bytes};

/// The largest price map that is read at all.
const MAP_BYTES_MAX: NonZeroUsize = NonZeroUsize::new(64 << 20).unwrap();

/// Where prices come from: the map that is compiled in, under a file, under what a URL gives, all
/// in LiteLLM's format. Each is read again while the collector runs; what cannot be read or believed
/// is refused, and what was in force stays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PricesConfig {
    /// A file, read again when it changes.
    pub file: Option<PathBuf>,
    /// A URL, asked again every `refresh`; the collector's `egress` must allow it.
    pub url: Option<Endpoint>,
    /// How often the URL is asked.
    #[serde(deserialize_with = "refresh")]
    pub refresh: Duration,
    /// How long the URL may take to answer.
    #[serde(deserialize_with = "units::duration")]
    pub timeout: Duration,
    /// By what factor a price may rise or fall without being confirmed.
    pub max_change: Factor,
    /// How large a map may be, up to 64 MiB.
    #[serde(deserialize_with = "map_bytes")]
    pub max_bytes: Bytes,
    /// A model is in use if it was called in the last so many days: it may not lose its price
    /// without being confirmed.
    pub in_use_days: u16,
    /// How many maps are kept, so that a late call is priced by the map of its own time.
    pub history: NonZeroUsize,
    /// Parts taken off what calls cost, by provider or model; `None`: as LiteLLM's section says.
    pub cost_discount_config: Option<Discounts>,
    /// Parts or amounts put on top, by provider, model or `global`; `None`: as LiteLLM's section says.
    pub cost_margin_config: Option<Margins>,
}

impl PricesConfig {
    /// Discounts and margins together.
    #[must_use]
    pub fn adjustments(&self) -> Adjustments {
        Adjustments {
            discounts: self.cost_discount_config.clone().unwrap_or_default(),
            margins: self.cost_margin_config.clone().unwrap_or_default(),
        }
    }
}

impl Default for PricesConfig {
    fn default() -> Self {
        const HISTORY: NonZeroUsize = NonZeroUsize::new(50).unwrap();
        Self {
            file: None,
            url: None,
            refresh: Duration::from_hours(1),
            timeout: Duration::from_secs(30),
            max_change: Factor(Decimal::TEN),
            max_bytes: Bytes(MAP_BYTES_MAX),
            in_use_days: 30,
            history: HISTORY,
            cost_discount_config: None,
            cost_margin_config: None,
        }
    }
}

/// A factor above 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor(pub Decimal);

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(serde_json::Number),
            Text(String),
        }
        let digits = match Written::deserialize(deserializer) {
            Ok(Written::Number(number)) => number.to_string(),
            Ok(Written::Text(text)) => text,
            Err(_) => String::new(),
        };
        let factor = Decimal::from_str_exact(&digits).ok();
        factor
            .filter(|factor| *factor > Decimal::ONE)
            .map(Self)
            .ok_or_else(|| D::Error::custom("expected a factor above 1, such as 10 or 1.5"))
    }
}

fn refresh<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let refresh = units::duration(deserializer)?;
    if refresh < Duration::from_secs(1) {
        return Err(D::Error::custom(
            "the URL is asked at most once a second: `1s` or more",
        ));
    }
    Ok(refresh)
}

fn map_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let bytes = Bytes::deserialize(deserializer)?;
    if bytes.0 > MAP_BYTES_MAX {
        return Err(D::Error::custom("a price map is read up to `64MiB`"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<PricesConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = read(r#"{"url": "https://example.com/map.json"}"#).unwrap();
        assert_eq!(config.url.unwrap().host(), "example.com");
        assert_eq!(config.refresh, Duration::from_hours(1));
        assert_eq!(config.max_change, Factor(Decimal::TEN));
        assert_eq!(config.max_bytes.0.get(), 64 << 20);
    }

    #[test]
    fn a_factor_is_a_number_or_text_above_one() {
        for (text, factor) in [("2", "2"), ("1.5", "1.5"), ("\"1.25\"", "1.25")] {
            let config = read(&format!(r#"{{"max_change": {text}}}"#)).unwrap();
            assert_eq!(config.max_change.0.to_string(), factor);
        }
        for text in ["1", "0", "-2", "\"ten\"", "null", "[]"] {
            let refused = read(&format!(r#"{{"max_change": {text}}}"#)).unwrap_err();
            assert!(refused.contains("a factor above 1"), "{refused}");
        }
    }

    #[test]
    fn limits_have_limits() {
        for (json, words) in [
            (r#"{"refresh": "1ms"}"#, "`1s` or more"),
            (r#"{"max_bytes": "65MiB"}"#, "up to `64MiB`"),
            (
                r#"{"url": "ftp://example.com"}"#,
                "must begin with `https://`",
            ),
            (r#"{"urls": []}"#, "unknown field `urls`"),
            (
                r#"{"cost_discount_config": {"openai": 2}}"#,
                "a number from 0 to 1, found `2`",
            ),
            (
                r#"{"cost_margin_config": {"global": {"amount": 1}}}"#,
                "`percentage` and `fixed_amount`",
            ),
        ] {
            let refused = read(json).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
