//! Texts as vectors: Titan takes one text at a time, Cohere many.

use event::Usage;
use serde_json::{Map, Value, json};

use super::{
    super::{
        Answer, Fault, Outgoing, Parameters, Prepared, ProviderError, Reader, Step, StreamedAnswer,
        aws::{self, embeddings},
        completion,
        sse::OpenAiStream,
    },
    Runtime,
};

/// Texts that one request may have.
const TEXTS_MAX: usize = 2048;

/// OpenAI's parameters that a model knows.
pub(super) fn parameters(name: &str) -> Parameters {
    Parameters::only(if name.starts_with("cohere.") {
        &["encoding_format", "dimensions"]
    } else if name.contains("titan-embed-text-v2") {
        &["dimensions", "encoding_format"]
    } else if name.contains("titan-embed-image") {
        &["dimensions"]
    } else {
        &[]
    })
}

/// Says a request for vectors in the model's dialect.
pub(super) fn prepare(runtime: &Runtime<'_>) -> Result<Prepared, ProviderError> {
    let mut asked = runtime.ask.object();
    let input = asked.remove("input").unwrap_or_default();
    let texts = match input {
        Value::Array(texts) => texts,
        text => vec![text],
    };
    if texts.is_empty() || texts.len() > TEXTS_MAX || !texts.iter().all(Value::is_string) {
        let message = format!("`input` must be text, or a list of 1 to {TEXTS_MAX} texts");
        return Err(ProviderError::Request(message));
    }
    asked.remove("user");
    asked.retain(|_, value| !value.is_null());
    let name = runtime.model.name.as_str();
    let bodies = if name.starts_with("cohere.") {
        vec![cohere(texts, asked)]
    } else if name.contains("titan-embed") {
        texts
            .into_iter()
            .map(|text| titan(name, text, &asked))
            .collect()
    } else {
        return Err(ProviderError::Request(format!(
            "`{name}` is no model for embeddings that is known here: there are Titan's and Cohere's"
        )));
    };
    let requests = bodies.iter().map(|body| runtime.outgoing("invoke", body));
    let mut requests: Vec<Outgoing> = requests.collect::<Result<_, _>>()?;
    // The first is taken from the end.
    requests.reverse();
    let missing = || ProviderError::Request("`input` is empty".to_owned());
    let outgoing = requests.pop().ok_or_else(missing)?;
    let reader = Box::new(Reading {
        requests,
        vectors: Vec::new(),
        usage: Some(Usage::default()),
        model: runtime.model.id.clone(),
        prompt_bytes: runtime.ask.request.prompt_bytes(),
    });
    Ok(Prepared {
        outgoing,
        reader,
        streams: false,
    })
}

fn titan(name: &str, text: Value, asked: &Map<String, Value>) -> Map<String, Value> {
    let mut body = asked.clone();
    // Clients ask for base64 to save bytes; the numbers are the same.
    if body.remove("encoding_format").is_some() {
        body.insert("embeddingTypes".to_owned(), json!(["float"]));
    }
    if name.contains("titan-embed-image") {
        if let Some(length) = body.remove("dimensions") {
            let config = json!({ "outputEmbeddingLength": length });
            body.insert("embeddingConfig".to_owned(), config);
        }
        let image = text
            .as_str()
            .and_then(|text| text.strip_prefix("data:image/"));
        if let Some((_, data)) = image.and_then(|image| image.split_once(";base64,")) {
            body.insert("inputImage".to_owned(), data.into());
            return body;
        }
    } else if !name.contains("titan-embed-text-v2") {
        body.clear();
    }
    body.insert("inputText".to_owned(), text);
    body
}

fn cohere(texts: Vec<Value>, mut asked: Map<String, Value>) -> Map<String, Value> {
    const OWN: &[&str] = &[
        "input_type",
        "truncate",
        "embedding_types",
        "output_dimension",
        "images",
    ];
    if asked.remove("encoding_format").is_some() {
        asked.insert("embedding_types".to_owned(), json!(["float"]));
    }
    if let Some(length) = asked.remove("dimensions") {
        asked.insert("output_dimension".to_owned(), length);
    }
    asked.retain(|name, _| OWN.contains(&name.as_str()));
    asked
        .entry("input_type")
        .or_insert("search_document".into());
    asked.insert("texts".to_owned(), Value::Array(texts));
    asked
}

/// Collects the vectors of one request after the other.
struct Reading {
    /// Those that are still to be sent, the next one last.
    requests: Vec<Outgoing>,
    vectors: Vec<Value>,
    /// What was consumed, as long as every answer says so.
    usage: Option<Usage>,
    model: String,
    prompt_bytes: usize,
}

impl Reader for Reading {
    fn whole(mut self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let body: Value =
            serde_json::from_slice(&answer.body).map_err(|_error| aws::fault::no_answer())?;
        let found = vectors(&body).ok_or_else(aws::fault::no_answer)?;
        self.vectors.extend(found);
        self.usage = match (self.usage.take(), counted(&answer, &body)) {
            (Some(mut sum), Some(count)) => {
                sum.prompt_tokens = sum.prompt_tokens.saturating_add(count);
                sum.total_tokens = sum.prompt_tokens;
                Some(sum)
            }
            _ => None,
        };
        match self.requests.pop() {
            Some(outgoing) => Ok(Step::Again(
                std::time::Duration::ZERO,
                Box::new(Prepared {
                    outgoing,
                    reader: self,
                    streams: false,
                }),
            )),
            None => embeddings::done(&self.model, self.vectors, self.usage, self.prompt_bytes),
        }
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(OpenAiStream::new(strip_usage))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        aws::fault::of_answer(answer)
    }
}

/// The vectors of an answer, as numbers.
fn vectors(body: &Value) -> Option<Vec<Value>> {
    let by_type = |value: &Value| value.get("float").cloned();
    if let Some(one) = body.get("embeddingsByType").and_then(by_type) {
        return Some(vec![one]);
    }
    if let Some(one) = body.get("embedding").filter(|one| one.is_array()) {
        return Some(vec![one.clone()]);
    }
    let many = body.get("embeddings")?;
    let many = by_type(many).unwrap_or_else(|| many.clone());
    match many {
        Value::Array(many) => Some(many),
        _ => None,
    }
}

fn counted(answer: &Answer, body: &Value) -> Option<u64> {
    let own = || body.get("inputTextTokenCount").cloned();
    let header = answer.headers.get("x-amzn-bedrock-input-token-count");
    let header = header.and_then(|count| count.to_str().ok()?.parse::<u64>().ok());
    let count = own().or_else(|| header.map(Value::from))?;
    let report = json!({ "inputTextTokenCount": count });
    Some(completion::usage_of("bedrock", "aembedding", &report)?.prompt_tokens)
}
