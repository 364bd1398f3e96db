//! Hugging Face: OpenAI's dialect through its router or on an endpoint of one's own, and the
//! embeddings of its inference servers.
//! <https://huggingface.co/docs/inference-providers/tasks/chat-completion>.

use serde_json::{Value, json};

use super::{
    Answer, Ask, Fault, Parameters, Prepared, Provider, ProviderError, Setting, Step,
    alike::Alike,
    completion,
    conversation::{self, Object},
    lists,
    once::Once,
    request,
};
use crate::{operation::Operation, request::UsageOption, tokens};

/// The row of this file.
pub const HUGGINGFACE: &[&dyn Provider] = &[&HuggingFace];

/// What LiteLLM does not send there: not all models behind the router know it.
const UNKNOWN: &[&str] = &["reasoning_effort", "thinking", "verbosity"];

/// Options of an embedding that stand under `parameters`.
const PARAMETERS: &[&str] = &[
    "min_length",
    "max_length",
    "top_k",
    "top_p",
    "temperature",
    "repetition_penalty",
    "max_time",
];

/// Options that stand under `options`.
const OPTIONS: &[&str] = &["use_cache", "wait_for_model"];

/// See the [module](self).
#[derive(Debug)]
struct HuggingFace;

impl Provider for HuggingFace {
    fn name(&self) -> &'static str {
        "huggingface"
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("https://router.huggingface.co")
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["HF_API_BASE", "HUGGINGFACE_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["HF_TOKEN", "HUGGINGFACE_API_KEY"]
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting {
            key: "input_type",
            variables: &[],
        }]
    }

    fn serves(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Chat | Operation::Embedding)
    }

    fn parameters(&self, operation: Operation, _model: &str) -> Parameters {
        match operation {
            Operation::Chat => Parameters::AllBut(UNKNOWN),
            _ => Parameters::only(&[]),
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        if ask.operation() == Operation::Embedding {
            return embed(ask);
        }
        let base = &ask.deployment.api_base;
        let uri = if base.ends_with("/v1") {
            format!("{base}/chat/completions")
        } else if base.ends_with("/chat/completions") {
            base.clone()
        } else {
            format!("{base}/v1/chat/completions")
        };
        let mut body = ask.object();
        let outgoing = if conversation::has_developers(&body) {
            conversation::put_back(&mut body, ask);
            if ask.stream() {
                let options = json!({ "include_usage": true });
                body.insert("stream_options".to_owned(), options);
            }
            request::post(ask, uri, "Bearer", &body)?
        } else {
            request::post_as_it_is(ask, uri, UsageOption::Known)?
        };
        Ok(Prepared {
            outgoing,
            reader: Box::new(Alike::new("huggingface", ask)),
            streams: ask.stream(),
        })
    }
}

/// A server for one model is the deployment's address; the router has one for each model.
fn embed(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let mut asked = ask.object();
    let own = HuggingFace.default_base() == Some(&ask.deployment.api_base);
    let uri = if own {
        let model = ask.model();
        let base = &ask.deployment.api_base;
        format!("{base}/hf-inference/models/{model}/pipeline/feature-extraction")
    } else {
        ask.deployment.api_base.clone()
    };
    let input = asked.remove("input").unwrap_or_default();
    let kind = match asked.remove("input_type") {
        Some(Value::String(kind)) => Some(kind),
        _ => ask.deployment.settings.text("input_type"),
    };
    let bytes = input.to_string().len();
    let mut body = Object::new();
    body.insert("inputs".to_owned(), inputs(ask, kind.as_deref(), input)?);
    for (name, value) in asked {
        let group = match &*name {
            name if PARAMETERS.contains(&name) => Some("parameters"),
            name if OPTIONS.contains(&name) => Some("options"),
            _ => None,
        };
        let Some(group) = group else {
            body.insert(name, value);
            continue;
        };
        let group = body.entry(group).or_insert_with(|| json!({}));
        if let Some(group) = group.as_object_mut() {
            group.insert(name, value);
        }
    }
    let outgoing = request::post(ask, uri, "Bearer", &body)?;
    let model = ask.model().to_owned();
    Ok(Prepared {
        outgoing,
        reader: Box::new(Once(move |answer: Answer| embedded(&model, bytes, &answer))),
        streams: false,
    })
}

/// What is embedded; models that compare texts take one, and those it is compared with.
fn inputs(ask: &Ask<'_>, kind: Option<&str>, input: Value) -> Result<Value, ProviderError> {
    let names = match kind {
        Some("sentence-similarity" | "similarity") => ("source_sentence", "sentences"),
        Some("rerank") => ("query", "texts"),
        None if ask.model().contains("sentence-transformers") => ("source_sentence", "sentences"),
        _ => return Ok(input),
    };
    match input.as_array().map(Vec::as_slice) {
        Some([first, rest @ ..]) if !rest.is_empty() => {
            Ok(json!({ names.0: first, names.1: rest }))
        }
        _ => Err(ProviderError::Request(
            "this model compares texts: send two or more as `input`".to_owned(),
        )),
    }
}

/// A vector for each text, or one for each token of each text, of which the first counts.
fn embedded(model: &str, prompt_bytes: usize, answer: &Answer) -> Result<Step, Fault> {
    let said: Value =
        serde_json::from_slice(&answer.body).map_err(|_error| completion::no_answer())?;
    let list = match said {
        Value::Array(list) => list,
        Value::Object(mut said) => match said.remove("similarities") {
            Some(Value::Array(list)) => list,
            _ => return Err(completion::no_answer()),
        },
        _ => return Err(completion::no_answer()),
    };
    let vectors: Vec<Value> = list.into_iter().map(flat).collect();
    // Nobody says how much was read; the event counts by itself.
    let counted = tokens::estimated(prompt_bytes, 0);
    lists::embeddings_counted(model, vectors, &counted)
}

fn flat(vector: Value) -> Value {
    let nested = vector.get(0).and_then(|first| first.get(0).map(|_| first));
    match nested {
        Some(inner) if inner.get(0).is_some_and(Value::is_array) => {
            inner.get(0).cloned().unwrap_or_default()
        }
        Some(inner) => inner.clone(),
        None => vector,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::trial::{prepared, sent, whole};

    #[test]
    fn vectors_of_tokens_are_those_of_the_first() {
        for (vector, wanted) in [
            (json!([1.0, 2.0]), json!([1.0, 2.0])),
            (json!([[1.0, 2.0], [3.0, 4.0]]), json!([1.0, 2.0])),
            (json!([[[1.0], [2.0]]]), json!([1.0])),
            (json!(0.5), json!(0.5)),
        ] {
            assert_eq!(flat(vector), wanted);
        }
    }

    #[test]
    fn chats_go_to_the_router_or_to_a_server() {
        for (base, wanted) in [
            (None, "https://router.huggingface.co/v1/chat/completions"),
            (Some("https://x"), "https://x/v1/chat/completions"),
            (Some("https://x/v1"), "https://x/v1/chat/completions"),
            (
                Some("https://x/chat/completions"),
                "https://x/chat/completions",
            ),
        ] {
            let params = json!({ "model": "huggingface/a/b", "api_base": base });
            let request = json!({"messages": [{"role": "developer", "content": "x"}]});
            let (uri, body) = sent(&params, Operation::Chat, &request);
            assert_eq!(uri, wanted);
            assert_eq!(body["messages"][0]["role"], "system");
            assert_eq!(body["model"], "a/b");
        }
    }

    #[test]
    fn embeddings_are_asked_for_as_the_model_wants() {
        let params = |kind| json!({ "model": "huggingface/a/b", "input_type": kind });
        let compared = json!({"source_sentence": "a", "sentences": ["b"]});
        for (kind, wanted) in [
            ("feature-extraction", json!(["a", "b"])),
            ("sentence-similarity", compared),
            ("rerank", json!({"query": "a", "texts": ["b"]})),
        ] {
            let request = json!({"input": ["a", "b"], "top_k": 2, "use_cache": true});
            let (uri, body) = sent(&params(kind), Operation::Embedding, &request);
            let path = "/hf-inference/models/a/b/pipeline/feature-extraction";
            assert!(uri.ends_with(path));
            let wanted = json!({"inputs": wanted, "parameters": {"top_k": 2},
                "options": {"use_cache": true}});
            assert_eq!(body, wanted);
        }
        let alone = json!({"input": ["a"]});
        let refused = prepared(&params("rerank"), Operation::Embedding, &alone);
        assert!(refused.is_err());
        let asked = prepared(&params("x"), Operation::Embedding, &alone).unwrap();
        let (body, observed) = whole(asked, &json!([[1.0]])).unwrap();
        assert_eq!(body["data"][0]["embedding"], json!([1.0]));
        assert!(body["usage"]["prompt_tokens"].is_u64());
        assert_eq!(observed.usage, None);
    }
}
