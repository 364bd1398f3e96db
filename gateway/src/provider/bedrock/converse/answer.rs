//! Answers of the Converse API.

use event::{CompletionDetails, Json, Timestamp, Usage};
use serde_json::{Value, json};

use super::{
    super::super::{
        Answer, Fault, Reader, Step, StreamedAnswer, anthropic, aws,
        completion::{self, Choice, Completion},
        content::{list, text},
        frames::AwsFrames,
        translated::Translated,
    },
    stream::Events,
    tools::Names,
};

/// How an answer is read.
#[derive(Clone, Debug)]
pub(in super::super) struct Reading {
    pub(super) names: Names,
    /// Whether a call of our own tool is the answer.
    pub(super) by_tool: bool,
    pub(super) model: String,
    pub(super) now: Timestamp,
}

impl Reader for Reading {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let answer: Value =
            serde_json::from_slice(&answer.body).map_err(|_error| aws::fault::no_answer())?;
        let message = answer
            .get("output")
            .and_then(|output| output.get("message"));
        let message = message.ok_or_else(aws::fault::no_answer)?;
        let mut completion = Completion::new(&self.model, self.now);
        let mut said = Said::default();
        for block in list(message, "content") {
            said.read(block, &self);
        }
        let reason = text(&answer, "stopReason").unwrap_or_default();
        completion.choices.push(said.choice(reason));
        completion.usage = usage(
            answer.get("usage"),
            answer.get("additionalModelResponseFields"),
        );
        let tier = answer
            .get("serviceTier")
            .and_then(|tier| text(tier, "type"));
        completion.service_tier = tier.map(str::to_owned);
        if let Some(trace) = answer.get("trace") {
            completion.others.insert("trace".to_owned(), trace.clone());
        }
        completion.done()
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let (model, now) = (self.model.clone(), self.now);
        let events = Events::new(*self);
        Box::new(Translated::new(
            AwsFrames::default(),
            events,
            &model,
            now,
            strip_usage,
        ))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        aws::fault::of_answer(answer)
    }
}

/// What the blocks of an answer come to.
#[derive(Default)]
struct Said {
    content: String,
    reasoning: String,
    thoughts: Vec<Value>,
    calls: Vec<Value>,
    citations: Vec<Value>,
    /// What our own tool took.
    answer: String,
    by_tool: bool,
}

impl Said {
    fn read(&mut self, block: &Value, reading: &Reading) {
        self.content
            .push_str(text(block, "text").unwrap_or_default());
        if let Some(call) = block.get("toolUse") {
            let name = text(call, "name").unwrap_or_default();
            let empty = json!({});
            let input = call.get("input").unwrap_or(&empty);
            if reading.by_tool && name == anthropic::TOOL {
                self.by_tool = true;
                self.answer.push_str(&completion::spaced(input));
            } else {
                let id = text(call, "toolUseId").unwrap_or_default();
                let name = reading.names.own(name);
                let input = Json::of(input);
                self.calls
                    .push(completion::tool_call(id, name, input.text()));
            }
        }
        if let Some(thought) = block.get("reasoningContent") {
            let said = thought.get("reasoningText").unwrap_or(&Value::Null);
            self.reasoning
                .push_str(text(said, "text").unwrap_or_default());
            self.thoughts.extend(thought_block(thought));
        }
        if let Some(cited) = block.get("citationsContent") {
            let texts = list(cited, "content").iter();
            self.content
                .extend(texts.filter_map(|part| text(part, "text")));
            self.citations.push(cited.clone());
        }
    }

    fn choice(self, reason: &str) -> Choice {
        let mut choice = Choice::default();
        let only_by_tool = self.by_tool && self.calls.is_empty();
        choice.finish_reason = finish_reason(reason, only_by_tool).to_owned();
        let message = &mut choice.message;
        let mut put = |name: &str, value: Value| message.insert(name.to_owned(), value);
        // Words around it would make it unreadable.
        let content = if self.by_tool {
            self.answer
        } else {
            self.content
        };
        if !content.is_empty() {
            put("content", content.into());
        }
        if !self.thoughts.is_empty() {
            put("reasoning_content", self.reasoning.into());
            put("thinking_blocks", self.thoughts.into());
        }
        if !self.calls.is_empty() {
            put("tool_calls", self.calls.into());
        }
        if !self.citations.is_empty() {
            let own = json!({ "citationsContent": self.citations });
            put("provider_specific_fields", own);
        }
        choice
    }
}

/// A thought in the shape that clients know from Claude.
pub(super) fn thought_block(thought: &Value) -> Option<Value> {
    if let Some(data) = text(thought, "redactedContent") {
        return Some(json!({ "type": "redacted_thinking", "data": data }));
    }
    let said = thought.get("reasoningText")?;
    let mut block =
        json!({ "type": "thinking", "thinking": text(said, "text").unwrap_or_default() });
    if let (Some(signature), Some(block)) = (text(said, "signature"), block.as_object_mut()) {
        block.insert("signature".to_owned(), signature.into());
    }
    Some(block)
}

/// What was consumed. How much was thought stands among the model's own fields.
pub(super) fn usage(report: Option<&Value>, own: Option<&Value>) -> Option<Usage> {
    let mut usage = completion::usage("bedrock", report?)?;
    let details = own.and_then(|own| own.get("usage")?.get("output_tokens_details"));
    let thought = details.and_then(|details| details.get("thinking_tokens")?.as_u64());
    if let Some(thought) = thought {
        let thought = thought.min(usage.completion_tokens);
        usage.completion_tokens_details = Some(CompletionDetails {
            reasoning_tokens: Some(thought),
            text_tokens: Some(usage.completion_tokens - thought),
            ..CompletionDetails::default()
        });
    }
    Some(usage)
}

/// Why an answer ended, in OpenAI's words. `by_tool`: our own tool took the answer.
pub(super) fn finish_reason(reason: &str, by_tool: bool) -> &'static str {
    match reason {
        "tool_use" if by_tool => "stop",
        "tool_use" => "tool_calls",
        "max_tokens" | "model_context_window_exceeded" => "length",
        "guardrail_intervened" | "content_filtered" => "content_filter",
        _ => "stop",
    }
}
