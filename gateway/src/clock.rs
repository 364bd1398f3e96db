//! The one place that asks what time it is.

use event::Timestamp;

/// Gives the present instant; a function, so that tests can own the time.
pub(crate) type Clock = fn() -> Timestamp;

/// The machine's clock.
#[must_use]
pub(crate) fn system() -> Timestamp {
    chrono::Utc::now().into()
}
