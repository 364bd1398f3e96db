//! What is posted, in each dialect. Everything in it comes from the items, so that a redelivery has
//! the same bytes.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use event::{EventId, Json, PricedEvent, PricedKind, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sink::{Batch, Item, Receipt};

use self::thin::Thin;
use super::config::{Config, Content, Dialect, Format};
use crate::alert::{told::Told, turns::Turn};

mod thin;

/// One request's worth of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Post {
    /// The same for every redelivery, another for everything else that goes to the same receiver.
    pub(super) id: String,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// An item that can be read, and where it stands in the batch.
struct Read<'a> {
    index: usize,
    item: &'a Item,
    content: Said<'a>,
}

enum Said<'a> {
    Call(&'a PricedEvent),
    Alert(Box<Told>),
}

impl Read<'_> {
    /// When it was over.
    fn time(&self) -> String {
        let time = match &self.content {
            Said::Call(event) => event.payload().end_time,
            Said::Alert(alert) => alert.at,
        };
        written(time)
    }

    fn kind(&self) -> &'static str {
        match self.content {
            Said::Call(_) if self.item.revision() > 0 => "llm.call.corrected",
            Said::Call(_) => "llm.call.completed",
            Said::Alert(_) => "llm.alert",
        }
    }
}

/// The requests that make up a batch, in its order, and a receipt that refuses what cannot be read.
pub(super) fn posts(batch: &Batch<'_>, config: &Config) -> (Vec<Turn<Post>>, Receipt) {
    let mut receipt = Receipt::default();
    let mut items = Vec::with_capacity(batch.items().len());
    for (index, item) in batch.items().iter().enumerate() {
        let content = match item.kind() {
            PricedKind::Event => item.event().map(Said::Call),
            PricedKind::Alert => Told::of(item).map(Box::new).map(Said::Alert),
        };
        match content {
            Some(content) => items.push(Read {
                index,
                item,
                content,
            }),
            None => receipt.refuse(index, "it cannot be read"),
        }
    }
    let parts = match (config.dialect, config.format) {
        _ if items.is_empty() => Vec::new(),
        (_, Format::Single) => items.iter().map(std::slice::from_ref).collect(),
        (Dialect::Standard | Dialect::Cloudevents, _) => vec![&items[..]],
        // Theirs has one body for each alert.
        (Dialect::Litellm, _) => items
            .chunk_by(|one, next| {
                matches!(
                    (&one.content, &next.content),
                    (Said::Call(_), Said::Call(_))
                )
            })
            .collect(),
    };
    let post = |part: &[Read<'_>]| Turn {
        part: Post::of(part, batch, config),
        items: part.iter().map(|read| read.index).collect(),
    };
    (parts.into_iter().map(post).collect(), receipt)
}

impl Post {
    fn of(part: &[Read<'_>], batch: &Batch<'_>, config: &Config) -> Self {
        // By what was asked for and not by what is left, so that the form goes with the id.
        let alone = batch.items().len() == 1 || config.format == Format::Single;
        let (content_type, body) = match config.dialect {
            Dialect::Standard => ("application/json", standard(part, alone, config.content)),
            Dialect::Litellm => litellm(part, config),
            Dialect::Cloudevents => cloudevents(part, alone, config),
        };
        let own = alone || config.dialect == Dialect::Litellm;
        Self {
            id: match part {
                [read] if own => read.item.key(),
                _ => id(batch.name(), part),
            },
            content_type,
            body,
        }
    }
}

/// A batch's name is unique only within its sink, so what is in the batch is part of its id.
fn id(name: &str, part: &[Read<'_>]) -> String {
    let mut content = Sha256::new();
    for Read { item, .. } in part {
        content.update(item.id().uuid().as_bytes());
        if item.revision() > 0 {
            content.update(item.revision().to_le_bytes());
        }
    }
    let content = content.finalize();
    let digits: String = content
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("batch_{name}_{digits}")
}

/// `{type, timestamp, data}`, as Standard Webhooks has it; of several items, `data` has a list of the
/// events and one of the alerts.
fn standard(part: &[Read<'_>], alone: bool, content: Content) -> Vec<u8> {
    let is_alert = |read: &&Read<'_>| matches!(read.content, Said::Alert(_));
    let (alerts, events): (Vec<_>, Vec<_>) = part.iter().partition(is_alert);
    let kind = match part {
        [read] if alone => read.kind(),
        _ if events.is_empty() => "llm.alerts.batch",
        _ => "llm.calls.batch",
    };
    let time = part.iter().map(Read::time).max().unwrap_or_default();
    let mut body = format!(r#"{{"type":"{kind}","timestamp":"{time}","data":"#).into_bytes();
    if alone {
        part.iter().for_each(|read| data(&mut body, read, content));
        body.push(b'}');
        return body;
    }
    let mut mark = b'{';
    for (name, list) in [("events", events), ("alerts", alerts)] {
        if list.is_empty() {
            continue;
        }
        body.push(mark);
        mark = b',';
        body.extend_from_slice(format!(r#""{name}":["#).as_bytes());
        separated(&mut body, list, b',', |body, read| {
            data(body, read, content);
        });
        body.push(b']');
    }
    body.extend_from_slice(b"}}");
    body
}

/// What LiteLLM's generic logger posts of calls, and its webhook of alerts.
fn litellm(part: &[Read<'_>], config: &Config) -> (&'static str, Vec<u8>) {
    let mut body = Vec::new();
    let write = |body: &mut Vec<u8>, read: &Read<'_>| match &read.content {
        Said::Alert(alert) => write_json(body, &WebhookEvent::of(alert, read.item)),
        Said::Call(event) => match config.content {
            Content::Thin => write_json(body, &Thin::of(event)),
            Content::Full => body.extend_from_slice(read.item.json()),
        },
    };
    let alert = matches!(part, [read] if matches!(read.content, Said::Alert(_)));
    match config.format {
        Format::Ndjson if !alert => {
            separated(&mut body, part, b'\n', write);
            body.push(b'\n');
            return ("application/x-ndjson", body);
        }
        Format::Array if !alert => {
            body.push(b'[');
            separated(&mut body, part, b',', write);
            body.push(b']');
        }
        Format::Array | Format::Ndjson | Format::Single => {
            separated(&mut body, part, b',', write);
        }
    }
    ("application/json", body)
}

/// An alert as LiteLLM's webhook has it: the facts stand beside the event's name.
#[derive(Serialize)]
struct WebhookEvent<'a> {
    event: &'a str,
    event_message: &'a str,
    #[serde(flatten)]
    facts: BTreeMap<String, Json>,
}

impl<'a> WebhookEvent<'a> {
    fn of(alert: &'a Told, item: &Item) -> Self {
        let Facts { mut facts } = serde_json::from_slice(item.json()).unwrap_or_default();
        facts.retain(|_name, value| !value.is_null());
        // Theirs always has a group; what is about no one in particular is about the proxy.
        facts
            .entry("event_group".to_owned())
            .or_insert_with(|| Json::of(&"proxy"));
        Self {
            event: &alert.kind,
            event_message: &alert.message,
            facts,
        }
    }
}

#[derive(Default, serde::Deserialize)]
struct Facts {
    #[serde(default)]
    facts: BTreeMap<String, Json>,
}

/// CloudEvents 1.0 in JSON: one event alone, several as an array.
fn cloudevents(part: &[Read<'_>], alone: bool, config: &Config) -> (&'static str, Vec<u8>) {
    let write = |body: &mut Vec<u8>, read: &Read<'_>| {
        let call = match &read.content {
            Said::Call(event) => event.payload().litellm_call_id.as_str(),
            Said::Alert(alert) => &alert.key,
        };
        let attributes = Attributes {
            specversion: "1.0",
            id: read.item.key(),
            source: &config.source,
            r#type: read.kind(),
            subject: Some(call).filter(|subject| !subject.is_empty()),
            time: read.time(),
            datacontenttype: "application/json",
        };
        write_json(body, &attributes);
        body.pop();
        body.extend_from_slice(br#","data":"#);
        data(body, read, config.content);
        body.push(b'}');
    };
    let mut body = Vec::new();
    if alone {
        part.iter().for_each(|read| write(&mut body, read));
        return ("application/cloudevents+json", body);
    }
    body.push(b'[');
    separated(&mut body, part, b',', write);
    body.push(b']');
    ("application/cloudevents-batch+json", body)
}

#[derive(Serialize)]
struct Attributes<'a> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: String,
    datacontenttype: &'static str,
}

/// An event with where it comes from in front, or an alert, which says that itself.
fn data(body: &mut Vec<u8>, read: &Read<'_>, content: Content) {
    let item = read.item;
    let Said::Call(event) = read.content else {
        return body.extend_from_slice(item.json());
    };
    let origin = item.origin();
    let ids = Ids {
        event_id: item.id(),
        source: &origin.source,
        sequence: origin.sequence,
        revision: (item.revision() > 0).then(|| item.revision()),
    };
    write_json(body, &ids);
    // Two objects become one: the end of the first and the beginning of the second are a comma.
    // Neither is empty.
    body.pop();
    let seam = body.len();
    match content {
        Content::Thin => write_json(body, &Thin::of(event)),
        Content::Full => body.extend_from_slice(item.json()),
    }
    if let Some(brace) = body.get_mut(seam) {
        debug_assert_eq!(*brace, b'{', "an event is an object");
        *brace = b',';
    }
}

/// Which event it is.
#[derive(Serialize)]
struct Ids<'a> {
    event_id: EventId,
    source: &'a str,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
}

fn separated<'a, 'b: 'a>(
    body: &mut Vec<u8>,
    part: impl IntoIterator<Item = &'a Read<'b>>,
    separator: u8,
    mut write: impl FnMut(&mut Vec<u8>, &Read<'b>),
) {
    for (position, read) in part.into_iter().enumerate() {
        if position > 0 {
            body.push(separator);
        }
        write(body, read);
    }
}

fn write_json(body: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(body, value);
    debug_assert!(
        written.is_ok(),
        "there are no maps with keys that are no strings"
    );
}

fn written(time: Timestamp) -> String {
    time.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true)
}
