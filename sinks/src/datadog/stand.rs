//! Datadog's intakes, as strict as their documentation.
//!
//! Datadog keeps what comes twice. Who reads there tells repetitions by `event_id`, so these intakes
//! do the same, and a repetition has to be the same.

use std::{collections::BTreeMap, io::Read as _};

use conformance::{Destination, Fault, Rig, Stored, http::HttpDestination, http::Request};
use event::{EventId, Json};
use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sink::{Registration, SinkErrorKind};

use super::{Datadog, Product};

const KEY: &str = "canary0123456789abcdef0123456789";

/// The intake of LLM Observability.
#[derive(Debug)]
pub struct Stand;
/// The intake of logs.
#[derive(Debug)]
pub struct Logs;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Datadog>()
    }

    fn rig(&self) -> Rig {
        rig(Product::LlmObservability, "llm_observability")
    }
}

impl conformance::Stand for Logs {
    fn registration(&self) -> Registration {
        Registration::of::<Datadog>()
    }

    fn rig(&self) -> Rig {
        rig(Product::Logs, "logs")
    }
}

#[expect(clippy::expect_used, reason = "without a free port there is no test")]
fn rig(product: Product, name: &str) -> Rig {
    let http = HttpDestination::start().expect("a free port");
    http.answer(r#"{"valid":true}"#);
    Rig {
        config: json!({ "url": http.url(), "api_key": KEY, "product": name, "env": "test" }),
        secrets: vec![KEY.to_owned()],
        destination: Box::new(Intake { http, product }),
    }
}

struct Intake {
    http: HttpDestination,
    product: Product,
}

impl Destination for Intake {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        if let Some(complaint) = self.http.complaints().first() {
            return Err(complaint.clone());
        }
        let mut seen: BTreeMap<String, Json> = BTreeMap::new();
        let mut stored = Vec::new();
        for request in self.http.taken() {
            if request.header("dd-api-key") != Some(KEY) {
                return Err("the key is missing".to_owned());
            }
            if request.method == "GET" {
                continue;
            }
            for (id, said, whole) in self.read(&request)? {
                match seen.get(&id) {
                    Some(first) if *first == whole => {}
                    Some(_) => return Err(format!("{id} has changed")),
                    None => {
                        seen.insert(id.clone(), whole);
                        let id: EventId = Json::of(&id).read().ok_or("not an event's id")?;
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

/// The key of an event, what is said of it in the event's own words, and all that was sent.
type Kept = (String, Json, Json);

impl Intake {
    fn read(&self, request: &Request) -> Result<Vec<Kept>, String> {
        if request.header("content-type") != Some("application/json") {
            return Err("the body is JSON and has to be called so".to_owned());
        }
        let target = match self.product {
            Product::LlmObservability => "/api/intake/llm-obs/v1/trace/spans",
            _ => "/api/v2/logs",
        };
        if request.method != "POST" || request.target != target {
            return Err(format!(
                "{} {} is no intake",
                request.method, request.target
            ));
        }
        let mut body = Vec::new();
        match request.header("content-encoding") {
            None => body.clone_from(&request.body),
            Some("gzip") if self.product == Product::Logs => {
                let read = GzDecoder::new(&*request.body).read_to_end(&mut body);
                read.map_err(|error| error.to_string())?;
            }
            Some(other) => return Err(format!("`{other}` is not taken")),
        }
        if body.len() > 5_000_000 {
            return Err(format!("{} bytes are too many", body.len()));
        }
        match self.product {
            Product::LlmObservability => spans(&body),
            _ => entries(&body),
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    data: Data,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    r#type: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    ml_app: String,
    spans: Vec<Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    trace_id: String,
    span_id: String,
    parent_id: String,
    name: String,
    session_id: Option<String>,
    start_ns: i64,
    duration: i64,
    status: String,
    meta: Meta,
    metrics: BTreeMap<String, Json>,
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    kind: String,
    input: Option<Value>,
    output: Option<Value>,
    metadata: BTreeMap<String, Json>,
    error: Option<BTreeMap<String, String>>,
}

fn spans(body: &[u8]) -> Result<Vec<Kept>, String> {
    let Body { data } = parse(body)?;
    let attributes = data.attributes;
    if data.r#type != "span" || attributes.ml_app != "tollkeeper" || attributes.spans.is_empty() {
        return Err("the frame of the spans is not right".to_owned());
    }
    attributes.spans.iter().map(span).collect()
}

fn span(whole: &Json) -> Result<Kept, String> {
    let span: Span = parse(whole.text().as_bytes())?;
    let hex = |id: &str, digits| id.len() == digits && id.bytes().all(|b| b.is_ascii_hexdigit());
    let (start, time) = (span.start_ns, span.duration);
    if !hex(&span.trace_id, 32) || !hex(&span.span_id, 16) || span.parent_id.is_empty() {
        return Err(format!("the ids of {} are not right", span.name));
    }
    if start < 1_700_000_000_000_000_000 || time < 0 || span.session_id.as_deref() == Some("") {
        return Err(format!("{} begins at {start} and takes {time}", span.name));
    }
    let failed = span.status == "error";
    let meta = span.meta;
    if failed != meta.error.is_some() || meta.kind != "llm" {
        return Err(format!("{} is {} {:?}", span.name, meta.kind, meta.error));
    }
    messages(meta.input.as_ref())?;
    messages(meta.output.as_ref())?;
    let number = |name: &str| span.metrics.get(name).cloned();
    let costs = ["input_cost", "output_cost", "total_cost"].map(number);
    let known = costs.iter().flatten().count();
    if known != 0 && known != 3 {
        return Err(format!("of three costs there are {known}"));
    }
    tags(&span.tags)?;
    let mut said = BTreeMap::new();
    for (theirs, ours) in [
        ("input_tokens", "prompt_tokens"),
        ("output_tokens", "completion_tokens"),
        ("total_tokens", "total_tokens"),
    ] {
        let tokens = number(theirs).ok_or_else(|| format!("no `{theirs}`"))?;
        said.insert(ours, tokens);
    }
    let [_, _, total] = costs;
    said.insert("response_cost", total.unwrap_or_default());
    let text = |name: &str| meta.metadata.get(name).cloned().unwrap_or_default();
    let status = if failed { "failure" } else { "success" };
    said.insert("status", Json::of(&status));
    said.insert("litellm_call_id", text("litellm_call_id"));
    let id = text("event_id").read().ok_or("the key is missing")?;
    Ok((id, Json::of(&said), whole.clone()))
}

/// Contents are texts, and arguments of tools are objects.
fn messages(said: Option<&Value>) -> Result<(), String> {
    let Some(said) = said else { return Ok(()) };
    let list = said["messages"].as_array().ok_or("a model has messages")?;
    let odd = list.iter().find(|message| {
        let calls = message["tool_calls"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        !message["content"].is_string() || calls.iter().any(|call| !call["arguments"].is_object())
    });
    odd.map_or(Ok(()), |message| Err(format!("not a message: {message}")))
}

fn tags(tags: &[String]) -> Result<(), String> {
    let fits = |tag: &String| {
        let (name, value) = tag.split_once(':').unwrap_or_default();
        !name.is_empty() && !value.is_empty() && tag.chars().count() <= 200 && !tag.contains(',')
    };
    match tags.iter().find(|tag| !fits(tag)) {
        Some(odd) => Err(format!("`{odd}` is not a tag")),
        None if tags.first().is_some_and(|tag| tag == "env:test") => Ok(()),
        None => Err("`env` is missing".to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    message: String,
    ddsource: String,
    ddtags: String,
    service: String,
    timestamp: i64,
    status: String,
    duration: i64,
    event_id: String,
    trace_id: String,
    span_id: String,
    llm: BTreeMap<String, Json>,
    usr: Option<BTreeMap<String, String>>,
    error: Option<BTreeMap<String, String>>,
}

fn entries(body: &[u8]) -> Result<Vec<Kept>, String> {
    let entries: Vec<Json> = parse(body)?;
    if entries.len() > 1_000 {
        return Err(format!("{} entries are too many", entries.len()));
    }
    entries.iter().map(entry).collect()
}

fn entry(whole: &Json) -> Result<Kept, String> {
    if whole.text().len() > 1_000_000 {
        return Err("an entry is cut".to_owned());
    }
    let mut entry: Entry = parse(whole.text().as_bytes())?;
    let tagged: Vec<_> = entry.ddtags.split(',').map(str::to_owned).collect();
    tags(&tagged)?;
    let named = [&entry.ddsource, &entry.service].map(|name| name == "tollkeeper");
    let user = entry.usr.is_none_or(|user| user.keys().eq(["id"]));
    let ids = (entry.trace_id.len(), entry.span_id.len());
    let empty = entry.message.is_empty() || entry.duration < 0;
    if named != [true, true] || !user || ids != (32, 16) || empty {
        return Err(format!("an entry is not right: {}", whole.text()));
    }
    if entry.timestamp < 1_700_000_000_000 || entry.timestamp > 9_999_999_999_999 {
        return Err(format!("{} is not in milliseconds", entry.timestamp));
    }
    let status = match (entry.status.as_str(), entry.error.is_some()) {
        ("info", false) => "success",
        ("error", true) => "failure",
        other => return Err(format!("the status is {other:?}")),
    };
    let llm = &mut entry.llm;
    let cost = llm.remove("response_cost").unwrap_or_default();
    let mut said = BTreeMap::from([("response_cost", cost), ("status", Json::of(&status))]);
    for name in [
        "litellm_call_id",
        "call_type",
        "model",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
    ] {
        said.insert(
            name,
            llm.remove(name).ok_or_else(|| format!("no `{name}`"))?,
        );
    }
    Ok((entry.event_id, Json::of(&said), whole.clone()))
}
