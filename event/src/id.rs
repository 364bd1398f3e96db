//! Ids: parsed once, stamped once, before anything fans out.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The namespace of [`EventId`]s: fixed for ever, so that a replay stamps the same ids.
const EVENTS: Uuid = Uuid::from_u128(0x5a7c_9d5e_10a4_4d0b_9f0e_7b1a_2c63_e8d1);

/// The longest call id a client may bring.
const CALL_ID_MAX: usize = 128;

/// Identifies one call. A UUIDv7 unless the client brought its own (`x-litellm-call-id`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(String);

impl CallId {
    /// A new id; ids made later sort later.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// An id that a client brought.
    ///
    /// # Errors
    ///
    /// If it is empty, longer than 128 characters or has any but letters, digits and `-_.:/`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
        if text.is_empty() || text.len() > CALL_ID_MAX || !text.bytes().all(fits) {
            return Err(IdError {
                text: text.chars().take(CALL_ID_MAX).collect(),
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A call id that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a call id: use at most 128 letters, digits and `-_.:/`")]
pub struct IdError {
    text: String,
}

/// Where an event entered the system: which journal, and its position there. The key of exactly
/// once: readers keep one high-water mark per source and skip what is not above it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The stable id of the journal the event was first written to.
    pub source: String,
    /// Its position there; rises, with gaps.
    pub sequence: u64,
}

/// Identifies one event: made from its [`Origin`], so that every replay gives the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Uuid);

impl EventId {
    /// The id of the event that entered at `origin`.
    #[must_use]
    pub fn of(origin: &Origin) -> Self {
        let name = format!("{}/{}", origin.source, origin.sequence);
        Self(Uuid::new_v5(&EVENTS, name.as_bytes()))
    }

    /// As a UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

/// Reads an id back; making one anew is [`EventId::of`].
impl From<Uuid> for EventId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A W3C trace id: 16 bytes, never all zero, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A W3C span id: 8 bytes, never all zero, written as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The id for a trace that somebody named: the bytes of a UUID or of 32 hexadecimal digits,
    /// else the first half of the SHA-256 of the text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let bytes = Uuid::try_parse(text).map_or_else(|_error| digest(text), Uuid::into_bytes);
        Self(if bytes == [0; 16] {
            digest(text)
        } else {
            bytes
        })
    }
}

impl SpanId {
    /// The span of one call.
    #[must_use]
    pub fn of(call: &CallId) -> Self {
        Self(digest(&format!("span:{call}")))
    }
}

/// The first `N` bytes of the SHA-256 of `text`.
fn digest<const N: usize>(text: &str) -> [u8; N] {
    let full = Sha256::digest(text.as_bytes());
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(full) {
        *to = from;
    }
    bytes
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_depends_on_the_origin_alone() {
        let origin = Origin {
            source: "a".to_owned(),
            sequence: 7,
        };
        assert_eq!(
            EventId::of(&origin).to_string(),
            "bf5be5f8-ab90-5e57-9175-4c5efe084dd1"
        );
        assert_ne!(
            EventId::of(&origin),
            EventId::of(&Origin {
                sequence: 8,
                ..origin
            })
        );
    }

    #[test]
    fn a_call_id_cannot_carry_anything_odd() {
        for text in ["", "a b", "a\nb", "é", &"x".repeat(129)] {
            assert!(CallId::parse(text).is_err(), "{text}");
        }
        assert!(CallId::parse("run-7/step:2").is_ok());
    }

    #[test]
    fn a_trace_named_by_a_uuid_keeps_its_bytes() {
        let named = TraceId::of("0af76519-16cd-43dd-8448-eb211c80319c");
        assert_eq!(named.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(TraceId::of("0af7651916cd43dd8448eb211c80319c"), named);
        assert_ne!(TraceId::of(&"0".repeat(32)).to_string(), "0".repeat(32));
    }
}
