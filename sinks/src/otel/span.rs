//! Calls as spans and as log records.

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::KeyValue,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode},
};
use serde::Deserialize;

use super::{
    call::{Call, nanos},
    genai::{self, ContentBytes},
    openinference, own,
    wire::{self, Attributes, TEXT_BYTES_MAX},
};

/// Whose names attributes have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// The GenAI semantic conventions, 1.41.
    #[default]
    Current,
    /// The GenAI semantic conventions before 1.37: `gen_ai.system`, and messages as attributes.
    Previous,
    /// OpenInference, which Phoenix and Arize read.
    OpenInference,
}

/// The name of the record that has the details of a call.
const DETAILS: &str = "gen_ai.client.inference.operation.details";
/// `DEBUG`, as the conventions want it for details.
const SEVERITY_DEBUG: i32 = 5;
/// W3C: the trace is recorded.
const FLAG_SAMPLED: u32 = 1;

/// The spans of `calls`.
pub(crate) fn request(
    resource: &[KeyValue],
    spans: impl IntoIterator<Item = Span>,
) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(wire::resource(resource.to_vec())),
            scope_spans: vec![ScopeSpans {
                scope: Some(wire::scope()),
                spans: spans.into_iter().collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    }
}

/// The span of a call, or of a correction of its cost.
pub(crate) fn span(call: &Call<'_>, dialect: Dialect, content: ContentBytes) -> Span {
    if call.is_correction() {
        return correction(call, dialect);
    }
    let mut attributes = match dialect {
        Dialect::Current => genai::current(call, content),
        Dialect::Previous => genai::previous(call, content),
        Dialect::OpenInference => openinference::attributes(call, content),
    };
    own::add(&mut attributes, call);
    whole(call, attributes)
}

/// The span of a call, with these attributes.
pub(crate) fn whole(call: &Call<'_>, attributes: Attributes) -> Span {
    let payload = call.payload();
    let status = if call.failed() {
        let message = wire::cut(call.error_message(), TEXT_BYTES_MAX);
        Status {
            message: message.to_owned(),
            code: StatusCode::Error.into(),
        }
    } else {
        Status::default()
    };
    Span {
        trace_id: call.trace_id(),
        span_id: call.span_id(),
        parent_span_id: call.parent_span_id(),
        flags: FLAG_SAMPLED,
        name: name(call.operation(), call),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: nanos(payload.start_time),
        end_time_unix_nano: nanos(payload.end_time.max(payload.start_time)),
        attributes: attributes.into_inner(),
        status: Some(status),
        ..Span::default()
    }
}

/// A correction is a step of its own behind the call, with the difference as its cost: destinations
/// that add up what they get have the right sum, and nothing that they have is overwritten.
fn correction(call: &Call<'_>, dialect: Dialect) -> Span {
    let mut attributes = Attributes::default();
    let previous = call.event.settlement().previous.as_ref();
    match dialect {
        Dialect::OpenInference => openinference::correction(&mut attributes, call),
        Dialect::Current | Dialect::Previous => {
            if let Some(previous) = previous {
                attributes.number("gen_ai.usage.cost", previous.difference);
            }
        }
    }
    own::correction(&mut attributes, call);
    let at = previous.map_or(call.payload().end_time, |previous| previous.at);
    Span {
        trace_id: call.trace_id(),
        span_id: call.correction_span_id(),
        parent_span_id: call.span_id(),
        flags: FLAG_SAMPLED,
        name: name("cost_correction", call),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: nanos(at),
        end_time_unix_nano: nanos(at),
        attributes: attributes.into_inner(),
        status: Some(Status::default()),
        ..Span::default()
    }
}

/// `chat gpt-4o`.
fn name(operation: &str, call: &Call<'_>) -> String {
    let name = format!("{operation} {}", wire::cut(call.model(), TEXT_BYTES_MAX));
    name.trim_end().to_owned()
}

/// The records of `calls`; a correction has none. `None` if there are none at all.
pub(crate) fn records<'a>(
    resource: &[KeyValue],
    calls: impl IntoIterator<Item = &'a Call<'a>>,
    content: ContentBytes,
) -> Option<ExportLogsServiceRequest> {
    let calls = calls.into_iter().filter(|call| !call.is_correction());
    let log_records: Vec<_> = calls.map(|call| record(call, content)).collect();
    (!log_records.is_empty()).then(|| ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(wire::resource(resource.to_vec())),
            scope_logs: vec![ScopeLogs {
                scope: Some(wire::scope()),
                log_records,
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    })
}

fn record(call: &Call<'_>, content: ContentBytes) -> LogRecord {
    let mut attributes = genai::details(call, content);
    own::add(&mut attributes, call);
    let end = nanos(call.payload().end_time);
    LogRecord {
        time_unix_nano: end,
        observed_time_unix_nano: end,
        severity_number: SEVERITY_DEBUG,
        severity_text: "DEBUG".to_owned(),
        attributes: attributes.into_inner(),
        flags: FLAG_SAMPLED,
        trace_id: call.trace_id(),
        span_id: call.span_id(),
        event_name: DETAILS.to_owned(),
        ..LogRecord::default()
    }
}
