//! Vectors in OpenAI's dialect.

use event::Usage;
use serde_json::{Value, json};

use crate::{
    provider::{Fault, Step, completion},
    tokens,
};

/// Ends with `vectors`. Where the provider does not say what was consumed, the client is told a
/// rough count; the event counts by itself, and says so.
///
/// # Errors
///
/// None: it is a [`Step`] so that a reader can end with it.
pub fn done(
    model: &str,
    vectors: Vec<Value>,
    usage: Option<Usage>,
    prompt_bytes: usize,
) -> Result<Step, Fault> {
    let data: Vec<Value> = vectors
        .into_iter()
        .enumerate()
        .map(|(at, vector)| json!({ "object": "embedding", "index": at, "embedding": vector }))
        .collect();
    let told = usage
        .clone()
        .unwrap_or_else(|| tokens::estimated(prompt_bytes, 0));
    let answer = json!({ "object": "list", "model": model, "data": data, "usage": told });
    completion::whole(&answer, usage)
}
