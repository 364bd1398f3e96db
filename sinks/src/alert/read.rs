//! The alerts of a batch, as people are told them.

use event::Timestamp;
use sink::{Batch, Receipt};

use super::told::{Known, Told};

/// An alert, and where it stands in the batch.
pub(crate) struct Read {
    pub(crate) index: usize,
    /// The idempotency key of its item.
    pub(crate) id: String,
    /// Its number in the books.
    pub(crate) number: u64,
    pub(crate) told: Told,
}

/// The alerts, oldest first, and a receipt that refuses what is none.
pub(crate) fn read(batch: &Batch<'_>) -> (Vec<Read>, Receipt) {
    let mut receipt = Receipt::default();
    let mut alerts = Vec::with_capacity(batch.items().len());
    for (index, item) in batch.items().iter().enumerate() {
        match Told::of(item) {
            Some(told) => alerts.push(Read {
                index,
                id: item.key(),
                number: item.origin().sequence,
                told,
            }),
            None => receipt.refuse(index, "it cannot be read"),
        }
    }
    (alerts, receipt)
}

impl Known {
    /// In words, times in UTC.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Time(at) => utc(*at),
        }
    }
}

/// An instant for people whose zone is not known.
pub(crate) fn utc(at: Timestamp) -> String {
    at.to_utc().format("%Y-%m-%d %H:%M UTC").to_string()
}

/// At most so many characters, a cut marked as one; control characters but the ends of lines become
/// blanks.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    let plain = |char: char| match char {
        '\n' => '\n',
        char if char.is_control() => ' ',
        char => char,
    };
    let mut cut: String = text.chars().take(chars_max).map(plain).collect();
    if text.chars().nth(chars_max).is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}
