//! What became of a source when it was looked at, and why a candidate does not become a layer.

use std::io;

use cost_map::check;
use serde::Serialize;

use super::{layer::Kind, status::Refused};
use crate::{books::BooksError, deliver::dead_letters::chain};

/// Characters of each reason.
const REASON_CHARS_MAX: usize = 400;

/// What became of one source when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) layer: Kind,
    pub(crate) verdict: Verdict,
    /// Why it was refused, the first few reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) reasons_left_out: usize,
    /// Whether it comes into force when a person confirms it.
    pub(crate) confirmable: bool,
    /// Whether the candidate is not to blame, so that it is looked at again.
    #[serde(skip)]
    pub(crate) is_postponed: bool,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It is what is in force, or has the same prices.
    Unchanged,
    /// It has come into force.
    Applied,
    /// What was in force stays.
    Refused,
}

impl Outcome {
    pub(super) const fn of(layer: Kind, verdict: Verdict) -> Self {
        Self {
            layer,
            verdict,
            reasons: Vec::new(),
            reasons_left_out: 0,
            confirmable: false,
            is_postponed: false,
        }
    }

    /// There is no candidate.
    pub(super) fn unread(layer: Kind, reason: String) -> Self {
        Self {
            reasons: vec![reason],
            ..Self::of(layer, Verdict::Refused)
        }
    }

    pub(super) fn refused(refused: &Refused) -> Self {
        Self {
            reasons: refused.reasons.clone(),
            reasons_left_out: refused.reasons_left_out,
            confirmable: refused.confirmable,
            ..Self::of(refused.layer, Verdict::Refused)
        }
    }
}

/// Why a candidate does not become a layer.
#[derive(Debug)]
pub(super) enum Objection {
    /// It is not there.
    Unread(String),
    /// It is no price map.
    Broken(cost_map::MapError),
    /// It may be wrong; a person can confirm it.
    Doubtful(check::Doubts),
    /// Which models are in use is not known.
    Books(BooksError),
    /// It cannot be kept, and after a restart nobody could say what calls were priced by.
    Unkept(io::Error),
}

impl Objection {
    /// Whether the candidate is not to blame, and the next try may succeed.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Books(_) | Self::Unkept(_))
    }

    /// The first reasons, and how many more there are.
    pub(super) fn reasons(&self) -> (Vec<String>, usize) {
        let one = |reason: String| (vec![short(reason)], 0);
        match self {
            Self::Unread(reason) => one(reason.clone()),
            Self::Broken(error) => one(chain(error)),
            Self::Doubtful(doubts) => {
                let first = doubts.first.iter().map(|doubt| short(doubt.to_string()));
                (first.collect(), doubts.left_out)
            }
            Self::Books(error) => one(format!(
                "which models are in use is not known: {}",
                chain(error)
            )),
            Self::Unkept(error) => one(format!(
                "it cannot be kept in the data directory ({error}): make room; it is tried again"
            )),
        }
    }
}

fn short(reason: String) -> String {
    if reason.chars().count() <= REASON_CHARS_MAX {
        return reason;
    }
    reason.chars().take(REASON_CHARS_MAX).chain(['…']).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_none(count: &usize) -> bool {
    *count == 0
}
