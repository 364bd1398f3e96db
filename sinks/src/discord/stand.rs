//! A webhook of Discord, with its limits.
//!
//! A person tells a repetition by its number and key, so this does the same: a repetition counts once.

use std::collections::BTreeSet;

use conformance::{Destination, Fault, Rig, Stored, http::HttpDestination};
use event::{EventId, Json, Origin, codec::ALERTS};
use serde_json::{Value, json};
use sink::{Registration, SinkErrorKind};

use super::Discord;

const PATH_CANARY: &str = "canary-token-88d1";

/// See the [module](self).
#[derive(Debug)]
pub struct Stand;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Discord>()
    }

    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        let url = format!("{}/api/webhooks/1/{PATH_CANARY}", http.url());
        Rig {
            config: json!({ "webhook_url": url, "public_url": "https://tollkeeper.example" }),
            secrets: vec![PATH_CANARY.to_owned()],
            destination: Box::new(Channel(http)),
        }
    }
}

struct Channel(HttpDestination);

impl Destination for Channel {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        if let Some(complaint) = self.0.complaints().first() {
            return Err(complaint.clone());
        }
        let mut seen = BTreeSet::new();
        let mut stored = Vec::new();
        for request in self.0.taken() {
            if request.method == "GET" {
                continue;
            }
            if request.target != format!("/api/webhooks/1/{PATH_CANARY}?wait=true") {
                return Err("that is not the webhook".to_owned());
            }
            let message: Value =
                serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
            for embed in embeds(&message)? {
                let (id, said) = about(&embed)?;
                if seen.insert(id.to_string()) {
                    stored.push(Stored { id, said });
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

fn embeds(message: &Value) -> Result<Vec<Value>, String> {
    if message["allowed_mentions"]["parse"] != json!([]) {
        return Err("somebody may be called".to_owned());
    }
    let embeds = message["embeds"].as_array().ok_or("there are no embeds")?;
    let mut total = 0;
    for embed in embeds {
        let fields = embed["fields"].as_array().ok_or("there are no fields")?;
        let mut texts = vec![
            (&embed["title"], 256),
            (&embed["description"], 4_096),
            (&embed["footer"]["text"], 2_048),
        ];
        for field in fields {
            texts.extend([(&field["name"], 256), (&field["value"], 1_024)]);
        }
        for (text, max) in texts {
            let length = text.as_str().ok_or("a text is missing")?.chars().count();
            if length == 0 || length > max {
                return Err(format!("a text of {length} where {max} are taken"));
            }
            total += length;
        }
        if fields.len() > 25
            || !embed["timestamp"]
                .as_str()
                .unwrap_or_default()
                .ends_with('Z')
        {
            return Err(format!("not an embed: {embed}"));
        }
    }
    if embeds.is_empty() || embeds.len() > 10 || total > 6_000 {
        return Err(format!("{} embeds of {total} characters", embeds.len()));
    }
    Ok(embeds.clone())
}

/// The alert of an embed: its id is made of its key and number.
fn about(embed: &Value) -> Result<(EventId, Json), String> {
    let footer = embed["footer"]["text"].as_str().unwrap_or_default();
    let parts: Vec<_> = footer.split(" · ").collect();
    let [severity, number, key] = parts[..] else {
        return Err(format!("the footer is {footer}"));
    };
    let sequence = number.trim_start_matches('#').parse();
    let origin = Origin {
        source: format!("{ALERTS}/{key}"),
        sequence: sequence.map_err(|_error| format!("`{number}` is no number"))?,
    };
    let said = json!({ "severity": severity, "key": key });
    Ok((EventId::of(&origin), Json::of(&said)))
}
