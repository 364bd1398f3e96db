//! An answer that came whole, and the API's words for what went wrong.

use event::{Json, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    super::{
        Answer, Fault, Step,
        completion::{self, Choice, Completion},
        content::{list, text},
        openai,
    },
    schema,
    tools::Names,
};
use crate::error::ErrorClass;

/// How an answer is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) names: Names,
    /// Whether the answer is the input of our own tool.
    pub(super) by_tool: bool,
    pub(super) model: String,
    pub(super) now: Timestamp,
}

impl Reading {
    /// Says a whole answer in OpenAI's words.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(super) fn whole(&self, body: &[u8]) -> Result<Step, Fault> {
        let answer: Value = serde_json::from_slice(body).map_err(|_error| not_a_message())?;
        if let Some(fault) = error_in(&answer) {
            return Err(fault);
        }
        if !answer.get("content").is_some_and(Value::is_array) {
            return Err(not_a_message());
        }
        let model = text(&answer, "model").unwrap_or(&self.model);
        let mut completion = Completion::new(model, self.now);
        if let Some(id) = text(&answer, "id") {
            id.clone_into(&mut completion.id);
        }
        let mut message = Message::default();
        for block in list(&answer, "content") {
            self.read(block, &mut message);
        }
        let reason = text(&answer, "stop_reason").unwrap_or_default();
        completion.choices.push(message.choice(reason));
        let usage = answer.get("usage").unwrap_or(&Value::Null);
        completion.usage = completion::usage("anthropic", usage);
        completion.service_tier = text(usage, "service_tier").map(str::to_owned);
        completion.done()
    }

    fn read(&self, block: &Value, message: &mut Message) {
        let own_text = text(block, "text").unwrap_or_default();
        match text(block, "type").unwrap_or_default() {
            "text" => message.content.push_str(own_text),
            "thinking" => {
                message
                    .reasoning
                    .push_str(text(block, "thinking").unwrap_or_default());
                message.thoughts.push(block.clone());
            }
            "redacted_thinking" => message.thoughts.push(block.clone()),
            "tool_use" if self.by_tool && text(block, "name") == Some(schema::TOOL) => {
                message.by_tool = true;
                let input = block.get("input").unwrap_or(&Value::Null);
                message.content.push_str(&completion::spaced(input));
            }
            "tool_use" | "server_tool_use" => {
                let name = self.names.own(text(block, "name").unwrap_or_default());
                let id = text(block, "id").unwrap_or_default();
                message
                    .calls
                    .push(completion::tool_call(id, name, &input(block)));
            }
            "tool_search_tool_result" => {}
            "web_search_tool_result" | "web_fetch_tool_result" => {
                message.searches.push(block.clone());
            }
            kind if kind.ends_with("_tool_result") => message.results.push(block.clone()),
            _ => {}
        }
        if let [_, ..] = list(block, "citations") {
            let citations = list(block, "citations")
                .iter()
                .cloned()
                .map(|mut citation| {
                    if let Some(fields) = citation.as_object_mut() {
                        fields.insert("supported_text".to_owned(), own_text.into());
                    }
                    citation
                });
            message.citations.push(citations.collect());
        }
    }
}

fn input(block: &Value) -> String {
    Json::of(block.get("input").unwrap_or(&json!({})))
        .text()
        .to_owned()
}

/// What the blocks of an answer come to.
#[derive(Default)]
struct Message {
    content: String,
    reasoning: String,
    thoughts: Vec<Value>,
    calls: Vec<Value>,
    citations: Vec<Value>,
    searches: Vec<Value>,
    results: Vec<Value>,
    /// Whether our own tool was called.
    by_tool: bool,
}

impl Message {
    fn choice(self, reason: &str) -> Choice {
        let mut choice = Choice::default();
        let only_by_tool = self.by_tool && self.calls.is_empty();
        choice.finish_reason = finish_reason(reason, only_by_tool).to_owned();
        let mut own = Map::new();
        for (name, list) in [
            ("citations", self.citations),
            ("thinking_blocks", self.thoughts.clone()),
            ("web_search_results", self.searches),
            ("tool_results", self.results),
        ] {
            if !list.is_empty() {
                own.insert(name.to_owned(), list.into());
            }
        }
        let message = &mut choice.message;
        let mut put = |name: &str, value: Value| message.insert(name.to_owned(), value);
        if !self.content.is_empty() {
            put("content", self.content.into());
        }
        if !self.thoughts.is_empty() {
            put("reasoning_content", self.reasoning.into());
            put("thinking_blocks", self.thoughts.into());
        }
        if !self.calls.is_empty() {
            put("tool_calls", self.calls.into());
        }
        if !own.is_empty() {
            put("provider_specific_fields", own.into());
        }
        choice
    }
}

/// Why an answer ended, in OpenAI's words. `by_tool`: our own tool took the answer.
pub(super) fn finish_reason(reason: &str, by_tool: bool) -> &'static str {
    match reason {
        "tool_use" if by_tool => "stop",
        "tool_use" => "tool_calls",
        "max_tokens" | "model_context_window_exceeded" | "compaction" => "length",
        "refusal" => "content_filter",
        _ => "stop",
    }
}

fn not_a_message() -> Fault {
    Fault {
        class: ErrorClass::BadGateway,
        message: "the provider's answer is not a message".to_owned(),
    }
}

/// The error that stands where a message should.
pub(super) fn error_in(answer: &Value) -> Option<Fault> {
    let error = answer.get("error").filter(|error| !error.is_null())?;
    let message = text(error, "message").map_or_else(|| error.to_string(), str::to_owned);
    let status = match text(error, "type").unwrap_or_default() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    Some(of_status(status, message))
}

/// The error of an answer with an error's status.
pub(super) fn fault(answer: &Answer) -> Fault {
    of_status(answer.status.as_u16(), openai::error_text(&answer.body))
}

fn of_status(status: u16, message: String) -> Fault {
    match status {
        // Overloaded: a status of Anthropic's own.
        529 => Fault {
            class: ErrorClass::ServiceUnavailable,
            message,
        },
        413 => Fault::of(400, message),
        status => Fault::of(status, message),
    }
}
