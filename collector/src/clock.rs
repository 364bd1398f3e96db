//! The one place that asks what time it is.

use event::Timestamp;

/// The time now.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(chrono::Utc::now())
}
