//! Embeddings and reranking: <https://docs.cohere.com/reference/embed>.

use serde_json::{Value, json};

use super::address;
use crate::provider::{
    Answer, Ask, Fault, Prepared, ProviderError, Step, completion, conversation::Object, lists,
    once::Once, request,
};

/// What texts are embedded for if nobody says it.
const INPUT_TYPE: &str = "search_document";

pub(super) fn embed(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let mut body = ask.object();
    let texts = match body.remove("input") {
        Some(Value::Array(texts)) if texts.iter().all(Value::is_string) => texts,
        Some(Value::String(text)) => vec![text.into()],
        _ => {
            let message = "cohere embeds texts: send `input` as text or as a list of texts";
            return Err(ProviderError::Request(message.to_owned()));
        }
    };
    let is_image = |text: &Value| {
        text.as_str()
            .is_some_and(|text| text.starts_with("data:image/"))
    };
    let images = texts.iter().all(is_image) && !texts.is_empty();
    let (content, kind) = if images {
        ("images", "image".to_owned())
    } else {
        let set = ask.deployment.settings.text("input_type");
        ("texts", set.unwrap_or_else(|| INPUT_TYPE.to_owned()))
    };
    body.insert(content.to_owned(), texts.into());
    body.entry("input_type").or_insert_with(|| kind.into());
    if let Some(format) = body.remove("encoding_format") {
        body.insert("embedding_types".to_owned(), json!([format]));
    }
    request::rename(&mut body, &[("dimensions", "output_dimension")]);
    body.insert("model".to_owned(), ask.model().into());
    let outgoing = request::post(ask, address(ask, "v2", "embed"), "Bearer", &body)?;
    let model = ask.model().to_owned();
    Ok(Prepared {
        outgoing,
        reader: Box::new(Once(move |answer| embedded(&model, &answer))),
        streams: false,
    })
}

/// Vectors stand under their format, and in older answers alone. Only one format is asked for.
fn embedded(model: &str, answer: &Answer) -> Result<Step, Fault> {
    let mut said = completion::object(answer)?;
    let usage = completion::usage_of("cohere", "aembedding", &json!(said.get("meta")));
    let vectors = match said.remove("embeddings") {
        Some(Value::Array(vectors)) => vectors,
        Some(Value::Object(formats)) => {
            let mut lists = formats.into_iter().filter_map(|(_, list)| match list {
                Value::Array(vectors) if !vectors.is_empty() => Some(vectors),
                _ => None,
            });
            lists.next().unwrap_or_default()
        }
        _ => return Err(completion::no_answer()),
    };
    lists::embeddings(model, vectors, usage)
}

/// What version 2 knows of a reranking.
const RERANK: &[&str] = &[
    "query",
    "documents",
    "top_n",
    "max_tokens_per_doc",
    "rank_fields",
    "return_documents",
];

pub(super) fn rerank(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let asked = ask.object().into_iter();
    let mut body: Object = asked
        .filter(|(name, _)| RERANK.contains(&name.as_str()))
        .collect();
    body.insert("model".to_owned(), ask.model().into());
    let outgoing = request::post(ask, address(ask, "v2", "rerank"), "Bearer", &body)?;
    Ok(Prepared {
        outgoing,
        reader: Box::new(Once(|answer: Answer| ranked(&answer))),
        streams: false,
    })
}

/// LiteLLM's shape of a reranking is Cohere's.
fn ranked(answer: &Answer) -> Result<Step, Fault> {
    let said = Value::Object(completion::object(answer)?);
    if said.get("results").is_none() {
        return Err(completion::no_answer());
    }
    let usage = completion::usage_of("cohere", "arerank", &json!(said.get("meta")));
    completion::whole(&said, usage)
}
