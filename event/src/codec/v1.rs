//! Version 1: the body is JSON. In front of a priced event's JSON stand its id (16 bytes), its
//! sequence (8 bytes, little-endian), and its source (one byte of length, then the text), so that
//! it can be told apart without reading the JSON. A correction is the whole event once more, with
//! its new cost; its revision (4 bytes, little-endian) stands before the JSON. An alert is written
//! like a priced event.

use serde::Serialize;
use uuid::Uuid;

use super::{ALERTS, CallRecord, DecodeError, PricedKind, PricedRecord};
use crate::{Alert, EventId, Origin, PricedEvent};

/// The first byte of every record of this version.
pub(super) const VERSION: u8 = 1;

/// The second byte. Persisted: numbers are never reused.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Started,
    Finished,
    Priced,
    Corrected,
    Alert,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Started => 1,
            Self::Finished => 2,
            Self::Priced => 3,
            Self::Corrected => 4,
            Self::Alert => 5,
        }
    }
}

/// Most records are a little shorter than this.
const USUAL_BYTES: usize = 4096;

pub(super) fn encode(kind: Kind, body: &impl Serialize) -> Vec<u8> {
    let mut record = Vec::with_capacity(USUAL_BYTES);
    record.extend([VERSION, kind.byte()]);
    write_json(&mut record, body);
    record
}

pub(super) fn encode_priced(event: &PricedEvent) -> Vec<u8> {
    let (origin, revision) = (&event.settlement().origin, event.revision());
    let kind = if revision == 0 {
        Kind::Priced
    } else {
        Kind::Corrected
    };
    let mut record = head(kind, event.id(), origin);
    if revision > 0 {
        record.extend(revision.to_le_bytes());
    }
    write_json(&mut record, event);
    record
}

pub(super) fn encode_alert(alert: &Alert, number: u64) -> Vec<u8> {
    let id = EventId::of(&Origin {
        source: format!("{ALERTS}/{}", alert.key),
        sequence: number,
    });
    let origin = Origin {
        source: ALERTS.to_owned(),
        sequence: number,
    };
    let mut record = head(Kind::Alert, id, &origin);
    let numbered = Numbered {
        alert_id: id,
        number,
        alert,
    };
    write_json(&mut record, &numbered);
    record
}

/// An alert as destinations get it.
#[derive(Serialize)]
struct Numbered<'a> {
    alert_id: EventId,
    number: u64,
    #[serde(flatten)]
    alert: &'a Alert,
}

/// What stands before the JSON, as far as it is the same for every kind.
fn head(kind: Kind, id: EventId, origin: &Origin) -> Vec<u8> {
    let mut record = Vec::with_capacity(USUAL_BYTES);
    record.extend([VERSION, kind.byte()]);
    record.extend(id.uuid().as_bytes());
    record.extend(origin.sequence.to_le_bytes());
    // A source is the UUID of a journal; longer ones exist only where somebody made one up.
    let source = &origin.source.as_bytes()[..origin.source.floor_char_boundary(255)];
    record.push(u8::try_from(source.len()).unwrap_or(u8::MAX));
    record.extend(source);
    record
}

fn write_json(record: &mut Vec<u8>, body: &impl Serialize) {
    let written = serde_json::to_writer(record, body);
    debug_assert!(
        written.is_ok(),
        "records have no maps with keys that are no strings"
    );
}

pub(super) fn decode_call(kind: u8, body: &[u8]) -> Result<CallRecord, DecodeError> {
    if kind == Kind::Started.byte() {
        serde_json::from_slice(body)
            .map(CallRecord::Started)
            .map_err(DecodeError::Body)
    } else if kind == Kind::Finished.byte() {
        serde_json::from_slice(body)
            .map(CallRecord::Finished)
            .map_err(DecodeError::Body)
    } else {
        Err(unknown(kind))
    }
}

pub(super) fn decode_priced(kind: u8, body: &[u8]) -> Result<PricedEvent, DecodeError> {
    let opened = open_priced(kind, body)?;
    match opened.kind {
        PricedKind::Event => serde_json::from_slice(opened.json).map_err(DecodeError::Body),
        PricedKind::Alert => Err(unknown(kind)),
    }
}

const fn unknown(kind: u8) -> DecodeError {
    DecodeError::UnknownKind {
        version: VERSION,
        kind,
    }
}

pub(super) fn open_priced(kind: u8, body: &[u8]) -> Result<PricedRecord<'_>, DecodeError> {
    let corrected = kind == Kind::Corrected.byte();
    let said = if corrected || kind == Kind::Priced.byte() {
        PricedKind::Event
    } else if kind == Kind::Alert.byte() {
        PricedKind::Alert
    } else {
        return Err(unknown(kind));
    };
    let (id, body) = body.split_first_chunk().ok_or(DecodeError::Short)?;
    let (sequence, body) = body.split_first_chunk().ok_or(DecodeError::Short)?;
    let (length, body) = body.split_first().ok_or(DecodeError::Short)?;
    let (source, json) = body
        .split_at_checked(usize::from(*length))
        .ok_or(DecodeError::Short)?;
    let source = str::from_utf8(source)
        .map_err(|_error| DecodeError::Short)?
        .to_owned();
    let (revision, json) = if corrected {
        let (revision, json) = json.split_first_chunk().ok_or(DecodeError::Short)?;
        (u32::from_le_bytes(*revision), json)
    } else {
        (0, json)
    };
    let origin = Origin {
        source,
        sequence: u64::from_le_bytes(*sequence),
    };
    Ok(PricedRecord {
        kind: said,
        id: EventId::from(Uuid::from_bytes(*id)),
        origin,
        revision,
        json,
    })
}
