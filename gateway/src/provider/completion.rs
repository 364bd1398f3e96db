//! Writes an answer that came whole in OpenAI's dialect.

use event::{Json, Timestamp, Usage};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Fault, Observed, Step, Whole, openai};

/// A `chat.completion` while it is written.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The provider's own id of the answer, or one of ours.
    pub id: String,
    /// Seconds since the epoch.
    pub created: i64,
    /// The model that answered.
    pub model: String,
    /// Its choices.
    pub choices: Vec<Choice>,
    /// What was consumed, if the provider says so.
    pub usage: Option<Usage>,
    /// The tier that was served.
    pub service_tier: Option<String>,
    /// Other fields at the top: `citations`.
    pub others: Map<String, Value>,
}

/// One choice.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// `content`, `tool_calls`, `reasoning_content`, …; the role is added.
    pub message: Map<String, Value>,
    /// In OpenAI's words.
    pub finish_reason: String,
    /// The probabilities of its tokens, in OpenAI's shape.
    pub logprobs: Option<Value>,
}

impl Choice {
    /// A choice that is text and nothing else.
    #[must_use]
    pub fn text(text: &str, finish_reason: &str) -> Self {
        let mut choice = Self {
            finish_reason: finish_reason.to_owned(),
            ..Self::default()
        };
        choice.message.insert("content".to_owned(), text.into());
        choice
    }
}

/// A tool call of a message.
#[must_use]
pub fn tool_call(id: &str, name: &str, arguments: &str) -> Value {
    let function = json!({ "name": name, "arguments": arguments });
    json!({ "id": id, "type": "function", "function": function })
}

impl Completion {
    /// An answer of `model` without choices yet.
    #[must_use]
    pub fn new(model: &str, now: Timestamp) -> Self {
        Self {
            id: format!("chatcmpl-{}", Uuid::now_v7()),
            created: now.to_utc().timestamp(),
            model: model.to_owned(),
            choices: Vec::new(),
            usage: None,
            service_tier: None,
            others: Map::new(),
        }
    }

    /// The answer as the client gets it.
    ///
    /// # Errors
    ///
    /// None: it is a [`Step`] so that a reader can end with it.
    pub fn done(self) -> Result<Step, Fault> {
        let choices: Vec<Value> = self
            .choices
            .into_iter()
            .enumerate()
            .map(|(index, choice)| choice.value(index))
            .collect();
        let mut answer = json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let Some(answer) = answer.as_object_mut() {
            answer.extend(self.others);
            if let Some(usage) = &self.usage {
                answer.insert("usage".to_owned(), json!(usage));
            }
            if let Some(tier) = self.service_tier {
                answer.insert("service_tier".to_owned(), tier.into());
            }
        }
        whole(&answer, self.usage)
    }
}

impl Choice {
    fn value(self, index: usize) -> Value {
        let mut message = self.message;
        message.insert("role".to_owned(), "assistant".into());
        message.entry("content").or_insert(Value::Null);
        let mut choice = json!({
            "index": index,
            "message": message,
            "finish_reason": self.finish_reason,
        });
        if let (Some(logprobs), Some(choice)) = (self.logprobs, choice.as_object_mut()) {
            choice.insert("logprobs".to_owned(), logprobs);
        }
        choice
    }
}

/// What `report`, a provider's own object of usage for a chat, says was consumed; `None` if it
/// says nothing that can be read.
#[must_use]
pub fn usage(provider: &str, report: &Value) -> Option<Usage> {
    usage_of(provider, "acompletion", report)
}

/// The same for a call of another type, by LiteLLM's name of it.
#[must_use]
pub fn usage_of(provider: &str, call_type: &str, report: &Value) -> Option<Usage> {
    let raw = serde_json::value::to_raw_value(report).ok()?;
    cost_map::reported::usage(Some(provider), Some(call_type), &raw).ok()
}

/// Any answer in OpenAI's dialect: a list of embeddings, documents in order.
///
/// # Errors
///
/// None: it is a [`Step`] so that a reader can end with it.
pub fn whole(answer: &Value, usage: Option<Usage>) -> Result<Step, Fault> {
    let body = Json::of(answer).text().to_owned().into();
    let observed = Observed {
        usage,
        ..openai::whole(&body)
    };
    Ok(Step::Done(Box::new(Whole { body, observed })))
}
