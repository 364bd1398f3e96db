//! What a provider reports of a call, in the shape that is priced.

use event::{Json, Usage};
use serde_json::{Value, json, value::RawValue};

use crate::operation::Operation;

/// Reads a report, or an answer that holds one; `None` if there is none that can be believed.
#[must_use]
pub fn reported(provider: &str, operation: Operation, report: &Value) -> Option<Usage> {
    let text = Json::of(report).text().to_owned();
    let raw = RawValue::from_string(text).ok()?;
    cost_map::reported::usage(Some(provider), Some(operation.call_type()), &raw).ok()
}

/// Two counts that a provider gives under names of its own; `None` if both are missing.
#[must_use]
pub fn tokens(input: Option<&Value>, output: Option<&Value>) -> Option<Usage> {
    if input.or(output).is_none() {
        return None;
    }
    let report = json!({ "prompt_tokens": input, "completion_tokens": output });
    reported("openai", Operation::Chat, &report)
}
