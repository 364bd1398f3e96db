//! What the collector and its gateways tell each other: the control API's messages.
//!
//! A gateway says [`Hello`] when a generation of it begins, keeps a [`Snapshot`] of what admission
//! needs, follows [`Changes`], and sends a [`LeaseRequest`] well before a lease runs out, also when
//! nothing is wanted: that is its sign of life, and how it gives back what others lack.
//!
//! Every message is JSON in an envelope with the number of its format. Fields that are not known
//! are passed over, so that a new field needs no new format; a format that is not known is refused.

mod known;
mod prices;
mod snapshot;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

pub use known::{Known, Whom};
pub use prices::{PriceLayer, Prices};
pub use snapshot::{
    Changed, Changes, EndUser, Gap, Key, Member, ModelLimits, Organization, RateLimits, Snapshot,
    Spent, Team, User,
};

use crate::{
    EntityId, Seconds, Timestamp, WindowId,
    ledger::{Ask, Generation, Lease},
};

/// The format that is written.
pub const FORMAT: u32 = 1;

const MIB: usize = 1 << 20;

/// A message of the control API.
pub trait Message: Serialize + DeserializeOwned {
    /// The largest that is read, in bytes.
    const MAX: usize;
    /// What it is called in errors.
    const NAME: &'static str;
}

macro_rules! messages {
    ($($type:ty: $max:expr, $name:literal;)+) => {$(
        impl Message for $type {
            const MAX: usize = $max;
            const NAME: &'static str = $name;
        }
    )+};
}

messages! {
    Hello: MIB, "hello";
    Welcome: MIB, "welcome";
    LeaseRequest: 16 * MIB, "lease request";
    LeaseReply: 16 * MIB, "lease reply";
    Changes: 64 * MIB, "list of changes";
    Snapshot: 512 * MIB, "snapshot";
    Prices: 96 * MIB, "price map";
}

/// A generation of a gateway has begun. Answered by [`Welcome`] or, if the generation is closed, by
/// 409: then the gateway ends its calls and begins a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The generation.
    pub generation: Generation,
    /// The gateway's version, for operators.
    #[serde(default)]
    pub software: String,
    /// The version of the snapshot that it has.
    #[serde(default)]
    pub snapshot: Option<u64>,
}

/// The answer to [`Hello`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The collector's newest version of what a [`Snapshot`] holds.
    pub version: u64,
    /// How long after it sent a request the gateway may use what the reply lends.
    pub lease: Seconds,
    /// How long a call may last: the gateway ends it then.
    pub longest_call: Seconds,
}

/// A gateway's sign of life, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// Who asks.
    pub generation: Generation,
    /// When this was sent, by the gateway's clock: the lease runs from here.
    pub sent_at: Timestamp,
    /// One for each budget and window of which the gateway was lent something or wants something.
    pub asks: Vec<BudgetAsk>,
}

/// An [`Ask`] and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetAsk {
    /// The budget.
    pub budget: EntityId,
    /// Its window.
    pub window: WindowId,
    /// What is asked for.
    pub ask: Ask,
}

/// What is lent. A request of a generation that is closed is answered by 409 instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseReply {
    /// `sent_at` of the request: with the duration of a lease, until when this may be used.
    pub sent_at: Timestamp,
    /// One for each ask; none for a budget or window that does not exist.
    pub leases: Vec<BudgetLease>,
    /// The collector's newest version of what a [`Snapshot`] holds.
    pub version: u64,
}

/// A [`Lease`] and what it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetLease {
    /// The budget.
    pub budget: EntityId,
    /// Its window.
    pub window: WindowId,
    /// What is lent.
    pub lease: Lease,
}

#[derive(Serialize)]
struct Written<'a, T> {
    format: u32,
    body: &'a T,
}

#[derive(Deserialize)]
struct Read<'a> {
    format: u32,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Writes a message down in the newest format.
///
/// # Errors
///
/// If memory runs out; no message has anything that JSON cannot hold.
pub fn encode<T: Message>(body: &T) -> Result<Vec<u8>, serde_json::Error> {
    let format = FORMAT;
    serde_json::to_vec(&Written { format, body })
}

/// Reads a message.
///
/// # Errors
///
/// If it is larger than such a message can be, of a format that is not known, or not one.
pub fn decode<T: Message>(bytes: &[u8]) -> Result<T, ControlError> {
    let (name, max) = (T::NAME, T::MAX);
    if bytes.len() > max {
        return Err(ControlError::TooLarge {
            name,
            bytes: bytes.len(),
            max,
        });
    }
    let body = |source| ControlError::Body { name, source };
    let read: Read<'_> = serde_json::from_slice(bytes).map_err(body)?;
    if read.format != FORMAT {
        return Err(ControlError::Format {
            name,
            format: read.format,
        });
    }
    serde_json::from_str(read.body.get()).map_err(body)
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Larger than it may be.
    #[error("the {name} has {bytes} bytes, more than the {max} that are read")]
    TooLarge {
        /// What it should be.
        name: &'static str,
        /// Its size.
        bytes: usize,
        /// The largest size.
        max: usize,
    },
    /// Written by another version.
    #[error(
        "the {name} has format {format}, and {FORMAT} is what is known here: run gateway and collector in versions that fit"
    )]
    Format {
        /// What it should be.
        name: &'static str,
        /// The format it claims.
        format: u32,
    },
    /// Not such a message.
    #[error("the {name} cannot be read")]
    Body {
        /// What it should be.
        name: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests;
