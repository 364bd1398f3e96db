//! Jina AI's embeddings and reranking: <https://api.jina.ai/redoc>.

use serde_json::{Value, json};

use super::{
    Answer, Ask, Fault, Parameters, Prepared, Provider, ProviderError, Step, completion, lists,
    once::Once, request,
};
use crate::operation::Operation;

/// The row of this file.
pub const JINA_AI: &[&dyn Provider] = &[&JinaAi];

/// What it knows of a reranking.
const RERANK: &[&str] = &["query", "documents", "top_n", "return_documents"];

/// See the [module](self).
#[derive(Debug)]
struct JinaAi;

impl Provider for JinaAi {
    fn name(&self) -> &'static str {
        "jina_ai"
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("https://api.jina.ai/v1")
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["JINA_AI_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["JINA_AI_API_KEY", "JINA_API_KEY", "JINA_AI_TOKEN"]
    }

    fn serves(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Embedding | Operation::Rerank)
    }

    fn parameters(&self, operation: Operation, _model: &str) -> Parameters {
        match operation {
            Operation::Embedding => Parameters::only(&["dimensions"]),
            _ => Parameters::All,
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let mut body = ask.object();
        body.insert("model".to_owned(), ask.model().into());
        if ask.operation() == Operation::Embedding {
            let input = inputs(body.remove("input").unwrap_or_default());
            body.insert("input".to_owned(), input);
            let uri = request::address(&ask.deployment.api_base, "/embeddings");
            return Ok(Prepared {
                outgoing: request::post(ask, uri, "Bearer", &body)?,
                reader: Box::new(Once(|answer: Answer| lists::counted("jina_ai", &answer))),
                streams: false,
            });
        }
        body.retain(|name, _| name == "model" || RERANK.contains(&name.as_str()));
        let uri = request::versioned(&ask.deployment.api_base, "rerank");
        Ok(Prepared {
            outgoing: request::post(ask, uri, "Bearer", &body)?,
            reader: Box::new(Once(|answer: Answer| ranked(&answer))),
            streams: false,
        })
    }
}

/// A list of texts, or of texts and images where there is an image among them.
fn inputs(input: Value) -> Value {
    let list = match input {
        Value::Array(list) => list,
        one => vec![one],
    };
    let image = |value: &Value| {
        let (kind, data) = value.as_str()?.strip_prefix("data:")?.split_once(',')?;
        kind.ends_with(";base64").then(|| json!({ "image": data }))
    };
    if !list.iter().any(|value| image(value).is_some()) {
        return list.into();
    }
    let named = list.into_iter().map(|value| match image(&value) {
        Some(image) => image,
        None => json!({ "text": value }),
    });
    named.collect()
}

fn ranked(answer: &Answer) -> Result<Step, Fault> {
    let said = completion::object(answer)?;
    lists::reranked("jina_ai", &said, "results")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_from_texts() {
        for (input, wanted) in [
            (json!("a"), json!(["a"])),
            (json!(["a", "b"]), json!(["a", "b"])),
            (
                json!(["a", "data:image/png;base64,AA=="]),
                json!([{"text": "a"}, {"image": "AA=="}]),
            ),
        ] {
            assert_eq!(inputs(input), wanted);
        }
    }

    #[test]
    fn documents_are_objects_and_tokens_are_counted() {
        let said = json!({"usage": {"total_tokens": 28}, "results": [
            {"index": 1, "relevance_score": 0.5, "document": "a"},
            {"index": 0, "relevance_score": 0.25},
        ]});
        let said = said.as_object().unwrap();
        let Ok(Step::Done(whole)) = lists::reranked("jina_ai", said, "results") else {
            panic!("no answer");
        };
        let body: Value = serde_json::from_slice(&whole.body).unwrap();
        assert_eq!(body["results"][0]["document"], json!({"text": "a"}));
        assert_eq!(
            body["results"][1],
            json!({"index": 0, "relevance_score": 0.25})
        );
        assert_eq!(whole.observed.usage.unwrap().prompt_tokens, 28);
        assert!(lists::reranked("jina_ai", said, "data").is_err());
    }
}
