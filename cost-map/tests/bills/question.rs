//! Section 10: a call as a line of JSON, and the answer to it.

use cost_map::{PriceMap, Question, answer};
use event::Timestamp;
use proptest::prelude::*;

use super::map;

fn ask(map: &PriceMap, line: &str) -> (bool, String) {
    let mut out = Vec::new();
    let understood = answer(map, None, Timestamp::default(), line.as_bytes(), &mut out);
    (understood, String::from_utf8(out).unwrap())
}

#[test]
fn an_answer_is_one_line_with_decimals_as_text() {
    let map = map(r#""m": {"input_cost_per_token": 2.50e-06}"#);
    let (understood, text) = ask(&map, r#"{"model": "m", "usage": {"prompt_tokens": 20}}"#);
    let version = map.version();
    assert!(understood);
    assert_eq!(
        text,
        format!(
            "{{\"cost\":\"0.00005\",\"status\":\"priced\",\"line_items\":[{{\"class\":\"input\",\
             \"quantity\":\"20\",\"unit_price\":\"0.0000025\",\"amount\":\"0.00005\",\
             \"key\":\"input_cost_per_token\"}}],\"map_entry\":\"m\",\
             \"map_version\":\"{version}\",\"reason\":\"exact\"}}\n"
        )
    );
    let (understood, text) = ask(&map, r#"{"model": "m", "usage": {"completion_tokens": 2}}"#);
    assert!(understood);
    let reason = "`m` has no `output_cost_per_token`; set it among the deployment's own prices";
    assert!(
        text.starts_with(r#"{"cost":null,"status":"unpriced","line_items":[]"#),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("\"unpriced\":\"{reason}\"}}\n")),
        "{text}"
    );
}

#[test]
fn what_cannot_be_read_is_answered_by_what_and_where() {
    let map = map(r#""m": {"input_cost_per_token": 1}"#);
    for (line, error) in [
        (
            "",
            "a question is a JSON object: EOF while parsing a value at line 1 column 0",
        ),
        ("{}", "`model` is missing"),
        (r#"{"model": 3}"#, "`model` is not a text: `3`"),
        (
            r#"{"model": "m", "modle": 3}"#,
            "`modle` is not a field of a question",
        ),
        (r#"{"model": "m", "model": "n"}"#, "`model` is there twice"),
        (
            r#"{"model": "m", "images": -1}"#,
            "`images` is not a number that is not negative, of at most 28 digits: `-1`",
        ),
        (
            r#"{"model": "m", "images": "many"}"#,
            "`images` is not a number that is not negative, of at most 28 digits: `\\\"many\\\"`",
        ),
        (
            r#"{"model": "m", "at": "yesterday"}"#,
            "`at` is not an RFC 3339 instant: `\\\"yesterday\\\"`",
        ),
        (
            r#"{"model": "m", "guardrail_units": 3}"#,
            "`guardrail_units` is not an object of at most 100 numbers: `3`",
        ),
        (
            r#"{"model": "m", "prices": {"input_cost_per_tokens": 1}}"#,
            "`prices`: `input_cost_per_tokens` is not a key of the price map; \
             did you mean `input_cost_per_token`?",
        ),
    ] {
        let (understood, text) = ask(&map, line);
        assert!(!understood, "{line}");
        assert_eq!(text, format!("{{\"error\":\"{error}\"}}\n"), "{line}");
    }
    let long = format!(r#"{{"model": "{}"}}"#, "m".repeat(1024 * 1024));
    let error = "{\"error\":\"a question has 1048589 bytes, more than 1 MiB\"}\n";
    assert_eq!(ask(&map, &long).1, error);
}

#[test]
fn every_field_of_section_10_is_one() {
    for field in [
        r#""custom_llm_provider": "p""#,
        r#""base_model": "p""#,
        r#""response_model": "p""#,
        r#""call_type": "p""#,
        r#""usage": {"prompt_tokens": 1}"#,
        r#""service_tier": "p""#,
        r#""prompt_characters": 1"#,
        r#""completion_characters": "1""#,
        r#""duration_seconds": 1.5"#,
        r#""response_seconds": 1"#,
        r#""response_time_ms": 1.5"#,
        r#""images": 1"#,
        r#""size": "1x1""#,
        r#""quality": "hd""#,
        r#""resolution": "1K""#,
        r#""steps": 30"#,
        r#""images_in": 1"#,
        r#""audio_in_seconds": 1"#,
        r#""video_in_seconds": 1"#,
        r#""videos": 1"#,
        r#""pages": 1"#,
        r#""annotated_pages": 1"#,
        r#""credits": 1"#,
        r#""search_units": 1"#,
        r#""queries": 1"#,
        r#""max_results": 1"#,
        r#""text_messages": 1"#,
        r#""guardrail_units": {"a": 1}"#,
        r#""web_search_requests": 1"#,
        r#""search_context_size": "low""#,
        r#""google_maps_queries": 1"#,
        r#""file_search_calls": 1"#,
        r#""code_interpreter_sessions": 1"#,
        r#""computer_use_input_tokens": 1"#,
        r#""computer_use_output_tokens": 1"#,
        r#""citation_tokens": 1"#,
        r#""data_residency": "eu""#,
        r#""vertex_location": "global""#,
        r#""region": "eu""#,
        r#""at": "2026-01-01T00:00:00Z""#,
        r#""prices": {"input_cost_per_token": 1}"#,
    ] {
        let line = format!(r#"{{"model": "m", {field}}}"#);
        assert!(Question::parse(line.as_bytes()).is_ok(), "{field}");
        let (name, _) = field.split_once(':').unwrap();
        let line = format!(r#"{{"model": "m", {name}: null}}"#);
        assert!(Question::parse(line.as_bytes()).is_ok(), "{field}");
    }
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line in "\\PC{0,80}", cut in 0_usize..200) {
        let map = PriceMap::bundled();
        ask(map, &line);
        let whole = r#"{"model": "gpt-4o", "images": 1e5, "usage": {"prompt_tokens": 1},
            "prices": {"off_peak_pricing": {"hours_utc": "00:00-00:00"}}, "at": "2026-01-01T00:00:00Z"}"#;
        ask(map, whole.get(..cut.min(whole.len())).unwrap());
    }
}
