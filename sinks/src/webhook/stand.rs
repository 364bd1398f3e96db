//! Receivers of each dialect, that believe nothing that is not signed and drop ids they have seen.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use conformance::{Destination, Fault, Rig, Stored, http::HttpDestination, http::Request};
use event::{EventId, Json, PricedEvent};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use sink::{Registration, SinkErrorKind};

use super::{Dialect, Webhook};

/// Two keys, as while one is being replaced.
const KEYS: [&[u8]; 2] = [
    b"canary-0123456789abcdef-one",
    b"canary-0123456789abcdef-two",
];
const HEADER_CANARY: &str = "canary-header-5e1f";
const PATH_CANARY: &str = "canary-path-77aa";

/// A receiver of webhooks as the standard has them.
#[derive(Debug)]
pub struct Stand;
/// A receiver of what LiteLLM posts, which has no signatures.
#[derive(Debug)]
pub struct Litellm;
/// A receiver of signed `CloudEvents`.
#[derive(Debug)]
pub struct CloudEvents;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Webhook>()
    }

    fn rig(&self) -> Rig {
        rig(Dialect::Standard, json!({}))
    }
}

impl conformance::Stand for Litellm {
    fn registration(&self) -> Registration {
        Registration::of::<Webhook>()
    }

    fn rig(&self) -> Rig {
        let headers = format!("x-api-key={HEADER_CANARY}");
        let change = json!({ "dialect": "litellm", "secrets": [], "headers": headers });
        rig(Dialect::Litellm, change)
    }
}

impl conformance::Stand for CloudEvents {
    fn registration(&self) -> Registration {
        Registration::of::<Webhook>()
    }

    fn rig(&self) -> Rig {
        rig(Dialect::Cloudevents, json!({ "dialect": "cloudevents" }))
    }
}

#[expect(clippy::expect_used, reason = "without a free port there is no test")]
fn rig(dialect: Dialect, change: Value) -> Rig {
    let http = HttpDestination::start().expect("a free port");
    let secrets = KEYS.map(|key| format!("whsec_{}", BASE64_STANDARD.encode(key)));
    let mut config = json!({
        "url": format!("{}/hooks/{PATH_CANARY}?key={PATH_CANARY}", http.url()),
        "secrets": secrets,
        "headers": { "x-api-key": HEADER_CANARY },
        "content": "full",
        "timeout": "500ms",
    });
    if let (Value::Object(config), Value::Object(change)) = (&mut config, change) {
        config.extend(change);
    }
    let shown = secrets.iter().map(|secret| secret.replace("whsec_", ""));
    let others = [HEADER_CANARY.to_owned(), PATH_CANARY.to_owned()];
    Rig {
        config,
        secrets: shown.chain(others).collect(),
        destination: Box::new(Receiver { http, dialect }),
    }
}

struct Receiver {
    http: HttpDestination,
    dialect: Dialect,
}

impl Destination for Receiver {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        if let Some(complaint) = self.http.complaints().first() {
            return Err(complaint.clone());
        }
        // What was refused has to be signed too, and no two attempts are at the same time.
        let seen = self.http.seen();
        let mut attempts: Vec<_> = seen
            .iter()
            .filter(|request| request.method == "POST")
            .map(|request| verify(request, self.dialect))
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
            .http
            .taken()
            .into_iter()
            .filter(|request| request.method == "POST")
        {
            let id = header(&request, "webhook-id")?.to_owned();
            match taken.get(&id) {
                Some(first) if *first == request.body => {}
                Some(_) => return Err(format!("the body of {id} has changed")),
                None => {
                    stored.extend(read(self.dialect, &id, &request)?);
                    taken.insert(id, request.body);
                }
            }
        }
        Ok(stored)
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.http.suffer(fault);
        // Receivers deploy bugs: what they refuse is tried again, unless they say it is for good.
        Some(match (fault.status(), fault.kind()) {
            (Some(410), kind) | (Some(408 | 413 | 425 | 429), kind) => kind,
            (Some(400..=499), _) => SinkErrorKind::Failing,
            (_, kind) => kind,
        })
    }

    fn recover(&self) {
        self.http.recover();
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Result<&'a str, String> {
    request
        .header(name)
        .ok_or_else(|| format!("there must be one `{name}`"))
}

/// As the standard says: the decoded key, over id, timestamp and body. Returns id and timestamp.
fn verify(request: &Request, dialect: Dialect) -> Result<(String, i64), String> {
    let id = header(request, "webhook-id")?;
    let timestamp = header(request, "webhook-timestamp")?;
    let signatures: Vec<_> = match dialect {
        Dialect::Litellm => Vec::new(),
        _ => header(request, "webhook-signature")?.split(' ').collect(),
    };
    if id.is_empty() || id.contains('.') {
        return Err(format!("`{id}` is not an id"));
    }
    let content = header(request, "content-type")?;
    let array = request.body.starts_with(b"[");
    let expected = match dialect {
        Dialect::Cloudevents if array => "application/cloudevents-batch+json",
        Dialect::Cloudevents => "application/cloudevents+json",
        _ => "application/json",
    };
    if content != expected {
        return Err(format!("the body is {expected} and is called {content}"));
    }
    if header(request, "x-api-key")? != HEADER_CANARY {
        return Err("the user's own header is missing".to_owned());
    }
    let keys = if dialect == Dialect::Litellm {
        &[][..]
    } else {
        &KEYS
    };
    let expected = keys.iter().map(|key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&request.body);
        Ok::<_, String>(format!(
            "v1,{}",
            BASE64_STANDARD.encode(mac.finalize().into_bytes())
        ))
    });
    let expected: Vec<_> = expected.collect::<Result<_, _>>()?;
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
struct Lists {
    events: Option<Vec<Json>>,
    alerts: Option<Vec<Json>>,
}

/// An event of the `CloudEvents` specification: only what is sent is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudEvent {
    specversion: String,
    id: String,
    source: String,
    r#type: String,
    subject: String,
    time: String,
    datacontenttype: String,
    data: Json,
}

fn read(dialect: Dialect, id: &str, request: &Request) -> Result<Vec<Stored>, String> {
    match dialect {
        Dialect::Standard => standard(id, &parse(&request.body)?),
        Dialect::Litellm => litellm(id, &request.body),
        Dialect::Cloudevents if request.body.starts_with(b"[") => {
            let events: Vec<CloudEvent> = parse(&request.body)?;
            events.into_iter().map(cloud_event).collect()
        }
        Dialect::Cloudevents => {
            let event: CloudEvent = parse(&request.body)?;
            if event.id != id {
                return Err(format!("`{id}` is not the id of its event"));
            }
            Ok(vec![cloud_event(event)?])
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn standard(id: &str, envelope: &Envelope) -> Result<Vec<Stored>, String> {
    let kind = envelope.r#type.as_str();
    if ["llm.call.completed", "llm.call.corrected", "llm.alert"].contains(&kind) {
        return Ok(vec![one(id, envelope)?]);
    }
    let lists: Lists = envelope.data.read().ok_or("there are no items")?;
    let expected = match &lists.events {
        None => "llm.alerts.batch",
        Some(_) => "llm.calls.batch",
    };
    if kind != expected || (lists.events.is_none() && lists.alerts.is_none()) {
        return Err(format!("`{kind}` does not go with its lists"));
    }
    let (events, alerts) = (lists.events.into_iter(), lists.alerts.into_iter());
    let events = events.flatten().map(|event| open(id, &event));
    let alerts = alerts.flatten().map(|alert| open_alert(id, &alert));
    events.chain(alerts).collect()
}

fn one(id: &str, envelope: &Envelope) -> Result<Stored, String> {
    if !envelope.timestamp.ends_with('Z') {
        return Err(format!("`{}` is not a time in UTC", envelope.timestamp));
    }
    match envelope.r#type.as_str() {
        "llm.call.completed" | "llm.call.corrected" => open(id, &envelope.data),
        "llm.alert" => open_alert(id, &envelope.data),
        other => Err(format!("`{other}` is not a type")),
    }
}

fn cloud_event(event: CloudEvent) -> Result<Stored, String> {
    let fixed = [&event.specversion, &event.source, &event.datacontenttype];
    if fixed != ["1.0", "/tollkeeper", "application/json"] || event.subject.is_empty() {
        return Err(format!("the attributes of {} are {fixed:?}", event.id));
    }
    let (r#type, timestamp) = (event.r#type, event.time);
    let data = event.data;
    one(
        &event.id,
        &Envelope {
            r#type,
            timestamp,
            data,
        },
    )
}

/// Calls are an array of the payload as it is; an alert is a body with the names of LiteLLM's webhook.
fn litellm(id: &str, body: &[u8]) -> Result<Vec<Stored>, String> {
    if body.starts_with(b"[") {
        let events: Vec<Json> = parse(body)?;
        let event = |said: Json| {
            let id = said.read::<PricedEvent>().ok_or("not a payload")?.id();
            Ok(Stored { id, said })
        };
        return events.into_iter().map(event).collect();
    }
    let mut alert: BTreeMap<String, Json> = parse(body)?;
    let group = alert
        .remove("event_group")
        .map(|group| group.text().to_owned());
    if group.as_deref() != Some("\"proxy\"") {
        return Err(format!(
            "an alert about nobody is about the proxy: {group:?}"
        ));
    }
    let mut said = BTreeMap::new();
    for (theirs, ours) in [("event", "kind"), ("event_message", "message")] {
        said.insert(
            ours,
            alert
                .remove(theirs)
                .ok_or_else(|| format!("no `{theirs}`"))?,
        );
    }
    if !alert.is_empty() {
        return Err(format!("unknown fields: {:?}", alert.keys()));
    }
    let id = Json::of(&id).read().ok_or("the id is not an alert's")?;
    Ok(vec![Stored {
        id,
        said: Json::of(&said),
    }])
}

fn open_alert(id: &str, alert: &Json) -> Result<Stored, String> {
    #[derive(Deserialize)]
    struct Ids {
        alert_id: EventId,
    }
    let ids: Ids = alert.read().ok_or("the id is missing")?;
    if !id.starts_with("batch_") && id != ids.alert_id.to_string() {
        return Err(format!("`{id}` is not the id of its alert"));
    }
    let (id, said) = (ids.alert_id, alert.clone());
    Ok(Stored { id, said })
}

#[derive(Deserialize)]
struct Ids {
    event_id: EventId,
    source: String,
    sequence: u64,
    revision: Option<u32>,
    litellm_call_id: String,
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
