//! What is published. Everything in it comes from the items, so that a redelivery has the same bytes.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use event::{PricedEvent, PricedKind};
use serde::Serialize;
use sink::{Batch, Item, Receipt};

use super::{REQUEST_BYTES_MAX, config::OrderBy};

/// The longest value of an attribute and the longest ordering key, in bytes.
const VALUE_BYTES_MAX: usize = 1024;
/// What a request has around its messages, and a message around its data.
const AROUND_BYTES_MAX: usize = 16 << 10;

/// A message as the API has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    data: String,
    attributes: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering_key: Option<String>,
}

#[derive(Serialize)]
struct Request<'a> {
    messages: &'a [Message],
}

/// A message for each item, in their order, and a receipt that refuses what cannot be read or is too
/// large.
pub(super) fn messages(batch: &Batch<'_>, order_by: Option<OrderBy>) -> (Vec<Message>, Receipt) {
    let mut receipt = Receipt::default();
    let mut messages = Vec::with_capacity(batch.items().len());
    for (index, item) in batch.items().iter().enumerate() {
        let size = item.json().len().div_ceil(3).saturating_mul(4);
        if size > REQUEST_BYTES_MAX - AROUND_BYTES_MAX {
            receipt.refuse(index, "Pub/Sub takes no message of more than 10 MB");
            continue;
        }
        match message(item, order_by) {
            Some(message) => messages.push(message),
            None => receipt.refuse(index, "it cannot be read"),
        }
    }
    (messages, receipt)
}

pub(super) fn body(messages: &[Message]) -> Vec<u8> {
    let written = serde_json::to_vec(&Request { messages });
    debug_assert!(written.is_ok(), "its keys are strings");
    written.unwrap_or_default()
}

fn message(item: &Item, order_by: Option<OrderBy>) -> Option<Message> {
    let mut attributes = BTreeMap::from([
        ("key", item.key()),
        ("event_id", item.id().to_string()),
        ("revision", item.revision().to_string()),
    ]);
    let mut ordering_key = None;
    match item.kind() {
        PricedKind::Event => {
            let event = item.event()?;
            attributes.insert("kind", "event".to_owned());
            attributes.extend(about(event));
            let metadata = &event.payload().metadata;
            let by = order_by.and_then(|by| match by {
                OrderBy::Key => metadata.user_api_key_hash.as_deref(),
                OrderBy::Team => metadata.user_api_key_team_id.as_deref(),
                OrderBy::User => metadata.user_api_key_user_id.as_deref(),
            });
            ordering_key = by.filter(|by| !by.is_empty()).map(bounded);
        }
        PricedKind::Alert => {
            item.alert()?;
            attributes.insert("kind", "alert".to_owned());
        }
    }
    Some(Message {
        data: BASE64_STANDARD.encode(item.json()),
        attributes,
        ordering_key,
    })
}

/// What subscriptions filter by.
fn about(event: &PricedEvent) -> impl Iterator<Item = (&'static str, String)> {
    let payload = event.payload();
    let metadata = &payload.metadata;
    let texts = [
        ("model", Some(payload.model.as_str())),
        ("model_group", payload.model_group.as_deref()),
        ("provider", payload.custom_llm_provider.as_deref()),
        ("status", Some(payload.status.as_str())),
        ("team_id", metadata.user_api_key_team_id.as_deref()),
    ];
    let given = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)));
    let owned: Vec<_> = given.map(|(name, text)| (name, bounded(text))).collect();
    owned.into_iter()
}

/// As much of it as fits.
fn bounded(text: &str) -> String {
    text.get(..text.floor_char_boundary(VALUE_BYTES_MAX))
        .unwrap_or_default()
        .to_owned()
}
