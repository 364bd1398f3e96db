//! The batches that old servers take: for each call a trace and a generation.

use std::collections::BTreeMap;

use event::{Json, Usd};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sink::Receipt;

use super::observation::{Observation, Prompt, iso};

/// What is posted.
#[derive(Debug, Serialize)]
pub(super) struct Batch<'a> {
    batch: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    id: String,
    timestamp: String,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case")]
enum Body<'a> {
    TraceCreate(Trace<'a>),
    GenerationCreate(Box<Generation<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    id: String,
    timestamp: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    tags: &'a [String],
    metadata: &'a BTreeMap<&'static str, String>,
    #[serde(flatten)]
    labels: Labels<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Generation<'a> {
    id: String,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_observation_id: Option<String>,
    name: &'a str,
    start_time: String,
    end_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_start_time: Option<String>,
    model: &'a str,
    model_parameters: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_details: Option<&'a BTreeMap<&'static str, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_details: Option<&'a BTreeMap<&'static str, Usd>>,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    #[serde(flatten)]
    labels: Labels<'a>,
    #[serde(flatten)]
    prompt: Option<Linked<'a>>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Labels<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linked<'a> {
    prompt_name: &'a str,
    prompt_version: u16,
}

impl<'a> Batch<'a> {
    /// Two entries for each call, with ids that a redelivery repeats.
    pub(super) fn of(observations: &'a [Observation<'a>]) -> Self {
        let pairs = observations.iter().map(|observation| {
            let key = observation.call.item.key();
            let at = iso(observation.call.payload().end_time);
            let entry = |what: &str, body| Entry {
                id: format!("{key}-{what}"),
                timestamp: at.clone(),
                body,
            };
            [
                entry(TRACE, Body::TraceCreate(trace(observation))),
                entry(
                    GENERATION,
                    Body::GenerationCreate(Box::new(generation(observation))),
                ),
            ]
        });
        Self {
            batch: pairs.flatten().collect(),
        }
    }
}

const TRACE: &str = "trace";
const GENERATION: &str = "generation";

fn trace<'a>(observation: &'a Observation<'a>) -> Trace<'a> {
    Trace {
        id: hex::encode(observation.call.trace_id()),
        timestamp: iso(observation.call.payload().start_time),
        name: &observation.trace_name,
        user_id: observation.user.as_deref(),
        session_id: observation.session.as_deref(),
        tags: &observation.tags,
        metadata: &observation.trace_metadata,
        labels: labels(observation),
        release: observation.labels.release.as_deref(),
    }
}

fn generation<'a>(observation: &'a Observation<'a>) -> Generation<'a> {
    let call = observation.call;
    let payload = call.payload();
    let parent = hex::encode(call.parent_span_id());
    let said = |text: &Option<String>| text.clone().and_then(Json::parse);
    Generation {
        id: hex::encode(call.span_id()),
        trace_id: hex::encode(call.trace_id()),
        parent_observation_id: Some(parent).filter(|parent| !parent.is_empty()),
        name: &observation.name,
        start_time: iso(payload.start_time),
        end_time: iso(payload.end_time),
        completion_start_time: observation.first_token(),
        model: call.model(),
        model_parameters: &observation.parameters,
        input: said(&observation.input),
        output: said(&observation.output),
        usage_details: observation.usage.as_ref(),
        cost_details: observation.cost.as_ref(),
        level: observation.level(),
        status_message: observation.status_message(),
        metadata: &observation.metadata,
        labels: labels(observation),
        prompt: observation.prompt.as_ref().map(linked),
    }
}

fn labels<'a>(observation: &Observation<'a>) -> Labels<'a> {
    Labels {
        environment: observation.labels.environment.as_deref(),
        version: observation.labels.version.as_deref(),
    }
}

fn linked(prompt: &Prompt) -> Linked<'_> {
    Linked {
        prompt_name: &prompt.name,
        prompt_version: prompt.version,
    }
}

/// What became of each entry.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    successes: Vec<Taken>,
    errors: Vec<Failed>,
}

#[derive(Debug, Deserialize)]
struct Taken {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Failed {
    id: String,
    status: u16,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    error: Value,
}

impl Answer {
    /// Refuses the items that the server refused, and defers those that it failed to take or does
    /// not speak of. `keys` are those of the items that were sent, with their indexes.
    pub(super) fn tell(&self, keys: &[(usize, String)], receipt: &mut Receipt) {
        for (index, key) in keys {
            let ids = [TRACE, GENERATION].map(|what| format!("{key}-{what}"));
            let failed = self.errors.iter().filter(|error| ids.contains(&error.id));
            let refused = failed
                .clone()
                .find(|error| error.status < 500 && error.status != 429);
            let taken = |id: &String| self.successes.iter().any(|taken| taken.id == *id);
            if let Some(error) = refused {
                receipt.refuse(*index, &error.reason());
            } else if failed.count() > 0 || !ids.iter().all(taken) {
                receipt.defer(*index);
            }
        }
    }
}

impl Failed {
    fn reason(&self) -> String {
        let message = self.message.as_deref().unwrap_or_default();
        let more = match &self.error {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        format!("{}: {message} {more}", self.status)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_item_is_told_what_became_of_its_two_entries() {
        let taken = |id: &str| json!({ "id": id, "status": 201 });
        let answer: Answer = serde_json::from_value(json!({
            "successes": [
                taken("a-trace"), taken("a-generation"),
                taken("b-trace"), taken("c-trace"), taken("d-trace"),
            ],
            "errors": [
                { "id": "b-generation", "status": 400, "message": "Invalid", "error": "level" },
                { "id": "c-generation", "status": 500 },
            ],
        }))
        .unwrap();
        let keys = ["a", "b", "c", "d"];
        let keys: Vec<_> = keys
            .iter()
            .map(|key| (*key).to_owned())
            .enumerate()
            .collect();
        let mut receipt = Receipt::default();
        answer.tell(&keys, &mut receipt);
        let [refused] = receipt.refused() else {
            panic!("one is refused: {receipt:?}");
        };
        assert_eq!((refused.index, &*refused.reason), (1, "400: Invalid level"));
        assert_eq!(receipt.deferred(), [2, 3]);
    }
}
