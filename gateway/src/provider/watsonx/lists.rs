//! Embeddings and reranking.

use serde_json::{Value, json};
use uuid::Uuid;

use super::post;
use crate::provider::{
    Answer, Ask, Fault, Prepared, ProviderError, Step, completion, conversation::Object, lists,
    once::Once,
};

pub(super) fn embed(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let mut parameters = ask.object();
    let inputs = match parameters.remove("input") {
        Some(text @ Value::String(_)) => vec![text],
        Some(Value::Array(texts)) if texts.iter().all(Value::is_string) => texts,
        _ => {
            let message = "watsonx embeds texts: send `input` as text or as a list of texts";
            return Err(ProviderError::Request(message.to_owned()));
        }
    };
    let mut body = Object::new();
    body.insert("inputs".to_owned(), inputs.into());
    body.insert("parameters".to_owned(), parameters.into());
    let outgoing = post(ask, "text/embeddings", body)?;
    let model = ask.model().to_owned();
    Ok(Prepared {
        outgoing,
        reader: Box::new(Once(move |answer: Answer| embedded(&model, &answer))),
        streams: false,
    })
}

fn embedded(model: &str, answer: &Answer) -> Result<Step, Fault> {
    let said = completion::object(answer)?;
    let results = said.get("results").and_then(Value::as_array);
    let results = results.ok_or_else(completion::no_answer)?;
    let vectors = results
        .iter()
        .filter_map(|one| one.get("embedding").cloned());
    let usage = completion::usage_from(said.get("input_token_count"), None);
    lists::embeddings(model, vectors.collect(), usage)
}

pub(super) fn rerank(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let mut asked = ask.object();
    let documents = match asked.remove("documents") {
        Some(Value::Array(documents)) => documents,
        _ => Vec::new(),
    };
    let inputs: Vec<Value> = documents
        .into_iter()
        .map(|document| match document {
            text @ Value::String(_) => json!({ "text": text }),
            other => other,
        })
        .collect();
    let options: Object = [("top_n", "top_n"), ("return_documents", "inputs")]
        .into_iter()
        .filter_map(|(from, to)| Some((to.to_owned(), asked.remove(from)?)))
        .collect();
    let mut parameters = Object::new();
    if !options.is_empty() {
        parameters.insert("return_options".to_owned(), options.into());
    }
    if let Some(bound) = asked.remove("max_tokens_per_doc") {
        parameters.insert("truncate_input_tokens".to_owned(), bound);
    }
    let mut body = Object::new();
    body.insert(
        "query".to_owned(),
        asked.remove("query").unwrap_or_default(),
    );
    body.insert("inputs".to_owned(), inputs.into());
    if !parameters.is_empty() {
        body.insert("parameters".to_owned(), parameters.into());
    }
    Ok(Prepared {
        outgoing: post(ask, "text/rerank", body)?,
        reader: Box::new(Once(|answer: Answer| ranked(&answer))),
        streams: false,
    })
}

fn ranked(answer: &Answer) -> Result<Step, Fault> {
    let said = completion::object(answer)?;
    let results = said.get("results").and_then(Value::as_array);
    let results = results.ok_or_else(completion::no_answer)?;
    let results: Vec<Value> = results
        .iter()
        .map(|one| {
            let document = match one.get("input") {
                Some(text @ Value::String(_)) => json!({ "text": text }),
                Some(other) => other.clone(),
                None => Value::Null,
            };
            lists::ranked(one.get("index"), one.get("score"), document)
        })
        .collect();
    let usage = completion::usage_from(said.get("input_token_count"), None);
    let id = format!("rerank-{}", Uuid::now_v7());
    completion::whole(&json!({ "id": id, "results": results }), usage)
}
