//! Usage objects in the shapes that providers report them in.

use serde_json::{Map, Value, json};

use crate::generate::Generator;

/// A usage object that the entry's provider could have sent.
pub(crate) fn usage(generator: &mut Generator<'_>) -> Value {
    let shape = generator.random.below(100);
    if !generator.shapes {
        return openai(generator, ["prompt", "completion"]);
    }
    match generator.provider {
        "anthropic" | "bedrock" | "vertex_ai" if shape < 30 => anthropic(generator),
        "bedrock" if shape < 50 => converse(generator),
        "gemini" | "vertex_ai" if shape < 55 => gemini(generator),
        _ if shape > 85 => openai(generator, ["input", "output"]),
        _ => openai(generator, ["prompt", "completion"]),
    }
}

/// Part of a whole: less, all of it, or more than there is.
fn part(generator: &mut Generator<'_>, whole: u64) -> u64 {
    match generator.random.below(10) {
        0 => whole,
        1 => whole + generator.random.below(100),
        2 => 0,
        3 | 4 => generator.random.below(whole + 1),
        _ => generator.random.below(whole / 3 + 1),
    }
}

/// Fills some of the fields with parts of a whole.
fn parts(generator: &mut Generator<'_>, whole: u64, names: &[(&str, u64)]) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, percent) in names {
        if generator.random.chance(*percent) {
            let count = part(generator, whole);
            fields.insert((*name).to_owned(), json!(count));
        } else if generator.random.chance(5) {
            fields.insert((*name).to_owned(), Value::Null);
        }
    }
    fields
}

fn openai(generator: &mut Generator<'_>, [into, out]: [&str; 2]) -> Value {
    let prompt = generator.prompt();
    let completion = generator.random.size();
    let input = openai_input(generator, prompt);
    let details = [
        ("reasoning_tokens", 35),
        ("text_tokens", 15),
        ("audio_tokens", 12),
        ("image_tokens", 12),
        ("video_tokens", 6),
        ("accepted_prediction_tokens", 5),
        ("rejected_prediction_tokens", 5),
    ];
    let output = parts(generator, completion, &details);
    let mut usage = Map::new();
    usage.insert(format!("{into}_tokens"), json!(prompt));
    usage.insert(format!("{out}_tokens"), json!(completion));
    let beside = if generator.random.chance(15) {
        part(generator, completion)
    } else {
        0
    };
    usage.insert(
        "total_tokens".to_owned(),
        json!(prompt + completion + beside),
    );
    // A provider that has no details says nothing.
    if !generator.random.chance(25) {
        usage.insert(format!("{into}_tokens_details"), Value::Object(input));
    }
    if !generator.random.chance(35) {
        usage.insert(format!("{out}_tokens_details"), Value::Object(output));
    }
    if into == "prompt" {
        let twins = [
            ("prompt_cache_hit_tokens", 4),
            ("cache_read_input_tokens", 4),
            ("cache_creation_input_tokens", 4),
        ];
        usage.extend(parts(generator, prompt, &twins));
    }
    if ["xai", "perplexity"].contains(&generator.provider) && generator.random.chance(15) {
        let costs = [json!("0.0123456789"), json!({"total_cost": "0.006"})];
        usage.insert("cost".to_owned(), generator.random.pick(&costs).clone());
    }
    Value::Object(usage)
}

/// The details of the input, which may claim more or less than there is.
fn openai_input(generator: &mut Generator<'_>, prompt: u64) -> Map<String, Value> {
    let details = [
        ("cached_tokens", 45),
        ("text_tokens", 15),
        ("audio_tokens", 15),
        ("image_tokens", 15),
        ("video_tokens", 8),
        ("cache_write_tokens", 15),
        ("cache_creation_tokens", 8),
    ];
    let mut input = parts(generator, prompt, &details);
    if generator.random.chance(12) {
        let lives = [
            ("ephemeral_5m_input_tokens", 70),
            ("ephemeral_30m_input_tokens", 10),
            ("ephemeral_1h_input_tokens", 60),
            ("ephemeral_12h_input_tokens", 30),
        ];
        let lives = parts(generator, prompt, &lives);
        input.insert(
            "cache_creation_token_details".to_owned(),
            Value::Object(lives),
        );
    }
    if generator.random.chance(12) {
        let kinds = [
            ("audio_tokens", 60),
            ("image_tokens", 60),
            ("text_tokens", 60),
        ];
        let kinds = parts(generator, prompt, &kinds);
        input.insert("cached_tokens_details".to_owned(), Value::Object(kinds));
    }
    if generator.has("explicit_cache_read_input_token_cost") && generator.random.chance(50) {
        input.insert("cache_type".to_owned(), json!("ephemeral"));
    }
    input
}

fn anthropic(generator: &mut Generator<'_>) -> Value {
    let prompt = generator.prompt();
    let read = generator.random.below(prompt / 2 + 1);
    let written = generator.random.below((prompt - read) / 2 + 1);
    let mut usage = Map::new();
    usage.insert("input_tokens".to_owned(), json!(prompt - read - written));
    usage.insert("output_tokens".to_owned(), json!(generator.random.size()));
    usage.insert("cache_read_input_tokens".to_owned(), json!(read));
    usage.insert("cache_creation_input_tokens".to_owned(), json!(written));
    if generator.random.chance(50) {
        let hour = generator.random.below(written + 1);
        let lives = json!({
            "ephemeral_5m_input_tokens": written - hour,
            "ephemeral_1h_input_tokens": hour,
        });
        usage.insert("cache_creation".to_owned(), lives);
    }
    if generator.provider == "anthropic" {
        if generator.random.chance(30) {
            usage.insert(
                "speed".to_owned(),
                json!(*generator.random.pick(&["fast", "standard"])),
            );
        }
        if generator.random.chance(30) {
            let geo = *generator
                .random
                .pick(&["us", "global", "not_available", "eu"]);
            usage.insert("inference_geo".to_owned(), json!(geo));
        }
        if generator.has("search_context_cost_per_query") && generator.random.chance(20) {
            let requests = json!({"web_search_requests": generator.random.below(4)});
            usage.insert("server_tool_use".to_owned(), requests);
        }
    }
    Value::Object(usage)
}

fn converse(generator: &mut Generator<'_>) -> Value {
    let prompt = generator.prompt();
    let read = generator.random.below(prompt / 2 + 1);
    let written = generator.random.below((prompt - read) / 2 + 1);
    let output = generator.random.size();
    json!({
        "inputTokens": prompt - read - written,
        "outputTokens": output,
        "totalTokens": prompt + output,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": written,
    })
}

fn gemini(generator: &mut Generator<'_>) -> Value {
    let prompt = generator.prompt();
    let output = generator.random.size();
    let thoughts = generator.random.size();
    let mut split = |whole: u64, names: &[&str]| {
        let mut left = whole;
        let mut list = Vec::new();
        for name in names {
            let count = generator.random.below(left + 1);
            left -= count;
            list.push(json!({"modality": name, "tokenCount": count}));
        }
        list.push(json!({"modality": "TEXT", "tokenCount": left}));
        Value::Array(list)
    };
    let input = split(prompt, &["AUDIO", "IMAGE", "VIDEO"]);
    let candidates = split(output, &["IMAGE", "AUDIO"]);
    let cached = generator.random.below(prompt + 1);
    let mut usage = json!({
        "promptTokenCount": prompt,
        "candidatesTokenCount": output,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + output + thoughts,
        "promptTokensDetails": input,
        "candidatesTokensDetails": candidates,
    });
    if generator.random.chance(50) {
        usage["cachedContentTokenCount"] = json!(cached);
    }
    usage
}
