//! What holds for every model of the bundled map and every report of usage.

use std::sync::LazyLock;

use cost_map::{Adjustments, Call, PriceMap, Question, price};
use event::{Class, CompletionDetails, Cost, CostStatus, PromptDetails, Timestamp, Usage, Usd};
use proptest::{prelude::*, sample::Index};
use rust_decimal::Decimal;

/// Models whose calls are priced by this crate.
static MODELS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let priced = ["chat", "completion", "embedding", "responses"];
    let models = PriceMap::bundled().iter();
    let models =
        models.filter(|(_, entry)| entry.mode().is_some_and(|mode| priced.contains(&mode)));
    models.map(|(name, _)| name).collect()
});

fn cost(model: &str, usage: &Usage, service_tier: Option<&str>) -> Cost {
    let call = Call {
        service_tier,
        response_seconds: Some(Decimal::ONE),
        ..Call::new(model, usage, Timestamp::default())
    };
    price(PriceMap::bundled(), &call)
}

fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![0..1_000_u64, 0..2_000_000_u64, Just(u64::MAX), any::<u64>()]
}

fn part() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), tokens().prop_map(Some)]
}

fn tier() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(vec![
        None,
        Some("flex"),
        Some("priority"),
        Some("balanced"),
        Some("batch"),
        Some("auto"),
    ])
}

fn call_type() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(vec![
        None,
        Some("acompletion"),
        Some("aretrieve_batch"),
        Some("embedding"),
        Some("rerank"),
        Some("moderation"),
        Some("image_generation"),
        Some("speech"),
        Some("atranscription"),
        Some("create_video"),
        Some("ocr"),
        Some("search"),
        Some("vector_store_search"),
    ])
}

fn count() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "prompt_characters",
        "completion_characters",
        "duration_seconds",
        "images",
        "images_in",
        "audio_in_seconds",
        "video_in_seconds",
        "videos",
        "pages",
        "annotated_pages",
        "credits",
        "queries",
        "text_messages",
        "web_search_requests",
        "google_maps_queries",
        "file_search_calls",
        "citation_tokens",
    ])
}

prop_compose! {
    fn usage()(
        (prompt_tokens, completion_tokens, total_tokens) in (tokens(), tokens(), tokens()),
        (cached_tokens, cache_write_tokens) in (part(), part()),
        (audio_in, image_in) in (part(), part()),
        (reasoning_tokens, audio_tokens) in (part(), part()),
    ) -> Usage {
        Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens,
            prompt_tokens_details: Some(PromptDetails {
                cached_tokens,
                cache_write_tokens,
                audio_tokens: audio_in,
                image_tokens: image_in,
                ..PromptDetails::default()
            }),
            completion_tokens_details: Some(CompletionDetails {
                reasoning_tokens,
                audio_tokens,
                ..CompletionDetails::default()
            }),
            ..Usage::default()
        }
    }
}

#[test]
fn every_model_is_found_by_its_own_name_and_its_provider() {
    for (name, entry) in PriceMap::bundled().iter() {
        let found = PriceMap::bundled().resolve(entry.provider(), name).unwrap();
        // The same name behind the provider comes first, as it does in LiteLLM.
        assert!(
            found.name == name || found.name.ends_with(&format!("/{name}")),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_bill_adds_up(model: Index, usage in usage(), tier in tier()) {
        let cost = cost(model.get::<&str>(&MODELS), &usage, tier);
        match cost.status {
            CostStatus::Priced => {
                for item in &cost.items {
                    prop_assert_eq!(item.quantity.0 * item.unit_price.0, item.amount.0);
                    prop_assert!(!item.quantity.0.is_zero());
                }
                let sum: Decimal = cost.items.iter().map(|item| item.amount.0).sum();
                prop_assert_eq!(cost.total, Some(Usd::round(sum).unwrap()));
                let billed: Decimal = cost.items.iter()
                    .filter(|item| item.class.is_input())
                    .map(|item| item.quantity.0)
                    .sum();
                let by_time = matches!(cost.items[0].class, Class::Seconds | Class::Images);
                if usage.prompt_tokens > 0 && !by_time {
                    prop_assert_eq!(billed, Decimal::from(usage.prompt_tokens));
                }
                let billed: Decimal = cost.items.iter()
                    .filter(|item| item.class.is_output())
                    .map(|item| item.quantity.0)
                    .sum();
                if !by_time && !model.get::<&str>(&MODELS).starts_with("xai/") {
                    prop_assert_eq!(billed, Decimal::from(usage.completion_tokens));
                }
            }
            CostStatus::Unpriced => {
                prop_assert_eq!(cost.total, None);
                prop_assert!(cost.reason.is_some());
            }
            CostStatus::NothingConsumed => prop_assert_eq!(cost.total, Some(Usd::ZERO)),
        }
        if usage.prompt_tokens > 0 {
            prop_assert_ne!(cost.status, CostStatus::NothingConsumed);
        }
    }

    #[test]
    fn more_tokens_never_cost_less(
        model: Index,
        prompt in 1..30_000_u64,
        completion in 0..30_000_u64,
        more in (0..1_000_u64, 0..1_000_u64),
        tier in tier(),
    ) {
        let model = model.get::<&str>(&MODELS);
        let of = |prompt_tokens, completion_tokens| {
            cost(model, &Usage { prompt_tokens, completion_tokens, ..Usage::default() }, tier).total
        };
        if let (Some(less), Some(most)) =
            (of(prompt, completion), of(prompt + more.0, completion + more.1))
        {
            prop_assert!(less <= most, "{less} {most}");
        }
    }

    #[test]
    fn no_name_makes_it_panic(provider in "[a-z_]{0,9}", model in "\\PC{0,40}", known: Index) {
        let map = PriceMap::bundled();
        let _ = map.resolve(Some(&provider), &model);
        let _ = map.resolve(None, &format!("{}{model}", known.get::<&str>(&MODELS)));
        let _ = map.resolve(Some("bedrock"), &format!("arn:aws:bedrock:{model}"));
        let _ = map.nearest(&model, 3);
    }

    #[test]
    fn a_call_of_any_kind_adds_up(
        model: Index,
        (call_type, service_tier) in (call_type(), tier()),
        usage in usage(),
        counts in prop::collection::vec((count(), 0..100_000_u64), 0..6),
        adjusted: bool,
    ) {
        let map = PriceMap::bundled();
        let (name, _) = map.iter().nth(model.index(map.len())).unwrap();
        let mut question = serde_json::json!({
            "model": name, "usage": usage, "call_type": call_type, "service_tier": service_tier,
            "response_seconds": 3, "data_residency": "eu", "vertex_location": "us-east5",
        });
        for (field, count) in counts {
            question[field] = count.into();
        }
        let asked = Question::parse(question.to_string().as_bytes()).unwrap();
        let adjustments = Adjustments::parse("null", r#"{"global": 0.125}"#).unwrap();
        let adjustments = adjusted.then_some(&adjustments);
        // Some reports contradict themselves beyond reading.
        if let Ok(cost) = asked.price(map, adjustments, Timestamp::default()) {
            let sum = cost.items.iter().fold(Decimal::ZERO, |sum, item| {
                assert_eq!(item.quantity.0 * item.unit_price.0, item.amount.0, "{cost:?}");
                sum + item.amount.0
            });
            match cost.status {
                CostStatus::Priced => {
                    prop_assert!(!cost.items.is_empty());
                    prop_assert_eq!(cost.total, Some(Usd::round(sum).unwrap()));
                }
                CostStatus::Unpriced => prop_assert_eq!(cost.total, None),
                CostStatus::NothingConsumed => prop_assert_eq!(cost.total, Some(Usd::ZERO)),
            }
            if let Some(parts) = cost.breakdown() {
                let sides = parts.input_cost + parts.output_cost + parts.tool_usage_cost;
                prop_assert_eq!(sides, parts.original_cost);
            }
        }
    }
}
