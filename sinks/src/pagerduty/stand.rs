//! PagerDuty's Events API v2: an incident for each `dedup_key`.

use std::collections::BTreeMap;

use conformance::{Destination, Fault, Rig, Stored, http::HttpDestination};
use event::{EventId, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use sink::{Registration, SinkErrorKind};

use super::PagerDuty;

const KEY: &str = "canary0123456789abcdef0123456789";

/// See the [module](self).
#[derive(Debug)]
pub struct Stand;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<PagerDuty>()
    }

    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        Rig {
            config: json!({
                "routing_key": KEY, "url": http.url(), "public_url": "https://tollkeeper.example",
            }),
            secrets: vec![KEY.to_owned()],
            destination: Box::new(Service(http)),
        }
    }
}

struct Service(HttpDestination);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    routing_key: String,
    event_action: String,
    dedup_key: String,
    client: String,
    client_url: String,
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    summary: String,
    source: String,
    severity: String,
    timestamp: String,
    class: String,
    custom_details: BTreeMap<String, Value>,
}

impl Destination for Service {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        if let Some(complaint) = self.0.complaints().first() {
            return Err(complaint.clone());
        }
        let mut incidents: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut stored = Vec::new();
        for request in self.0.taken() {
            if request.body == b"{}" {
                continue;
            }
            let event: Event =
                serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
            check(&event)?;
            match incidents.get(&event.dedup_key) {
                Some(first) if *first == request.body => continue,
                Some(_) => return Err(format!("{} has changed", event.dedup_key)),
                None => incidents.insert(event.dedup_key.clone(), request.body),
            };
            let details = &event.payload.custom_details;
            let id = details.get("alert_id").map(Json::of).unwrap_or_default();
            let id: EventId = id.read().ok_or("the id is missing")?;
            let (severity, kind) = (&event.payload.severity, &event.payload.class);
            let said = json!({ "key": event.dedup_key, "severity": severity, "kind": kind });
            stored.push(Stored {
                id,
                said: Json::of(&said),
            });
        }
        Ok(stored)
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.0.suffer(fault);
        Some(fault.kind())
    }

    fn recover(&self) {
        self.0.recover();
    }
}

fn check(event: &Event) -> Result<(), String> {
    let payload = &event.payload;
    let fixed = [&event.event_action, &event.client, &payload.source];
    if event.routing_key != KEY || fixed != ["trigger", "Tollkeeper", "tollkeeper"] {
        return Err(format!("the event is {fixed:?}"));
    }
    let within = |text: &str, max| (1..=max).contains(&text.chars().count());
    if !within(&payload.summary, 1_024) || !within(&event.dedup_key, 255) {
        return Err("a text is too long".to_owned());
    }
    if !["critical", "error", "warning", "info"].contains(&payload.severity.as_str()) {
        return Err(format!("`{}` is no severity", payload.severity));
    }
    if !payload.timestamp.ends_with('Z') || !event.client_url.starts_with("https://") {
        return Err("a time or a link is none".to_owned());
    }
    Ok(())
}
