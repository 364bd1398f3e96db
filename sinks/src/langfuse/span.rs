//! An observation as a span, with Langfuse's attributes. What it reads as an object is JSON in a
//! text: anything else under these names it leaves out.

use opentelemetry_proto::tonic::{common::v1::KeyValue, trace::v1::Span};
use serde::Serialize;

use super::observation::Observation;
use crate::otel::{span, wire::Attributes};

/// The span of a call. A correction has the ids and the times of the call that it corrects, so that
/// it takes its place.
pub(super) fn span(observation: &Observation<'_>) -> Span {
    let mut attributes = Attributes::default();
    of_trace(&mut attributes, observation);
    of_observation(&mut attributes, observation);
    let span = span::whole(observation.call, attributes);
    Span {
        name: observation.name.clone(),
        ..span
    }
}

/// Who sends it.
pub(super) fn resource() -> Vec<KeyValue> {
    let mut attributes = Attributes::default();
    attributes.text("service.name", "tollkeeper");
    attributes.into_inner()
}

/// What is said of the trace stands on each of its spans.
fn of_trace(attributes: &mut Attributes, observation: &Observation<'_>) {
    let labels = observation.labels;
    attributes.text("langfuse.trace.name", &observation.trace_name);
    attributes.maybe("langfuse.user.id", observation.user.as_deref());
    attributes.maybe("langfuse.session.id", observation.session.as_deref());
    let tags = observation.tags.iter().map(String::as_str);
    attributes.texts("langfuse.trace.tags", tags);
    attributes.maybe("langfuse.environment", labels.environment.as_deref());
    attributes.maybe("langfuse.release", labels.release.as_deref());
    attributes.maybe("langfuse.version", labels.version.as_deref());
    for (key, value) in &observation.trace_metadata {
        attributes.text(&format!("langfuse.trace.metadata.{key}"), value);
    }
}

fn of_observation(attributes: &mut Attributes, observation: &Observation<'_>) {
    let mut put = |name: &str, text: String| {
        attributes.long(&format!("langfuse.observation.{name}"), text);
    };
    put("type", observation.kind().to_owned());
    put("model.name", observation.call.model().to_owned());
    if !observation.parameters.is_empty() {
        put("model.parameters", json(&observation.parameters));
    }
    if let Some(usage) = &observation.usage {
        put("usage_details", json(usage));
    }
    if let Some(cost) = &observation.cost {
        put("cost_details", json(cost));
    }
    put("input", observation.input.clone().unwrap_or_default());
    put("output", observation.output.clone().unwrap_or_default());
    put("level", observation.level().to_owned());
    let message = observation.status_message().unwrap_or_default();
    put("status_message", message.to_owned());
    put(
        "completion_start_time",
        observation.first_token().unwrap_or_default(),
    );
    for (key, value) in &observation.metadata {
        put(&format!("metadata.{key}"), value.clone());
    }
    if let Some(prompt) = &observation.prompt {
        attributes.text("langfuse.observation.prompt.name", &prompt.name);
        let version = u64::from(prompt.version);
        attributes.count("langfuse.observation.prompt.version", version);
    }
}

/// Maps with texts as keys can always be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
