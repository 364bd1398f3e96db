//! What the events of a stream tell, in all dialects that are passed on.

use std::borrow::Cow;

use event::{Json, Usage};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{Along, Observed, message::Message, read};
use crate::{
    error::ErrorClass,
    operation::Operation,
    provider::{Fault, frames::Frame, openai},
};

/// What was told so far.
pub(super) struct Told {
    along: Along,
    id: Option<String>,
    model: Option<String>,
    tier: Option<String>,
    /// Reports of usage, one laid over the other: Anthropic's come in two parts.
    report: Map<String, Value>,
    usage: Option<Usage>,
    message: Message,
    response: Option<Json>,
    text_bytes: usize,
    error: Option<Fault>,
    complete: bool,
}

/// One event, as far as it matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow, rename = "modelVersion")]
    model_version: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    /// The whole answer, in OpenAI's responses and Anthropic's first event.
    #[serde(borrow, alias = "message")]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, alias = "usageMetadata")]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The part of an event that holds an answer.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, alias = "usageMetadata")]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

impl Told {
    pub(super) fn new(along: Along) -> Self {
        Self {
            along,
            id: None,
            model: None,
            tier: None,
            report: Map::new(),
            usage: None,
            message: Message::default(),
            response: None,
            text_bytes: 0,
            error: None,
            complete: false,
        }
    }

    /// Whether what ends the answer has come.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the answer may end here.
    pub(super) const fn may_end(&self) -> bool {
        // The dialects with an end of their own do not end without it.
        self.complete
            || !matches!(
                self.along.operation,
                Operation::Responses | Operation::Messages
            )
    }

    /// Takes an event.
    pub(super) fn hear(&mut self, frame: &Frame) {
        let data = frame.data.trim_ascii();
        if data == b"[DONE]" {
            self.complete = true;
            return;
        }
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else {
            return;
        };
        let kind = event.kind.as_deref().unwrap_or(&frame.kind);
        if self.along.operation == Operation::Messages {
            self.message.hear(kind, data);
        }
        let inner: Inner<'_> = read(event.response).unwrap_or_default();
        let step: Inner<'_> = read(event.delta).unwrap_or_default();
        self.names(&event, &inner);
        for report in [event.usage, inner.usage, step.usage].into_iter().flatten() {
            self.lay(report);
        }
        // A delta is text, or an object around it.
        let text = event.delta.filter(|raw| raw.get().starts_with('"'));
        let text = text.or(step.text).or_else(|| {
            let chunk = kind.is_empty() || kind == "content_block_delta";
            event.delta.filter(|_| chunk)
        });
        self.text_bytes += text.map_or(0, |text| text.get().len());
        let error = event.error.or(inner.error);
        if let Some(error) = error {
            self.fail(openai::error_message(error));
        } else if kind == "error" {
            let message = read(event.response).unwrap_or_else(|| openai::error_text(data));
            self.fail(message);
        }
        let ends = matches!(
            kind,
            "message_stop" | "response.completed" | "response.incomplete" | "response.failed"
        );
        if ends {
            self.complete = true;
            self.response = event.response.map(Json::from).or(self.response.take());
            let mut usage = self.read_report();
            super::searched(&mut usage, inner.output);
            self.usage = usage;
        }
    }

    fn names(&mut self, event: &Event<'_>, inner: &Inner<'_>) {
        let take = |own: &mut Option<String>, found: [Option<&RawValue>; 2]| {
            let found = found.into_iter().find_map(read::<String>);
            *own = found.or_else(|| own.take());
        };
        take(&mut self.id, [inner.id, event.id]);
        take(&mut self.model, [inner.model, event.model]);
        take(&mut self.model, [None, event.model_version]);
        take(&mut self.tier, [inner.service_tier, event.service_tier]);
    }

    /// Lays a report over those before it.
    fn lay(&mut self, report: &RawValue) {
        let report: Option<Map<String, Value>> = serde_json::from_str(report.get()).ok();
        let set = report.into_iter().flatten();
        self.report
            .extend(set.filter(|(_, value)| !value.is_null()));
    }

    fn read_report(&self) -> Option<Usage> {
        if self.report.is_empty() {
            return None;
        }
        let report = Json::of(&self.report);
        self.along.usage(report.read()?)
    }

    fn fail(&mut self, message: String) {
        self.error.get_or_insert(Fault {
            class: ErrorClass::InternalServer,
            message,
        });
    }

    /// What was learned.
    pub(super) fn observed(&mut self) -> Observed {
        let usage = self.usage.take().or_else(|| self.read_report());
        // A stream that broke off before its last report has not told its output.
        let is_partial = !self.complete && self.along.operation == Operation::Messages;
        let usage = usage.filter(|_| !is_partial);
        let tier = self.tier.take();
        Observed {
            id: self.id.take(),
            model: self.model.take(),
            service_tier: tier.or_else(|| usage.as_ref()?.service_tier.clone()),
            usage,
            response: self.response.take().or_else(|| self.message.take()),
            text_bytes: u64::try_from(self.text_bytes).unwrap_or(u64::MAX),
            error: self.error.take(),
            batch: None,
        }
    }
}
