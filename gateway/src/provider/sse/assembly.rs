//! Puts the chunks of a stream together into the answer that would have come whole.

use event::{Json, Usage};
use serde::Serialize;

use super::{Chunk, ChunkChoice, Fault, Observed, ToolDelta};

/// Bytes of text that are kept of one answer; the rest is counted and not kept.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// Choices, and tool calls in one choice, that are kept.
const PARTS_MAX: usize = 256;

/// The answer so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    id: Option<String>,
    created: Option<u64>,
    model: Option<String>,
    system_fingerprint: Option<String>,
    service_tier: Option<String>,
    choices: Vec<Choice>,
    text_bytes: usize,
}

/// One choice, in the shape of an answer that came whole.
#[derive(Debug, Default, Serialize)]
struct Choice {
    finish_reason: Option<String>,
    index: usize,
    /// In a text completion.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// In a chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Debug, Default, Serialize)]
struct Message {
    content: Option<String>,
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Debug, Default, Serialize)]
struct ToolCall {
    id: String,
    r#type: &'static str,
    function: Function,
}

#[derive(Debug, Default, Serialize)]
struct Function {
    name: String,
    arguments: String,
}

/// The answer, ready to be written down.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Option<String>,
    created: Option<u64>,
    model: &'a Option<String>,
    object: &'static str,
    system_fingerprint: &'a Option<String>,
    choices: &'a [Choice],
    usage: &'a Option<Usage>,
    service_tier: &'a Option<String>,
}

impl Assembly {
    pub(super) fn add(&mut self, chunk: Chunk<'_>) {
        keep_first(&mut self.id, chunk.id);
        keep_first(&mut self.model, chunk.model);
        keep_first(&mut self.system_fingerprint, chunk.system_fingerprint);
        keep_first(&mut self.service_tier, chunk.service_tier);
        self.created = self.created.or(chunk.created);
        for choice in chunk.choices {
            self.add_choice(choice);
        }
    }

    fn add_choice(&mut self, choice: ChunkChoice<'_>) {
        let Some(so_far) = slot(&mut self.choices, choice.index) else {
            return;
        };
        so_far.index = choice.index;
        keep_first(&mut so_far.finish_reason, choice.finish_reason);
        append(
            &mut so_far.text,
            choice.text.as_deref(),
            &mut self.text_bytes,
        );
        let Some(delta) = choice.delta else { return };
        let message = so_far.message.get_or_insert_default();
        keep_first(&mut message.role, delta.role);
        append(
            &mut message.content,
            delta.content.as_deref(),
            &mut self.text_bytes,
        );
        append(
            &mut message.reasoning_content,
            delta.reasoning_content.or(delta.reasoning).as_deref(),
            &mut self.text_bytes,
        );
        append(
            &mut message.refusal,
            delta.refusal.as_deref(),
            &mut self.text_bytes,
        );
        for tool in delta.tool_calls.into_iter().flatten() {
            add_tool(
                message.tool_calls.get_or_insert_default(),
                tool,
                &mut self.text_bytes,
            );
        }
    }

    pub(super) fn observed(&mut self, usage: Option<Usage>, error: Option<Fault>) -> Observed {
        let is_text = self.choices.iter().any(|choice| choice.text.is_some());
        for choice in self.choices.iter_mut().filter(|_| !is_text) {
            choice.message.get_or_insert_default();
        }
        let answer = Answer {
            id: &self.id,
            created: self.created,
            model: &self.model,
            object: if is_text {
                "text_completion"
            } else {
                "chat.completion"
            },
            system_fingerprint: &self.system_fingerprint,
            choices: &self.choices,
            usage: &usage,
            service_tier: &self.service_tier,
        };
        let response = (!self.choices.is_empty()).then(|| Json::of(&answer));
        Observed {
            response,
            id: self.id.take(),
            model: self.model.take(),
            usage,
            service_tier: self.service_tier.take(),
            text_bytes: u64::try_from(self.text_bytes).unwrap_or(u64::MAX),
            error,
            batch: None,
        }
    }

    /// Whether every choice that was begun has said why it ended.
    pub(super) fn is_finished(&self) -> bool {
        !self.choices.is_empty()
            && self
                .choices
                .iter()
                .all(|choice| choice.finish_reason.is_some())
    }
}

fn add_tool(tools: &mut Vec<ToolCall>, delta: ToolDelta<'_>, text_bytes: &mut usize) {
    let Some(tool) = slot(tools, delta.index) else {
        return;
    };
    tool.r#type = "function";
    if let Some(id) = delta.id {
        tool.id = id.into_owned();
    }
    let Some(function) = delta.function else {
        return;
    };
    if let Some(name) = function.name {
        push(&mut tool.function.name, &name, text_bytes);
    }
    if let Some(arguments) = function.arguments {
        push(&mut tool.function.arguments, &arguments, text_bytes);
    }
}

/// The element at `index`, made if it is not there; `None` beyond what any provider sends.
fn slot<T: Default>(list: &mut Vec<T>, index: usize) -> Option<&mut T> {
    if index >= PARTS_MAX {
        return None;
    }
    if list.len() <= index {
        list.resize_with(index + 1, T::default);
    }
    list.get_mut(index)
}

fn keep_first(kept: &mut Option<String>, new: Option<std::borrow::Cow<'_, str>>) {
    if kept.is_none() {
        *kept = new.map(std::borrow::Cow::into_owned);
    }
}

fn append(kept: &mut Option<String>, new: Option<&str>, text_bytes: &mut usize) {
    if let Some(new) = new {
        push(kept.get_or_insert_default(), new, text_bytes);
    }
}

fn push(kept: &mut String, new: &str, text_bytes: &mut usize) {
    if *text_bytes < TEXT_BYTES_MAX {
        kept.push_str(new);
    }
    *text_bytes = text_bytes.saturating_add(new.len());
}
