//! Slack, as it takes messages: by an incoming webhook, and from a bot.
//!
//! Slack shows a repetition twice. A person tells it by its key and time, so these do the same: a
//! repetition counts once, and has to be the same to the letter.

use std::collections::BTreeMap;

use conformance::{Destination, Fault, Rig, Stored, http::HttpDestination, http::Request};
use event::{EventId, Json};
use serde_json::{Value, json};
use sink::{Registration, SinkErrorKind};

use super::Slack;

const PATH_CANARY: &str = "T00000000/B00000000/canaryXXXXXXXXXXXXXXXXXX";
const TOKEN_CANARY: &str = "xoxb-canary-2f6b0c9d1e";

/// An incoming webhook.
#[derive(Debug)]
pub struct Stand;
/// The Web API, for a bot that keeps threads.
#[derive(Debug)]
pub struct Bot;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Slack>()
    }

    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        http.answer("ok");
        let url = format!("{}/services/{PATH_CANARY}", http.url());
        Rig {
            config: json!({ "webhook_url": url, "public_url": "https://tollkeeper.example" }),
            secrets: vec![PATH_CANARY.to_owned()],
            destination: Box::new(Workspace { http, bot: false }),
        }
    }
}

impl conformance::Stand for Bot {
    fn registration(&self) -> Registration {
        Registration::of::<Slack>()
    }

    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        http.answer(
            r#"{"ok":true,"channel":"C0123456789","ts":"1795261334.000100","messages":[]}"#,
        );
        let (api_url, channel) = (format!("{}/api", http.url()), "C0123456789");
        let config = json!({
            "token": TOKEN_CANARY, "channel": channel, "threads": true, "api_url": api_url,
        });
        Rig {
            config,
            secrets: vec![TOKEN_CANARY.to_owned()],
            destination: Box::new(Workspace { http, bot: true }),
        }
    }
}

struct Workspace {
    http: HttpDestination,
    bot: bool,
}

impl Destination for Workspace {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        if let Some(complaint) = self.http.complaints().first() {
            return Err(complaint.clone());
        }
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        let mut stored = Vec::new();
        for request in self.http.taken() {
            let Some(message) = self.message(&request)? else {
                continue;
            };
            for (id, said) in alerts(&message)? {
                match seen.get(&id) {
                    // In another company it may come again; what is said of it stays.
                    Some(first) if *first == said => {}
                    Some(_) => return Err(format!("{id} has changed")),
                    None => {
                        seen.insert(id.clone(), said.clone());
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
        self.http.suffer(fault);
        Some(fault.kind())
    }

    fn recover(&self) {
        self.http.recover();
    }
}

impl Workspace {
    /// The message of a request; `None` if it is a probe or a question.
    fn message(&self, request: &Request) -> Result<Option<Value>, String> {
        let path = request.target.split('?').next().unwrap_or_default();
        if self.bot {
            if request.header("authorization") != Some(&format!("Bearer {TOKEN_CANARY}")) {
                return Err("the token is missing".to_owned());
            }
            let history = "channel=C0123456789&limit=200&include_all_metadata=true";
            match (request.method.as_str(), path) {
                ("GET", "/api/auth.test") => return Ok(None),
                ("GET", "/api/conversations.history") if request.target.ends_with(history) => {
                    return Ok(None);
                }
                ("POST", "/api/chat.postMessage") => {}
                other => return Err(format!("{other:?} is no method that is needed")),
            }
        } else if request.method != "POST" || path != format!("/services/{PATH_CANARY}") {
            return Err("that is not the webhook".to_owned());
        }
        let content = if self.bot {
            "application/json; charset=utf-8"
        } else {
            "application/json"
        };
        if request.header("content-type") != Some(content) {
            return Err("the body is JSON and has to be called so".to_owned());
        }
        let message: Value =
            serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
        if message == json!({}) {
            return Ok(None);
        }
        let channel = self.bot.then_some("C0123456789");
        if message["channel"].as_str() != channel {
            return Err(format!("the channel is {}", message["channel"]));
        }
        check(&message)?;
        Ok(Some(message))
    }
}

/// The limits of Block Kit, for the blocks that are used.
fn check(message: &Value) -> Result<(), String> {
    within(&message["text"], 4_000)?;
    let blocks = message["blocks"].as_array().ok_or("no blocks")?;
    if blocks.is_empty() || blocks.len() > 50 {
        return Err(format!("{} blocks", blocks.len()));
    }
    for block in blocks {
        match block["type"].as_str() {
            Some("header") => within(&block["text"]["text"], 150)?,
            Some("section") => {
                if block["text"].is_null() && block["fields"].is_null() {
                    return Err("a section without text".to_owned());
                }
                if !block["text"].is_null() {
                    within(&block["text"]["text"], 3_000)?;
                }
                let fields = block["fields"].as_array();
                let fields = fields.map(Vec::as_slice).unwrap_or_default();
                if fields.len() > 10 {
                    return Err(format!("{} fields", fields.len()));
                }
                fields
                    .iter()
                    .try_for_each(|field| within(&field["text"], 2_000))?;
            }
            Some("context") => within(&block["elements"][0]["text"], 2_000)?,
            Some("actions") => within(&block["elements"][0]["url"], 3_000)?,
            other => return Err(format!("{other:?} is no block that is needed")),
        }
    }
    Ok(())
}

fn within(text: &Value, max: usize) -> Result<(), String> {
    let text = text.as_str().ok_or("a text is missing")?;
    let length = text.chars().count();
    if text.is_empty() || length > max {
        return Err(format!("a text of {length} where {max} are taken"));
    }
    let markup = text.replace("<!date^", "");
    if markup.contains("<!") || markup.contains("<@") || markup.contains("<http") {
        return Err(format!("a mention or a link: {text}"));
    }
    Ok(())
}

/// Which alerts a message tells, by the ids of their blocks, and what it says of each.
fn alerts(message: &Value) -> Result<Vec<(String, Value)>, String> {
    let blocks = message["blocks"].as_array().ok_or("no blocks")?;
    let contexts = blocks.iter().filter(|block| block["type"] == "context");
    let read = |block: &Value| {
        let id = block["block_id"].as_str().ok_or("a block has no id")?;
        let text = block["elements"][0]["text"].as_str().unwrap_or_default();
        let mut parts = text.split(" · ");
        let (severity, key) = (parts.next(), parts.nth(1));
        let key = key.map(|key| key.trim_matches('`'));
        Ok((id.to_owned(), json!({ "severity": severity, "key": key })))
    };
    contexts.map(read).collect()
}
