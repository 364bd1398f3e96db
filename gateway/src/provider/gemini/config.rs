//! The generation config: bounds, sampling, thinking, and the form of the answer.

use serde_json::{Map, Value, json};

use super::{
    super::{ProviderError, content::text},
    model::Model,
    schema,
};

/// OpenAI's parameters that Google has under another name.
const RENAMED: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("n", "candidateCount"),
    ("max_tokens", "maxOutputTokens"),
    ("max_completion_tokens", "maxOutputTokens"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("seed", "seed"),
    ("logprobs", "responseLogprobs"),
    ("top_logprobs", "logprobs"),
];

/// Google's own fields, which clients may write in either way.
const OWN: &[(&str, &str)] = &[
    ("top_k", "topK"),
    ("candidate_count", "candidateCount"),
    ("max_output_tokens", "maxOutputTokens"),
    ("stop_sequences", "stopSequences"),
    ("response_mime_type", "responseMimeType"),
    ("response_schema", "responseSchema"),
    ("response_json_schema", "responseJsonSchema"),
    ("response_logprobs", "responseLogprobs"),
    ("response_modalities", "responseModalities"),
    ("image_config", "imageConfig"),
    ("thinking_config", "thinkingConfig"),
    ("media_resolution", "mediaResolution"),
    ("speech_config", "speechConfig"),
    ("response_format", "responseFormat"),
];

/// Tokens that each effort may cost.
const BUDGETS: &[(&str, u32)] = &[("low", 1024), ("medium", 2048), ("high", 4096)];

/// Takes out of `asked` what the config says.
///
/// # Errors
///
/// If something in it cannot be said.
pub(super) fn config(
    asked: &mut Map<String, Value>,
    model: Model,
) -> Result<Map<String, Value>, ProviderError> {
    let mut config = Map::new();
    for (name, own) in RENAMED {
        if let Some(value) = take(asked, name) {
            config.insert((*own).to_owned(), value);
        }
    }
    match take(asked, "stop") {
        Some(stop @ Value::String(_)) => config.insert("stopSequences".to_owned(), json!([stop])),
        Some(stop) => config.insert("stopSequences".to_owned(), stop),
        None => None,
    };
    if let Some(format) = take(asked, "response_format") {
        form(&format, model, &mut config)?;
    }
    if let Some(modalities) = take(asked, "modalities") {
        config.insert("responseModalities".to_owned(), modalities_of(&modalities));
    }
    if let Some(audio) = take(asked, "audio") {
        speech(&audio, &mut config)?;
    }
    if let Some(effort) = take(asked, "reasoning_effort") {
        let effort = effort.get("effort").unwrap_or(&effort).as_str();
        if let Some(effort) = effort {
            config.insert("thinkingConfig".to_owned(), of_effort(effort, model)?);
        }
    }
    if let Some(thinking) = take(asked, "thinking") {
        config.insert("thinkingConfig".to_owned(), of_thinking(&thinking, model));
    }
    for (name, own) in OWN {
        for name in [name, own] {
            if let Some(value) = take(asked, name) {
                config.insert((*own).to_owned(), value);
            }
        }
    }
    if model.has_levels() {
        // Google advises against any other with these models.
        config.entry("temperature").or_insert_with(|| json!(1.0));
    }
    Ok(config)
}

fn take(asked: &mut Map<String, Value>, name: &str) -> Option<Value> {
    asked.remove(name).filter(|value| !value.is_null())
}

/// The form of the answer.
fn form(
    format: &Value,
    model: Model,
    config: &mut Map<String, Value>,
) -> Result<(), ProviderError> {
    let mut wanted = format.get("response_schema").cloned();
    let mime = match text(format, "type") {
        Some("text") => "text/plain",
        Some("json_schema") => {
            let schema = format.get("json_schema").and_then(|one| one.get("schema"));
            wanted = wanted.or_else(|| schema.cloned());
            "application/json"
        }
        _ => "application/json",
    };
    config.insert("responseMimeType".to_owned(), mime.into());
    let Some(wanted @ Value::Object(_)) = wanted else {
        return Ok(());
    };
    if model.reads_schemas() {
        config.insert("responseJsonSchema".to_owned(), wanted);
    } else {
        config.insert("responseSchema".to_owned(), schema::own(&wanted)?);
    }
    Ok(())
}

fn modalities_of(modalities: &Value) -> Value {
    let modalities = modalities.as_array().into_iter().flatten();
    let known = modalities.filter_map(Value::as_str);
    known
        .map(|one| Value::from(one.to_ascii_uppercase()))
        .collect()
}

/// The voice of an answer that is spoken.
fn speech(audio: &Value, config: &mut Map<String, Value>) -> Result<(), ProviderError> {
    if let Some(format) = text(audio, "format")
        && format != "pcm16"
    {
        return Err(ProviderError::Request(format!(
            "`audio.format` is `{format}`, but Gemini speaks in `pcm16` only"
        )));
    }
    let mut said = Map::new();
    if let Some(voice) = text(audio, "voice") {
        let voice = json!({ "prebuiltVoiceConfig": { "voiceName": voice } });
        said.insert("voiceConfig".to_owned(), voice);
    }
    if let Some(language) = text(audio, "language_code") {
        said.insert("languageCode".to_owned(), language.into());
    }
    config.insert("speechConfig".to_owned(), Value::Object(said));
    let modalities = config
        .entry("responseModalities")
        .or_insert_with(|| json!([]));
    if let Value::Array(modalities) = modalities
        && !modalities.contains(&json!("AUDIO"))
    {
        modalities.push("AUDIO".into());
    }
    Ok(())
}

fn of_effort(effort: &str, model: Model) -> Result<Value, ProviderError> {
    let thinks = !matches!(effort, "none" | "disable");
    if model.has_levels() {
        let level = match effort {
            "minimal" | "none" | "disable" if model.has_minimal_level() => "minimal",
            "minimal" | "none" | "disable" => "low",
            "low" | "medium" | "high" => effort,
            _ => return Err(unknown(effort)),
        };
        return Ok(json!({ "thinkingLevel": level, "includeThoughts": thinks }));
    }
    let budget = match effort {
        "minimal" => model.smallest_budget(),
        "none" | "disable" => 0,
        _ => {
            let known = BUDGETS.iter().find(|(name, _)| *name == effort);
            known.ok_or_else(|| unknown(effort))?.1
        }
    };
    Ok(json!({ "thinkingBudget": budget, "includeThoughts": thinks }))
}

fn unknown(effort: &str) -> ProviderError {
    ProviderError::Request(format!(
        "`reasoning_effort` is `{effort}`: it must be one of none, minimal, low, medium, high"
    ))
}

/// Anthropic's way to ask for thoughts.
fn of_thinking(thinking: &Value, model: Model) -> Value {
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    let thinks = text(thinking, "type") == Some("enabled") && budget != Some(0);
    let mut config = Map::new();
    if thinks || model.has_levels() {
        config.insert("includeThoughts".to_owned(), thinks.into());
    }
    if let (Some(budget), false) = (budget, model.has_levels()) {
        config.insert("thinkingBudget".to_owned(), budget.into());
    }
    Value::Object(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(model: &str, asked: Value) -> Result<Value, ProviderError> {
        let Value::Object(mut asked) = asked else {
            panic!("not an object");
        };
        config(&mut asked, Model::of(model)).map(Value::Object)
    }

    #[test]
    fn parameters_have_googles_names() {
        let (pro, three) = ("gemini-2.5-pro", "gemini-3-flash-preview");
        for (model, asked, wanted) in [
            (
                pro,
                json!({"max_tokens": 5, "top_p": 0.5, "top_k": 3, "stop": "E", "seed": null}),
                json!({"maxOutputTokens": 5, "topP": 0.5, "topK": 3, "stopSequences": ["E"]}),
            ),
            (
                pro,
                json!({"reasoning_effort": "minimal"}),
                json!({"thinkingConfig": {"thinkingBudget": 128, "includeThoughts": true}}),
            ),
            (
                pro,
                json!({"thinking": {"type": "enabled", "budget_tokens": 7}}),
                json!({"thinkingConfig": {"thinkingBudget": 7, "includeThoughts": true}}),
            ),
            (
                three,
                json!({"reasoning_effort": {"effort": "none"}}),
                json!({"thinkingConfig": {"thinkingLevel": "minimal", "includeThoughts": false},
                    "temperature": 1.0}),
            ),
            (
                pro,
                json!({"modalities": ["text", "image"]}),
                json!({"responseModalities": ["TEXT", "IMAGE"]}),
            ),
            (
                pro,
                json!({"audio": {"voice": "Kore", "format": "pcm16"}}),
                json!({"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
                    "responseModalities": ["AUDIO"]}),
            ),
            (
                pro,
                json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}),
                json!({"responseMimeType": "application/json", "responseJsonSchema": {}}),
            ),
            (
                "gemini-1.5-pro",
                json!({"response_format": {"type": "json_object", "response_schema": {}}}),
                json!({"responseMimeType": "application/json", "responseSchema": {"type": "object"}}),
            ),
        ] {
            assert_eq!(
                said(model, asked.clone()).unwrap(),
                wanted,
                "{model} {asked}"
            );
        }
        assert!(said(pro, json!({"reasoning_effort": "much"})).is_err());
        assert!(said(pro, json!({"audio": {"format": "mp3"}})).is_err());
    }
}
