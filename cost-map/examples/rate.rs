//! Prints how many calls one core prices in a second, for a mix of models.
#![expect(clippy::print_stdout, reason = "it prints")]
#![expect(clippy::disallowed_types, reason = "it measures real time")]

use std::{hint::black_box, time::Instant};

use cost_map::{Call, PriceMap, price};
use event::{CompletionDetails, CostStatus, PromptDetails, Usage};

const ROUNDS: u128 = 100_000;
const MODELS: [(Option<&str>, &str); 10] = [
    (Some("openai"), "gpt-4o"),
    (Some("openai"), "openai/gpt-4o-mini"),
    (Some("openai"), "gpt-4o-2024-08-06"),
    (Some("openai"), "o3"),
    (Some("anthropic"), "claude-sonnet-4-5"),
    (Some("gemini"), "gemini/gemini-2.5-pro"),
    (Some("azure"), "gpt-4o"),
    (
        Some("bedrock"),
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    (None, "deepseek/deepseek-chat"),
    (Some("openai"), "text-embedding-3-small"),
];

fn main() {
    let start = Instant::now();
    let map = PriceMap::bundled();
    println!(
        "{}: {} models in {:?}",
        map.version(),
        map.len(),
        start.elapsed()
    );

    let usage = Usage {
        prompt_tokens: 12_000,
        completion_tokens: 800,
        total_tokens: 12_800,
        prompt_tokens_details: Some(PromptDetails {
            cached_tokens: Some(10_000),
            ..PromptDetails::default()
        }),
        completion_tokens_details: Some(CompletionDetails {
            reasoning_tokens: Some(300),
            ..CompletionDetails::default()
        }),
        ..Usage::default()
    };
    let mut priced = 0_u128;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for (provider, model) in MODELS {
            let cost = price(map, &call(provider, model, &usage));
            priced += u128::from(black_box(cost).status == CostStatus::Priced);
        }
    }
    let calls = ROUNDS * MODELS.len() as u128;
    let rate = calls * 1_000_000_000 / start.elapsed().as_nanos();
    println!("{rate} calls a second, {priced} of {calls} priced");

    let start = Instant::now();
    let unknown = ROUNDS / 100;
    for _ in 0..unknown {
        black_box(price(map, &call(Some("openai"), "gpt-4o-minni", &usage)));
    }
    let rate = unknown * 1_000_000_000 / start.elapsed().as_nanos();
    println!("{rate} calls a second to a model without an entry");
}

fn call<'a>(provider: Option<&'a str>, model: &'a str, usage: &'a Usage) -> Call<'a> {
    Call {
        provider,
        model,
        base_model: None,
        response_model: None,
        overrides: None,
        usage,
        service_tier: Some("default"),
        duration_seconds: None,
    }
}
