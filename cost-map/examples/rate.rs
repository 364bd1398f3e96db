//! Prints how many calls one core prices in a second, for a mix of models, and how many lines of
//! JSON it answers.
#![expect(clippy::print_stdout, reason = "it prints")]
#![expect(clippy::disallowed_types, reason = "it measures real time")]

use std::{fs, hint::black_box, time::Instant};

use cost_map::{Call, PriceMap, answer, price};
use event::{CompletionDetails, CostStatus, PromptDetails, Timestamp, Usage};

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
    let clock = Clock::start();
    for _ in 0..ROUNDS {
        for (provider, model) in MODELS {
            let cost = price(map, &call(provider, model, &usage));
            priced += u128::from(black_box(cost).status == CostStatus::Priced);
        }
    }
    let calls = ROUNDS * MODELS.len() as u128;
    println!(
        "{} calls a second, {priced} of {calls} priced",
        clock.rate(calls)
    );

    let clock = Clock::start();
    let unknown = ROUNDS / 100;
    for _ in 0..unknown {
        black_box(price(map, &call(Some("openai"), "gpt-4o-minni", &usage)));
    }
    println!(
        "{} calls a second to a model without an entry",
        clock.rate(unknown)
    );
    lines();
}

fn call<'a>(provider: Option<&'a str>, model: &'a str, usage: &'a Usage) -> Call<'a> {
    Call {
        provider,
        service_tier: Some("default"),
        ..Call::new(model, usage, Timestamp::default())
    }
}

fn lines() {
    let question = |(provider, model): (Option<&str>, &str)| {
        let provider = provider.map_or(String::new(), |provider| {
            format!(r#""custom_llm_provider": "{provider}", "#)
        });
        format!(
            r#"{{"model": "{model}", {provider}"call_type": "acompletion", "at": "2026-11-21T12:00:00Z",
            "usage": {{"prompt_tokens": 12000, "completion_tokens": 800, "total_tokens": 12800,
            "prompt_tokens_details": {{"cached_tokens": 10000, "audio_tokens": 0}},
            "completion_tokens_details": {{"reasoning_tokens": 300}}}}}}"#
        )
    };
    let questions: Vec<String> = MODELS.into_iter().map(question).collect();
    let map = PriceMap::bundled();
    let mut out = Vec::new();
    let rounds = ROUNDS / 10;
    let clock = Clock::start();
    for _ in 0..rounds {
        out.clear();
        for question in &questions {
            let understood = answer(
                map,
                None,
                Timestamp::default(),
                question.as_bytes(),
                &mut out,
            );
            assert!(understood, "{}", String::from_utf8_lossy(&out));
        }
    }
    println!(
        "{} lines a second",
        clock.rate(rounds * MODELS.len() as u128)
    );
}

/// Time on a core: on Linux without what other programs took of it.
struct Clock {
    real: Instant,
    on_core: Option<u128>,
}

impl Clock {
    fn start() -> Self {
        Self {
            real: Instant::now(),
            on_core: on_core(),
        }
    }

    /// Things done in a second.
    fn rate(&self, things: u128) -> u128 {
        let on_core = on_core().zip(self.on_core);
        let nanos = on_core.map(|(now, then)| now - then);
        things * 1_000_000_000
            / nanos
                .unwrap_or_else(|| self.real.elapsed().as_nanos())
                .max(1)
    }
}

/// Nanoseconds that this thread has run.
fn on_core() -> Option<u128> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
