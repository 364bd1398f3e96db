//! What the provider can be asked for, and how strictly it looks at it.

use http::{HeaderMap, Method, header};
use serde_json::{Map, Value};

use super::{
    answer::Refusal,
    foreign, message,
    request::{self, Accepted},
    text,
};

/// A thing that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    Chat,
    Completion,
    Embedding,
    Responses,
    Messages,
    CountTokens,
    Rerank,
    Moderation,
    Image,
    ImageEdit,
    Transcription,
    Speech,
    /// Gemini's own dialect.
    Gemini,
    /// Cohere's own dialect.
    Cohere,
    /// A file, a batch, a stored response.
    Object,
}

const RESPONSES: &[&str] = &[
    "background",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];
const MESSAGES: &[&str] = &[
    "cache_control",
    "container",
    "context_management",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "output_config",
    "service_tier",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
const COUNT: &[&str] = &[
    "messages",
    "model",
    "system",
    "thinking",
    "tool_choice",
    "tools",
];
const RERANK: &[&str] = &[
    "documents",
    "model",
    "query",
    "return_documents",
    "top_n",
    "truncate",
];
const MODERATION: &[&str] = &["input", "model"];
const IMAGE: &[&str] = &[
    "background",
    "model",
    "moderation",
    "n",
    "output_compression",
    "output_format",
    "partial_images",
    "prompt",
    "quality",
    "response_format",
    "size",
    "stream",
    "style",
    "user",
];
const IMAGE_EDIT: &[&str] = &[
    "background",
    "image",
    "image[]",
    "input_fidelity",
    "mask",
    "model",
    "n",
    "output_format",
    "prompt",
    "quality",
    "response_format",
    "size",
    "stream",
    "user",
];
const TRANSCRIPTION: &[&str] = &[
    "chunking_strategy",
    "file",
    "include[]",
    "language",
    "model",
    "prompt",
    "response_format",
    "stream",
    "temperature",
    "timestamp_granularities[]",
];
const SPEECH: &[&str] = &[
    "input",
    "instructions",
    "model",
    "response_format",
    "speed",
    "stream_format",
    "voice",
];
/// What is kept, by the first part of its path.
const OBJECTS: &[&str] = &[
    "assistants",
    "batches",
    "containers",
    "files",
    "fine_tuning",
    "responses",
    "threads",
    "vector_stores",
];

impl Surface {
    /// What is asked for at `path`.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        if method == Method::POST && foreign::gemini(path).is_some() {
            return Some(Self::Gemini);
        }
        if method == Method::POST && path == "/v2/chat" {
            return Some(Self::Cohere);
        }
        let path = path.strip_prefix("/v1/")?;
        let posted = match path {
            "chat/completions" => Some(Self::Chat),
            "completions" => Some(Self::Completion),
            "embeddings" => Some(Self::Embedding),
            "responses" => Some(Self::Responses),
            "messages" => Some(Self::Messages),
            "messages/count_tokens" => Some(Self::CountTokens),
            "rerank" => Some(Self::Rerank),
            "moderations" => Some(Self::Moderation),
            "images/generations" => Some(Self::Image),
            "images/edits" => Some(Self::ImageEdit),
            "audio/transcriptions" => Some(Self::Transcription),
            "audio/speech" => Some(Self::Speech),
            _ => None,
        };
        let is_object = OBJECTS.contains(&path.split('/').next()?);
        match posted {
            Some(surface) => (method == Method::POST).then_some(surface),
            None => is_object.then_some(Self::Object),
        }
    }

    /// Looks at a request as the real API does.
    pub(super) fn accept(
        self,
        headers: &HeaderMap,
        key: Option<&str>,
        (path, body): (&str, &[u8]),
    ) -> Result<Accepted, Refusal> {
        match self {
            Self::Gemini => return foreign::accept_gemini(headers, key, (path, body)),
            Self::Cohere => return foreign::accept_cohere(headers, key, body),
            _ => {}
        }
        if matches!(self, Self::Messages | Self::CountTokens) {
            anthropic(headers, key)?;
        } else {
            request::authorize(headers, key)?;
        }
        let json = |known| request::object(headers, body, known);
        match self {
            Self::Chat => request::chat(headers, body),
            Self::Completion => text::accept(headers, body),
            Self::Embedding => request::embedding(headers, body),
            Self::Responses => accepted(&json(RESPONSES)?, "input"),
            Self::Messages => {
                let object = json(MESSAGES)?;
                if !object.get("max_tokens").is_some_and(Value::is_u64) {
                    return Err(Refusal::invalid("max_tokens", "max_tokens: Field required"));
                }
                let odd = object.get("metadata").and_then(Value::as_object);
                if odd.is_some_and(|odd| odd.keys().any(|name| name != "user_id")) {
                    return Err(Refusal::invalid("metadata", "metadata: Extra inputs"));
                }
                message::check(headers, &object)?;
                accepted(&object, "messages")
            }
            Self::CountTokens => accepted(&json(COUNT)?, "messages"),
            Self::Rerank => {
                let object = json(RERANK)?;
                let documents = object.get("documents").and_then(Value::as_array);
                let is_text = |documents: &Vec<Value>| {
                    !documents.is_empty() && documents.iter().all(Value::is_string)
                };
                if !documents.is_some_and(is_text) {
                    return Err(Refusal::invalid("documents", "'documents' must be texts"));
                }
                accepted(&object, "query")
            }
            Self::Moderation => accepted(&json(MODERATION)?, "input"),
            Self::Image => accepted(&json(IMAGE)?, "prompt"),
            Self::Speech => {
                let object = json(SPEECH)?;
                if !object.get("voice").is_some_and(Value::is_string) {
                    return Err(Refusal::invalid("voice", "'voice' is required"));
                }
                accepted(&object, "input")
            }
            Self::ImageEdit => form(headers, body, IMAGE_EDIT, "image"),
            Self::Transcription => form(headers, body, TRANSCRIPTION, "file"),
            Self::Object | Self::Gemini | Self::Cohere => Ok(Accepted::default()),
        }
    }
}

/// Anthropic's way to show a key.
fn anthropic(headers: &HeaderMap, key: Option<&str>) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if !text("anthropic-version").is_some_and(|version| message::VERSIONS.contains(&version)) {
        return Err(Refusal::invalid("anthropic-version", "no such version"));
    }
    match (text("x-api-key"), key) {
        (None, _) => Err(Refusal::unauthorized("x-api-key header is required")),
        (Some(given), Some(key)) if given != key => Err(Refusal::unauthorized("invalid x-api-key")),
        _ => Ok(()),
    }
}

fn accepted(object: &Map<String, Value>, content: &str) -> Result<Accepted, Refusal> {
    let prompt = match object.get(content) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Array(list)) if !list.is_empty() => {
            list.last().map(request::content).unwrap_or_default()
        }
        _ => return Err(Refusal::invalid(content, "this field is required")),
    };
    Ok(Accepted {
        model: request::model(object)?,
        prompt,
        stream: request::boolean(object, "stream")?,
        tools: request::tools(object, "/name")?,
        ..Accepted::default()
    })
}

/// A form: its parts by name, and the file among them.
fn form(headers: &HeaderMap, body: &[u8], known: &[&str], file: &str) -> Result<Accepted, Refusal> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|kind| kind.strip_prefix("multipart/form-data; boundary="))
        .map(|boundary| format!("--{}", boundary.trim_matches('"')));
    let Some(delimiter) = kind else {
        return Err(Refusal::invalid("", "The content type must be a form."));
    };
    // Sound is no text, but its delimiters are.
    let text: String = body.iter().copied().map(char::from).collect();
    let mut object = Map::new();
    let mut has_file = false;
    let end = format!("{delimiter}--\r\n");
    let Some(text) = text.strip_suffix(&end) else {
        return Err(Refusal::invalid("", "The form has no end."));
    };
    for part in text.split(&format!("{delimiter}\r\n")).skip(1) {
        let (head, value) = part.split_once("\r\n\r\n").unwrap_or((part, ""));
        let value = value.trim_end_matches("\r\n");
        let head = head.to_ascii_lowercase();
        let name = head
            .split(" name=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let Some(name) = name.filter(|name| known.contains(name)) else {
            return Err(Refusal::invalid("", &format!("Unrecognized part: {head}")));
        };
        if head.contains("filename=") {
            has_file |= name.trim_end_matches("[]") == file && !value.is_empty();
        } else if object.insert(name.to_owned(), value.into()).is_some() && !name.ends_with("[]") {
            return Err(Refusal::invalid(name, "this part stands in the form twice"));
        }
    }
    if !has_file {
        return Err(Refusal::invalid(file, "no file in the form"));
    }
    let stream = object.get("stream").and_then(Value::as_str) == Some("true");
    let prompt = object.get("prompt").and_then(Value::as_str);
    Ok(Accepted {
        model: request::model(&object)?,
        prompt: prompt.unwrap_or_default().to_owned(),
        stream,
        ..Accepted::default()
    })
}
