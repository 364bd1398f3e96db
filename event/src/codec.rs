//! How records are written down, across versions.
//!
//! A record is one byte of version, one byte of kind, and a body. Every version that was ever
//! written can be read: a new one is a new file here, and the old ones stay as they are.

mod v1;

use crate::{Alert, EventId, Origin, PricedEvent, StandardLoggingPayload, Started};

/// One record of the calls log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallRecord {
    /// A call was admitted.
    Started(Box<Started>),
    /// A call ended.
    Finished(Box<StandardLoggingPayload>),
}

/// A record of the priced log, opened but not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedRecord<'a> {
    /// What it is.
    pub kind: PricedKind,
    /// The event's id, or the alert's.
    pub id: EventId,
    /// Where it entered: for an alert [`ALERTS`] and its id in the books.
    pub origin: Origin,
    /// How often its cost had been corrected: 0 for the event as it was settled first.
    pub revision: u32,
    /// The [`PricedEvent`] as JSON; or the [`Alert`], with its id and number as `alert_id` and
    /// `number`.
    pub json: &'a [u8],
}

/// What stands in a record of the priced log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PricedKind {
    /// A [`PricedEvent`], or a correction of one.
    Event,
    /// An [`Alert`].
    Alert,
}

/// The source in the [`Origin`] of every alert.
pub const ALERTS: &str = "alerts";

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Written by a newer version of this software, or not by this software.
    #[error("record version {0} is not known here: upgrade the reader before the writer")]
    UnknownVersion(u8),
    /// No such kind of record in this version.
    #[error("record kind {kind} is not known in version {version}")]
    UnknownKind {
        /// The version the record claims.
        version: u8,
        /// The kind it claims.
        kind: u8,
    },
    /// The body does not fit its kind.
    #[error("record body cannot be read")]
    Body(#[source] serde_json::Error),
    /// Too short for what its first bytes say it is.
    #[error("record is cut short")]
    Short,
}

/// Writes a started record in the newest version.
#[must_use]
pub fn encode_started(started: &Started) -> Vec<u8> {
    v1::encode(v1::Kind::Started, started)
}

/// Writes a finished record in the newest version.
#[must_use]
pub fn encode_finished(payload: &StandardLoggingPayload) -> Vec<u8> {
    v1::encode(v1::Kind::Finished, payload)
}

/// Writes a priced event in the newest version: as a correction, if it is a later revision.
#[must_use]
pub fn encode_priced(event: &PricedEvent) -> Vec<u8> {
    v1::encode_priced(event)
}

/// Writes an alert for the priced log in the newest version. `number` is its id in the books; with
/// the alert's key it makes the id of the record, which is the same however often it is written.
#[must_use]
pub fn encode_alert(alert: &Alert, number: u64) -> Vec<u8> {
    v1::encode_alert(alert, number)
}

/// Reads a record of the calls log.
///
/// # Errors
///
/// If the record was not written by any known version.
pub fn decode_call(record: &[u8]) -> Result<CallRecord, DecodeError> {
    let (version, kind, body) = split(record)?;
    match version {
        v1::VERSION => v1::decode_call(kind, body),
        other => Err(DecodeError::UnknownVersion(other)),
    }
}

/// Reads an event of the priced log.
///
/// # Errors
///
/// If the record was not written by any known version, or is an alert.
pub fn decode_priced(record: &[u8]) -> Result<PricedEvent, DecodeError> {
    let (version, kind, body) = split(record)?;
    match version {
        v1::VERSION => v1::decode_priced(kind, body),
        other => Err(DecodeError::UnknownVersion(other)),
    }
}

/// Opens a record of the priced log without reading its JSON: a sink that passes events on as they
/// are needs no more.
///
/// # Errors
///
/// If the record was not written by any known version.
pub fn open_priced(record: &[u8]) -> Result<PricedRecord<'_>, DecodeError> {
    let (version, kind, body) = split(record)?;
    match version {
        v1::VERSION => v1::open_priced(kind, body),
        other => Err(DecodeError::UnknownVersion(other)),
    }
}

fn split(record: &[u8]) -> Result<(u8, u8, &[u8]), DecodeError> {
    match record {
        [version, kind, body @ ..] => Ok((*version, *kind, body)),
        _ => Err(DecodeError::Short),
    }
}

#[cfg(test)]
mod tests;
