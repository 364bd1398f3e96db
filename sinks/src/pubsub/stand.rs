//! A topic that takes nothing without a token, with a subscriber that drops keys it has seen.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use conformance::{
    Destination, Fault, Rig, Stored,
    http::{HttpDestination, Request},
};
use serde::Deserialize;
use serde_json::json;
use sink::{Registration, SinkErrorKind};

use super::Pubsub;
use crate::{google::stand::TokenServer, object::read::read};

const TOPIC: &str = "/v1/projects/the-project/topics/the-topic";

/// A topic in which calls of a key keep their order.
#[derive(Debug)]
pub struct Stand;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Pubsub>()
    }

    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        // To whatever is asked: that publishing is allowed, or done.
        let answer = json!({ "permissions": ["pubsub.topics.publish"], "messageIds": ["1"] });
        http.answer(answer.to_string());
        let tokens = TokenServer::start();
        let config = json!({
            "project": "the-project",
            "topic": "the-topic",
            "endpoint": http.url(),
            "service_account": tokens.service_account(),
            "order_by": "key",
            "timeout": "2s",
        });
        Rig {
            config,
            secrets: TokenServer::secrets(),
            destination: Box::new(Topic { http, tokens }),
        }
    }
}

struct Topic {
    http: HttpDestination,
    tokens: TokenServer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Message {
    data: String,
    attributes: BTreeMap<String, String>,
    ordering_key: Option<String>,
}

/// The messages of a request that the API takes.
fn messages(request: &Request) -> Result<Vec<Message>, String> {
    if request.header("content-type") != Some("application/json") {
        return Err("a request has to be JSON".to_owned());
    }
    if request.body.len() > 10_000_000 {
        return Err(format!("{} bytes are too many", request.body.len()));
    }
    let publish: Publish =
        serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    if !(1..=1000).contains(&publish.messages.len()) {
        return Err(format!("{} messages are too many", publish.messages.len()));
    }
    for message in &publish.messages {
        let kind = message.attributes.get("kind").map(String::as_str);
        let key = message.ordering_key.as_deref();
        let expected = (kind == Some("event")).then_some("9f86d081884c7d65");
        if key != expected {
            return Err(format!(
                "a message of kind {kind:?} has the order of {key:?}"
            ));
        }
        let mut texts = message
            .attributes
            .iter()
            .flat_map(|(name, value)| [name, value]);
        if message.attributes.len() > 100 || texts.any(|text| text.is_empty() || text.len() > 1024)
        {
            return Err(format!("attributes cannot be {:?}", message.attributes));
        }
    }
    Ok(publish.messages)
}

impl Destination for Topic {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        if let Some(complaint) = self.http.complaints().first() {
            return Err(complaint.clone());
        }
        self.tokens.check()?;
        let seen = self.http.seen();
        seen.iter().try_for_each(TokenServer::is_good)?;
        let mut keys: BTreeMap<String, String> = BTreeMap::new();
        let mut stored = Vec::new();
        for request in self.http.taken() {
            let verb = request.target.strip_prefix(TOPIC);
            match (request.method.as_str(), verb) {
                ("POST", Some(":testIamPermissions")) => continue,
                ("POST", Some(":publish")) => {}
                _ => return Err(format!("nobody asked for `{}`", request.target)),
            }
            for message in messages(&request)? {
                let key = message.attributes.get("key").ok_or("there is no key")?;
                match keys.insert(key.clone(), message.data.clone()) {
                    Some(first) if first == message.data => continue,
                    Some(_) => return Err(format!("another message has the key {key}")),
                    None => {}
                }
                let data = BASE64_STANDARD.decode(&message.data);
                let read = read("message", &data.map_err(|error| error.to_string())?)?;
                let id = read.first().map(|one| one.id.to_string());
                if id.as_ref() != message.attributes.get("event_id") {
                    return Err(format!("{id:?} is called {:?}", message.attributes));
                }
                stored.extend(read);
            }
        }
        Ok(stored)
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.http.suffer(fault);
        Some(match fault.status() {
            Some(409) => SinkErrorKind::Failing,
            _ => fault.kind(),
        })
    }

    fn recover(&self) {
        self.http.recover();
    }
}
