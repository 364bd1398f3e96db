//! Why a batch did not arrive, and what the collector does about it.

use std::{error::Error as StdError, fmt, time::Duration};

/// The longest detail that is kept, in bytes.
const DETAIL_BYTES_MAX: usize = 2 << 10;

/// A failed delivery.
#[derive(Debug)]
pub struct SinkError {
    kind: SinkErrorKind,
    detail: Box<str>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The reasons a sink may give. The list is closed: a new reason needs a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SinkErrorKind {
    /// No connection, or it broke before the answer.
    #[error("destination unreachable")]
    Unreachable,
    /// The destination answered that it is overloaded or broken (5xx).
    #[error("destination failing")]
    Failing,
    /// The destination asked for a slower pace (429).
    #[error("destination throttling")]
    Throttled,
    /// The credentials were refused (401, 403).
    #[error("credentials refused")]
    Unauthorized,
    /// The configuration cannot work, whatever is sent (404, unknown table or bucket).
    #[error("destination misconfigured")]
    Misconfigured,
    /// The destination takes smaller batches (413).
    #[error("batch too large")]
    TooLarge,
    /// The destination understood the batch and will never take it (400, 422).
    #[error("batch refused")]
    Refused,
}

/// What happens to the batch next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Deliver it again after a pause.
    Retry,
    /// Keep it, stop this sink, raise an alarm and probe now and then: an operator has to act.
    Hold,
    /// Deliver it again in halves; a single item goes to the dead letters.
    Split,
    /// Write it to the dead letters and go on. Of a batch of several, find the items at fault first.
    Bury,
}

impl SinkErrorKind {
    /// The only place where the fate of a batch is decided.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Unreachable | Self::Failing | Self::Throttled => Verdict::Retry,
            Self::Unauthorized | Self::Misconfigured => Verdict::Hold,
            Self::TooLarge => Verdict::Split,
            Self::Refused => Verdict::Bury,
        }
    }
}

impl SinkError {
    /// An error of this kind, with no further detail.
    #[must_use]
    pub fn new(kind: SinkErrorKind) -> Self {
        Self {
            kind,
            detail: Box::default(),
            retry_after: None,
            source: None,
        }
    }

    /// Adds what a person needs to know: at most 2 KB are kept, on one line. Never a secret.
    #[must_use]
    pub fn with_detail(self, detail: &str) -> Self {
        Self {
            detail: one_line(detail).into(),
            ..self
        }
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    /// Adds the pause the destination asked for; it replaces the computed backoff.
    #[must_use]
    pub fn with_retry_after(self, pause: Duration) -> Self {
        Self {
            retry_after: Some(pause),
            ..self
        }
    }

    /// The reason.
    #[must_use]
    pub const fn kind(&self) -> SinkErrorKind {
        self.kind
    }

    /// What a person needs to know; empty if the kind says it all.
    #[must_use]
    pub const fn detail(&self) -> &str {
        &self.detail
    }

    /// The pause the destination asked for.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.detail)
        }
    }
}

impl StdError for SinkError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What a stranger wrote, made safe for a terminal and a log: runs of blanks and control characters
/// become one space.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(DETAIL_BYTES_MAX));
    for char in text.chars() {
        let blank = char.is_control() || char.is_whitespace() || is_direction(char);
        let char = if blank { ' ' } else { char };
        if blank && (line.is_empty() || line.ends_with(' ')) {
            continue;
        }
        if line.len() + char.len_utf8() > DETAIL_BYTES_MAX {
            break;
        }
        line.push(char);
    }
    line.truncate(line.trim_end().len());
    line
}

/// Characters that make a terminal show a line in another order than it is written.
const fn is_direction(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(text: &str) -> String {
        SinkError::new(SinkErrorKind::Refused)
            .with_detail(text)
            .detail()
            .to_owned()
    }

    #[test]
    fn a_detail_is_one_short_line_without_control_characters() {
        assert_eq!(detail("  a\r\n\tb\u{1b}[31m\u{202e}c\0 "), "a b [31m c");
        assert!(detail(&"é".repeat(5000)).len() <= DETAIL_BYTES_MAX);
    }

    #[test]
    fn it_reads_as_kind_and_detail() {
        let error = SinkError::new(SinkErrorKind::Failing);
        assert_eq!(error.to_string(), "destination failing");
        assert_eq!(
            error.with_detail("503").to_string(),
            "destination failing: 503"
        );
    }
}
