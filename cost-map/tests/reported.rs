//! What providers report, from their own words to the bill: no token is billed twice or lost.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use cost_map::{PriceMap, Question};
use event::{Class, Cost, Timestamp};
use rust_decimal::Decimal;

/// A model whose every token costs 1 USD.
const MAP: &str = r#"{"m": {"input_cost_per_token": 1, "output_cost_per_token": 1}}"#;

/// Providers, the tokens that they count, and how they say it.
const REPORTS: [(&str, &str, &str); 8] = [
    (
        "openai",
        "2306",
        r#"{"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 10},
                "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 20}}"#,
    ),
    (
        "openai",
        "253",
        r#"{"type": "response.done", "response": {"usage": {"total_tokens": 253,
                "input_tokens": 132, "output_tokens": 121,
                "input_token_details": {"text_tokens": 119, "audio_tokens": 13,
                    "cached_tokens": 64, "cached_tokens_details": {"text_tokens": 60,
                        "audio_tokens": 4}},
                "output_token_details": {"text_tokens": 30, "audio_tokens": 91}}}}"#,
    ),
    (
        "anthropic",
        "7149",
        r#"{"input_tokens": 2095, "cache_creation_input_tokens": 2051,
                "cache_read_input_tokens": 2500, "output_tokens": 503,
                "cache_creation": {"ephemeral_5m_input_tokens": 1000,
                    "ephemeral_1h_input_tokens": 1051},
                "output_tokens_details": {"thinking_tokens": 400}}"#,
    ),
    (
        "vertex_ai",
        "1470",
        r#"{"promptTokenCount": 1000, "cachedContentTokenCount": 600,
                "toolUsePromptTokenCount": 50, "candidatesTokenCount": 120,
                "thoughtsTokenCount": 300, "totalTokenCount": 1470,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 200},
                    {"modality": "AUDIO", "tokenCount": 500},
                    {"modality": "VIDEO", "tokenCount": 300}],
                "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 400},
                    {"modality": "VIDEO", "tokenCount": 200}],
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 100}]}"#,
    ),
    (
        "bedrock",
        "3658",
        r#"{"inputTokens": 30, "outputTokens": 628, "totalTokens": 3658,
                "cacheReadInputTokens": 2000, "cacheWriteInputTokens": 1000,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 400}]}"#,
    ),
    (
        "xai",
        "135",
        r#"{"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94}}"#,
    ),
    (
        "mistral",
        "3264",
        r#"{"prompt_audio_seconds": 203, "prompt_tokens": 4, "total_tokens": 3264,
                "completion_tokens": 635}"#,
    ),
    (
        "cohere",
        "423",
        r#"{"billed_units": {"input_tokens": 5, "output_tokens": 418},
                "tokens": {"input_tokens": 71, "output_tokens": 418}}"#,
    ),
];

fn bill(provider: &str, usage: &str) -> Cost {
    let map = PriceMap::parse(MAP.as_bytes(), "test").unwrap();
    let question =
        format!(r#"{{"model": "m", "custom_llm_provider": "{provider}", "usage": {usage}}}"#);
    let question = Question::parse(question.as_bytes()).unwrap();
    question.price(&map, None, Timestamp::default()).unwrap()
}

fn quantity(cost: &Cost, class: Class) -> Decimal {
    let items = cost.items.iter().filter(|item| item.class == class);
    items.map(|item| item.quantity.0).sum()
}

#[test]
fn a_bill_has_every_token_of_a_report_once() {
    for (provider, tokens, usage) in REPORTS {
        let cost = bill(provider, usage);
        assert_eq!(cost.total, tokens.parse().ok(), "{provider} {cost:#?}");
        let billed: Decimal = cost.items.iter().map(|item| item.quantity.0).sum();
        assert_eq!(billed, tokens.parse().unwrap(), "{provider} {cost:#?}");
    }
}

#[test]
fn cached_and_fresh_tokens_of_each_kind_are_told_apart() {
    let usage = r#"{"promptTokenCount": 1000, "cachedContentTokenCount": 600,
        "candidatesTokenCount": 100, "thoughtsTokenCount": 300, "totalTokenCount": 1400,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 200},
            {"modality": "AUDIO", "tokenCount": 500}, {"modality": "VIDEO", "tokenCount": 300}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 400},
            {"modality": "VIDEO", "tokenCount": 200}]}"#;
    let cost = bill("gemini", usage);
    for (class, tokens) in [
        (Class::Input, 200),
        (Class::InputAudio, 100),
        (Class::InputVideo, 100),
        (Class::CacheReadAudio, 400),
        (Class::CacheRead, 200),
        (Class::Output, 100),
        (Class::Reasoning, 300),
    ] {
        assert_eq!(quantity(&cost, class), tokens.into(), "{class:?} {cost:#?}");
    }
}
