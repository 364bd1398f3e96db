//! What is reported is what is billed, in whatever unit; what is not reported is not free.

use cost_map::Adjustments;
use event::{
    Cost, CostStatus, Extension, Json, Outcome, StandardLoggingPayload, Status, Unpriced,
    UsageSource,
};

use super::{usage, usage_source};
use crate::{
    price::{PriceMaps, Pricer},
    samples,
};

const MAP: &str = r#"{
    "acme/seconds": {"litellm_provider": "acme", "mode": "audio_transcription",
        "input_cost_per_second": 0.5},
    "acme/rank": {"litellm_provider": "acme", "mode": "rerank", "input_cost_per_query": 0.25},
    "acme/image": {"litellm_provider": "acme", "mode": "image_generation",
        "output_cost_per_image": 0.125},
    "acme/text": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 0.5,
        "regional_processing_uplift_multiplier_eu": 1.5},
    "acme/eu-west-1/text": {"litellm_provider": "acme", "input_cost_per_token": 0.75},
    "vertex_ai/text": {"litellm_provider": "vertex_ai", "input_cost_per_token": 0.5,
        "regional_endpoint_uplift_multiplier": 2}}"#;

/// An answered call whose usage is this object.
fn call(model: &str, call_type: &str, usage: &str) -> StandardLoggingPayload {
    let mut payload = samples::call(0);
    payload.model = model.to_owned();
    payload.custom_llm_provider = model.split_once('/').map(|(name, _)| name.to_owned());
    payload.call_type = call_type.to_owned();
    payload.metadata.usage_object = Json::parse(usage.to_owned()).unwrap();
    payload.prompt_tokens = 0;
    payload.completion_tokens = 0;
    payload.total_tokens = 0;
    payload
}

fn price(payload: &StandardLoggingPayload) -> Cost {
    let maps = PriceMaps::of_file(MAP.as_bytes(), Adjustments::default());
    let map = maps.current();
    Pricer::new(maps).cost(&map, payload, &usage(payload))
}

fn total(payload: &StandardLoggingPayload) -> String {
    let cost = price(payload);
    cost.total
        .map_or_else(|| format!("{cost:?}"), |total| total.to_string())
}

#[test]
fn a_usage_without_tokens_is_billed_for_what_it_is() {
    for (model, call_type, usage, expected) in [
        ("acme/seconds", "atranscription", r#"{"seconds": 3}"#, "1.5"),
        (
            "acme/seconds",
            "atranscription",
            r#"{"type": "duration", "seconds": 3}"#,
            "1.5",
        ),
        ("acme/rank", "arerank", r#"{"search_units": 2}"#, "0.5"),
        (
            "acme/rank",
            "arerank",
            r#"{"billed_units": {"search_units": 4}}"#,
            "1.0",
        ),
        ("xai/new", "acompletion", r#"{"cost": 0.0625}"#, "0.0625"),
        (
            "acme/text",
            "acompletion",
            r#"{"input_tokens": 3, "output_tokens": 0}"#,
            "1.5",
        ),
        (
            "acme/text",
            "acompletion",
            r#"{"completion_tokens": 0, "total_tokens": 3}"#,
            "1.5",
        ),
    ] {
        assert_eq!(total(&call(model, call_type, usage)), expected, "{usage}");
    }
    // Without any report the payload's own counts are what there is.
    let mut counted = call("acme/text", "acompletion", "{}");
    (counted.prompt_tokens, counted.total_tokens) = (5, 5);
    assert_eq!(total(&counted), "2.5");
}

#[test]
fn what_was_asked_for_is_billed_if_it_was_made() {
    let mut images = call("acme/image", "aimage_generation", "{}");
    assert_eq!(total(&images), "0.125");
    images.model_parameters = Json::parse(r#"{"n": 3}"#.to_owned()).unwrap();
    assert_eq!(total(&images), "0.375");
    images.status = Status::Failure;
    assert_eq!(price(&images).status, CostStatus::NothingConsumed);
}

#[test]
fn an_answer_of_which_nobody_says_what_it_consumed_is_not_free() {
    let kind = |payload: &StandardLoggingPayload| price(payload).unpriced;
    let mut silent = call("acme/text", "acompletion", "null");
    silent.tollkeeper = None;
    assert_eq!(kind(&silent), Some(Unpriced::NoUsage));
    assert_eq!(usage_source(&silent), UsageSource::None);
    // As it is read back from its row.
    silent.tollkeeper = Some(Box::new(Extension {
        outcome: Outcome::Success,
        usage_source: UsageSource::None,
        ..Extension::default()
    }));
    assert_eq!(kind(&silent), Some(Unpriced::NoUsage));
    // Somebody has counted, and found nothing.
    if let Some(ours) = &mut silent.tollkeeper {
        ours.usage_source = UsageSource::Counted;
    }
    assert_eq!(price(&silent).status, CostStatus::NothingConsumed);

    for quiet in ["amoderation", "acreate_file", ""] {
        let mut call = call("acme/text", quiet, "{}");
        call.tollkeeper = None;
        assert_eq!(kind(&call), None, "{quiet}");
    }
    let unasked = call("acme/text", "acompletion", r#"{"cost": 0.5}"#);
    assert_eq!(kind(&unasked), Some(Unpriced::NoUsage));
    let unheard = call("acme/unheard-of", "acompletion", r#"{"total_tokens": 1}"#);
    assert_eq!(kind(&unheard), Some(Unpriced::NoSuchModel));
    let output = call("acme/text", "acompletion", r#"{"completion_tokens": 1}"#);
    assert_eq!(kind(&output), Some(Unpriced::NoPriceForClass));
}

#[test]
fn a_hit_costs_nothing_and_saves_what_its_answer_would_have_cost() {
    let usage_of = r#"{"prompt_tokens": 3, "total_tokens": 3}"#;
    for (model, hit, cost, saved) in [
        ("acme/text", Some(true), "0.0", Some("1.5")),
        ("acme/text", Some(false), "1.5", None),
        ("acme/text", None, "1.5", None),
        ("acme/nobody-knows", Some(true), "0.0", None),
    ] {
        let mut payload = call(model, "acompletion", usage_of);
        payload.cache_hit = hit;
        assert_eq!(total(&payload), cost, "{model} {hit:?}");
        let maps = PriceMaps::of_file(MAP.as_bytes(), Adjustments::default());
        let map = maps.current();
        let told = Pricer::new(maps).saved(&map, &payload, &usage(&payload));
        let told = told.map(|usd| usd.to_string());
        assert_eq!(told.as_deref(), saved, "{model} {hit:?}");
    }
}

#[test]
fn where_a_model_ran_is_part_of_its_price() {
    let one = r#"{"prompt_tokens": 1, "total_tokens": 1}"#;
    let mut european = call("acme/text", "acompletion", one);
    european.api_base = Some("https://eu.api.openai.com/v1".to_owned());
    assert_eq!(total(&european), "0.75");
    let in_region = |model: &str, region: &str| {
        let mut payload = call(model, "acompletion", one);
        payload.tollkeeper.get_or_insert_default().region = Some(region.to_owned());
        total(&payload)
    };
    assert_eq!(in_region("acme/text", "eu-west-1"), "0.75");
    assert_eq!(in_region("acme/text", "eu-west-2"), "0.5");
    assert_eq!(in_region("vertex_ai/text", "europe-west1"), "1.0");
    assert_eq!(in_region("vertex_ai/text", "global"), "0.5");
}

#[test]
fn discounts_and_margins_are_lines_of_the_bill() {
    let margins = r#"{"global": {"percentage": 1, "fixed_amount": 0.25}}"#;
    let adjustments = Adjustments::parse(r#"{"acme": 0.5}"#, margins).unwrap();
    let maps = PriceMaps::of_file(MAP.as_bytes(), adjustments);
    let map = maps.current();
    let payload = call("acme/text", "acompletion", r#"{"prompt_tokens": 4}"#);
    let cost = Pricer::new(maps).cost(&map, &payload, &usage(&payload));
    // 2, a half off, twice that, and a quarter.
    assert_eq!(cost.total.unwrap().to_string(), "2.25");
    assert_eq!(cost.items.len(), 4);
}
