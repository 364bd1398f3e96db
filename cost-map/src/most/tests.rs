//! No call within its bounds costs more than its bound.

use event::{CacheWriteDetails, CompletionDetails, PromptDetails, Timestamp};

use super::*;
use crate::{Adjustments, Overrides};

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

/// Some usage within bounds.
fn usage(random: &mut Random, bounds: &Bounds) -> Usage {
    let prompt = random.below(bounds.input + 1);
    let completion = random.below(bounds.output + 1);
    let (cached, written) = (random.below(prompt / 3 + 1), random.below(prompt / 3 + 1));
    let hour = random.below(written + 1);
    let reasoning = random.below(completion + 1);
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: prompt + completion,
        cache_creation_input_tokens: Some(written),
        cache_read_input_tokens: Some(cached),
        prompt_tokens_details: Some(PromptDetails {
            cached_tokens: Some(cached),
            cache_creation_tokens: Some(written),
            cache_creation_token_details: Some(CacheWriteDetails {
                ephemeral_1h_input_tokens: Some(hour),
                ephemeral_5m_input_tokens: Some(written - hour),
                ..CacheWriteDetails::default()
            }),
            audio_tokens: Some(random.below(prompt / 3 + 1)),
            web_search_requests: (bounds.tools > 0).then(|| random.below(bounds.tools + 1)),
            ..PromptDetails::default()
        }),
        completion_tokens_details: Some(CompletionDetails {
            reasoning_tokens: Some(reasoning),
            audio_tokens: Some(random.below(completion - reasoning + 1)),
            ..CompletionDetails::default()
        }),
        ..Usage::default()
    }
}

#[test]
fn no_call_within_its_bounds_costs_more_than_its_bound() {
    let map = PriceMap::bundled();
    let margins = Adjustments::parse(
        "null",
        r#"{"global":{"percentage":0.1,"fixed_amount":0.01}}"#,
    );
    let margins = margins.unwrap();
    let own = Overrides::parse(r#"{"output_cost_per_token": 0.5}"#).unwrap();
    let mut random = Random(7);
    let mut compared = 0;
    for (name, entry) in map.iter() {
        if !matches!(
            entry.mode(),
            Some("chat" | "completion" | "responses" | "embedding")
        ) {
            continue;
        }
        for round in 0..6 {
            let bounds = Bounds {
                input: [10, 3_000, 150_000, 300_000][usize::try_from(random.below(4)).unwrap()],
                output: random.below(20_000),
                tools: random.below(4),
                ..Bounds::default()
            };
            let used = usage(&mut random, &bounds);
            let served = [None, Some("priority"), Some("flex"), Some("default")];
            let call = Call {
                call_type: Some("acompletion"),
                adjustments: Some(&margins),
                overrides: (round == 5).then_some(&own),
                ..Call::new(name, &used, Timestamp::from_micros(1_800_000_000_000_000))
            };
            let served = Call {
                service_tier: served[usize::try_from(random.below(4)).unwrap()],
                ..call
            };
            let (Some(most), Some(cost)) = (most(map, &call, &bounds), price(map, &served).total)
            else {
                continue;
            };
            compared += 1;
            assert!(
                cost <= most,
                "{name}: {cost} > {most}\n{bounds:?}\n{used:?}\n{:?}",
                served.service_tier
            );
        }
    }
    assert!(compared > 5_000, "{compared}");
}

#[test]
fn a_bound_is_not_dearer_than_the_dearest_call() {
    let json = br#"{"m": {"litellm_provider": "openai", "mode": "chat",
        "input_cost_per_token": 2, "cache_creation_input_token_cost": 3,
        "input_cost_per_token_above_200k_tokens": 5, "output_cost_per_token": 7,
        "output_cost_per_token_priority": 11}}"#;
    let map = PriceMap::parse(json, "t").unwrap();
    let none = Usage::default();
    let call = Call::new("m", &none, Timestamp::default());
    let of = |tier, input, output| {
        let bounds = Bounds {
            input,
            output,
            ..Bounds::default()
        };
        let most = most(
            &map,
            &Call {
                service_tier: tier,
                ..call
            },
            &bounds,
        );
        most.unwrap()
    };
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    assert_eq!(of(Some("default"), 10, 10), usd("100"));
    assert_eq!(of(None, 10, 10), usd("140"));
    assert_eq!(of(Some("flex"), 10, 0), usd("30"));
    assert_eq!(of(Some("default"), 200_001, 0), usd("1000005"));
    assert_eq!(
        most(
            &map,
            &Call { model: "x", ..call },
            &Bounds {
                input: 1,
                ..Bounds::default()
            }
        ),
        None
    );
}
