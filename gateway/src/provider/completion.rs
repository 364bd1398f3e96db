//! Writes an answer that came whole in OpenAI's dialect.

use std::io::{self, Write};

use event::{Json, Timestamp, Usage};
use serde::Serialize as _;
use serde_json::{Map, Value, json, ser::Formatter};
use uuid::Uuid;

use super::{Answer, Fault, Observed, Step, Whole, openai};
use crate::{error::ErrorClass, tokens};

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

    /// Tells the client a rough count, where the provider gives none. The event counts by itself,
    /// and says so.
    pub fn count(&mut self, prompt_bytes: usize) {
        let contents = self.choices.iter().map(|choice| &choice.message);
        let texts = contents.filter_map(|message| message.get("content")?.as_str());
        let bytes: usize = texts.map(str::len).sum();
        let counted = tokens::estimated(prompt_bytes, u64::try_from(bytes).unwrap_or(u64::MAX));
        self.others.insert("usage".to_owned(), json!(counted));
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

/// An answer that a tool took, as text: with blanks, as models write JSON themselves.
#[must_use]
pub fn spaced(answer: &Value) -> String {
    struct Spaced;
    impl Formatter for Spaced {
        fn begin_array_value<W: ?Sized + Write>(
            &mut self,
            out: &mut W,
            first: bool,
        ) -> io::Result<()> {
            out.write_all(if first { b"" } else { b", " })
        }

        fn begin_object_key<W: ?Sized + Write>(
            &mut self,
            out: &mut W,
            first: bool,
        ) -> io::Result<()> {
            out.write_all(if first { b"" } else { b", " })
        }

        fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
            out.write_all(b": ")
        }
    }
    let mut out = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    // Writing values to memory does not fail.
    let _done = answer.serialize(&mut writer);
    String::from_utf8(out).unwrap_or_default()
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

/// Two counts that a provider gives under names of its own; `None` if both are missing.
#[must_use]
pub fn usage_from(input: Option<&Value>, output: Option<&Value>) -> Option<Usage> {
    input.or(output)?;
    let report = json!({ "prompt_tokens": input, "completion_tokens": output });
    usage("openai", &report)
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

/// The object that an answer is.
///
/// # Errors
///
/// If it is none.
pub fn object(answer: &Answer) -> Result<Map<String, Value>, Fault> {
    serde_json::from_slice(&answer.body).map_err(|_error| no_answer())
}

/// What stands where an answer should, if nobody can know what it says.
#[must_use]
pub fn no_answer() -> Fault {
    Fault {
        class: ErrorClass::BadGateway,
        message: "the provider answered with something that is not an answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_a_tool_is_written_in_its_order() {
        let text = r#"{"z": [1, 2.5, "a,b: c"], "a": {}, "ü": null}"#;
        let answer: Value = serde_json::from_str(text).unwrap();
        assert_eq!(spaced(&answer), text);
    }
}
