//! Section 5: batches.

use super::{check, check_totals, map};

#[test]
fn r5_2_what_has_no_price_for_batches_is_text_of_the_batch_or_half() {
    let map = map(
        r#""m": {"input_cost_per_token": 10, "input_cost_per_token_batches": 4,
            "cache_read_input_token_cost": 1, "cache_creation_input_token_cost": 12,
            "cache_creation_input_token_cost_above_1hr": 20, "output_cost_per_token": 30,
            "output_cost_per_image_token": 50, "input_cost_per_audio_token": 70}"#,
    );
    let usage = r#""model": "m", "call_type": "aretrieve_batch", "usage": {"prompt_tokens": 10,
        "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 1,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": 1,
                "ephemeral_1h_input_tokens": 1}},
        "completion_tokens_details": {"reasoning_tokens": 1, "image_tokens": 1}}"#;
    check(
        &map,
        &[(
            // 6 × 4 + 4 + 4 + 20 / 2 + 4 + 30 / 2 + 30 / 2 + 50 / 2
            usage,
            "101 = input 6 × 4 (input_cost_per_token_batches)
             + cache_read 1 × 4 (input_cost_per_token_batches)
             + cache_write 1 × 4 (input_cost_per_token_batches)
             + cache_write_hour 1 × 20 (cache_creation_input_token_cost_above_1hr)
             + adjustment 20 × -0.5 (batches)
             + input_audio 1 × 4 (input_cost_per_token_batches)
             + output 1 × 30 (output_cost_per_token) + adjustment 30 × -0.5 (batches)
             + reasoning 1 × 30 (output_cost_per_token) + adjustment 30 × -0.5 (batches)
             + output_image 1 × 50 (output_cost_per_image_token)
             + adjustment 50 × -0.5 (batches)",
        )],
    );
}

#[test]
fn r5_1_a_batch_has_prices_and_thresholds_of_its_own() {
    let map = map(
        r#""m": {"input_cost_per_token": 10, "input_cost_per_token_batches": 4,
            "input_cost_per_token_above_1k_tokens": 20,
            "input_cost_per_token_above_1k_tokens_batches": 7,
            "cache_read_input_token_cost": 2, "cache_read_input_token_cost_batches": 1,
            "cache_read_input_token_cost_above_1k_tokens": 6}"#,
    );
    let usage = |prompt: u32| {
        format!(
            r#""model": "m", "service_tier": "batch", "usage": {{"prompt_tokens": {prompt},
               "prompt_tokens_details": {{"cached_tokens": 1}}}}"#
        )
    };
    check(
        &map,
        &[
            (
                &usage(1_000),
                "3997 = input 999 × 4 (input_cost_per_token_batches)
                 + cache_read 1 × 1 (cache_read_input_token_cost_batches)",
            ),
            (
                // R5.3: a long cache read has a standard price and none for batches.
                &usage(1_001),
                "7003 = input 1000 × 7 (input_cost_per_token_above_1k_tokens_batches)
                 + cache_read 1 × 6 (cache_read_input_token_cost_above_1k_tokens)
                 + adjustment 6 × -0.5 (batches)",
            ),
        ],
    );
}

#[test]
fn r5_3_without_a_price_for_batches_everything_is_half() {
    let map = map(
        r#""m": {"input_cost_per_token": 10, "input_cost_per_token_flex": 1,
            "output_cost_per_token": 30},
           "fireworks_ai/f": {"litellm_provider": "fireworks_ai", "input_cost_per_token": 8},
           "b": {"tiered_pricing": [{"range": [0, 10], "input_cost_per_token": 2}]}"#,
    );
    check(
        &map,
        &[
            (
                r#""model": "m", "call_type": "retrieve_batch", "service_tier": "flex",
                   "usage": {"prompt_tokens": 2, "completion_tokens": 1,
                    "prompt_tokens_details": {"cached_tokens": 1}}"#,
                "25 = input 1 × 10 (input_cost_per_token) + adjustment 10 × -0.5 (batches)
                 + cache_read 1 × 10 (input_cost_per_token) + adjustment 10 × -0.5 (batches)
                 + output 1 × 30 (output_cost_per_token) + adjustment 30 × -0.5 (batches)",
            ),
            (
                r#""model": "fireworks_ai/f", "service_tier": "batch",
                   "usage": {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}}"#,
                "2 = cache_read 1 × 8 (input_cost_per_token) + adjustment 8 × -0.5 (batches)
                 + adjustment 4 × -0.5 (default.fireworks_ai.cache_read)",
            ),
            (
                r#""model": "b", "service_tier": "batch", "usage": {"prompt_tokens": 3}"#,
                "3 = input 3 × 2 (tiered_pricing[0].input_cost_per_token)
                 + adjustment 6 × -0.5 (batches)",
            ),
        ],
    );
}

#[test]
fn r5_4_other_units_cost_in_a_batch_what_they_always_cost() {
    let map = map(
        r#""m": {"input_cost_per_token": 10, "input_cost_per_image": 3},
           "ocr": {"mode": "ocr", "ocr_cost_per_page": 4, "ocr_cost_per_page_batches": 1,
            "annotation_cost_per_page": 9}"#,
    );
    check_totals(
        &map,
        &[
            (
                r#""model": "m", "service_tier": "batch", "images_in": 2"#,
                "6",
            ),
            (
                r#""model": "ocr", "service_tier": "batch", "pages": 2, "annotated_pages": 1"#,
                "11",
            ),
            (r#""model": "ocr", "pages": 2, "annotated_pages": 1"#, "17"),
        ],
    );
}

/// A factor on nothing makes no line, and so the next one must not reach further back.
#[test]
fn r1_2_a_factor_on_nothing_does_not_halve_the_line_before() {
    let map = map(
        r#""fireworks_ai/free": {"litellm_provider": "fireworks_ai", "mode": "chat",
            "input_cost_per_token": 0, "output_cost_per_token": 0, "input_cost_per_image": 0.01}"#,
    );
    check_totals(
        &map,
        &[(
            r#""model": "fireworks_ai/free", "call_type": "retrieve_batch", "images_in": 3,
               "usage": {"prompt_tokens": 100, "total_tokens": 100,
                         "prompt_tokens_details": {"cached_tokens": 100}}"#,
            "0.03",
        )],
    );
}
