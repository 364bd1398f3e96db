//! Reports as providers document them, and what they come to.

use event::Exact;
use proptest::prelude::*;

use super::*;

fn read_as(provider: &str, call_type: &str, json: &str) -> Result<Usage, ReportError> {
    let raw = RawValue::from_string(json.to_owned()).unwrap();
    usage(Some(provider), Some(call_type), &raw)
}

#[track_caller]
fn read(provider: &str, json: &str) -> Usage {
    let usage = read_as(provider, "acompletion", json).unwrap();
    assert_disjoint(&usage);
    usage
}

/// The parts of each sum fit into it, so that none of them has to be cut.
#[track_caller]
fn assert_disjoint(usage: &Usage) {
    let input = usage.prompt_tokens_details.clone().unwrap_or_default();
    let read = input.cached_tokens.or(usage.cache_read_input_tokens);
    let cached = input.cached_tokens_details.clone().unwrap_or_default();
    let fresh = |all: Option<u64>, cached: Option<u64>| {
        let (all, cached) = (all.unwrap_or(0), cached.unwrap_or(0));
        all.saturating_sub(cached)
    };
    let parts = read.unwrap_or(0)
        + input.cache_write_tokens.unwrap_or(0)
        + fresh(input.audio_tokens, cached.audio_tokens)
        + fresh(input.image_tokens, cached.image_tokens)
        + input.video_tokens.unwrap_or(0);
    assert!(parts <= usage.prompt_tokens, "{usage:#?}");
    let output = usage.completion_tokens_details.clone().unwrap_or_default();
    let parts = [
        output.reasoning_tokens,
        output.audio_tokens,
        output.image_tokens,
        output.video_tokens,
    ];
    let parts: u64 = parts.into_iter().flatten().sum();
    assert!(parts <= usage.completion_tokens, "{usage:#?}");
    let both = usage.prompt_tokens + usage.completion_tokens;
    assert_eq!(both, usage.total_tokens, "{usage:#?}");
}

#[track_caller]
fn assert_sums(usage: &Usage, prompt: u64, completion: u64) {
    let sums = (usage.prompt_tokens, usage.completion_tokens);
    assert_eq!(sums, (prompt, completion), "{usage:#?}");
}

fn reasoning(usage: &Usage) -> Option<u64> {
    usage.completion_tokens_details.as_ref()?.reasoning_tokens
}

#[test]
fn a_chat_of_openai_is_read_as_it_is() {
    let json = r#"{"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 7}}"#;
    let usage = read("openai", json);
    assert_eq!(usage, serde_json::from_str(json).unwrap());
}

#[test]
fn what_was_read_once_is_read_again_unchanged() {
    let json = r#"{"prompt_tokens":90,"completion_tokens":20,"total_tokens":110,
        "prompt_tokens_details":{"cached_tokens":9,"cache_write_tokens":8,
            "cache_creation_tokens":8,"cache_creation_token_details":{
                "ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":2,
                "ephemeral_30m_input_tokens":3,"ephemeral_12h_input_tokens":2},
            "text_tokens":4,"audio_tokens":5,"image_tokens":6,"video_tokens":7,
            "cached_tokens_details":{"text_tokens":2,"audio_tokens":3,"image_tokens":4},
            "cache_type":"ephemeral","web_search_requests":2,"character_count":3,
            "image_count":4,"audio_length_seconds":1.5,"video_length_seconds":2.5,
            "query_count":5},
        "completion_tokens_details":{"reasoning_tokens":1,"text_tokens":2,"audio_tokens":3,
            "image_tokens":4,"video_tokens":5,"accepted_prediction_tokens":6,
            "rejected_prediction_tokens":7},
        "prompt_cache_hit_tokens":9,"cache_read_input_tokens":9,"cache_creation_input_tokens":8,
        "server_tool_use":{"web_search_requests":1},"num_search_queries":2,
        "citation_tokens":3,"search_units":4,"seconds":1.25,"cost":0.01,"speed":"fast",
        "inference_geo":"us","service_tier":"priority"}"#;
    let written: Usage = serde_json::from_str(json).unwrap();
    // Every field is here.
    let again = serde_json::to_string(&written).unwrap();
    let bare: String = json.split_whitespace().collect();
    assert_eq!(again.len(), bare.len());
    assert_eq!(read("openai", json), written);
}

#[test]
fn responses_images_and_realtime_name_their_parts_otherwise() {
    let json = r#"{"input_tokens": 36, "input_tokens_details": {"cached_tokens": 30},
        "output_tokens": 87, "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 123}"#;
    let usage = read("openai", json);
    assert_sums(&usage, 36, 87);
    assert_eq!(reasoning(&usage), Some(64));

    let json = r#"{"type": "response.done", "response": {"id": "resp_1", "usage": {
        "total_tokens": 253, "input_tokens": 132, "output_tokens": 121,
        "input_token_details": {"text_tokens": 119, "audio_tokens": 13, "image_tokens": 0,
            "cached_tokens": 64, "cached_tokens_details": {"text_tokens": 64,
                "audio_tokens": 0, "image_tokens": 0}},
        "output_token_details": {"text_tokens": 30, "audio_tokens": 91}}}}"#;
    let usage = read("openai", json);
    assert_sums(&usage, 132, 121);
    let input = usage.prompt_tokens_details.unwrap();
    assert_eq!(input.cached_tokens_details.unwrap().text_tokens, Some(64));
    let output = usage.completion_tokens_details.unwrap();
    assert_eq!(output.audio_tokens, Some(91));

    let json = r#"{"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}}"#;
    for call_type in ["image_generation", "aimage_edit"] {
        let usage = read_as("openai", call_type, json).unwrap();
        let output = usage.completion_tokens_details.unwrap();
        assert_eq!(output.image_tokens, Some(4160));
    }
    assert_eq!(read("openai", json).completion_tokens_details, None);
}

#[test]
fn a_transcription_is_counted_in_tokens_or_in_seconds() {
    let json = r#"{"type": "tokens", "input_tokens": 14, "output_tokens": 101,
        "input_token_details": {"text_tokens": 10, "audio_tokens": 4}, "total_tokens": 115}"#;
    let usage = read("openai", json);
    assert_sums(&usage, 14, 101);
    assert_eq!(usage.prompt_tokens_details.unwrap().audio_tokens, Some(4));

    let usage = read("openai", r#"{"type": "duration", "seconds": 12.5}"#);
    assert_eq!(usage.seconds, "12.5".parse().ok());
}

#[test]
fn a_total_alone_is_input() {
    assert_sums(&read("voyage", r#"{"total_tokens": 9}"#), 9, 0);
    let json = r#"{"prompt_tokens": null, "total_tokens": 9, "completion_tokens": 2}"#;
    assert_sums(&read("jina_ai", json), 7, 2);
}

#[test]
fn what_anthropic_cached_stands_beside_the_input() {
    let json = r#"{"input_tokens": 2095, "cache_creation_input_tokens": 2051,
        "cache_read_input_tokens": 2500, "output_tokens": 503,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 1051},
        "output_tokens_details": {"thinking_tokens": 400},
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 0},
        "service_tier": "priority", "speed": "fast", "inference_geo": "us"}"#;
    let usage = read("anthropic", json);
    assert_sums(&usage, 6646, 503);
    assert_eq!(reasoning(&usage), Some(400));
    assert_eq!(usage.service_tier.as_deref(), Some("priority"));
    assert_eq!(usage.speed.as_deref(), Some("fast"));
    assert_eq!(usage.inference_geo.as_deref(), Some("us"));
    assert_eq!(usage.server_tool_use.unwrap().web_search_requests, Some(3));
    let input = usage.prompt_tokens_details.unwrap();
    let parts = (
        input.cached_tokens,
        input.cache_write_tokens,
        input.text_tokens,
    );
    assert_eq!(parts, (Some(2500), Some(2051), Some(2095)));
    let lives = input.cache_creation_token_details.unwrap();
    assert_eq!(lives.ephemeral_5m_input_tokens, Some(1000));
    assert_eq!(lives.ephemeral_1h_input_tokens, Some(1051));
}

#[test]
fn what_anthropic_does_not_split_lives_for_five_minutes() {
    let json = r#"{"input_tokens": 1, "cache_creation_input_tokens": 100, "output_tokens": 1,
        "cache_read_input_tokens": null, "cache_creation": {"ephemeral_1h_input_tokens": 30}}"#;
    let details = read("anthropic", json).prompt_tokens_details.unwrap();
    let lives = details.cache_creation_token_details.unwrap();
    assert_eq!(lives.ephemeral_5m_input_tokens, Some(70));
}

#[test]
fn each_run_of_a_compacting_call_is_counted() {
    let json = r#"{"input_tokens": 23, "output_tokens": 1, "cache_read_input_tokens": 0,
        "iterations": [
            {"type": "compaction", "input_tokens": 180000, "output_tokens": 3500},
            {"type": "message", "input_tokens": 23000, "output_tokens": 1000,
             "cache_creation_input_tokens": 10, "cache_read_input_tokens": 5}]}"#;
    assert_sums(&read("anthropic", json), 203_015, 4500);
}

#[test]
fn a_total_shows_whether_cached_tokens_are_inside() {
    let inside = r#"{"input_tokens": 100, "output_tokens": 5, "total_tokens": 105,
        "cache_read_input_tokens": 90}"#;
    assert_sums(&read("databricks", inside), 100, 5);
    let beside = inside.replace("105", "195");
    assert_sums(&read("databricks", &beside), 190, 5);
    // Inside by its name.
    let chat = r#"{"prompt_tokens": 100, "completion_tokens": 5, "cache_read_input_tokens": 90}"#;
    assert_sums(&read("databricks", chat), 100, 5);
}

#[test]
fn gemini_counts_thoughts_and_tools_beside() {
    let json = r#"{"usageMetadata": {"promptTokenCount": 1000, "cachedContentTokenCount": 600,
        "toolUsePromptTokenCount": 50, "candidatesTokenCount": 120, "thoughtsTokenCount": 300,
        "totalTokenCount": 1470, "trafficType": "ON_DEMAND_PRIORITY",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 200},
            {"modality": "AUDIO", "tokenCount": 500}, {"modality": "VIDEO", "tokenCount": 300}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 400},
            {"modality": "VIDEO", "tokenCount": 200}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 20},
            {"modality": "IMAGE", "tokenCount": 100}],
        "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 50}]}}"#;
    let usage = read("vertex_ai", json);
    assert_sums(&usage, 1050, 420);
    assert_eq!(usage.service_tier.as_deref(), Some("priority"));
    let input = usage.prompt_tokens_details.as_ref().unwrap();
    assert_eq!(input.text_tokens, Some(250));
    // All but the cached ones: there is no class for cached video.
    assert_eq!(input.video_tokens, Some(100));
    let cached = input.cached_tokens_details.as_ref().unwrap();
    assert_eq!(
        (input.audio_tokens, cached.audio_tokens),
        (Some(500), Some(400))
    );
    let output = usage.completion_tokens_details.unwrap();
    let parts = (
        output.reasoning_tokens,
        output.image_tokens,
        output.text_tokens,
    );
    assert_eq!(parts, (Some(300), Some(100), Some(20)));
}

#[test]
fn gemini_says_by_the_total_that_thoughts_are_inside() {
    let json = r#"{"prompt_token_count": 10, "candidates_token_count": 50,
        "thoughts_token_count": 30, "total_token_count": 60, "traffic_type": "ON_DEMAND"}"#;
    let usage = read("gemini", json);
    assert_sums(&usage, 10, 50);
    assert_eq!(usage.service_tier.as_deref(), Some("default"));
    let live = r#"{"promptTokenCount": 10, "responseTokenCount": 50, "totalTokenCount": 60,
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}]}"#;
    let usage = read("gemini", live);
    assert_sums(&usage, 10, 50);
    let output = usage.completion_tokens_details.unwrap();
    assert_eq!(output.audio_tokens, Some(50));
}

#[test]
fn thoughts_that_only_the_total_shows_are_counted() {
    let json = r#"{"prompt_tokens": 7, "completion_tokens": 10, "total_tokens": 417}"#;
    let usage = read("gemini", json);
    assert_sums(&usage, 7, 410);
    assert_eq!(reasoning(&usage), Some(400));
}

#[test]
fn what_bedrock_cached_stands_beside_the_input() {
    let json = r#"{"inputTokens": 30, "outputTokens": 628, "totalTokens": 3658,
        "cacheReadInputTokens": 2000, "cacheWriteInputTokens": 1000,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 400}, {"ttl": "5m", "inputTokens": 600}]}"#;
    let usage = read("bedrock", json);
    assert_sums(&usage, 3030, 628);
    let lives = usage
        .prompt_tokens_details
        .unwrap()
        .cache_creation_token_details;
    assert_eq!(lives.unwrap().ephemeral_1h_input_tokens, Some(400));
    let native = r#"{"inputTokenCount": 12, "outputTokenCount": 34, "invocationLatency": 9,
        "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": 0}"#;
    assert_sums(&read("bedrock", native), 12, 34);
    let llama = r#"{"prompt_token_count": 5, "generation_token_count": 6}"#;
    assert_sums(&read("bedrock", llama), 5, 6);
}

#[test]
fn cohere_bills_its_billed_units() {
    let json = r#"{"usage": {"billed_units": {"input_tokens": 5, "output_tokens": 418},
        "tokens": {"input_tokens": 71, "output_tokens": 418}}}"#;
    assert_sums(&read("cohere_chat", json), 5, 418);
    let embedded = r#"{"meta": {"billed_units": {"input_tokens": 4.0, "image_tokens": 900}}}"#;
    let usage = read("cohere", embedded);
    assert_sums(&usage, 904, 0);
    assert_eq!(usage.prompt_tokens_details.unwrap().image_tokens, Some(900));
    let reranked = read(
        "cohere",
        r#"{"meta": {"billed_units": {"search_units": 2}}}"#,
    );
    assert_eq!(reranked.search_units, Some(2));
}

#[test]
fn xai_counts_reasoning_beside_and_states_its_price() {
    let json = r#"{"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
        "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0,
            "cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0},
        "num_sources_used": 0, "cost_in_usd_ticks": 37756000,
        "server_side_tool_usage_details": {"web_search_calls": 2, "x_search_calls": 0}}"#;
    let usage = read("xai", json);
    assert_sums(&usage, 32, 103);
    assert_eq!(usage.cost, "0.0037756".parse::<Exact>().ok());
    let searches = usage.prompt_tokens_details.unwrap().web_search_requests;
    assert_eq!(searches, Some(2));
}

#[test]
fn perplexity_counts_reasoning_and_sources_beside() {
    let json = r#"{"prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196,
        "citation_tokens": 20016, "num_search_queries": 18, "reasoning_tokens": 73997,
        "cost": {"input_tokens_cost": 0.00007, "total_cost": 0.4095}}"#;
    let usage = read("perplexity", json);
    assert_sums(&usage, 33, 81_160);
    assert_eq!(reasoning(&usage), Some(73997));
    assert_eq!(
        (usage.citation_tokens, usage.num_search_queries),
        (Some(20016), Some(18))
    );
    assert_eq!(usage.cost, "0.4095".parse().ok());
    let counted = json.replace("7196,", "81193,");
    assert_sums(&read("perplexity", &counted), 33, 81_160);
}

#[test]
fn mistral_counts_audio_in_the_total() {
    let json = r#"{"prompt_audio_seconds": 203, "prompt_tokens": 4, "total_tokens": 3264,
        "completion_tokens": 635, "prompt_tokens_details": null}"#;
    let usage = read("mistral", json);
    assert_sums(&usage, 2629, 635);
    let input = usage.prompt_tokens_details.unwrap();
    assert_eq!(input.audio_tokens, Some(2625));
    assert_eq!(input.audio_length_seconds, "203".parse().ok());
    let none = r#"{"prompt_audio_seconds": {}, "prompt_tokens": 4, "total_tokens": 9,
        "completion_tokens": 5, "num_cached_tokens": 2}"#;
    let usage = read("mistral", none);
    assert_sums(&usage, 4, 5);
    assert_eq!(usage.prompt_tokens_details.unwrap().cached_tokens, Some(2));
}

#[test]
fn deepseek_names_what_it_read_from_its_cache() {
    let json = r#"{"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30,
        "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4,
        "completion_tokens_details": {"reasoning_tokens": 15}}"#;
    let usage = read("deepseek", json);
    assert_sums(&usage, 10, 20);
    assert_eq!(usage.prompt_cache_hit_tokens, Some(6));
}

#[test]
fn a_wrong_report_is_refused_by_the_name_of_its_field() {
    let refused = |json: &str| {
        read_as("openai", "completion", json)
            .unwrap_err()
            .to_string()
    };
    for (json, error) in [
        (
            r#"{"prompt_tokens": -1}"#,
            "`usage.prompt_tokens` in the usage report is not a whole number from 0 to 10^15: `-1`",
        ),
        (
            r#"{"prompt_tokens_details": {"cached_tokens": 1.5}, "prompt_tokens": 3}"#,
            "`prompt_tokens_details.cached_tokens` in the usage report is not a whole number from \
             0 to 10^15: `1.5`",
        ),
        (
            r#"{"prompt_tokens": "7"}"#,
            "`usage.prompt_tokens` in the usage report is not a whole number from 0 to 10^15: \
             `\"7\"`",
        ),
        (
            r#"{"total_tokens": 1000000000000001}"#,
            "`usage.total_tokens` in the usage report is not a whole number from 0 to 10^15: \
             `1000000000000001`",
        ),
        (
            r#"{"prompt_tokens": 1, "prompt_tokens_details": 3}"#,
            "`prompt_tokens_details` in the usage report is not an object: `3`",
        ),
        (
            r#"{"candidatesTokensDetails": {}, "totalTokenCount": 3}"#,
            "`usage.candidatesTokensDetails` in the usage report is not a list: `{}`",
        ),
        (
            r#"{"seconds": -0.5}"#,
            "`usage.seconds` in the usage report is not a number from 0: `-0.5`",
        ),
        (
            "null",
            "`usage` in the usage report is not an object: `null`",
        ),
        (
            r#"{"tokens_used": 3, "prompt_tokens": null}"#,
            "usage report has no count that is known, only `tokens_used`, `prompt_tokens`; known \
             are those of OpenAI, Anthropic, Gemini, Bedrock and Cohere",
        ),
    ] {
        assert_eq!(refused(json), error, "{json}");
    }
    let large = format!(
        r#"{{"prompt_tokens": 1, "x": "{}"}}"#,
        "x".repeat(BYTES_MAX)
    );
    assert!(refused(&large).contains("more than 64 KiB"));
}

proptest! {
    #[test]
    fn no_token_of_anthropic_is_lost(
        counts in prop::array::uniform5(0..1_000_000_u64),
        unsplit in 0..1000_u64,
    ) {
        let [input, read_cache, five, hour, output] = counts;
        let write = five + hour + unsplit;
        let json = format!(
            r#"{{"input_tokens": {input}, "output_tokens": {output},
                "cache_read_input_tokens": {read_cache}, "cache_creation_input_tokens": {write},
                "cache_creation": {{"ephemeral_5m_input_tokens": {five},
                    "ephemeral_1h_input_tokens": {hour}}}}}"#
        );
        let usage = read("anthropic", &json);
        prop_assert_eq!(usage.prompt_tokens, input + read_cache + write);
        let lives = usage.prompt_tokens_details.unwrap().cache_creation_token_details;
        if let Some(lives) = lives {
            prop_assert_eq!(lives.ephemeral_5m_input_tokens, Some(five + unsplit));
        }
    }

    #[test]
    fn no_token_of_gemini_is_lost(
        (text, audio, image, video) in (0..9999_u64, 0..9999_u64, 0..9999_u64, 0..9999_u64),
        (tools, answer, thoughts) in (0..9999_u64, 0..9999_u64, 0..9999_u64),
        cached_share in 0..=4_u64,
    ) {
        let prompt = text + audio + image + video;
        let cached = [text, audio, image, video].map(|tokens| tokens * cached_share / 4);
        let [text_cached, audio_cached, image_cached, video_cached] = cached;
        let total = prompt + tools + answer + thoughts;
        let json = format!(
            r#"{{"promptTokenCount": {prompt}, "toolUsePromptTokenCount": {tools},
            "candidatesTokenCount": {answer}, "thoughtsTokenCount": {thoughts},
            "totalTokenCount": {total}, "cachedContentTokenCount": {},
            "promptTokensDetails": [{{"modality": "TEXT", "tokenCount": {text}}},
                {{"modality": "AUDIO", "tokenCount": {audio}}},
                {{"modality": "IMAGE", "tokenCount": {image}}},
                {{"modality": "VIDEO", "tokenCount": {video}}}],
            "cacheTokensDetails": [{{"modality": "TEXT", "tokenCount": {text_cached}}},
                {{"modality": "AUDIO", "tokenCount": {audio_cached}}},
                {{"modality": "IMAGE", "tokenCount": {image_cached}}},
                {{"modality": "VIDEO", "tokenCount": {video_cached}}}]}}"#,
            cached.into_iter().sum::<u64>()
        );
        let usage = read("gemini", &json);
        prop_assert_eq!(usage.total_tokens, total);
        prop_assert_eq!(usage.prompt_tokens, prompt + tools);
    }

    #[test]
    fn no_token_of_the_others_is_lost(
        (input, read_cache, write, output) in (0..9999_u64, 0..9999_u64, 0..9999_u64, 0..9999_u64),
        reasoning in 0..9999_u64,
        beside: bool,
    ) {
        let total = input + read_cache + write + output;
        let bedrock = format!(
            r#"{{"inputTokens": {input}, "outputTokens": {output}, "totalTokens": {total},
                "cacheReadInputTokens": {read_cache}, "cacheWriteInputTokens": {write}}}"#
        );
        prop_assert_eq!(read("bedrock", &bedrock).total_tokens, total);

        let answer = if beside { output } else { output + reasoning };
        let total = input + output + reasoning;
        let chat = format!(
            r#"{{"prompt_tokens": {input}, "completion_tokens": {answer}, "total_tokens": {total},
                "completion_tokens_details": {{"reasoning_tokens": {reasoning}}}}}"#
        );
        for provider in ["openai", "xai", "gemini", "groq"] {
            let usage = read(provider, &chat);
            prop_assert_eq!(usage.total_tokens, total);
            prop_assert_eq!(usage.completion_tokens, output + reasoning);
        }
    }

    #[test]
    fn any_report_is_read_or_refused(
        name in "usage|response|billed_units|prompt_tokens|inputTokens|iterations|\
                 cache_creation|totalTokenCount|candidatesTokensDetails|cost|seconds",
        inner in "usage|tokens|cached_tokens|input_tokens|total_cost",
        value in r#"null|-?[0-9]{1,19}|[0-9.eE-]{1,6}|\[[0-9]?\]|\{\}|"x""#,
        nested: bool,
    ) {
        let json = if nested {
            format!(r#"{{"{name}": {{"{inner}": {value}}}}}"#)
        } else {
            format!(r#"{{"{name}": {value}}}"#)
        };
        if let Ok(raw) = RawValue::from_string(json) {
            let _read_or_refused = usage(None, None, &raw);
        }
    }
}
