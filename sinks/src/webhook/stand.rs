//! A receiver that believes nothing that is not signed, and drops ids it has seen.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use conformance::{Destination, Fault, Rig, Stored, http::HttpDestination, http::Request};
use event::{EventId, Json};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use sink::{Registration, SinkErrorKind};

use super::Webhook;

/// Two keys, as while one is being replaced.
const KEYS: [&[u8]; 2] = [
    b"canary-0123456789abcdef-one",
    b"canary-0123456789abcdef-two",
];
const HEADER_CANARY: &str = "canary-header-5e1f";
const PATH_CANARY: &str = "canary-path-77aa";

/// A receiver of signed webhooks.
#[derive(Debug)]
pub struct Stand;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Webhook>()
    }

    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        let secrets = KEYS.map(|key| format!("whsec_{}", BASE64_STANDARD.encode(key)));
        let config = json!({
            "url": format!("{}/hooks/{PATH_CANARY}?key={PATH_CANARY}", http.url()),
            "secrets": secrets,
            "headers": { "x-api-key": HEADER_CANARY },
            "content": "full",
            "timeout": "500ms",
        });
        let shown = secrets.iter().map(|secret| secret.replace("whsec_", ""));
        let others = [HEADER_CANARY.to_owned(), PATH_CANARY.to_owned()];
        Rig {
            config,
            secrets: shown.chain(others).collect(),
            destination: Box::new(Receiver(http)),
        }
    }
}

struct Receiver(HttpDestination);

impl Destination for Receiver {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        if let Some(complaint) = self.0.complaints().first() {
            return Err(complaint.clone());
        }
        // What was refused has to be signed too, and no two attempts are at the same time.
        let seen = self.0.seen();
        let mut attempts: Vec<_> = seen
            .iter()
            .filter(|request| request.method == "POST")
            .map(verify)
            .collect::<Result<_, _>>()?;
        attempts.sort_unstable();
        if let Some(pair) = attempts.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!(
                "two attempts have the same id and time: {:?}",
                pair[0]
            ));
        }
        let mut taken: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut stored = Vec::new();
        for request in self
            .0
            .taken()
            .into_iter()
            .filter(|request| request.method == "POST")
        {
            let id = header(&request, "webhook-id")?.to_owned();
            match taken.get(&id) {
                Some(first) if *first == request.body => {}
                Some(_) => return Err(format!("the body of {id} has changed")),
                None => {
                    stored.extend(read(&id, &request.body)?);
                    taken.insert(id, request.body);
                }
            }
        }
        Ok(stored)
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.0.suffer(fault);
        // Receivers deploy bugs: what they refuse is tried again, unless they say it is for good.
        Some(match (fault.status(), fault.kind()) {
            (Some(410), kind) | (Some(408 | 413 | 425 | 429), kind) => kind,
            (Some(400..=499), _) => SinkErrorKind::Failing,
            (_, kind) => kind,
        })
    }

    fn recover(&self) {
        self.0.recover();
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Result<&'a str, String> {
    request
        .header(name)
        .ok_or_else(|| format!("there must be one `{name}`"))
}

/// As the standard says: the decoded key, over id, timestamp and body. Returns id and timestamp.
fn verify(request: &Request) -> Result<(String, i64), String> {
    let id = header(request, "webhook-id")?;
    let timestamp = header(request, "webhook-timestamp")?;
    let signatures: Vec<_> = header(request, "webhook-signature")?.split(' ').collect();
    if id.is_empty() || id.contains('.') {
        return Err(format!("`{id}` is not an id"));
    }
    if header(request, "content-type")? != "application/json" {
        return Err("the body is JSON and has to be called so".to_owned());
    }
    if header(request, "x-api-key")? != HEADER_CANARY {
        return Err("the user's own header is missing".to_owned());
    }
    let expected = KEYS.map(|key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&request.body);
        Ok::<_, String>(format!(
            "v1,{}",
            BASE64_STANDARD.encode(mac.finalize().into_bytes())
        ))
    });
    let expected: Vec<_> = expected.into_iter().collect::<Result<_, _>>()?;
    if signatures != expected {
        return Err(format!(
            "the signatures of {id} are {signatures:?}, not {expected:?}"
        ));
    }
    let timestamp = timestamp
        .parse()
        .map_err(|_error| "the timestamp is not a number")?;
    Ok((id.to_owned(), timestamp))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    r#type: String,
    timestamp: String,
    data: Json,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    #[serde(default)]
    events: Vec<Json>,
    #[serde(default)]
    alerts: Vec<Json>,
}

#[derive(Deserialize)]
struct AlertId {
    alert_id: EventId,
}

#[derive(Deserialize)]
struct Ids {
    event_id: EventId,
    source: String,
    sequence: u64,
    revision: Option<u32>,
    litellm_call_id: String,
}

fn read(id: &str, body: &[u8]) -> Result<Vec<Stored>, String> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if !envelope.timestamp.ends_with('Z') {
        return Err(format!("`{}` is not a time in UTC", envelope.timestamp));
    }
    let several = Several {
        events: Vec::new(),
        alerts: Vec::new(),
    };
    let several = match envelope.r#type.as_str() {
        "llm.call.completed" | "llm.call.corrected" => Several {
            events: vec![envelope.data],
            ..several
        },
        "llm.alert" => Several {
            alerts: vec![envelope.data],
            ..several
        },
        "llm.calls.batch" | "llm.alerts.batch" => {
            envelope.data.read().ok_or("there is no list of events")?
        }
        other => return Err(format!("`{other}` is not a type")),
    };
    if several.events.is_empty()
        == (envelope.r#type != "llm.alert" && envelope.r#type != "llm.alerts.batch")
    {
        return Err(format!("an {} must not have these lists", envelope.r#type));
    }
    let events = several.events.iter().map(|event| open(id, event));
    let alerts = several.alerts.into_iter().map(|alert| {
        let AlertId { alert_id } = alert.read().ok_or("an alert has no id")?;
        if !id.starts_with("batch_") && id != alert_id.to_string() {
            return Err(format!("`{id}` is not the id of its alert"));
        }
        Ok(Stored {
            id: alert_id,
            said: alert,
        })
    });
    events.chain(alerts).collect()
}

/// Takes what was put beside the event's fields out again.
fn open(id: &str, event: &Json) -> Result<Stored, String> {
    let ids: Ids = event.read().ok_or("the ids are missing")?;
    if ids.source.is_empty() || ids.sequence == 0 || ids.litellm_call_id.is_empty() {
        return Err(format!("the ids of {} are not whole", ids.event_id));
    }
    let key = match ids.revision {
        None => ids.event_id.to_string(),
        Some(revision) => format!("{}-r{revision}", ids.event_id),
    };
    if !id.starts_with("batch_") && id != key {
        return Err(format!("`{id}` is not the id of its event"));
    }
    let mut fields: BTreeMap<String, Json> = event.read().ok_or("an event is an object")?;
    for name in ["event_id", "source", "sequence", "revision"] {
        fields.remove(name);
    }
    Ok(Stored {
        id: ids.event_id,
        said: Json::of(&fields),
    })
}
