//! A receiver of OTLP that is as strict as the specification lets it be, and knows spans by their
//! ids.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io::Read,
};

use conformance::{
    Destination, Fault, Rig, Stored,
    http::{HttpDestination, Request},
};
use event::{EventId, Exact, Json};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    trace::v1::{ResourceSpans, Span},
};
use prost::Message;
use serde_json::{Map, Value, json};
use sink::{Registration, SinkErrorKind};

use super::{Otel, own};

const KEY_CANARY: &str = "canary-key-81c0d4";
const HEADER_CANARY: &str = "canary-header-6f2e";
const PATH_CANARY: &str = "canary-path-30ab";

/// A receiver of OTLP over HTTP.
#[derive(Debug)]
pub struct Stand;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Otel>()
    }

    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        // A success without a word of what was rejected is an empty message.
        http.answer("");
        let config = json!({
            "endpoint": format!("{}/{PATH_CANARY}", http.url()),
            "api_key": KEY_CANARY,
            "headers": { "x-scope": HEADER_CANARY },
            "content": true,
            "service_name": "gateway",
            "environment": "test",
            "timeout": "500ms",
        });
        let secrets = [KEY_CANARY, HEADER_CANARY, PATH_CANARY];
        Rig {
            config,
            secrets: secrets.map(str::to_owned).to_vec(),
            destination: Box::new(Receiver(http)),
        }
    }
}

struct Receiver(HttpDestination);

impl Destination for Receiver {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        let expected = [
            ("authorization", format!("Bearer {KEY_CANARY}")),
            ("x-scope", HEADER_CANARY.to_owned()),
        ];
        let target = format!("/{PATH_CANARY}/v1/traces");
        let received = received(&self.0, &target, &expected)?;
        received.iter().map(read).collect()
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.0.suffer(fault);
        Some(fault.kind())
    }

    fn recover(&self) {
        self.0.recover();
    }
}

/// The spans that were kept, in their order, each once; a repetition has to be the same.
pub(crate) fn received(
    http: &HttpDestination,
    target: &str,
    headers: &[(&str, String)],
) -> Result<Vec<Span>, String> {
    if let Some(complaint) = http.complaints().first() {
        return Err(complaint.clone());
    }
    for request in http.seen().iter().filter(|seen| seen.method == "POST") {
        decode(request, target, headers)?;
    }
    let mut known: BTreeMap<(Vec<u8>, Vec<u8>), Span> = BTreeMap::new();
    let mut spans = Vec::new();
    for request in http.taken().iter().filter(|taken| taken.method == "POST") {
        for span in decode(request, target, headers)? {
            match known.entry((span.trace_id.clone(), span.span_id.clone())) {
                Entry::Occupied(first) if *first.get() == span => {}
                Entry::Occupied(_) => return Err(format!("{span:?} has changed")),
                Entry::Vacant(place) => {
                    place.insert(span.clone());
                    spans.push(span);
                }
            }
        }
    }
    Ok(spans)
}

fn decode(
    request: &Request,
    target: &str,
    headers: &[(&str, String)],
) -> Result<Vec<Span>, String> {
    let fixed = [
        ("content-type", "application/x-protobuf".to_owned()),
        ("content-encoding", "gzip".to_owned()),
    ];
    for (name, value) in fixed.iter().chain(headers) {
        if request.header(name) != Some(value) {
            return Err(format!("`{name}` is not what it has to be"));
        }
    }
    if request.target != target {
        return Err(format!("`{}` is no path of ours", request.target));
    }
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(&*request.body)
        .read_to_end(&mut message)
        .map_err(|error| format!("not gzip: {error}"))?;
    let request =
        ExportTraceServiceRequest::decode(&*message).map_err(|error| error.to_string())?;
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        check_resource(&resource)?;
        for scope in resource.scope_spans {
            if scope.scope.is_none_or(|scope| scope.name != "tollkeeper") {
                return Err("nobody says who says it".to_owned());
            }
            spans.extend(scope.spans);
        }
    }
    spans.iter().try_for_each(check)?;
    Ok(spans)
}

fn check_resource(resource: &ResourceSpans) -> Result<(), String> {
    let attributes = resource.resource.as_ref().map(|one| &one.attributes[..]);
    let attributes = attributes_of(attributes.unwrap_or_default())?;
    if attributes.contains_key("service.name") {
        Ok(())
    } else {
        Err("a resource has a `service.name`".to_owned())
    }
}

fn check(span: &Span) -> Result<(), String> {
    let id = |bytes: &[u8], length| bytes.len() == length && bytes.iter().any(|byte| *byte != 0);
    if !id(&span.trace_id, 16) || !id(&span.span_id, 8) {
        return Err(format!("the ids of {} are not whole", span.name));
    }
    if !span.parent_span_id.is_empty() && !id(&span.parent_span_id, 8) {
        return Err(format!("the parent of {} is not whole", span.name));
    }
    if span.name.is_empty() || span.start_time_unix_nano == 0 {
        return Err("a span has a name and a beginning".to_owned());
    }
    if span.end_time_unix_nano < span.start_time_unix_nano {
        return Err(format!("{} ends before it begins", span.name));
    }
    attributes_of(&span.attributes).map(|_attributes| ())
}

/// The attributes by their keys, none of which may come twice or without a value.
pub(crate) fn attributes_of(
    attributes: &[KeyValue],
) -> Result<BTreeMap<&str, &any_value::Value>, String> {
    let mut map = BTreeMap::new();
    for KeyValue { key, value, .. } in attributes {
        let value = value.as_ref().and_then(|value| value.value.as_ref());
        let value = value.ok_or_else(|| format!("`{key}` has no value"))?;
        if key.is_empty() || map.insert(key.as_str(), value).is_some() {
            return Err(format!("`{key}` comes twice, or is no key"));
        }
    }
    Ok(map)
}

/// The text of an attribute.
pub(crate) fn text<'a>(
    attributes: &BTreeMap<&str, &'a any_value::Value>,
    key: &str,
) -> Option<&'a str> {
    match attributes.get(key)? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// What every span of ours says, under the names of the event.
pub(crate) fn read(span: &Span) -> Result<Stored, String> {
    let attributes = attributes_of(&span.attributes)?;
    let id = text(&attributes, own::EVENT_ID).ok_or("the event's id is missing")?;
    let id: EventId = serde_json::from_value(id.into()).map_err(|error| error.to_string())?;
    let mut said = Map::new();
    for (key, field) in [
        ("litellm.call_id", "litellm_call_id"),
        ("litellm.call_type", "call_type"),
        ("litellm.provider.model", "model"),
        ("litellm.model_group", "model_group"),
    ] {
        if let Some(text) = text(&attributes, key) {
            said.insert(field.to_owned(), text.into());
        }
    }
    for (key, field) in [
        ("gen_ai.usage.input_tokens", "prompt_tokens"),
        ("gen_ai.usage.output_tokens", "completion_tokens"),
    ] {
        if let Some(any_value::Value::IntValue(count)) = attributes.get(key) {
            said.insert(field.to_owned(), (*count).into());
        }
    }
    let failed = span.status.as_ref().is_some_and(|status| status.code == 2);
    let status = if failed { "failure" } else { "success" };
    said.insert("status".to_owned(), status.into());
    let mut fields: BTreeMap<String, Json> = said
        .into_iter()
        .map(|(field, value)| (field, Json::of(&value)))
        .collect();
    for (nanos, field) in [
        (span.start_time_unix_nano, "startTime"),
        (span.end_time_unix_nano, "endTime"),
    ] {
        let seconds = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        fields.insert(field.to_owned(), number(&seconds)?);
    }
    match text(&attributes, own::COST_USD) {
        Some(cost) => fields.insert("response_cost".to_owned(), number(cost)?),
        None => fields.insert("response_cost".to_owned(), Json::of(&Value::Null)),
    };
    Ok(Stored {
        id,
        said: Json::of(&fields),
    })
}

/// A number with all its digits.
pub(crate) fn number(digits: &str) -> Result<Json, String> {
    digits.parse::<Exact>().map_err(|error| error.to_string())?;
    Json::parse(digits.to_owned()).ok_or_else(|| format!("`{digits}` is no number"))
}
