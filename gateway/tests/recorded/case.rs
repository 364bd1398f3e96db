//! Reads cases, and writes the provider's answers as they stand on the wire.

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use gateway::{
    ClientRequest, Config, Operation,
    config::Deployment,
    provider::{self, Ask, Reader},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The key of every client here.
pub(crate) const KEY: &str = "sk-recorded";

/// One case, as its file has it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// `anthropic/whole`.
    #[serde(skip)]
    pub(crate) name: String,
    pub(crate) says: String,
    /// Where the provider describes its format.
    pub(crate) docs: String,
    pub(crate) endpoint: String,
    pub(crate) params: Value,
    pub(crate) request: Value,
    pub(crate) answers: Vec<Answer>,
    /// Whether the provider never says what was consumed.
    #[serde(default)]
    pub(crate) counted: bool,
    #[serde(default)]
    pub(crate) ours: Vec<Difference>,
    pub(crate) litellm: Value,
}

/// Where Tollkeeper differs from litellm.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    /// A JSON pointer into what litellm did.
    pub(crate) at: String,
    /// What stands there instead; nothing if it is left out.
    #[serde(default)]
    pub(crate) is: Value,
    pub(crate) why: String,
}

/// One answer of the provider: one of the bodies is there.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) headers: Map<String, Value>,
    body: Option<Value>,
    text: Option<String>,
    stream: Option<Vec<String>>,
    events: Option<Vec<(String, Value)>>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.status.unwrap_or(200)
    }

    pub(crate) fn content_type(&self) -> &str {
        match (self.headers.get("content-type"), &self.stream, &self.events) {
            (Some(named), ..) => named.as_str().unwrap(),
            (None, _, Some(_)) => "application/vnd.amazon.eventstream",
            (None, Some(_), None) => "text/event-stream",
            (None, None, None) => "application/json",
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.stream.is_some() || self.events.is_some()
    }

    /// Its body, from the provider at `base`.
    pub(crate) fn bytes(&self, base: &str) -> Bytes {
        if let Some(events) = &self.events {
            let messages = events.iter().map(|(kind, payload)| message(kind, payload));
            return messages.collect::<Vec<_>>().concat().into();
        }
        let text = match (&self.stream, &self.text, &self.body) {
            (Some(stream), ..) => stream.concat(),
            (None, Some(text), _) => text.clone(),
            (None, None, body) => body.as_ref().unwrap().to_string(),
        };
        text.replace("{{base}}", base).into()
    }
}

/// One message of AWS's event stream; what a model says in its own words is hidden in `bytes`.
fn message(kind: &str, payload: &Value) -> Vec<u8> {
    let hidden = payload.get("chunk").map(Value::to_string);
    let payload = match hidden {
        Some(chunk) => json!({ "bytes": BASE64_STANDARD.encode(chunk) }).to_string(),
        None => payload.to_string(),
    };
    let is_fault = kind.ends_with("Exception");
    let (of_kind, of_message) = if is_fault {
        (":exception-type", "exception")
    } else {
        (":event-type", "event")
    };
    let said = [
        (of_kind, kind),
        (":content-type", "application/json"),
        (":message-type", of_message),
    ];
    let mut headers = Vec::new();
    for (name, value) in said {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend(name.as_bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let mut message = total.to_be_bytes().to_vec();
    message.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(headers);
    message.extend(payload.into_bytes());
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}

impl Case {
    pub(crate) fn provider(&self) -> &str {
        self.name.split('/').next().unwrap()
    }

    pub(crate) fn operation(&self) -> Operation {
        let all = [Operation::Chat, Operation::Embedding, Operation::Rerank];
        let named = all.into_iter().find(|known| known.path() == self.endpoint);
        named.expect("an endpoint that cases know")
    }

    /// The entry of `model_list` that it is about, for a provider at `base`.
    pub(crate) fn model(&self, base: &str) -> Value {
        let params = self.params.to_string().replace("{{base}}", base);
        let params: Value = serde_json::from_str(&params).unwrap();
        json!({ "model_name": self.name, "litellm_params": params })
    }

    /// Whether it is about an error, whole or in a stream.
    pub(crate) fn is_error(&self) -> bool {
        self.name.contains("/error")
    }

    /// What the client sends.
    pub(crate) fn body(&self) -> Bytes {
        let mut request = self.request.clone();
        request["model"] = self.name.as_str().into();
        request.to_string().into()
    }

    /// What litellm did, or what Tollkeeper does where it differs.
    pub(crate) fn wanted(&self) -> Value {
        let mut wanted = self.litellm.clone();
        for difference in &self.ours {
            let at = &difference.at;
            let before = wanted.pointer(at).cloned().unwrap_or_default();
            assert_ne!(
                before, difference.is,
                "{}: no difference at {at}",
                self.name
            );
            put(&mut wanted, at, difference.is.clone());
        }
        wanted
    }

    /// Its deployment and request, read.
    pub(crate) fn read(&self) -> Asked {
        let tree = json!({ "model_list": [self.model("http://provider.test")] });
        let (config, _warnings) = Config::from_tree(tree.as_object().unwrap()).unwrap();
        Asked {
            deployment: config.deployments.into_iter().next().unwrap(),
            request: ClientRequest::parse(self.operation(), self.body(), 1 << 20).unwrap(),
        }
    }

    /// The answer that is a stream, if there is one.
    pub(crate) fn stream(&self) -> Option<Bytes> {
        let answer = self.answers.last().filter(|answer| answer.is_stream())?;
        Some(answer.bytes("http://provider.test"))
    }
}

/// What one request to one provider is made of.
pub(crate) struct Asked {
    deployment: Deployment,
    request: ClientRequest,
}

impl Asked {
    /// Who reads the answer.
    pub(crate) fn reader(&self) -> Box<dyn Reader> {
        let now = event::Timestamp::default();
        let ask = Ask::new(&self.deployment, &self.request, now, false).unwrap();
        self.deployment.provider.prepare(&ask).unwrap().reader
    }
}

/// Puts `value` where `pointer` leads; nothing takes away what is there.
fn put(whole: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match whole.pointer_mut(parent).expect("a place that is there") {
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        place if value.is_null() => drop(place.as_object_mut().unwrap().remove(name)),
        place => place[name] = value,
    }
}

/// Every case, in the order of their names.
pub(crate) fn all() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/cases");
    let mut cases = Vec::new();
    for folder in fs::read_dir(root).unwrap() {
        let folder = folder.unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let provider = folder.file_name();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let name = format!("{}/{stem}", provider.to_str().unwrap());
            let text = fs::read_to_string(&path).unwrap();
            let case: Case = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            cases.push(Case { name, ..case });
        }
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

#[test]
fn cases_say_what_they_show_and_where_it_is_documented() {
    for case in all() {
        let name = &case.name;
        assert!(!case.says.is_empty(), "{name}");
        assert!(case.docs.starts_with("https://"), "{name}");
        assert!(case.ours.iter().all(|it| it.why.len() > 20), "{name}");
        let is_refusal = case.answers.last().unwrap().status() >= 400;
        assert!(case.is_error() || !is_refusal, "{name}");
    }
}

#[test]
fn every_dialect_has_its_cases() {
    let cases = all();
    let has_case = |provider: &&dyn provider::Provider| {
        let is_its = |case: &Case| {
            let model = case.params["model"].as_str().unwrap();
            model.split('/').next() == Some(provider.name())
        };
        cases.iter().any(is_its)
    };
    // Of those that speak OpenAI's dialect there is a sample, of each other file a case.
    let (rows, dialects) = provider::ALL.split_at(3);
    for dialect in dialects {
        assert!(dialect.iter().any(has_case), "no case of {dialect:?}");
    }
    let rows = rows.iter().copied().flatten();
    assert!(rows.filter(|row| has_case(row)).count() > 15);
}
