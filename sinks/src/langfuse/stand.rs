//! A server of Langfuse, as strict as the schemas that the real one reads by, and slower to forget:
//! a span under ids that it knows has to be the same.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use conformance::{Destination, Fault, Rig, Stored, http::HttpDestination};
use event::{EventId, Json, Usd};
use opentelemetry_proto::tonic::{common::v1::any_value, trace::v1::Span};
use serde_json::json;
use sink::{Registration, SinkErrorKind};

use super::Langfuse;
use crate::otel::stand::{attributes_of, number, received, text};

const PUBLIC_KEY: &str = "pk-lf-canary-5b1d";
const SECRET_KEY: &str = "sk-lf-canary-90ce";
/// The largest number that JavaScript counts to.
const COUNT_MAX: u64 = (1 << 53) - 1;

/// A server of Langfuse that takes OTLP.
#[derive(Debug)]
pub struct Stand;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Langfuse>()
    }

    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        // The server answers with a job of its queue, as JSON.
        http.answer(r#"{"id":"1","name":"otel-ingestion-job"}"#);
        let config = json!({
            "host": http.url(),
            "public_key": PUBLIC_KEY,
            "secret_key": SECRET_KEY,
            "environment": "test",
            "tags": ["gateway"],
            "timeout": "500ms",
        });
        Rig {
            config,
            secrets: vec![PUBLIC_KEY.to_owned(), SECRET_KEY.to_owned(), credentials()],
            destination: Box::new(Server(http)),
        }
    }
}

fn credentials() -> String {
    BASE64_STANDARD.encode(format!("{PUBLIC_KEY}:{SECRET_KEY}"))
}

struct Server(HttpDestination);

impl Destination for Server {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        let headers = [
            ("authorization", format!("Basic {}", credentials())),
            ("x-langfuse-ingestion-version", "4".to_owned()),
            ("x-langfuse-sdk-name", "tollkeeper".to_owned()),
        ];
        let target = "/api/public/otel/v1/traces";
        let spans = received(&self.0, target, &headers)?;
        spans.iter().map(read).collect()
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.0.suffer(fault);
        Some(fault.kind())
    }

    fn recover(&self) {
        self.0.recover();
    }
}

fn read(span: &Span) -> Result<Stored, String> {
    let attributes = attributes_of(&span.attributes)?;
    let said = |name: &str| text(&attributes, &format!("langfuse.observation.{name}"));
    if said("type") != Some("generation") {
        return Err("a chat is a `generation`".to_owned());
    }
    if !matches!(said("level"), Some("DEFAULT" | "ERROR")) {
        return Err("a level is one of Langfuse's".to_owned());
    }
    for key in ["langfuse.user.id", "langfuse.session.id"] {
        if text(&attributes, key).is_some_and(|id| id.chars().count() > 200) {
            return Err(format!("`{key}` is too long"));
        }
    }
    if text(&attributes, "langfuse.environment") != Some("test") {
        return Err("the environment is missing".to_owned());
    }
    if !matches!(
        attributes.get("langfuse.trace.tags"),
        Some(any_value::Value::ArrayValue(_))
    ) {
        return Err("tags are a list".to_owned());
    }
    let id = said("metadata.event_id").ok_or("the event's id is missing")?;
    let id: EventId = serde_json::from_value(id.into()).map_err(|error| error.to_string())?;
    let mut fields = BTreeMap::new();
    for (key, field) in [
        ("metadata.litellm_call_id", "litellm_call_id"),
        ("metadata.provider_model", "model"),
        ("metadata.provider", "custom_llm_provider"),
    ] {
        fields.extend(said(key).map(|text| (field.to_owned(), Json::of(&text))));
    }
    if let Some(usage) = said("usage_details") {
        let (input, output) = usage_of(usage)?;
        fields.insert("prompt_tokens".to_owned(), Json::of(&input));
        fields.insert("completion_tokens".to_owned(), Json::of(&output));
    }
    let cost = said("cost_details").map(cost_of).transpose()?;
    fields.insert("response_cost".to_owned(), cost.unwrap_or_default());
    for (key, field) in [("input", "messages"), ("output", "response")] {
        // What was cut is a text in the place of its JSON.
        let whole = said(key).filter(|json| !json.starts_with('"'));
        let json = whole.map(|json| Json::parse(json.to_owned()).ok_or("no JSON"));
        fields.extend(json.transpose()?.map(|json| (field.to_owned(), json)));
    }
    Ok(Stored {
        id,
        said: Json::of(&fields),
    })
}

/// Input and output: the sums of their parts.
fn usage_of(text: &str) -> Result<(u64, u64), String> {
    let usage: BTreeMap<String, u64> =
        serde_json::from_str(text).map_err(|error| format!("usage: {error}"))?;
    let sum = |side: &str| -> u64 {
        let parts = usage.iter().filter(|(name, _)| name.starts_with(side));
        parts.map(|(_, count)| count).sum()
    };
    let (input, output) = (sum("input"), sum("output"));
    if usage.get("total") != Some(&(input + output)) || input + output > COUNT_MAX {
        return Err(format!("the usage does not add up: {text}"));
    }
    Ok((input, output))
}

/// The total, with its digits; parts add up to it.
fn cost_of(text: &str) -> Result<Json, String> {
    let cost: BTreeMap<String, Usd> =
        serde_json::from_str(text).map_err(|error| format!("cost: {error}"))?;
    let total = *cost.get("total").ok_or("a cost has a `total`")?;
    let parts = cost.iter().filter(|(name, _)| *name != "total");
    let sum: Usd = parts.map(|(_, amount)| *amount).sum();
    if cost.values().any(|amount| *amount < Usd::ZERO) || (cost.len() > 1 && sum != total) {
        return Err(format!("the cost does not add up: {text}"));
    }
    number(&total.to_string())
}
