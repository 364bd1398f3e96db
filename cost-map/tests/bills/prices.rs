//! Section 3: which price.

use super::{check, check_totals, map};

#[test]
fn r3_1_a_tier_has_its_price_or_the_standard_one() {
    let map = map(
        r#""m": {"input_cost_per_token": 4, "input_cost_per_token_flex": 2,
            "input_cost_per_token_priority": 8, "output_cost_per_token": 1}"#,
    );
    for (tier, expected) in [
        ("flex", "3"),
        ("fast", "9"),
        ("Priority", "9"),
        ("default", "5"),
    ] {
        let question = format!(
            r#""model": "m", "service_tier": "{tier}",
               "usage": {{"prompt_tokens": 1, "completion_tokens": 1}}"#
        );
        check_totals(&map, &[(&question, expected)]);
    }
}

#[test]
fn r3_3_beyond_a_threshold_a_tier_keeps_its_factor() {
    let map = map(
        r#""m": {"input_cost_per_token": 4, "input_cost_per_token_flex": 2,
            "input_cost_per_token_above_1k_tokens": 10},
           "odd": {"input_cost_per_token": 3, "input_cost_per_token_flex": 1,
            "input_cost_per_token_above_1k_tokens": 10},
           "same": {"input_cost_per_token": 3, "input_cost_per_token_flex": 3,
            "input_cost_per_token_above_1k_tokens": 10}"#,
    );
    check(
        &map,
        &[
            (
                // 2 / 4 of 10.
                r#""model": "m", "service_tier": "flex", "usage": {"prompt_tokens": 1001}"#,
                "5005 = input 1001 × 10 (input_cost_per_token_above_1k_tokens)
                 + adjustment 10010 × -0.5 (input_cost_per_token_flex)",
            ),
            (
                r#""model": "m", "service_tier": "flex", "usage": {"prompt_tokens": 1000}"#,
                "2000 = input 1000 × 2 (input_cost_per_token_flex)",
            ),
            (
                // A third is no decimal.
                r#""model": "odd", "service_tier": "flex", "usage": {"prompt_tokens": 1001}"#,
                "10010 = input 1001 × 10 (input_cost_per_token_above_1k_tokens)",
            ),
            (
                r#""model": "same", "service_tier": "flex", "usage": {"prompt_tokens": 1001}"#,
                "10010 = input 1001 × 10 (input_cost_per_token_above_1k_tokens)",
            ),
        ],
    );
}

#[test]
fn r3_4_a_bracket_stands_in_for_itself_before_the_entry_does() {
    let map = map(
        r#""m": {"cache_read_input_token_cost": 7, "output_cost_per_token": 5,
            "input_cost_per_token_flex": 1, "tiered_pricing": [
            {"range": [10, 20], "input_cost_per_token": 3},
            {"range": [0, 10], "input_cost_per_token": 2, "output_cost_per_token": 4}]}"#,
    );
    check(
        &map,
        &[
            (
                r#""model": "m", "service_tier": "flex", "usage": {"prompt_tokens": 10,
                   "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}}"#,
                "24 = input 9 × 2 (tiered_pricing[1].input_cost_per_token)
                 + cache_read 1 × 2 (tiered_pricing[1].input_cost_per_token)
                 + output 1 × 4 (tiered_pricing[1].output_cost_per_token)",
            ),
            (
                // Beyond the last bracket the last; output is in the entry alone.
                r#""model": "m", "usage": {"prompt_tokens": 21, "completion_tokens": 1}"#,
                "68 = input 21 × 3 (tiered_pricing[0].input_cost_per_token)
                 + output 1 × 5 (output_cost_per_token)",
            ),
        ],
    );
}

#[test]
fn r3_5_what_is_missing_is_stood_in_for() {
    let details = r#""usage": {"prompt_tokens": 100, "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 20, "image_tokens": 5,
            "video_tokens": 3, "cached_tokens_details": {"audio_tokens": 4, "image_tokens": 2},
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": 1,
                "ephemeral_1h_input_tokens": 2, "ephemeral_12h_input_tokens": 3}},
        "completion_tokens_details": {"reasoning_tokens": 8, "audio_tokens": 4}}"#;
    let map = map(
        r#""plain": {"input_cost_per_token": 1, "output_cost_per_token": 2},
           "audio": {"input_cost_per_token": 1, "output_cost_per_token": 2,
            "input_cost_per_audio_token": 3, "cache_creation_input_token_cost": 10,
            "output_cost_per_reasoning_token": 20},
           "cached": {"input_cost_per_token": 1, "output_cost_per_token": 2,
            "cache_read_input_token_cost": 0.5, "cache_read_input_image_token_cost": 0.25,
            "cache_creation_input_token_cost_above_1hr": 10}"#,
    );
    for (model, expected) in [
        // 100 × 1 + 50 × 2
        ("plain", "200"),
        // text 100 − 10 − 6 − 16 − 3 − 3 = 62; cached 4 + 2; audio (4 + 16) × 3;
        // image 3; video 3; writes 6 × 10; output (50 − 8) × 2; reasoning 8 × 20
        ("audio", "438"),
        // 62; cached (4 + 4) × 0.5 + 2 × 0.25; audio 16; image 3; video 3;
        // writes 1 × 1 + 2 × 10 + 3 × 10; output 100
        ("cached", "239.5"),
    ] {
        check_totals(
            &map,
            &[(&format!(r#""model": "{model}", {details}"#), expected)],
        );
    }
}

#[test]
fn r3_5_fireworks_takes_half_for_cached_input() {
    let map =
        map(r#""fireworks_ai/m": {"litellm_provider": "fireworks_ai", "input_cost_per_token": 1}"#);
    let usage = r#""model": "fireworks_ai/m", "usage": {"prompt_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 4}}"#;
    check(
        &map,
        &[(
            usage,
            "8 = input 6 × 1 (input_cost_per_token) + cache_read 4 × 1 (input_cost_per_token)
             + adjustment 4 × -0.5 (default.fireworks_ai.cache_read)",
        )],
    );
    let own = format!(r#"{usage}, "prices": {{"input_cost_per_token": 2}}"#);
    check_totals(&map, &[(&own, "20")]);
}

#[test]
fn r3_6_reasoning_at_a_tier_costs_what_output_of_the_tier_costs() {
    let map = map(
        r#""own": {"output_cost_per_token": 1, "output_cost_per_token_flex": 2,
            "output_cost_per_reasoning_token": 10, "output_cost_per_reasoning_token_flex": 20},
           "output": {"output_cost_per_token": 1, "output_cost_per_token_flex": 2,
            "output_cost_per_reasoning_token": 10},
           "neither": {"output_cost_per_token": 1, "output_cost_per_reasoning_token": 10}"#,
    );
    let usage = r#""usage": {"completion_tokens": 1,
        "completion_tokens_details": {"reasoning_tokens": 1}}"#;
    for (model, flex) in [("own", "20"), ("output", "2"), ("neither", "10")] {
        let question = format!(r#""model": "{model}", "service_tier": "flex", {usage}"#);
        check_totals(&map, &[(&question, flex)]);
        check_totals(&map, &[(&format!(r#""model": "{model}", {usage}"#), "10")]);
    }
    // The deployment's own output comes before the map's of any tier.
    let own =
        r#""model": "output", "service_tier": "flex", "prices": {"output_cost_per_token": 7}"#;
    check_totals(&map, &[(&format!("{own}, {usage}"), "7")]);
}

#[test]
fn r3_7_twins_of_the_cache_read_price_stand_in_for_it() {
    let map = map(
        r#""hit": {"input_cost_per_token": 10, "input_cost_per_token_cache_hit": 1,
            "explicit_cache_read_input_token_cost": 2},
           "both": {"input_cost_per_token": 10, "cache_read_input_token_cost": 3,
            "explicit_cache_read_input_token_cost": 2}"#,
    );
    let usage = |cache: &str| {
        format!(
            r#""usage": {{"prompt_tokens": 1, "prompt_tokens_details": {{"cached_tokens": 1{cache}}}}}"#
        )
    };
    let (implicit, explicit) = (usage(""), usage(r#", "cache_type": "ephemeral""#));
    check_totals(
        &map,
        &[
            (&format!(r#""model": "hit", {implicit}"#), "1"),
            (&format!(r#""model": "both", {implicit}"#), "3"),
            (&format!(r#""model": "both", {explicit}"#), "2"),
        ],
    );
}

#[test]
fn r3_8_modalities_have_tiers() {
    let map = map(
        r#""m": {"input_cost_per_token": 1, "input_cost_per_audio_token": 2,
            "input_cost_per_audio_token_priority": 5}"#,
    );
    check_totals(
        &map,
        &[(
            r#""model": "m", "service_tier": "priority",
               "usage": {"prompt_tokens": 1, "prompt_tokens_details": {"audio_tokens": 1}}"#,
            "5",
        )],
    );
}

#[test]
fn r3_10_own_prices_come_first_and_a_free_stand_in_is_free() {
    let map = map(
        r#""m": {"input_cost_per_token": 1, "cache_read_input_token_cost": 0.5,
            "input_cost_per_token_flex": 0.1, "output_cost_per_token": 3}"#,
    );
    let usage = r#""model": "m", "service_tier": "flex", "usage": {"prompt_tokens": 10,
        "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}}"#;
    for (own, expected) in [
        // 6 × 0.1 + 4 × 0.5 + 3
        ("{}", "5.6"),
        // 6 × 2 + 4 × 0.5 + 3
        (r#"{"input_cost_per_token": 2}"#, "17"),
        // Free input is free from the cache too.
        (r#"{"input_cost_per_token": 0}"#, "3"),
        (r#"{"cache_read_input_token_cost": 0}"#, "3.6"),
    ] {
        check_totals(&map, &[(&format!(r#"{usage}, "prices": {own}"#), expected)]);
    }
}
