//! What a price map is read as, and which maps are refused.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;

use cost_map::{MapError, Overrides, PriceMap};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

const BUNDLED: &str = include_str!("../prices.json");
const META: &str = include_str!("../prices.meta.json");

fn parse(json: &str) -> Result<PriceMap, MapError> {
    PriceMap::parse(json.as_bytes(), "test")
}

#[test]
fn the_bundled_map_says_which_litellm_and_which_bytes_it_is() {
    let meta: BTreeMap<String, String> = serde_json::from_str(META).unwrap();
    let digest = hex::encode(Sha256::digest(BUNDLED));
    assert_eq!(meta["sha256"], digest);
    let version = format!("litellm-{}+sha256:{}", meta["litellm"], &digest[..12]);
    assert_eq!(PriceMap::bundled().version(), version);
    assert!(PriceMap::bundled().len() > 4_000);
    assert!(!PriceMap::bundled().is_empty());
}

#[test]
fn every_cost_in_the_bundled_map_is_read_to_its_last_digit() {
    let models: BTreeMap<String, BTreeMap<String, &RawValue>> =
        serde_json::from_str(BUNDLED).unwrap();
    let mut figures = 0;
    for (model, fields) in &models {
        let entry = PriceMap::bundled().entry(model).unwrap();
        let mut check = |key: String, raw: &RawValue| {
            // Written out anew, the figure has the same digits: compared as text, because that is
            // what was read.
            let read = entry.prices().find(|(known, _)| *known == key).unwrap().1;
            assert_eq!(plain(&read.to_string()), plain(raw.get()), "{model} {key}");
            figures += 1;
        };
        for (key, raw) in fields.iter().filter(|(key, _)| key.contains("cost")) {
            match serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) {
                Ok(members) => {
                    members
                        .iter()
                        .for_each(|(inner, raw)| check(format!("{key}.{inner}"), raw));
                }
                Err(_) => check(key.clone(), raw),
            }
        }
        let Some(list) = fields.get("tiered_pricing") else {
            continue;
        };
        let brackets: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(list.get()).unwrap();
        for (index, bracket) in brackets.iter().enumerate() {
            if bracket.contains_key("range") {
                for (key, raw) in bracket.iter().filter(|(key, _)| key.contains("cost")) {
                    check(format!("tiered_pricing[{index}].{key}"), raw);
                }
            }
        }
    }
    assert!(figures > 18_000, "{figures}");
}

/// A number's digits without sign, exponent and zeros at the ends: `2.50e-06` is `25` and 7
/// places after the point.
fn plain(number: &str) -> (String, i64) {
    let number = number.trim_start_matches('-');
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let trimmed = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - trimmed.len()).unwrap();
    let places = i64::try_from(fraction.len()).unwrap() - exponent.parse::<i64>().unwrap() - zeros;
    if trimmed.is_empty() {
        (String::new(), 0)
    } else {
        (trimmed.to_owned(), places)
    }
}

#[test]
fn figures_may_be_numbers_or_strings_and_null_is_no_price() {
    let map = parse(
        r#"{"sample_spec": 1, "fallback_generalizations": [], "m": {
            "input_cost_per_token": "2.5e-6", "output_cost_per_token": 0,
            "cache_read_input_token_cost": null, "max_input_tokens": 128000.0,
            "max_output_tokens": "4096", "max_tokens": "many", "mode": "chat",
            "search_context_cost_per_query": {"search_context_size_low": 0.01},
            "litellm_provider": "openai", "supports_vision": true, "cost_notes": "new"}}"#,
    );
    let map = map.unwrap();
    let entry = map.entry("m").unwrap();
    assert_eq!(
        entry.price("input_cost_per_token"),
        Some("0.0000025".parse().unwrap())
    );
    assert_eq!(entry.price("output_cost_per_token"), Some(Decimal::ZERO));
    assert_eq!(entry.price("cache_read_input_token_cost"), None);
    let nested = entry.price("search_context_cost_per_query.search_context_size_low");
    assert_eq!(nested, Some("0.01".parse().unwrap()));
    assert_eq!(
        (entry.provider(), entry.mode()),
        (Some("openai"), Some("chat"))
    );
    assert_eq!(entry.max_input_tokens(), Some(128_000));
    assert_eq!(entry.max_output_tokens(), Some(4_096));
    assert_eq!(entry.max_tokens(), None);
    assert_eq!(map.len(), 1);
}

#[test]
fn what_is_there_twice_has_to_be_the_same() {
    let map =
        parse(r#"{"m": {"input_cost_per_token": 1}, "n": {}, "m": {"input_cost_per_token": 1}}"#);
    let map = map.unwrap();
    let price = map.entry("m").unwrap().price("input_cost_per_token");
    assert_eq!((map.len(), price), (2, Some(1.into())));
}

#[test]
fn a_broken_map_is_refused_by_naming_the_model_and_the_key() {
    for (json, message) in [
        ("", "price map is not a JSON object of models"),
        ("[]", "price map is not a JSON object of models"),
        ("{", "price map is not a JSON object of models"),
        ("{}", "price map has no models"),
        (r#"{"sample_spec": {}}"#, "price map has no models"),
        (r#"{"gpt": 3}"#, "`gpt` in the price map is not an object"),
        (
            r#"{"gpt": {"input_cost_per_token": -1e-6}}"#,
            "`input_cost_per_token` of `gpt` is negative: `-1e-6`",
        ),
        (
            r#"{"gpt": {"output_cost_per_token_flex": "free"}}"#,
            "`output_cost_per_token_flex` of `gpt` is not a number of at most 28 digits: `\"free\"`",
        ),
        (
            r#"{"gpt": {"some_new_cost_per_thing": true}}"#,
            "`some_new_cost_per_thing` of `gpt` is not a number of at most 28 digits: `true`",
        ),
        (
            r#"{"gpt": {"search_context_cost_per_query": {"low": "NaN"}}}"#,
            "`search_context_cost_per_query.low` of `gpt` is not a number of at most 28 digits: `\"NaN\"`",
        ),
        (
            r#"{"gpt": {"tiered_pricing": [{"input_cost_per_token": 1}]}}"#,
            "`tiered_pricing` of `gpt` is not a list of objects with a `range` of two numbers",
        ),
    ] {
        assert_eq!(parse(json).unwrap_err().to_string(), message, "{json}");
    }
    let large = vec![b' '; 64 * 1024 * 1024 + 1];
    let error = PriceMap::parse(&large, "test").unwrap_err();
    assert_eq!(
        error.to_string(),
        "price map has 67108865 bytes, more than 64 MiB"
    );
}

#[test]
fn a_figure_with_more_digits_than_can_be_kept_is_refused_and_not_cut() {
    for figure in [
        "1.00000000000000000000000000001",
        "1.0000000000000000000000000001e-06",
        "1.2345678901234567890123456789012345e-06",
        "1e-29",
        "1e29",
        "1e999999999999",
    ] {
        let json = format!(r#"{{"m": {{"input_cost_per_token": {figure}}}}}"#);
        assert!(parse(&json).is_err(), "{figure}");
    }
}

#[test]
fn own_prices_are_refused_if_a_key_is_misspelt() {
    let error = Overrides::parse(r#"{"input_cost_per_tokens": 1e-6}"#).unwrap_err();
    let message = "`input_cost_per_tokens` is not a key of the price map; \
                   did you mean `input_cost_per_token`?";
    assert_eq!(error.to_string(), message);
    let error = Overrides::parse(r#"{"input_cost_per_token": -1}"#).unwrap_err();
    let message = "`input_cost_per_token` of `the deployment's own prices` is negative: `-1`";
    assert_eq!(error.to_string(), message);
    for json in ["", "[]", "3", r#"{"input_cost_per_token": NaN}"#] {
        assert!(Overrides::parse(json).is_err(), "{json}");
    }
    for json in [
        "{}",
        r#"{"id": "x", "mode": "chat", "supports_vision": true}"#,
        r#"{"output_cost_per_token_above_77k_tokens_flex": "1e-6", "ocr_cost_per_page": 1}"#,
    ] {
        assert!(Overrides::parse(json).is_ok(), "{json}");
    }
}

#[test]
fn a_misspelt_model_is_told_its_neighbours() {
    let map = PriceMap::bundled();
    assert_eq!(map.nearest("gpt-4o-mnii", 1), ["gpt-4o-mini"]);
    assert_eq!(map.nearest("gpt-4o", 3).len(), 3);
    assert!(map.nearest("no-such-thing-at-all-anywhere", 3).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = PriceMap::parse(&bytes, "test");
    }

    #[test]
    fn no_change_to_a_map_makes_it_panic(at in 0_usize..4_000, byte: u8, cut in 0_usize..4_000) {
        let start = BUNDLED.find("\"gemini-2.5-pro\"").unwrap();
        let mut bytes = format!("{{{}", &BUNDLED[start..start + 4_000]).into_bytes();
        bytes[at] = byte;
        bytes.truncate(4_000 - cut);
        let _ = PriceMap::parse(&bytes, "test");
        let close = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        bytes.truncate(close);
        while bytes.last() == Some(&b',') {
            bytes.pop();
        }
        bytes.push(b'}');
        let _ = PriceMap::parse(&bytes, "test");
    }

    #[test]
    fn any_json_under_a_price_is_a_figure_or_an_error(
        value in "(-?[0-9]{1,30}(\\.[0-9]{1,30})?(e-?[0-9]{1,3})?|\"[a-z0-9.-]{0,9}\"|null|true|\\[\\]|\\{\\})"
    ) {
        let json = format!(r#"{{"m": {{"input_cost_per_token": {value}}}}}"#);
        if let Ok(map) = parse(&json)
            && let Some(price) = map.entry("m").unwrap().price("input_cost_per_token")
        {
            prop_assert_eq!(plain(&price.to_string()), plain(value.trim_matches('"')));
        }
    }
}
