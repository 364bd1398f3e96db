//! What is handed to a sink in one go.

use std::{sync::OnceLock, time::Duration};

use event::{DecodeError, EventId, Origin, PricedEvent, codec};

/// A run of events in the order of the log.
///
/// Invariants: never empty; a redelivery has the same name and the same items, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    name: &'a str,
    items: &'a [Item],
}

/// One event of a batch. Its JSON is at hand; the event is read from it when it is first asked for,
/// so that a sink that passes events on as they are does not pay for it.
#[derive(Debug)]
pub struct Item {
    id: EventId,
    origin: Origin,
    revision: u32,
    json: Box<[u8]>,
    event: OnceLock<Option<PricedEvent>>,
}

impl Item {
    /// Opens a record of the priced log.
    ///
    /// # Errors
    ///
    /// If no known version of the codec wrote it.
    pub fn open(record: &[u8]) -> Result<Self, DecodeError> {
        let opened = codec::open_priced(record)?;
        Ok(Self {
            id: opened.id,
            json: opened.json.into(),
            origin: opened.origin,
            revision: opened.revision,
            event: OnceLock::new(),
        })
    }

    /// The event's id: the same in every replay, and in every revision. A destination that replaces
    /// what it has under an id keeps the newest revision, since an earlier one comes first.
    #[must_use]
    pub const fn id(&self) -> EventId {
        self.id
    }

    /// How often the event's cost has been corrected: 0 for an event that is delivered first.
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

    /// Where the event entered the system.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The [`PricedEvent`] as JSON, on one line.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The event, or `None` if its JSON is not one: refuse such an item in the
    /// [`Receipt`](crate::Receipt).
    #[must_use]
    pub fn event(&self) -> Option<&PricedEvent> {
        self.event
            .get_or_init(|| serde_json::from_slice(&self.json).ok())
            .as_ref()
    }
}

impl<'a> Batch<'a> {
    /// Returns `None` if there is nothing to deliver.
    #[must_use]
    pub fn new(name: &'a str, items: &'a [Item]) -> Option<Self> {
        (!items.is_empty()).then_some(Self { name, items })
    }

    /// Unique within a sink, repeated by a redelivery: good as an object key or idempotency key.
    /// Letters, digits, `-` and `_` only.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The items, oldest first.
    #[must_use]
    pub const fn items(&self) -> &'a [Item] {
        self.items
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
    /// Batches on their way at once.
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
