//! Ollama: <https://github.com/ollama/ollama/blob/main/docs/api.md>. `ollama_chat` sends
//! conversations as they are; `ollama` writes them out as one prompt, for models without a chat
//! template, and has the tools described in it.

mod answer;
mod prompt;
#[cfg(test)]
mod tests;

use http::HeaderMap;
use serde_json::{Value, json};

use self::answer::{Ollama as Answers, Shape};
use super::{
    Answer, Ask, Fault, Need, Parameters, Prepared, Provider, ProviderError, Step, completion,
    content,
    conversation::{self, Object, calls},
    lists,
    once::Once,
    request,
};
use crate::operation::Operation;

/// The rows of this file.
pub const OLLAMA: &[&dyn Provider] = &[
    &Ollama {
        name: "ollama",
        chats: false,
    },
    &Ollama {
        name: "ollama_chat",
        chats: true,
    },
];

const PARAMETERS: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "temperature",
    "seed",
    "frequency_penalty",
    "stop",
    "response_format",
    "reasoning_effort",
    "tools",
    "tool_choice",
    "functions",
];

/// Fields of a request that are none of the model's options.
const TOP: &[&str] = &[
    "keep_alive",
    "format",
    "think",
    "template",
    "system",
    "raw",
    "context",
];

/// The same of an embedding.
const TOP_EMBEDDING: &[&str] = &["truncate", "options", "keep_alive", "dimensions"];

/// See the [module](self).
#[derive(Debug)]
struct Ollama {
    name: &'static str,
    /// Whether conversations are sent as they are.
    chats: bool,
}

impl Provider for Ollama {
    fn name(&self) -> &'static str {
        self.name
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("http://localhost:11434")
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["OLLAMA_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["OLLAMA_API_KEY"]
    }

    fn serves(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Chat | Operation::Embedding)
    }

    fn parameters(&self, operation: Operation, _model: &str) -> Parameters {
        match operation {
            Operation::Chat => Parameters::only(PARAMETERS),
            _ => Parameters::only(&["dimensions"]),
        }
    }

    fn needs(&self, ask: &Ask<'_>) -> Result<Vec<Need>, ProviderError> {
        match ask.operation() {
            // Ollama takes images in base64 only.
            Operation::Chat => content::needs(ask, |_| true),
            _ => Ok(Vec::new()),
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        if ask.operation() == Operation::Embedding {
            return embed(ask);
        }
        let mut body = ask.object();
        let messages = conversation::take(&mut body);
        let texts = messages.iter().map(conversation::text);
        let prompt_bytes = texts.map(|text| text.len()).sum();
        let tools = tools(&mut body);
        let mut body = options(ask, body);
        body.insert("stream".to_owned(), ask.stream().into());
        let has_tools = !tools.is_empty();
        let path = if self.chats {
            let messages: Result<Vec<Value>, ProviderError> =
                messages.iter().map(|message| said(message, ask)).collect();
            body.insert("messages".to_owned(), json!(messages?));
            if has_tools {
                body.insert("tools".to_owned(), tools.into());
            }
            "/api/chat"
        } else {
            let images: Result<Vec<Value>, ProviderError> = messages
                .iter()
                .map(|message| pictures(message, ask))
                .collect();
            let images: Vec<Value> = images?.into_iter().flat_map(list).collect();
            body.insert("images".to_owned(), images.into());
            let prompt = prompt::written(&messages, &tools);
            body.insert("prompt".to_owned(), prompt.into());
            if has_tools {
                body.entry("format").or_insert_with(|| "json".into());
            }
            "/api/generate"
        };
        let uri = request::address(&ask.deployment.api_base, path);
        let outgoing = request::post(ask, uri, "Bearer", &body)?;
        let shape = match (self.chats, has_tools) {
            (true, _) => Shape::Message,
            (false, calls) => Shape::Text { calls },
        };
        Ok(Prepared {
            outgoing,
            reader: Box::new(Answers::new(ask, shape, prompt_bytes)),
            streams: ask.stream(),
        })
    }
}

/// The tools of a request, those of OpenAI's older dialect among them. Which one is called cannot
/// be chosen.
fn tools(body: &mut Object) -> Vec<Value> {
    body.remove("tool_choice");
    let tools = list(body.remove("tools").unwrap_or_default());
    let functions = list(body.remove("functions").unwrap_or_default());
    let functions = functions
        .into_iter()
        .map(|function| json!({ "type": "function", "function": function }));
    tools.into_iter().chain(functions).collect()
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

/// What a request says beside the conversation: some of it at the top, all else are options of the
/// model.
fn options(ask: &Ask<'_>, mut asked: Object) -> Object {
    asked.remove("stream");
    asked.remove("stream_options");
    asked.remove("user");
    let mut body = Object::new();
    body.insert("model".to_owned(), ask.model().into());
    if let Some(format) = asked.remove("response_format").as_ref().and_then(format) {
        body.insert("format".to_owned(), format);
    }
    if let Some(Value::String(effort)) = asked.remove("reasoning_effort") {
        let think = if ask.model().starts_with("gpt-oss") {
            effort.into()
        } else {
            matches!(&*effort, "low" | "medium" | "high").into()
        };
        body.insert("think".to_owned(), think);
    }
    request::rename(
        &mut asked,
        &[
            ("max_tokens", "num_predict"),
            ("max_completion_tokens", "num_predict"),
        ],
    );
    let (top, options): (Object, Object) = asked
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .partition(|(name, _)| TOP.contains(&name.as_str()));
    body.extend(top);
    body.insert("options".to_owned(), options.into());
    body
}

/// What an answer has to look like.
fn format(wanted: &Value) -> Option<Value> {
    match wanted.get("type")?.as_str()? {
        "json_object" => Some("json".into()),
        "json_schema" => wanted.pointer("/json_schema/schema").cloned(),
        _ => None,
    }
}

/// The images of a message, in base64.
fn pictures(message: &Object, ask: &Ask<'_>) -> Result<Value, ProviderError> {
    let images = conversation::images(message);
    let data: Result<Vec<Value>, ProviderError> = images
        .map(|image| image.encoded(&ask.fetched).map(|image| image.data.into()))
        .collect();
    data.map(Value::Array)
}

/// A message of a conversation.
fn said(message: &Object, ask: &Ask<'_>) -> Result<Value, ProviderError> {
    let mut said = Object::new();
    said.insert("role".to_owned(), conversation::role(message).into());
    said.insert("content".to_owned(), conversation::text(message).into());
    said.insert("images".to_owned(), pictures(message, ask)?);
    let asked: Vec<Value> = calls(message)
        .map(|call| json!({ "function": { "name": call.name, "arguments": call.object() } }))
        .collect();
    if !asked.is_empty() {
        said.insert("tool_calls".to_owned(), asked.into());
    }
    for (name, theirs) in [
        ("tool_call_id", "tool_call_id"),
        ("reasoning_content", "thinking"),
    ] {
        if let Some(text @ Value::String(_)) = message.get(name) {
            said.insert(theirs.to_owned(), text.clone());
        }
    }
    Ok(said.into())
}

fn embed(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let mut asked = ask.object();
    let input = match asked.remove("input") {
        Some(text @ Value::String(_)) => vec![text],
        Some(Value::Array(texts)) if texts.iter().all(Value::is_string) => texts,
        _ => {
            let message = "ollama embeds texts: send `input` as text or as a list of texts";
            return Err(ProviderError::Request(message.to_owned()));
        }
    };
    let (mut body, options): (Object, Object) = asked
        .into_iter()
        .partition(|(name, _)| TOP_EMBEDDING.contains(&name.as_str()));
    if !options.is_empty() {
        body.entry("options")
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .into_iter()
            .for_each(|all| all.extend(options.clone()));
    }
    body.insert("model".to_owned(), ask.model().into());
    body.insert("input".to_owned(), input.into());
    let uri = request::address(&ask.deployment.api_base, "/api/embed");
    // As LiteLLM: a server that wants a key for this gets it by `extra_headers`.
    let outgoing = request::post_with(ask, uri, HeaderMap::new(), &body)?;
    let model = ask.model().to_owned();
    Ok(Prepared {
        outgoing,
        reader: Box::new(Once(move |answer: Answer| embedded(&model, &answer))),
        streams: false,
    })
}

fn embedded(model: &str, answer: &Answer) -> Result<Step, Fault> {
    let mut said = completion::object(answer)?;
    let usage = completion::usage_from(said.get("prompt_eval_count"), None);
    match said.remove("embeddings") {
        Some(Value::Array(vectors)) => lists::embeddings(model, vectors, usage),
        _ => Err(completion::no_answer()),
    }
}
