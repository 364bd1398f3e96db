//! What holds for every entry of the bundled map.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use cost_map::{Call, Entry, PriceMap, Units, price};
use event::{Cost, CostStatus, Timestamp, Usage};
use rust_decimal::Decimal;

fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens + completion_tokens,
        ..Usage::default()
    }
}

/// One of whatever a call of any mode may consume.
fn one_of_everything() -> Units {
    let one = Some(Decimal::ONE);
    Units {
        prompt_characters: one,
        completion_characters: one,
        duration_seconds: one,
        images: one,
        size: Some("1024x1024".to_owned()),
        images_in: one,
        audio_in_seconds: one,
        video_in_seconds: one,
        pages: one,
        annotated_pages: one,
        credits: one,
        queries: one,
        search_units: one,
        text_messages: one,
        code_interpreter_sessions: None,
        guardrail_units: Vec::new(),
        ..Units::default()
    }
}

fn cost(map: &PriceMap, name: &str, usage: &Usage, units: &Units) -> Cost {
    let call = Call {
        units: Some(units),
        response_seconds: Some(Decimal::ONE),
        ..Call::new(name, usage, Timestamp::default())
    };
    price(map, &call)
}

/// Whether some figure of an entry is above nothing, other than what only tools and factors use.
fn charges(entry: &Entry) -> bool {
    let apart = [
        "search_context_cost_per_query",
        "provider_specific_entry",
        "uplift_multiplier",
        "google_maps",
        "citation_cost",
        "code_interpreter",
        "guardrail_cost",
        "_dbu_",
        "_decisions",
        "_priority",
        "cache",
    ];
    entry
        .prices()
        .any(|(key, amount)| !amount.is_zero() && !apart.iter().any(|apart| key.contains(apart)))
}

#[test]
fn r1_3_no_entry_is_free_unless_it_says_zero() {
    let map = PriceMap::bundled();
    let (mut free, mut unpriced, mut priced) = (Vec::new(), Vec::new(), 0);
    for (name, entry) in map.iter() {
        let of = |side: &str| {
            let key = format!("{side}_cost_per_token");
            let mut keys = entry.prices().map(|(key, _)| key);
            1_000 * u64::from(keys.any(|known| known.ends_with(&key)))
        };
        let consumed = usage(of("input"), of("output"));
        let cost = cost(map, name, &consumed, &one_of_everything());
        match (cost.status, cost.total.map(event::Usd::picos)) {
            (CostStatus::Priced, Some(0)) if charges(entry) => free.push(name),
            (CostStatus::Priced, _) => priced += 1,
            (_, total) => {
                assert_eq!(total, None, "{name}");
                // A router is priced by the model that it has answer (R8.4).
                let is_router = name.starts_with("azure_ai/model") && name.contains("router");
                if charges(entry) && !is_router {
                    unpriced.push(format!("{name}: {}", cost.reason.unwrap()));
                }
            }
        }
    }
    assert_eq!(free, [""; 0]);
    assert_eq!(unpriced, [""; 0]);
    assert!(priced > 4_400, "{priced}");
}

/// The length of a prompt behind `_above_` in a key.
fn threshold(key: &str) -> Option<u64> {
    let (_, rest) = key.split_once("_above_")?;
    let rest = rest.rsplit_once("_above_").map_or(rest, |(_, rest)| rest);
    let (bound, _) = rest.split_once("_tokens")?;
    Some(bound.strip_suffix('k')?.parse::<u64>().ok()? * 1_000)
}

/// The key of the tier in a key, and the name of the tier.
const TIERS: [(&str, Option<&str>); 6] = [
    ("", None),
    ("_flex", Some("flex")),
    ("_priority", Some("priority")),
    ("_balanced", Some("balanced")),
    ("_ultrafast", Some("ultrafast")),
    ("_batches", Some("batch")),
];

/// The price of input on a tier below a threshold: that of the next lower one, or without any.
fn below(entry: &Entry, suffix: &str, bound: u64) -> Decimal {
    let lower = entry.prices().filter_map(|(key, amount)| {
        let lower = threshold(key).filter(|lower| *lower < bound)?;
        let expected = format!(
            "input_cost_per_token_above_{}k_tokens{suffix}",
            lower / 1_000
        );
        (key == expected).then_some((lower, amount))
    });
    let short = || entry.price(&format!("input_cost_per_token{suffix}"));
    let lowest = || short().or(entry.price("input_cost_per_token"));
    lower
        .max()
        .map(|(_, amount)| amount)
        .or_else(lowest)
        .unwrap()
}

#[test]
fn r3_2_every_threshold_is_passed_and_not_reached() {
    let map = PriceMap::bundled();
    let mut crossed = 0;
    for (name, entry) in map
        .iter()
        .filter(|(_, entry)| entry.mode() != Some("embedding"))
    {
        let is_xai = entry.provider() == Some("xai");
        for (key, amount) in entry.prices() {
            let Some(bound) = threshold(key).filter(|_| key.starts_with("input_cost_per_token_"))
            else {
                continue;
            };
            let tier = TIERS
                .iter()
                .find(|(suffix, _)| key.ends_with(&format!("_tokens{suffix}")));
            let Some((suffix, tier)) = tier else {
                continue;
            };
            let short = below(entry, suffix, bound);
            for (prompt, expected) in [
                (bound - 1, short),
                (bound, if is_xai { amount } else { short }),
                (bound + 1, amount),
            ] {
                let consumed = usage(prompt, 0);
                let call = Call {
                    service_tier: *tier,
                    ..Call::new(name, &consumed, Timestamp::default())
                };
                let cost = price(map, &call);
                assert_eq!(cost.entry.as_deref(), Some(name));
                assert_eq!(
                    cost.items[0].unit_price.0, expected,
                    "{name} {key} {prompt}"
                );
                assert_eq!(cost.items.len(), 1, "{name} {key} {prompt}");
                crossed += 1;
            }
        }
    }
    assert!(crossed > 1_200, "{crossed}");
}
