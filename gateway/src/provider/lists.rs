//! Writes embeddings and rerankings as LiteLLM's clients get them.

use event::Usage;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Answer, Fault, Step,
    completion::{no_answer, object, usage_of, whole},
};

/// Vectors in OpenAI's dialect.
///
/// # Errors
///
/// None: it is a [`Step`] so that a reader can end with it.
pub fn embeddings(model: &str, vectors: Vec<Value>, usage: Option<Usage>) -> Result<Step, Fault> {
    whole(&list_of(model, vectors, usage.as_ref()), usage)
}

/// Vectors for which the client is told a count that is not the provider's.
///
/// # Errors
///
/// None: it is a [`Step`] so that a reader can end with it.
pub fn embeddings_counted(
    model: &str,
    vectors: Vec<Value>,
    counted: &Usage,
) -> Result<Step, Fault> {
    whole(&list_of(model, vectors, Some(counted)), None)
}

fn list_of(model: &str, vectors: Vec<Value>, usage: Option<&Usage>) -> Value {
    let data: Vec<Value> = vectors
        .into_iter()
        .enumerate()
        .map(
            |(index, vector)| json!({ "object": "embedding", "index": index, "embedding": vector }),
        )
        .collect();
    let mut answer = json!({ "object": "list", "data": data, "model": model });
    if let (Some(usage), Some(answer)) = (usage, answer.as_object_mut()) {
        answer.insert("usage".to_owned(), json!(usage));
    }
    answer
}

/// Vectors that come in OpenAI's dialect, but for a usage that may have nothing but a total.
///
/// # Errors
///
/// If there are no vectors.
pub fn counted(provider: &str, answer: &Answer) -> Result<Step, Fault> {
    let mut said = object(answer)?;
    if !said.contains_key("data") {
        return Err(no_answer());
    }
    let report = said.get("usage").cloned().unwrap_or_default();
    let usage = usage_of(provider, "aembedding", &report);
    if let Some(usage) = &usage {
        said.insert("usage".to_owned(), json!(usage));
    }
    whole(&Value::Object(said), usage)
}

/// A document of a reranking; `document` is `null` if it was not asked for.
#[must_use]
pub fn ranked(index: Option<&Value>, score: Option<&Value>, document: Value) -> Value {
    let mut ranked = json!({ "index": index, "relevance_score": score });
    if let (Some(ranked), false) = (ranked.as_object_mut(), document.is_null()) {
        ranked.insert("document".to_owned(), document);
    }
    ranked
}

/// A reranking in LiteLLM's shape, from an answer that has its documents under `list` and counts
/// tokens.
///
/// # Errors
///
/// If there are no documents.
pub fn reranked(provider: &str, said: &Map<String, Value>, list: &str) -> Result<Step, Fault> {
    let results = said.get(list).and_then(Value::as_array);
    let results: Vec<Value> = results
        .ok_or_else(no_answer)?
        .iter()
        .map(|result| {
            let document = match result.get("document") {
                Some(text @ Value::String(_)) => json!({ "text": text }),
                Some(other) => other.clone(),
                None => Value::Null,
            };
            ranked(result.get("index"), result.get("relevance_score"), document)
        })
        .collect();
    let report = said.get("usage").cloned().unwrap_or_default();
    let usage = usage_of(provider, "arerank", &report);
    let total = usage.as_ref().map(|usage| usage.total_tokens);
    let fresh = || Value::from(format!("rerank-{}", Uuid::now_v7()));
    let answer = json!({
        "id": said.get("id").cloned().unwrap_or_else(fresh),
        "results": results,
        "meta": { "billed_units": { "total_tokens": total } },
    });
    whole(&answer, usage)
}
