//! Sections 7 and 8: tools, and what providers do in their own way.

use super::{check, check_totals, map};

#[test]
fn r7_1_web_searches_by_size_of_context() {
    let map = map(
        r#""m": {"input_cost_per_token": 1, "search_context_cost_per_query":
            {"search_context_size_low": 2, "search_context_size_medium": 3,
             "search_context_size_high": 4}},
           "few": {"search_context_cost_per_query": {"search_context_size_low": 2}},
           "perplexity/p": {"litellm_provider": "perplexity", "search_context_cost_per_query":
            {"search_context_size_low": 2, "search_context_size_medium": 3}},
           "gemini/g": {"litellm_provider": "gemini", "input_cost_per_token": 1},
           "gemini/h": {"litellm_provider": "gemini", "web_search_billing_unit": "per_query"},
           "xai/x": {"litellm_provider": "xai", "input_cost_per_token": 1},
           "none": {"input_cost_per_token": 1}"#,
    );
    let two = r#""web_search_requests": 2"#;
    check_totals(
        &map,
        &[
            (&format!(r#""model": "m", {two}"#), "6"),
            (
                &format!(r#""model": "m", "search_context_size": "high", {two}"#),
                "8",
            ),
            (
                &format!(r#""model": "few", "search_context_size": "high", {two}"#),
                "4",
            ),
            (&format!(r#""model": "perplexity/p", {two}"#), "4"),
            (&format!(r#""model": "gemini/g", {two}"#), "0.035"),
            (&format!(r#""model": "gemini/h", {two}"#), "0.07"),
            (&format!(r#""model": "xai/x", {two}"#), "0.01"),
            (
                &format!(r#""model": "none", "usage": {{"prompt_tokens": 1}}, {two}"#),
                "unpriced: `none` has no `search_context_cost_per_query`; \
                 set it among the deployment's own prices",
            ),
            (
                r#""model": "m", "usage": {"prompt_tokens": 5,
                   "server_tool_use": {"web_search_requests": 1}}"#,
                "8",
            ),
        ],
    );
}

#[test]
fn r7_2_to_r7_6_other_tools() {
    let map = map(
        r#""m": {"google_maps_grounding_cost_per_query": 2, "file_search_cost_per_1k_calls": 3,
            "citation_cost_per_token": 4, "web_search_billing_unit": "per_prompt"},
           "openai/o": {"litellm_provider": "openai"},
           "openai/container": {"code_interpreter_cost_per_session": 0.03},
           "azure/a": {"litellm_provider": "azure"},
           "gemini/g": {"litellm_provider": "gemini"}"#,
    );
    check(
        &map,
        &[
            (
                r#""model": "m", "google_maps_queries": 3, "file_search_calls": 2,
                   "citation_tokens": 5"#,
                "22.006 = maps_queries 1 × 2 (google_maps_grounding_cost_per_query)
                 + file_searches 2 × 0.003 (file_search_cost_per_1k_calls)
                 + citations 5 × 4 (citation_cost_per_token)",
            ),
            (
                r#""model": "openai/o", "file_search_calls": 2, "code_interpreter_sessions": 2"#,
                "0.065 = file_searches 2 × 0.0025 (default.openai.file_search)
                 + sessions 2 × 0.03 (code_interpreter_cost_per_session)",
            ),
            (
                r#""model": "azure/a", "computer_use_input_tokens": 1000,
                   "computer_use_output_tokens": 1000"#,
                "0.015 = computer_input 1000 × 0.000003 (default.azure.computer_use_input)
                 + computer_output 1000 × 0.000012 (default.azure.computer_use_output)",
            ),
            (
                r#""model": "gemini/g", "google_maps_queries": 3"#,
                "0.025 = maps_queries 1 × 0.025 (default.gemini.maps)",
            ),
            (
                r#""model": "azure/a", "code_interpreter_sessions": 1"#,
                "unpriced: `azure/a` has no `code_interpreter_cost_per_session`; \
                 set it among the deployment's own prices",
            ),
        ],
    );
}

#[test]
fn r8_1_what_xai_and_perplexity_report_is_the_bill() {
    let map = map(r#""xai/x": {"litellm_provider": "xai", "input_cost_per_token": 1}"#);
    let usage = r#""usage": {"prompt_tokens": 2, "completion_tokens": 0, "cost": "0.125"}"#;
    check(
        &map,
        &[
            (
                &format!(r#""model": "xai/x", "web_search_requests": 9, {usage}"#),
                "0.125 = reported 0.125 × 1 (usage.cost)",
            ),
            (
                &format!(r#""model": "xai/unheard-of", {usage}"#),
                "0.125 = reported 0.125 × 1 (usage.cost)",
            ),
            (
                &format!(r#""model": "xai/x", "prices": {{"input_cost_per_token": 3}}, {usage}"#),
                "6 = input 2 × 3 (input_cost_per_token)",
            ),
        ],
    );
}

#[test]
fn r8_4_a_router_asks_for_its_fee_on_top() {
    let map = map(
        r#""azure_ai/model_router": {"litellm_provider": "azure_ai", "input_cost_per_token": 0.5,
            "output_cost_per_token": 0},
           "azure/gpt": {"litellm_provider": "azure", "input_cost_per_token": 2}"#,
    );
    let usage = r#""custom_llm_provider": "azure_ai", "usage": {"prompt_tokens": 4}"#;
    check(
        &map,
        &[(
            &format!(r#""model": "model-router", "response_model": "gpt", {usage}"#),
            "10 = input 4 × 2 (input_cost_per_token)
             + router_fee 4 × 0.5 (azure_ai/model_router.input_cost_per_token)",
        )],
    );
    for more in ["", r#", "web_search_requests": 0"#] {
        let question = format!(r#""model": "azure_ai/model_router", {usage}{more}"#);
        let found = super::bill(&super::cost(&map, None, &question));
        assert!(found.starts_with("unpriced"), "{found}");
    }
}
