//! Embeddings of the Gemini API, which are asked for in batches.

use serde_json::{Map, Value, json};

use super::super::{
    Ask, Fault, ProviderError, Step, completion,
    content::{list, text},
};
use crate::{error::ErrorClass, tokens};

/// Inputs that one request may have.
const INPUTS_MAX: usize = 2048;

/// The texts to embed.
///
/// # Errors
///
/// If they are no texts.
pub(in super::super) fn inputs(
    asked: &mut Map<String, Value>,
) -> Result<Vec<Value>, ProviderError> {
    let inputs = match asked.remove("input") {
        Some(Value::Array(inputs)) => inputs,
        Some(input @ Value::String(_)) => vec![input],
        _ => Vec::new(),
    };
    if inputs.is_empty() || inputs.len() > INPUTS_MAX {
        let message = format!("`input` must be a text or a list of 1 to {INPUTS_MAX} texts");
        return Err(ProviderError::Request(message));
    }
    Ok(inputs)
}

/// The body of a batch.
///
/// # Errors
///
/// If an input is no text.
pub(super) fn body(ask: &Ask<'_>) -> Result<Value, ProviderError> {
    let mut asked = ask.object();
    let inputs = inputs(&mut asked)?;
    let model = format!("models/{}", ask.model());
    let own = [
        ("dimensions", "outputDimensionality"),
        ("task_type", "taskType"),
        ("taskType", "taskType"),
        ("input_type", "taskType"),
        ("title", "title"),
    ];
    let mut fields = Map::new();
    for (name, own) in own {
        if let Some(value) = asked.remove(name).filter(|value| !value.is_null()) {
            fields.insert(own.to_owned(), value);
        }
    }
    let mut requests = Vec::with_capacity(inputs.len());
    for input in inputs {
        let Value::String(input) = input else {
            let message = "`input` must be text: Gemini does not take tokens";
            return Err(ProviderError::Request(message.to_owned()));
        };
        let mut request = fields.clone();
        request.insert("model".to_owned(), model.clone().into());
        request.insert(
            "content".to_owned(),
            json!({ "parts": [{ "text": input }] }),
        );
        requests.push(Value::Object(request));
    }
    Ok(json!({ "requests": requests }))
}

/// Says the answer in OpenAI's words. `bytes`: how long the inputs are, since nobody says how many
/// tokens they have.
///
/// # Errors
///
/// If it is none.
pub(super) fn whole(body: &[u8], model: &str, bytes: usize) -> Result<Step, Fault> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let embeddings = list(&answer, "embeddings");
    if embeddings.is_empty() {
        return Err(Fault {
            class: ErrorClass::BadGateway,
            message: "the provider's answer has no embeddings".to_owned(),
        });
    }
    let data = embeddings.iter().enumerate().map(|(index, one)| {
        json!({ "object": "embedding", "index": index, "embedding": one.get("values") })
    });
    let report = answer.get("usageMetadata").unwrap_or(&Value::Null);
    let usage = completion::usage_of("gemini", "aembedding", report);
    let shown = usage.clone().unwrap_or_else(|| tokens::estimated(bytes, 0));
    let said = json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": text(&answer, "modelVersion").unwrap_or(model),
        "usage": shown,
    });
    completion::whole(&said, usage)
}
