//! Embeddings on Vertex AI, which are predictions of a model.

use event::{PromptDetails, Usage};
use serde_json::{Map, Value, json};

use super::super::{
    Ask, Fault, ProviderError, Step, completion,
    content::{list, text},
    gemini,
};
use crate::error::ErrorClass;

/// The body of a prediction.
///
/// # Errors
///
/// If there is nothing to embed.
pub(super) fn body(ask: &Ask<'_>) -> Result<Value, ProviderError> {
    let mut asked = ask.object();
    let inputs = gemini::inputs(&mut asked)?;
    let task = asked
        .get("task_type")
        .or_else(|| asked.get("input_type"))
        .cloned();
    let title = asked.remove("title");
    let instances = inputs.into_iter().map(|input| {
        let mut instance = Map::new();
        instance.insert("content".to_owned(), input);
        for (name, value) in [("task_type", &task), ("title", &title)] {
            if let Some(value) = value {
                instance.insert(name.to_owned(), value.clone());
            }
        }
        Value::Object(instance)
    });
    let instances: Vec<Value> = instances.collect();
    if let Some(task) = task {
        asked.insert("task_type".to_owned(), task);
    }
    if let Some(dimensions) = asked.remove("dimensions") {
        asked.insert("outputDimensionality".to_owned(), dimensions);
    }
    asked.retain(|name, value| !value.is_null() && name != "encoding_format");
    Ok(json!({ "instances": instances, "parameters": asked }))
}

/// Says the answer in OpenAI's words.
///
/// # Errors
///
/// If it is none.
pub(super) fn whole(body: &[u8], model: &str) -> Result<Step, Fault> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let predictions = list(&answer, "predictions");
    let embeddings: Vec<&Value> = predictions
        .iter()
        .filter_map(|prediction| prediction.get("embeddings"))
        .collect();
    if embeddings.is_empty() {
        return Err(Fault {
            class: ErrorClass::BadGateway,
            message: "the provider's answer has no embeddings".to_owned(),
        });
    }
    let counts = embeddings
        .iter()
        .filter_map(|one| one.get("statistics")?.get("token_count"));
    let tokens = counts
        .filter_map(Value::as_u64)
        .fold(0, u64::saturating_add);
    let metadata = answer.get("metadata").unwrap_or(&Value::Null);
    let characters = metadata
        .get("billableCharacterCount")
        .and_then(Value::as_u64);
    let usage = Usage {
        prompt_tokens: tokens,
        total_tokens: tokens,
        prompt_tokens_details: characters.map(|characters| PromptDetails {
            character_count: Some(characters),
            ..PromptDetails::default()
        }),
        ..Usage::default()
    };
    let data = embeddings.iter().enumerate().map(|(index, one)| {
        json!({ "object": "embedding", "index": index, "embedding": one.get("values") })
    });
    let said = json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": text(&answer, "model").unwrap_or(model),
        "usage": usage,
    });
    completion::whole(&said, Some(usage))
}
