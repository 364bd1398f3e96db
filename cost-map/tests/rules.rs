//! Which prices a call gets, and what is said when it gets none.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use cost_map::{Call, Overrides, PriceMap, price};
use event::{Class, Cost, CostStatus, Timestamp, Usage, Usd};

const MAP: &str = r#"{
    "full": {"input_cost_per_token": 1, "output_cost_per_token": 2, "litellm_provider": "p",
        "cache_read_input_token_cost": 0.5, "input_cost_per_token_above_1k_tokens": 4,
        "input_cost_per_token_above_2k_tokens": 8, "input_cost_per_token_flex": 0.25},
    "mute": {"input_cost_per_token": 1, "litellm_provider": "p"},
    "free": {"input_cost_per_token": 0, "output_cost_per_token": 0},
    "timed": {"input_cost_per_second": 0.5, "output_cost_per_second": 0.5, "mode": "chat"},
    "film": {"output_cost_per_second": 0.5, "mode": "video_generation"},
    "tiny": {"input_cost_per_token": 1.234567890123456789012345678e-1}
}"#;

fn map() -> PriceMap {
    PriceMap::parse(MAP.as_bytes(), "test").unwrap()
}

fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage {
        prompt_tokens,
        completion_tokens,
        ..Usage::default()
    }
}

fn call<'a>(model: &'a str, usage: &'a Usage) -> Call<'a> {
    Call::new(model, usage, Timestamp::default())
}

#[track_caller]
fn assert_total(cost: &Cost, total: &str) {
    assert_eq!(
        cost.total.map(|total| total.to_string()).as_deref(),
        Some(total),
        "{cost:?}"
    );
}

#[track_caller]
fn assert_unpriced(cost: &Cost, reason: &str) {
    assert_eq!(
        (cost.status, cost.total),
        (CostStatus::Unpriced, None),
        "{cost:?}"
    );
    assert_eq!(cost.reason.as_deref(), Some(reason));
    assert!(cost.items.is_empty());
}

#[test]
fn an_unknown_model_is_not_free() {
    let cost = price(PriceMap::bundled(), &call("gpt-4o-minni", &usage(1, 1)));
    assert_eq!((cost.status, cost.total), (CostStatus::Unpriced, None));
    let reason = cost.reason.unwrap();
    assert!(
        reason.starts_with("model `gpt-4o-minni` is not in the price map, near are `gpt-4o-mini`")
    );
    assert!(
        reason.ends_with("set `base_model` or the deployment's own prices"),
        "{reason}"
    );
    assert_eq!(cost.price_map, PriceMap::bundled().version());
}

#[test]
fn nothing_consumed_costs_nothing_even_for_an_unknown_model() {
    let nothing = usage(0, 0);
    for model in ["full", "unheard of"] {
        let cost = price(&map(), &call(model, &nothing));
        assert_eq!(
            (cost.status, cost.total),
            (CostStatus::NothingConsumed, Some(Usd::ZERO))
        );
        assert!(cost.items.is_empty());
    }
}

#[test]
fn a_price_of_zero_is_a_price() {
    let cost = price(&map(), &call("free", &usage(5, 5)));
    assert_eq!(
        (cost.status, cost.total),
        (CostStatus::Priced, Some(Usd::ZERO))
    );
    assert_eq!(cost.items.len(), 2);
}

#[test]
fn a_price_that_is_missing_is_named() {
    let cost = price(&map(), &call("mute", &usage(5, 5)));
    let remedy = "set it among the deployment's own prices";
    assert_unpriced(
        &cost,
        &format!("`mute` has no `output_cost_per_token`; {remedy}"),
    );
    assert_eq!(cost.entry.as_deref(), Some("mute"));
    assert_total(&price(&map(), &call("mute", &usage(5, 0))), "5.0");
    let consumed = usage(5, 5);
    let cost = price(&map(), &call("film", &consumed));
    let reason = "`film` is priced by the second, and no duration is known";
    assert_unpriced(&cost, reason);
    let asked = Call {
        call_type: Some("acompletion"),
        ..call("film", &consumed)
    };
    let keys = "`input_cost_per_token`, `output_cost_per_token`";
    assert_unpriced(
        &price(&map(), &asked),
        &format!("`film` has no {keys}; {remedy}"),
    );
}

#[test]
fn an_entry_of_another_provider_is_not_taken() {
    let consumed = usage(1, 0);
    let cost = price(
        &map(),
        &Call {
            provider: Some("q"),
            ..call("full", &consumed)
        },
    );
    let remedy = "set `base_model` or the deployment's own prices";
    assert_unpriced(
        &cost,
        &format!("model `full` has prices of `p`, none of `q`; {remedy}"),
    );
    let proxied = Call {
        provider: Some("litellm_proxy"),
        ..call("full", &consumed)
    };
    assert_total(&price(&map(), &proxied), "1.0");
}

#[test]
fn the_base_model_wins_over_the_model_and_is_not_guessed_around() {
    let consumed = usage(1_000, 100);
    let azure = Call {
        provider: Some("azure"),
        ..call("my-deployment", &consumed)
    };
    for base in ["azure/gpt-4o", "gpt-4o"] {
        let cost = price(
            PriceMap::bundled(),
            &Call {
                base_model: Some(base),
                ..azure
            },
        );
        assert_eq!(cost.entry.as_deref(), Some("azure/gpt-4o"));
        assert_total(&cost, "0.0035");
        assert_eq!(cost.reason.as_deref(), Some("base_model, exact"));
    }
    let elsewhere = Call {
        provider: Some("openrouter"),
        ..call("openai/gpt-4o", &consumed)
    };
    assert_eq!(
        price(PriceMap::bundled(), &elsewhere).status,
        CostStatus::Unpriced
    );
    let elsewhere = Call {
        base_model: Some("openai/gpt-4o"),
        ..elsewhere
    };
    assert_total(&price(PriceMap::bundled(), &elsewhere), "0.0035");

    let misspelt = Call {
        base_model: Some("gpt-4-oh"),
        model: "gpt-4o",
        ..azure
    };
    let cost = price(PriceMap::bundled(), &misspelt);
    assert_eq!(cost.status, CostStatus::Unpriced);
    assert!(
        cost.reason
            .unwrap()
            .starts_with("base_model `gpt-4-oh` is not in the price map")
    );
}

#[test]
fn the_model_of_the_response_is_a_last_resort_that_is_told() {
    let consumed = usage(1_000, 100);
    let azure = Call {
        provider: Some("azure"),
        ..call("my-deployment", &consumed)
    };
    let answered = Call {
        response_model: Some("gpt-4o-2031-01-31"),
        ..azure
    };
    let cost = price(PriceMap::bundled(), &answered);
    assert_eq!(cost.entry.as_deref(), Some("azure/gpt-4o"));
    let reason = "`my-deployment` has no entry; by the response's model, \
                  `gpt-4o-2031-01-31` without date of snapshot";
    assert_eq!(cost.reason.as_deref(), Some(reason));

    let named = Call {
        model: "gpt-4o",
        response_model: Some("gpt-4.1"),
        ..azure
    };
    assert_eq!(
        price(PriceMap::bundled(), &named).entry.as_deref(),
        Some("azure/gpt-4o")
    );
}

#[test]
fn the_highest_threshold_that_is_crossed_counts() {
    for (prompt, total) in [
        (1_000, "1000.0"),
        (1_001, "4004.0"),
        (2_000, "8000.0"),
        (2_001, "16008.0"),
    ] {
        assert_total(&price(&map(), &call("full", &usage(prompt, 0))), total);
    }
    // R3.3: a tier without a price for long prompts keeps its factor, here 0.25 / 1.
    for (prompt, total) in [(1_000, "250.0"), (1_001, "1001.0"), (2_001, "4002.0")] {
        let consumed = usage(prompt, 0);
        let flex = Call {
            service_tier: Some("flex"),
            ..call("full", &consumed)
        };
        assert_total(&price(&map(), &flex), total);
    }
}

#[test]
fn own_prices_stand_over_those_of_the_map() {
    let consumed = Usage {
        cache_read_input_tokens: Some(1),
        ..usage(3_001, 1)
    };
    let priced = |json: &str, model| {
        let own = Overrides::parse(json).unwrap();
        price(
            &map(),
            &Call {
                overrides: Some(&own),
                ..call(model, &consumed)
            },
        )
    };
    // The own price of input holds for long prompts too; output and cache reads are the map's.
    let cost = priced(r#"{"input_cost_per_token": 0.1}"#, "full");
    assert_total(&cost, "302.5");
    let reason = "the deployment's own prices; others from the map: exact";
    assert_eq!(
        (cost.entry.as_deref(), cost.reason.as_deref()),
        (Some("full"), Some(reason))
    );
    // Free input is free from the cache too.
    assert_total(&priced(r#"{"input_cost_per_token": 0}"#, "full"), "2.0");
    let cost = priced(
        r#"{"input_cost_per_token": 1, "output_cost_per_token": "7"}"#,
        "unknown",
    );
    assert_total(&cost, "3008.0");
    assert_eq!(cost.reason.as_deref(), Some("the deployment's own prices"));
    let cost = priced(r#"{"input_cost_per_token": 1}"#, "unknown");
    let reason = "`unknown` has no `output_cost_per_token`; \
                  set it among the deployment's own prices";
    assert_unpriced(&cost, reason);
    // What has no prices in it changes nothing.
    assert_eq!(
        priced(r#"{"mode": "chat"}"#, "full").reason.as_deref(),
        Some("exact")
    );
    let tiers = r#"{"tiered_pricing": [
        {"range": [0, 10], "input_cost_per_token": 9, "output_cost_per_token": 9},
        {"range": [10, 20], "input_cost_per_token": 0.01, "output_cost_per_token": 0}]}"#;
    assert_total(&priced(tiers, "unknown"), "30.01");
}

#[test]
fn time_is_charged_where_tokens_are_not() {
    let consumed = usage(10, 10);
    let two_and_a_half = Some("2.50".parse().unwrap());
    let timed = Call {
        response_seconds: two_and_a_half,
        ..call("timed", &consumed)
    };
    let cost = price(&map(), &timed);
    assert_total(&cost, "1.25");
    assert_eq!(
        (cost.items[0].class, &*cost.items[0].key),
        (Class::Seconds, "input_cost_per_second")
    );
    let reason = "`timed` is priced by the second, and no duration is known";
    assert_unpriced(&price(&map(), &call("timed", &consumed)), reason);

    let own = Overrides::parse(r#"{"input_cost_per_second": 2}"#).unwrap();
    let owned = Call {
        model: "full",
        overrides: Some(&own),
        ..timed
    };
    assert_total(&price(&map(), &owned), "5.0");
    let own = Overrides::parse(r#"{"input_cost_per_token": 1, "output_cost_per_token": 1}"#);
    let owned = Call {
        overrides: Some(&own.unwrap()),
        ..timed
    };
    assert_total(&price(&map(), &owned), "20.0");

    let provisioned = "us-east-1/1-month-commitment/anthropic.claude-v2:1";
    let bedrock = Call {
        provider: Some("bedrock"),
        model: provisioned,
        ..timed
    };
    // 2.5 s × 0.0175
    assert_total(&price(PriceMap::bundled(), &bedrock), "0.04375");
}

#[test]
fn a_cost_that_cannot_be_exact_is_not_rounded_in_secret() {
    let reason = "the cost by `tiny` is beyond what can be added up exactly";
    assert_unpriced(&price(&map(), &call("tiny", &usage(u64::MAX, 0))), reason);
    assert_total(
        &price(&map(), &call("tiny", &usage(1, 0))),
        "0.123456789012",
    );
}

#[test]
fn a_key_like_no_other_is_refused_in_few_words() {
    let parse = |key: &str| Overrides::parse(&format!(r#"{{"{key}": 1}}"#)).unwrap_err();
    let long = format!("input_cost_per_{}", "k".repeat(60_000));
    let said = parse(&long).to_string();
    assert!(said.len() < 200 && !said.contains("mean"), "{said}");
    let near = parse("input_cost_per_tokn").to_string();
    assert!(
        near.ends_with("did you mean `input_cost_per_token`?"),
        "{near}"
    );
}
