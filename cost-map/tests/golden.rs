//! Real models of the bundled map, with costs worked out by hand from the figures in it.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use cost_map::{Call, PriceMap, price};
use event::{Cost, CostStatus, Timestamp, Usage};

/// A call that consumed `usage` (LiteLLM's JSON) on the standard tier.
fn cost(provider: &str, model: &str, usage: &str) -> Cost {
    tiered(provider, model, usage, None)
}

fn tiered(provider: &str, model: &str, usage: &str, service_tier: Option<&str>) -> Cost {
    let usage: Usage = serde_json::from_str(usage).unwrap();
    let call = Call {
        provider: Some(provider),
        service_tier,
        ..Call::new(model, &usage, Timestamp::default())
    };
    price(PriceMap::bundled(), &call)
}

fn text(prompt: u64, completion: u64) -> String {
    format!(r#"{{"prompt_tokens": {prompt}, "completion_tokens": {completion}}}"#)
}

#[track_caller]
fn assert_cost(cost: &Cost, entry: &str, total: &str) {
    assert_eq!(cost.status, CostStatus::Priced, "{cost:?}");
    assert_eq!(cost.entry.as_deref(), Some(entry));
    assert_eq!(cost.total.unwrap().to_string(), total, "{cost:#?}");
}

fn keys(cost: &Cost) -> Vec<&str> {
    cost.items.iter().map(|item| item.key.as_str()).collect()
}

#[test]
fn cached_input_of_gpt_4o_costs_half() {
    let usage = r#"{"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
                    "prompt_tokens_details": {"cached_tokens": 1920}}"#;
    // 86 × 2.5e-6 + 1920 × 1.25e-6 + 300 × 1e-5
    let cost = cost("openai", "openai/gpt-4o", usage);
    assert_cost(&cost, "gpt-4o", "0.005615");
    assert_eq!(
        keys(&cost),
        [
            "input_cost_per_token",
            "cache_read_input_token_cost",
            "output_cost_per_token"
        ]
    );
    assert_eq!(
        cost.reason.as_deref(),
        Some("`openai/gpt-4o` without provider prefix")
    );
}

const CLAUDE_USAGE: &str = r#"{"prompt_tokens": 10000, "completion_tokens": 500,
    "total_tokens": 10500, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 4000,
    "prompt_tokens_details": {"cache_creation_token_details":
        {"ephemeral_5m_input_tokens": 3000, "ephemeral_1h_input_tokens": 1000}}}"#;

#[test]
fn cache_writes_of_claude_cost_more_the_longer_they_live() {
    // 2000 × 3e-6 + 4000 × 3e-7 + 3000 × 3.75e-6 + 1000 × 6e-6 + 500 × 1.5e-5
    let cost = cost("anthropic", "claude-sonnet-4-5", CLAUDE_USAGE);
    assert_cost(&cost, "claude-sonnet-4-5", "0.03195");
    assert_eq!(cost.items.len(), 5);
}

#[test]
fn a_long_prompt_to_claude_on_bedrock_reprices_everything_in_it() {
    let usage = r#"{"prompt_tokens": 250000, "completion_tokens": 1000, "total_tokens": 251000,
        "prompt_tokens_details": {"cached_tokens": 100000, "cache_creation_tokens": 30000,
            "cache_creation_token_details":
                {"ephemeral_5m_input_tokens": 20000, "ephemeral_1h_input_tokens": 10000}}}"#;
    // 120000 × 6.6e-6 + 100000 × 6.6e-7 + 20000 × 8.25e-6 + 10000 × 1.32e-5 + 1000 × 2.475e-5
    let name = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    for model in [
        name.to_owned(),
        format!("bedrock/{name}"),
        format!("bedrock/converse/{name}"),
    ] {
        assert_cost(&cost("bedrock", &model, usage), name, "1.17975");
    }
    let arn = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{name}");
    let cost = cost("bedrock", &arn, usage);
    assert_cost(&cost, name, "1.17975");
    let expected = "cache_creation_input_token_cost_above_1hr_above_200k_tokens";
    assert!(keys(&cost).contains(&expected), "{cost:?}");
}

#[test]
fn gemini_pro_doubles_after_two_hundred_thousand_tokens_and_not_at_them() {
    // 200000 × 1.25e-6 + 1000 × 1e-5
    let at = cost("gemini", "gemini-2.5-pro", &text(200_000, 1_000));
    assert_cost(&at, "gemini/gemini-2.5-pro", "0.26");
    // 200001 × 2.5e-6 + 1000 × 1.5e-5
    let above = cost("gemini", "gemini-2.5-pro", &text(200_001, 1_000));
    assert_cost(&above, "gemini/gemini-2.5-pro", "0.5150025");
    // 200001 × 4.5e-6 + 1000 × 2.7e-5
    let fast = tiered(
        "gemini",
        "gemini-2.5-pro",
        &text(200_001, 1_000),
        Some("fast"),
    );
    assert_cost(&fast, "gemini/gemini-2.5-pro", "0.9270045");
    assert_eq!(
        keys(&fast),
        [
            "input_cost_per_token_above_200k_tokens_priority",
            "output_cost_per_token_above_200k_tokens_priority",
        ]
    );
}

#[test]
fn audio_in_and_out_has_its_own_price() {
    let usage = r#"{"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
        "prompt_tokens_details": {"audio_tokens": 600},
        "completion_tokens_details": {"audio_tokens": 150}}"#;
    let name = "azure/gpt-4o-audio-preview-2024-12-17";
    // 400 × 2.5e-6 + 600 × 4e-5 + 50 × 1e-5 + 150 × 8e-5
    assert_cost(
        &cost("azure", "gpt-4o-audio-preview-2024-12-17", usage),
        name,
        "0.0375",
    );
}

#[test]
fn reasoning_without_a_price_of_its_own_costs_what_output_costs() {
    let usage = r#"{"prompt_tokens": 1000, "completion_tokens": 2000, "total_tokens": 3000,
        "completion_tokens_details": {"reasoning_tokens": 1500}}"#;
    // 1000 × 2e-6 + 500 × 8e-6 + 1500 × 8e-6, and half of each
    assert_cost(&cost("openai", "o3", usage), "o3", "0.018");
    assert_cost(&tiered("openai", "o3", usage, Some("flex")), "o3", "0.009");
}

#[test]
fn reasoning_and_audio_follow_the_service_tier() {
    let usage = r#"{"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500,
        "prompt_tokens_details": {"audio_tokens": 200},
        "completion_tokens_details": {"reasoning_tokens": 300}}"#;
    // 800 × 3e-7 + 200 × 1e-6 + 200 × 2.5e-6 + 300 × 2.5e-6
    let name = "gemini-2.5-flash";
    assert_cost(&cost("vertex_ai", name, usage), name, "0.00169");
    // 800 × 5.4e-7 + 200 × 1.8e-6 + 200 × 4.5e-6 + 300 × 4.5e-6
    assert_cost(
        &tiered("vertex_ai", name, usage, Some("priority")),
        name,
        "0.003042",
    );
}

#[test]
fn a_deepseek_cache_hit_costs_a_tenth() {
    let usage = r#"{"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
        "prompt_cache_hit_tokens": 640}"#;
    // 360 × 2.8e-7 + 640 × 2.8e-8 + 200 × 4.2e-7
    let cost = cost("deepseek", "deepseek-chat", usage);
    assert_cost(&cost, "deepseek/deepseek-chat", "0.00020272");
}

#[test]
fn an_embedding_needs_no_price_of_output() {
    // 1234 × 2e-8
    let small = cost("openai", "text-embedding-3-small", &text(1_234, 0));
    assert_cost(&small, "text-embedding-3-small", "0.00002468");
    // 1234 × 1e-7; the entry has no price of output at all
    assert_cost(
        &cost("mistral", "mistral-embed", &text(1_234, 0)),
        "mistral/mistral-embed",
        "0.0001234",
    );
}

#[test]
fn a_completion_model_is_the_openai_provider_too() {
    // 1000 × 1.5e-6 + 100 × 2e-6
    let name = "gpt-3.5-turbo-instruct";
    assert_cost(&cost("openai", name, &text(1_000, 100)), name, "0.0017");
}

#[test]
fn a_gateway_in_between_has_its_own_entries() {
    // 1000 × 2.5e-6 + 100 × 1e-5
    let cost = cost("vercel_ai_gateway", "openai/gpt-4o", &text(1_000, 100));
    assert_cost(&cost, "vercel_ai_gateway/openai/gpt-4o", "0.0035");
    assert_eq!(cost.reason.as_deref(), Some("exact"));
}

#[test]
fn grok_bills_reasoning_on_top_and_reaches_its_threshold() {
    let usage = |prompt: u64| {
        let total = prompt + 500;
        format!(
            r#"{{"prompt_tokens": {prompt}, "completion_tokens": 100, "total_tokens": {total},
                "completion_tokens_details": {{"reasoning_tokens": 400}}}}"#
        )
    };
    // 199999 × 1.25e-6 + 500 × 2.5e-6
    assert_cost(
        &cost("xai", "grok-4.3", &usage(199_999)),
        "xai/grok-4.3",
        "0.25124875",
    );
    // 200000 × 2.5e-6 + 500 × 5e-6
    assert_cost(
        &cost("xai", "grok-4.3", &usage(200_000)),
        "xai/grok-4.3",
        "0.5025",
    );
}

#[test]
fn a_fine_tuned_model_costs_what_its_base_costs_fine_tuned() {
    // 1000 × 3e-7 + 100 × 1.2e-6
    for model in [
        "ft:gpt-4o-mini-2024-07-18:acme:support:abc123",
        "ft:gpt-4o-mini-2024-07-18:acme::abc123:ckpt-step-90",
    ] {
        let cost = cost("openai", model, &text(1_000, 100));
        assert_cost(&cost, "ft:gpt-4o-mini-2024-07-18", "0.00042");
    }
}

#[test]
fn a_dated_snapshot_costs_what_its_model_costs() {
    for model in [
        "gpt-4o-2031-01-31",
        "gpt-4o-20310131",
        "openai/gpt-4o-2031-01-31",
    ] {
        let cost = cost("openai", model, &text(1_000, 100));
        assert_cost(&cost, "gpt-4o", "0.0035");
        assert!(
            cost.reason
                .unwrap()
                .ends_with("-4o-2031-01-31` without date of snapshot")
                || model == "gpt-4o-20310131"
        );
    }
}

#[test]
fn names_are_found_in_any_case() {
    for (provider, model, entry) in [
        ("openai", "GPT-4O", "gpt-4o"),
        ("minimax", "minimax-m3", "minimax/MiniMax-M3"),
        ("minimax", "minimax/MINIMAX-M3", "minimax/MiniMax-M3"),
    ] {
        let cost = cost(provider, model, &text(10, 1));
        assert_eq!(cost.entry.as_deref(), Some(entry), "{cost:?}");
        assert_eq!(cost.reason.unwrap(), format!("`{model}` in another case"));
    }
}

#[test]
fn the_bracket_of_a_tiered_list_is_chosen_by_the_prompt() {
    let name = "dashscope/qwen3-vl-plus";
    for (prompt, total) in [
        (32_000, "0.008"),     // 32000 × 2e-7 + 1000 × 1.6e-6
        (32_001, "0.0120003"), // 32001 × 3e-7 + 1000 × 2.4e-6
        (300_000, "0.1848"),   // 300000 × 6e-7 + 1000 × 4.8e-6, beyond the last bracket
    ] {
        let cost = cost("dashscope", "qwen3-vl-plus", &text(prompt, 1_000));
        assert_cost(&cost, name, total);
    }
    // Without a price for cache reads they cost what input of the bracket costs.
    let usage = r#"{"prompt_tokens": 32001, "prompt_tokens_details": {"cached_tokens": 32000}}"#;
    let cost = cost("dashscope", "qwen3-vl-plus", usage);
    assert_cost(&cost, name, "0.0096003");
    assert_eq!(keys(&cost), ["tiered_pricing[1].input_cost_per_token"; 2]);
}

#[test]
fn a_long_prompt_on_the_priority_tier_has_the_price_of_both() {
    // 300000 × 1e-5 + 1000 × 4.5e-5
    let cost = tiered("azure", "gpt-5.4", &text(300_000, 1_000), Some("priority"));
    assert_cost(&cost, "azure/gpt-5.4", "3.045");
}
