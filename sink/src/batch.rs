//! What is handed to a sink in one go.

use std::{sync::OnceLock, time::Duration};

use event::{Alert, DecodeError, EventId, Origin, PricedEvent, PricedKind, PricedRecord, codec};

use crate::Receipt;

/// A run of items in the order of the log.
///
/// Invariants: never empty; a redelivery has the same name and the same items, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    name: &'a str,
    items: &'a [Item],
}

/// One event or one alert. Its JSON is at hand; the rest is read from it when it is first asked
/// for, so that a sink that passes items on as they are does not pay for it.
#[derive(Debug)]
pub struct Item {
    kind: PricedKind,
    id: EventId,
    origin: Origin,
    revision: u32,
    json: Box<[u8]>,
    content: OnceLock<Content>,
}

/// What the JSON of an item says.
#[derive(Debug)]
enum Content {
    Event(Box<PricedEvent>),
    Alert(Box<Alert>),
    Unreadable,
}

impl Item {
    /// Opens a record of the priced log.
    ///
    /// # Errors
    ///
    /// If no known version of the codec wrote it.
    pub fn open(record: &[u8]) -> Result<Self, DecodeError> {
        codec::open_priced(record).map(Self::from)
    }

    /// The same item with other content: what is left of an event for a destination that may not
    /// have all of it. Ids, origin and revision stay.
    #[must_use]
    pub fn with_json(self, json: Box<[u8]>) -> Self {
        let content = OnceLock::new();
        Self {
            json,
            content,
            ..self
        }
    }

    /// Whether it is an event or an alert.
    #[must_use]
    pub const fn kind(&self) -> PricedKind {
        self.kind
    }

    /// The event's id or the alert's: the same in every replay, and in every revision. A destination
    /// that replaces what it has under an id keeps the newest revision, since an earlier one comes
    /// first.
    #[must_use]
    pub const fn id(&self) -> EventId {
        self.id
    }

    /// How often the event's cost has been corrected: 0 for an event that is delivered first, and
    /// for alerts.
    #[must_use]
    pub const fn revision(&self) -> u32 {
        self.revision
    }

    /// The same in every replay, and another for every revision, so good as an idempotency key:
    /// the id, and then for the first correction `<id>-r1`.
    #[must_use]
    pub fn key(&self) -> String {
        match self.revision {
            0 => self.id.to_string(),
            revision => format!("{}-r{revision}", self.id),
        }
    }

    /// Where it entered the system: for an alert [`event::codec::ALERTS`] and its number in the
    /// books.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The [`PricedEvent`] or the [`Alert`] as JSON, on one line.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The event; `None` if it is an alert, or its JSON is not an event: refuse such an item in the
    /// [`Receipt`].
    #[must_use]
    pub fn event(&self) -> Option<&PricedEvent> {
        match self.content() {
            Content::Event(event) => Some(event),
            Content::Alert(_) | Content::Unreadable => None,
        }
    }

    /// The alert; `None` if it is an event, or its JSON is not an alert. Sinks that do not
    /// [take](crate::Sink::takes) alerts never see one.
    #[must_use]
    pub fn alert(&self) -> Option<&Alert> {
        match self.content() {
            Content::Alert(alert) => Some(alert),
            Content::Event(_) | Content::Unreadable => None,
        }
    }

    fn content(&self) -> &Content {
        self.content.get_or_init(|| {
            let read = match self.kind {
                PricedKind::Event => serde_json::from_slice(&self.json).map(Content::Event),
                PricedKind::Alert => serde_json::from_slice(&self.json).map(Content::Alert),
            };
            read.unwrap_or(Content::Unreadable)
        })
    }
}

impl From<PricedRecord<'_>> for Item {
    fn from(opened: PricedRecord<'_>) -> Self {
        Self {
            kind: opened.kind,
            id: opened.id,
            json: opened.json.into(),
            origin: opened.origin,
            revision: opened.revision,
            content: OnceLock::new(),
        }
    }
}

impl<'a> Batch<'a> {
    /// Returns `None` if there is nothing to deliver.
    #[must_use]
    pub fn new(name: &'a str, items: &'a [Item]) -> Option<Self> {
        (!items.is_empty()).then_some(Self { name, items })
    }

    /// Unique within a sink, even after the data directory has been made anew; repeated by a
    /// redelivery: good as an object key or idempotency key. Letters, digits, `-` and `_` only, at
    /// most 80; names of later batches sort later.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The items, oldest first.
    #[must_use]
    pub const fn items(&self) -> &'a [Item] {
        self.items
    }

    /// The events, oldest first, each with its item, and a receipt that refuses every item that is
    /// no event.
    #[must_use]
    pub fn events(&self) -> (Vec<(&'a Item, &'a PricedEvent)>, Receipt) {
        self.read(Item::event)
    }

    /// The alerts, oldest first, each with its item, and a receipt that refuses every item that is
    /// no alert.
    #[must_use]
    pub fn alerts(&self) -> (Vec<(&'a Item, &'a Alert)>, Receipt) {
        self.read(Item::alert)
    }

    fn read<T>(&self, content: fn(&Item) -> Option<&T>) -> (Vec<(&'a Item, &'a T)>, Receipt) {
        let mut readable = Vec::with_capacity(self.items.len());
        let mut receipt = Receipt::default();
        for (index, item) in self.items.iter().enumerate() {
            match content(item) {
                Some(content) => readable.push((item, content)),
                None => receipt.refuse(index, "it cannot be read"),
            }
        }
        (readable, receipt)
    }
}

/// How large a batch may grow before it is delivered. Whichever limit is reached first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// At least 1.
    pub items_max: usize,
    /// Bytes of JSON before mapping and compression; a single larger item goes alone.
    pub bytes_max: usize,
    /// Age of the oldest item in the batch.
    pub age_max: Duration,
    /// Batches on their way at once. With more than one, batches may arrive out of order.
    pub concurrency_max: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            items_max: 500,
            bytes_max: 1 << 20,
            age_max: Duration::from_secs(1),
            concurrency_max: 1,
        }
    }
}
