//! Calls priced per second, by one thread.

use std::{hint::black_box, time::Duration};

use cost_map::{Call, PriceMap, price};
use event::{PromptDetails, Timestamp, Usage};
use tests::machine::say;
use tokio::time::Instant;

const TIME: Duration = Duration::from_secs(2);
/// Models whose prices are of different shapes.
const MODELS: [(&str, &str); 4] = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-2.5-pro"),
];

pub(crate) fn measure() {
    let map = PriceMap::bundled();
    say("## Prices: calls priced per second, one thread\n");
    say("| model | calls/s |");
    say("|---|---:|");
    for (provider, model) in MODELS {
        let (mut calls, began) = (0_u64, Instant::now());
        while began.elapsed() < TIME {
            // The clock is asked seldom enough not to matter.
            for _ in 0..1000 {
                calls += 1;
                black_box(price(map, &call(provider, model, &usage(calls))));
            }
        }
        let rate = u128::from(calls) * 1_000_000 / began.elapsed().as_micros().max(1);
        say(format_args!("| {model} | {rate} |"));
    }
}

fn call<'a>(provider: &'a str, model: &'a str, usage: &'a Usage) -> Call<'a> {
    Call {
        provider: Some(provider),
        ..Call::new(model, usage, Timestamp::default())
    }
}

fn usage(index: u64) -> Usage {
    let (prompt_tokens, completion_tokens) = (1000 + index % 5000, 1 + index % 700);
    Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens + completion_tokens,
        prompt_tokens_details: Some(PromptDetails {
            cached_tokens: Some(prompt_tokens / 2),
            ..PromptDetails::default()
        }),
        ..Usage::default()
    }
}
