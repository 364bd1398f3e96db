//! A workflow that takes cards of Teams.
//!
//! A person tells a repetition by its key and time, so this does the same: a repetition counts once,
//! and has to be the same.

use std::collections::BTreeMap;

use conformance::{Destination, Fault, Rig, Stored, http::HttpDestination};
use event::{EventId, Json};
use serde_json::{Value, json};
use sink::{Registration, SinkErrorKind};

use super::Teams;

const PATH_CANARY: &str = "canary-sig-3b1c";

/// See the [module](self).
#[derive(Debug)]
pub struct Stand;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Teams>()
    }

    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        let url = format!("{}/workflows/x?sig={PATH_CANARY}", http.url());
        Rig {
            config: json!({ "webhook_url": url, "public_url": "https://tollkeeper.example" }),
            secrets: vec![PATH_CANARY.to_owned()],
            destination: Box::new(Workflow(http)),
        }
    }
}

struct Workflow(HttpDestination);

impl Destination for Workflow {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        if let Some(complaint) = self.0.complaints().first() {
            return Err(complaint.clone());
        }
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        let mut stored = Vec::new();
        for request in self.0.taken() {
            if request.method == "HEAD" {
                continue;
            }
            if !request.target.ends_with(PATH_CANARY) || request.body.len() > 28 << 10 {
                return Err(format!("{} bytes to the wrong place", request.body.len()));
            }
            for container in containers(&request.body)? {
                let id = container["id"]
                    .as_str()
                    .ok_or("a container has no id")?
                    .to_owned();
                match seen.get(&id) {
                    // Alone an alert has more to say; its last line stays.
                    Some(first) if about(first) == about(&container) => {}
                    Some(_) => return Err(format!("{id} has changed")),
                    None => {
                        let said = about(&container)?;
                        seen.insert(id.clone(), container);
                        let id: EventId = Json::of(&id).read().ok_or("not an alert's id")?;
                        let said = Json::of(&said);
                        stored.push(Stored { id, said });
                    }
                }
            }
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

/// The alerts of a card, and that the card is one.
fn containers(body: &[u8]) -> Result<Vec<Value>, String> {
    let message: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let attachment = &message["attachments"][0];
    let card = &attachment["content"];
    let kinds = [
        &message["type"],
        &attachment["contentType"],
        &card["type"],
        &card["version"],
    ];
    let expected = [
        "message",
        "application/vnd.microsoft.card.adaptive",
        "AdaptiveCard",
        "1.4",
    ];
    if kinds != expected || card["actions"][0]["type"] != "Action.OpenUrl" {
        return Err(format!("not a card: {kinds:?}"));
    }
    let body = card["body"].as_array().ok_or("a card has a body")?;
    let alerts = body.iter().filter(|element| element["type"] == "Container");
    let alerts: Vec<_> = alerts.cloned().collect();
    for element in alerts
        .iter()
        .flat_map(|alert| alert["items"].as_array().into_iter().flatten())
    {
        let text = element["text"].as_str().unwrap_or_default();
        let fine = match element["type"].as_str() {
            Some("TextBlock") => !text.is_empty() && !text.contains("]("),
            Some("FactSet") => element["facts"].is_array(),
            _ => false,
        };
        if !fine {
            return Err(format!("not an element: {element}"));
        }
    }
    Ok(alerts)
}

/// What the last line says: how bad, since when, which.
fn about(container: &Value) -> Result<Value, String> {
    let items = container["items"]
        .as_array()
        .ok_or("a container has items")?;
    let last = items.last().and_then(|item| item["text"].as_str());
    let mut parts = last.unwrap_or_default().split(" · ");
    let (severity, key) = (parts.next(), parts.nth(1));
    Ok(json!({ "severity": severity, "key": key }))
}
