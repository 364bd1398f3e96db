//! Sections 4 and 9: multipliers, discounts and margins.

use cost_map::Adjustments;
use event::Unpriced;

use super::{bill, check, cost, map};

const FACTORS: &str = r#""m": {"input_cost_per_token": 10, "output_cost_per_token": 20,
    "regional_processing_uplift_multiplier_eu": 1.1, "regional_endpoint_uplift_multiplier": 1.2,
    "provider_specific_entry": {"fast": 2.0, "us": 1.5, "note": "none"},
    "search_context_cost_per_query": {"search_context_size_medium": 7}}"#;

#[test]
fn r4_where_and_how_fast_a_model_ran_multiplies_its_tokens() {
    let map = map(FACTORS);
    check(
        &map,
        &[
            (
                r#""model": "m", "data_residency": "EU", "vertex_location": "europe-west1",
                   "web_search_requests": 1, "usage": {"input_tokens": 1, "output_tokens": 0,
                   "cache_read_input_tokens": 0, "speed": "fast", "inference_geo": "us"}"#,
                // 10, 11, 13.2, 26.4, 39.6, and then the search.
                "46.6 = input 1 × 10 (input_cost_per_token)
                 + uplift 10 × 0.1 (regional_processing_uplift_multiplier_eu)
                 + uplift 11 × 0.2 (regional_endpoint_uplift_multiplier)
                 + uplift 13.2 × 1 (provider_specific_entry.fast)
                 + uplift 26.4 × 0.5 (provider_specific_entry.us)
                 + web_searches 1 × 7 (search_context_cost_per_query.search_context_size_medium)",
            ),
            (
                r#""model": "m", "data_residency": "us", "vertex_location": "global",
                   "usage": {"prompt_tokens": 1}"#,
                "10 = input 1 × 10 (input_cost_per_token)",
            ),
            (
                r#""model": "m", "service_tier": "batch", "usage": {"input_tokens": 1,
                   "output_tokens": 0, "cache_read_input_tokens": 0, "inference_geo": "us"}"#,
                "7.5 = input 1 × 10 (input_cost_per_token) + adjustment 10 × -0.5 (batches)
                 + uplift 5 × 0.5 (provider_specific_entry.us)",
            ),
        ],
    );
}

const USAGE: &str = r#""usage": {"prompt_tokens": 1}"#;

#[test]
fn r9_1_a_discount_then_a_margin_then_an_amount() {
    let map = map(
        r#""openai/m": {"litellm_provider": "openai", "input_cost_per_token": 10},
           "azure/n": {"litellm_provider": "azure", "input_cost_per_token": 10},
           "openai/i": {"litellm_provider": "openai", "mode": "image_generation",
            "output_cost_per_image": 10}"#,
    );
    let adjustments = Adjustments::parse(
        r#"{"openai": 0.5, "azure/n": "0.1"}"#,
        r#"{"global": 0.2, "openai": {"percentage": 0.3, "fixed_amount": 0.25}}"#,
    )
    .unwrap();
    for (question, expected) in [
        (
            format!(r#""model": "openai/m", {USAGE}"#),
            "6.75 = input 1 × 10 (input_cost_per_token) \
             + discount 10 × -0.5 (cost_discount_config.openai) \
             + margin 5 × 0.3 (cost_margin_config.openai) \
             + margin 1 × 0.25 (cost_margin_config.openai.fixed_amount)",
        ),
        (
            format!(r#""model": "azure/n", {USAGE}"#),
            "10.8 = input 1 × 10 (input_cost_per_token) \
             + discount 10 × -0.1 (cost_discount_config.azure/n) \
             + margin 9 × 0.2 (cost_margin_config.global)",
        ),
        (
            r#""model": "openai/i", "images": 1"#.to_owned(),
            "6.75 = images 1 × 10 (output_cost_per_image) \
             + discount 10 × -0.5 (cost_discount_config.openai) \
             + margin 5 × 0.3 (cost_margin_config.openai) \
             + margin 1 × 0.25 (cost_margin_config.openai.fixed_amount)",
        ),
        (r#""model": "openai/m""#.to_owned(), "nothing"),
    ] {
        assert_eq!(bill(&cost(&map, Some(&adjustments), &question)), expected);
    }
}

#[test]
fn r9_1_what_is_no_discount_or_margin_is_refused() {
    let none = "null";
    for (discounts, margins, message) in [
        (
            r#"{"openai": 1.01}"#,
            none,
            "expected a number from 0 to 1, found `1.01`",
        ),
        (
            r#"{"openai": -0.1}"#,
            none,
            "expected a number from 0 to 1, found `-0.1`",
        ),
        ("[]", none, "expected a map"),
        (
            none,
            r#"{"global": {"percent": 1}}"#,
            "expected a number from 0, or an object of `percentage` and `fixed_amount`, found \
             `{\"percent\": 1}`",
        ),
        (
            none,
            r#"{"global": {"fixed_amount": -1}}"#,
            "expected a number from 0, or an object of `percentage` and `fixed_amount`, found \
             `{\"fixed_amount\": -1}`",
        ),
    ] {
        let error = Adjustments::parse(discounts, margins).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let empty = Adjustments::parse(none, " null ").unwrap();
    assert_eq!(empty, Adjustments::default());
}

#[test]
fn r1_7_why_there_is_no_price_is_of_one_kind() {
    let map = map(r#""m": {"input_cost_per_token": 1},
           "w": {"mode": "audio_transcription", "output_cost_per_second": 1}"#);
    for (question, kind) in [
        (
            r#""model": "n", "usage": {"prompt_tokens": 1}"#,
            Unpriced::NoSuchModel,
        ),
        (
            r#""model": "m", "usage": {"completion_tokens": 1}"#,
            Unpriced::NoPriceForClass,
        ),
        (
            r#""model": "w", "usage": {"search_units": 1}"#,
            Unpriced::NoUsage,
        ),
        (
            r#""model": "m", "usage": {"prompt_tokens": 0, "cost": 0.5}"#,
            Unpriced::NoUsage,
        ),
    ] {
        let cost = cost(&map, None, question);
        assert_eq!(
            (cost.unpriced, cost.total),
            (Some(kind), None),
            "{question}"
        );
    }
    for known in [
        r#""model": "m", "usage": {"prompt_tokens": 1}"#,
        r#""model": "m", "usage": {"prompt_tokens": 0, "cost": 0}"#,
    ] {
        assert_eq!(cost(&map, None, known).unpriced, None, "{known}");
    }
}
