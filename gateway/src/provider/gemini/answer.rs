//! Candidates as choices, whether they come whole or in pieces.

use event::{Json, PromptDetails, Timestamp, Usage};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    super::{
        Answer, Fault, Step,
        completion::{self, Choice, Completion},
        content::{list, text},
        openai,
    },
    contents::SIGNATURE,
};
use crate::error::ErrorClass;

/// Seconds for which audio can be referred to, as OpenAI's answers say it.
const AUDIO_LIVES: i64 = 24 * 60 * 60;

/// What the parts of one candidate say.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) content: String,
    pub(super) reasoning: String,
    /// Calls without their index.
    pub(super) calls: Vec<Value>,
    pub(super) images: Vec<Value>,
    pub(super) audio: Option<Value>,
    thoughts: Vec<Value>,
    pub(super) signatures: Vec<Value>,
}

impl Parts {
    /// Reads what a candidate holds.
    pub(super) fn of(candidate: &Value, now: Timestamp) -> Self {
        let mut parts = Self::default();
        let content = candidate.get("content").unwrap_or(&Value::Null);
        for part in list(content, "parts") {
            parts.read(part, now);
        }
        parts
    }

    fn read(&mut self, part: &Value, now: Timestamp) {
        let signature = text(part, "thoughtSignature");
        let is_thought = part.get("thought") == Some(&Value::Bool(true));
        if let Some(words) = text(part, "text") {
            if is_thought {
                self.reasoning.push_str(words);
                let mut thought = json!({ "type": "thinking", "thinking": words });
                if let (Some(signature), Some(fields)) = (signature, thought.as_object_mut()) {
                    fields.insert("signature".to_owned(), signature.into());
                }
                self.thoughts.push(thought);
            } else {
                self.content.push_str(words);
            }
        }
        if let Some(blob) = part.get("inlineData") {
            self.blob(blob, now);
        }
        for (name, label) in [
            ("executableCode", "code"),
            ("codeExecutionResult", "output"),
        ] {
            if let Some(ran) = part.get(name).and_then(|ran| text(ran, label)) {
                // What Google ran itself is part of the answer's text.
                self.content.push_str(ran);
            }
        }
        if let Some(call) = part.get("functionCall") {
            self.calls.push(tool_call(call, signature));
        }
        self.signatures.extend(signature.map(Value::from));
    }

    fn blob(&mut self, blob: &Value, now: Timestamp) {
        let kind = text(blob, "mimeType").unwrap_or_default();
        let data = text(blob, "data").unwrap_or_default();
        if kind.starts_with("audio/") {
            let until = now.to_utc().timestamp().saturating_add(AUDIO_LIVES);
            let id = format!("audio_{}", Uuid::now_v7().simple());
            let audio = json!({ "id": id, "data": data, "expires_at": until, "transcript": "" });
            self.audio.get_or_insert(audio);
            return;
        }
        let address = format!("data:{kind};base64,{data}");
        if kind.starts_with("image/") {
            let image = json!({ "url": address, "detail": "auto" });
            let index = self.images.len();
            self.images
                .push(json!({ "type": "image_url", "image_url": image, "index": index }));
        } else {
            self.content.push_str(&address);
        }
    }

    fn message(self, annotations: Vec<Value>) -> Map<String, Value> {
        let mut message = Map::new();
        let mut put = |name: &str, value: Value| {
            let is_empty = match &value {
                Value::String(text) => text.is_empty(),
                Value::Array(list) => list.is_empty(),
                Value::Null => true,
                _ => false,
            };
            if !is_empty {
                message.insert(name.to_owned(), value);
            }
        };
        put("content", self.content.into());
        put("reasoning_content", self.reasoning.into());
        put("thinking_blocks", self.thoughts.into());
        put("tool_calls", self.calls.into());
        put("images", self.images.into());
        put("audio", self.audio.unwrap_or_default());
        put("annotations", annotations.into());
        if !self.signatures.is_empty() {
            put(
                "provider_specific_fields",
                json!({ "thought_signatures": self.signatures }),
            );
        }
        message
    }
}

/// A call; the signature of the thought behind it travels in its id, which clients give back.
fn tool_call(call: &Value, signature: Option<&str>) -> Value {
    let mut id = match text(call, "id") {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => format!("call_{}", Uuid::now_v7().simple()),
    };
    if let Some(signature) = signature {
        id = format!("{id}{SIGNATURE}{signature}");
    }
    let arguments = call.get("args").filter(|arguments| !arguments.is_null());
    let arguments = Json::of(arguments.unwrap_or(&json!({})));
    let name = text(call, "name").unwrap_or_default();
    let mut said = completion::tool_call(&id, name, arguments.text());
    if let (Some(signature), Some(fields)) = (signature, said.as_object_mut()) {
        let own = json!({ "thought_signature": signature });
        fields.insert("provider_specific_fields".to_owned(), own);
    }
    said
}

/// Says a whole answer in OpenAI's words.
///
/// # Errors
///
/// If it is none.
pub(super) fn whole(body: &[u8], model: &str, now: Timestamp) -> Result<Step, Fault> {
    let answer: Value = serde_json::from_slice(body).map_err(|_error| not_an_answer())?;
    if let Some(fault) = error_in(&answer) {
        return Err(fault);
    }
    let candidates = list(&answer, "candidates");
    let is_blocked = block_reason(&answer).is_some();
    if candidates.is_empty() && !is_blocked {
        return Err(not_an_answer());
    }
    let model = text(&answer, "modelVersion").unwrap_or(model);
    let mut completion = Completion::new(model, now);
    if let Some(id) = text(&answer, "responseId") {
        id.clone_into(&mut completion.id);
    }
    for candidate in candidates {
        completion.choices.push(choice(candidate, now));
    }
    if candidates.is_empty() {
        completion.choices.push(Choice {
            finish_reason: "content_filter".to_owned(),
            ..Choice::default()
        });
    }
    for (name, own) in METADATA {
        let found: Vec<Value> = candidates
            .iter()
            .filter_map(|one| one.get(*own).cloned())
            .collect();
        if !found.is_empty() {
            completion.others.insert((*name).to_owned(), found.into());
        }
    }
    completion.usage = usage(&answer, candidates);
    completion.done()
}

/// What is told about an answer beside it, under LiteLLM's names.
const METADATA: &[(&str, &str)] = &[
    ("vertex_ai_grounding_metadata", "groundingMetadata"),
    ("vertex_ai_url_context_metadata", "urlContextMetadata"),
    ("vertex_ai_safety_results", "safetyRatings"),
    ("vertex_ai_citation_metadata", "citationMetadata"),
];

fn choice(candidate: &Value, now: Timestamp) -> Choice {
    let parts = Parts::of(candidate, now);
    let calls = !parts.calls.is_empty();
    let reason = text(candidate, "finishReason").unwrap_or_default();
    Choice {
        finish_reason: finish_reason(reason, calls).to_owned(),
        logprobs: logprobs(candidate),
        message: parts.message(annotations(candidate)),
    }
}

/// Why the prompt was not answered.
pub(super) fn block_reason(answer: &Value) -> Option<&str> {
    text(answer.get("promptFeedback")?, "blockReason")
}

/// What was consumed, with the searches of `candidates`.
pub(super) fn usage(answer: &Value, candidates: &[Value]) -> Option<Usage> {
    let report = answer.get("usageMetadata")?;
    let mut usage = completion::usage("gemini", report)?;
    let mut queries: Vec<&str> = candidates
        .iter()
        .filter_map(|candidate| candidate.get("groundingMetadata"))
        .flat_map(|metadata| list(metadata, "webSearchQueries"))
        .filter_map(Value::as_str)
        .filter(|query| !query.is_empty())
        .collect();
    queries.sort_unstable();
    queries.dedup();
    if !queries.is_empty() {
        let details: &mut PromptDetails = usage.prompt_tokens_details.get_or_insert_default();
        details.web_search_requests = u64::try_from(queries.len()).ok();
    }
    Some(usage)
}

/// The sources of an answer that was looked up.
pub(super) fn annotations(candidate: &Value) -> Vec<Value> {
    let Some(metadata) = candidate.get("groundingMetadata") else {
        return Vec::new();
    };
    let sources = list(metadata, "groundingChunks");
    let cited = |support: &Value| {
        let segment = support.get("segment")?;
        let first = list(support, "groundingChunkIndices").first()?.as_u64()?;
        let source = sources.get(usize::try_from(first).ok()?)?.get("web")?;
        let (start, end) = (segment.get("startIndex"), segment.get("endIndex")?);
        let citation = json!({
            "start_index": start.unwrap_or(&json!(0)),
            "end_index": end,
            "url": text(source, "uri").unwrap_or_default(),
            "title": text(source, "title").unwrap_or_default(),
        });
        Some(json!({ "type": "url_citation", "url_citation": citation }))
    };
    let supports = list(metadata, "groundingSupports").iter();
    supports.filter_map(cited).collect()
}

/// The probabilities of a candidate's tokens, in OpenAI's shape.
pub(super) fn logprobs(candidate: &Value) -> Option<Value> {
    let result = candidate.get("logprobsResult")?;
    let alternatives = list(result, "topCandidates");
    let one = |token: &Value| {
        json!({
            "token": text(token, "token").unwrap_or_default(),
            "logprob": token.get("logProbability"),
        })
    };
    let chosen = list(result, "chosenCandidates").iter().enumerate();
    let content = chosen.map(|(index, token)| {
        let others = alternatives
            .get(index)
            .map_or(&[][..], |all| list(all, "candidates"));
        let mut said = one(token);
        if let Some(fields) = said.as_object_mut() {
            fields.insert("top_logprobs".to_owned(), others.iter().map(one).collect());
        }
        said
    });
    Some(json!({ "content": content.collect::<Vec<_>>() }))
}

/// Why a candidate ended, in OpenAI's words.
pub(super) fn finish_reason(reason: &str, calls: bool) -> &'static str {
    match reason {
        "MAX_TOKENS" => "length",
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "OTHER"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "IMAGE_OTHER"
        | "NO_IMAGE"
        | "ESCALATION" => "content_filter",
        _ if calls => "tool_calls",
        _ => "stop",
    }
}

fn not_an_answer() -> Fault {
    Fault {
        class: ErrorClass::BadGateway,
        message: "the provider's answer has no candidates".to_owned(),
    }
}

/// The error that stands where an answer should; some come in a list of one.
pub(super) fn error_in(answer: &Value) -> Option<Fault> {
    let answer = answer.get(0).unwrap_or(answer);
    let error = answer.get("error").filter(|error| !error.is_null())?;
    let code = error.get("code").and_then(Value::as_u64);
    let status = code
        .and_then(|code| u16::try_from(code).ok())
        .unwrap_or(500);
    let message = text(error, "message").map_or_else(|| error.to_string(), str::to_owned);
    Some(of_status(status, message))
}

/// The error of an answer with an error's status.
pub(in super::super) fn fault(answer: &Answer) -> Fault {
    let status = answer.status.as_u16();
    let said = serde_json::from_slice(&answer.body).ok();
    let said = said
        .and_then(|body: Value| error_in(&body))
        .map(|fault| fault.message);
    of_status(
        status,
        said.unwrap_or_else(|| openai::error_text(&answer.body)),
    )
}

fn of_status(status: u16, message: String) -> Fault {
    // Google calls a wrong key a wrong request.
    let status = if status == 400 && message.contains("API key not valid") {
        401
    } else {
        status
    };
    Fault::of(status, message)
}
