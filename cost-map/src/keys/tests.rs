//! Every key of the bundled map is a price that calls are billed by, or said to be none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::PriceMap;

const BUNDLED: &str = include_str!("../../prices.json");

/// Every path in a value that ends in something other than an object.
fn leaves(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                leaves(&path, value, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                leaves(&format!("{path}[{index}]"), item, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// `tiered_pricing[3].range` is `tiered_pricing[].range`.
fn general(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|char| {
            inside = (inside || *char == '[') && *char != ']';
            !inside || *char == '['
        })
        .collect()
}

#[test]
fn every_key_of_the_bundled_map_is_read_or_said_to_be_no_price() {
    let models: BTreeMap<String, Value> = serde_json::from_str(BUNDLED).unwrap();
    let (mut unread, mut prices, mut entries) = (Vec::new(), 0, 0);
    for (model, value) in &models {
        let Some(entry) = PriceMap::bundled().entry(model) else {
            continue;
        };
        entries += 1;
        let read: Vec<&str> = entry.prices().map(|(key, _)| key).collect();
        let mut paths = Vec::new();
        leaves("", value, &mut paths);
        for path in paths {
            let name = general(&path);
            let inner = name
                .strip_prefix("tiered_pricing[].")
                .or(name.strip_prefix("off_peak_pricing."))
                .unwrap_or(&name);
            let is_price = is_read(inner) && read.contains(&&*path);
            prices += u32::from(is_price);
            if is_price == not_prices::reason(&name).is_some() {
                unread.push(format!("{model}: {path}"));
            }
        }
    }
    assert_eq!(unread, [""; 0]);
    assert_eq!(entries, 4_551);
    assert!(prices > 18_000, "{prices}");
}

#[test]
fn no_pattern_hides_a_price_that_is_read() {
    for (key, _) in BASES {
        assert_eq!(not_prices::reason(key), None, "{key}");
    }
    for key in OTHERS {
        assert_eq!(not_prices::reason(key), None, "{key}");
    }
    assert!(!is_read("input_dbu_cost_per_token"));
    assert!(!is_read("input_cost_per_token_decisions"));
    assert!(is_read("output_cost_per_image_8K"));
    assert!(is_read("provider_specific_entry.au"));
}

#[test]
fn a_key_is_a_base_a_threshold_and_a_tier() {
    let rate = |base, above, tier| Some(Rate { base, above, tier });
    for (key, expected) in [
        ("input_cost_per_token", rate(Base::Input, 0, Tier::Standard)),
        (
            "output_cost_per_token_flex",
            rate(Base::Output, 0, Tier::Flex),
        ),
        (
            "cache_read_input_token_cost_above_272k_tokens_priority",
            rate(Base::CacheRead, 272_000, Tier::Priority),
        ),
        (
            "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
            rate(Base::CacheWriteHour, 200_000, Tier::Standard),
        ),
        (
            "input_cost_per_token_above_500_tokens",
            rate(Base::Input, 500, Tier::Standard),
        ),
        (
            "input_cost_per_token_above_1m_tokens",
            rate(Base::Input, 1_000_000, Tier::Standard),
        ),
        (
            "input_cost_per_token_batches",
            rate(Base::Input, 0, Tier::Batch),
        ),
        ("input_cost_per_token_above_k_tokens", None),
        ("input_cost_per_character", None),
    ] {
        assert_eq!(Rate::of(key), expected, "{key}");
    }
}

#[test]
fn every_base_has_a_key_that_reads_as_itself() {
    for (key, base) in BASES {
        assert_eq!(base.key(), key);
        assert!(looks_like_price(key));
        assert_eq!(Rate::of(key).map(|rate| rate.base), Some(base));
    }
}

#[test]
fn tiers_without_prices_of_their_own_are_standard() {
    assert_eq!(Tier::named("Flex"), Tier::Flex);
    assert_eq!(Tier::named("fast"), Tier::Priority);
    for name in ["", "auto", "default", "standard", "_flex"] {
        assert_eq!(Tier::named(name), Tier::Standard, "{name}");
    }
}
