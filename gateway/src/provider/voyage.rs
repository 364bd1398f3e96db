//! Voyage AI's embeddings and reranking: <https://docs.voyageai.com/reference/embeddings-api>.

use super::{
    Answer, Ask, Fault, Parameters, Prepared, Provider, ProviderError, Setting, Step, completion,
    lists, once::Once, request,
};
use crate::operation::Operation;

/// The row of this file.
pub const VOYAGE: &[&dyn Provider] = &[&Voyage];

const BASE: &str = "https://api.voyageai.com/v1";

/// Where keys of MongoDB's are good, which begin with [`MONGODB_KEY`].
const MONGODB_BASE: &str = "https://ai.mongodb.com/v1";
const MONGODB_KEY: &str = "al-";

/// What it knows of a reranking.
const RERANK: &[&str] = &[
    "query",
    "documents",
    "top_k",
    "return_documents",
    "truncation",
];

/// See the [module](self).
#[derive(Debug)]
struct Voyage;

impl Provider for Voyage {
    fn name(&self) -> &'static str {
        "voyage"
    }

    fn default_base(&self) -> Option<&'static str> {
        Some(BASE)
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN"]
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting {
            key: "input_type",
            variables: &[],
        }]
    }

    fn serves(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Embedding | Operation::Rerank)
    }

    fn parameters(&self, operation: Operation, _model: &str) -> Parameters {
        match operation {
            Operation::Embedding => Parameters::only(&["encoding_format", "dimensions"]),
            _ => Parameters::All,
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let mut body = ask.object();
        let base = base(ask);
        if ask.operation() == Operation::Embedding {
            request::rename(&mut body, &[("dimensions", "output_dimension")]);
            if let Some(kind) = ask.deployment.settings.text("input_type") {
                body.entry("input_type").or_insert_with(|| kind.into());
            }
            body.insert("model".to_owned(), ask.model().into());
            let uri = request::address(base, "/embeddings");
            return Ok(Prepared {
                outgoing: request::post(ask, uri, "Bearer", &body)?,
                reader: Box::new(Once(|answer: Answer| lists::counted("voyage", &answer))),
                streams: false,
            });
        }
        request::rename(&mut body, &[("top_n", "top_k")]);
        body.retain(|name, _| RERANK.contains(&name.as_str()));
        body.insert("model".to_owned(), ask.model().into());
        let uri = request::versioned(base, "rerank");
        Ok(Prepared {
            outgoing: request::post(ask, uri, "Bearer", &body)?,
            reader: Box::new(Once(|answer: Answer| ranked(&answer))),
            streams: false,
        })
    }
}

/// The deployment's address, or the one that its key is good for.
fn base<'a>(ask: &Ask<'a>) -> &'a str {
    let deployment = ask.deployment;
    let key = deployment.api_key.as_ref().map(event::Secret::expose);
    let mongodb = key.is_some_and(|key| key.starts_with(MONGODB_KEY));
    if mongodb && deployment.api_base == BASE {
        MONGODB_BASE
    } else {
        &deployment.api_base
    }
}

fn ranked(answer: &Answer) -> Result<Step, Fault> {
    let said = completion::object(answer)?;
    lists::reranked("voyage", &said, "data")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::trial::{prepared, sent, whole};

    #[test]
    fn embeddings_have_a_total_only() {
        let params = json!({ "model": "voyage/v3", "input_type": "query", "api_key": "al-k" });
        let request = json!({"input": "a", "dimensions": 2});
        let (uri, body) = sent(&params, Operation::Embedding, &request);
        assert_eq!(uri, "https://ai.mongodb.com/v1/embeddings");
        let wanted = json!({"input": "a", "output_dimension": 2, "input_type": "query",
            "model": "v3"});
        assert_eq!(body, wanted);
        let asked = prepared(&params, Operation::Embedding, &request).unwrap();
        let said = json!({"data": [], "usage": {"total_tokens": 8}});
        let (body, observed) = whole(asked, &said).unwrap();
        assert_eq!(body["usage"]["prompt_tokens"], 8);
        assert_eq!(observed.usage.unwrap().total_tokens, 8);
    }

    #[test]
    fn rerankings_have_names_of_their_own() {
        let params = json!({ "model": "voyage/rerank-2", "api_base": "https://x" });
        let request = json!({"query": "q", "documents": ["a"], "top_n": 1,
            "max_chunks_per_doc": 4});
        let (uri, body) = sent(&params, Operation::Rerank, &request);
        assert_eq!(uri, "https://x/v1/rerank");
        let wanted = json!({"query": "q", "documents": ["a"], "top_k": 1, "model": "rerank-2"});
        assert_eq!(body, wanted);
        let asked = prepared(&params, Operation::Rerank, &request).unwrap();
        let said = json!({"data": [{"index": 0, "relevance_score": 0.5}],
            "usage": {"total_tokens": 26}});
        let (body, observed) = whole(asked, &said).unwrap();
        assert_eq!(
            body["results"],
            json!([{"index": 0, "relevance_score": 0.5}])
        );
        assert_eq!(observed.usage.unwrap().prompt_tokens, 26);
    }
}
