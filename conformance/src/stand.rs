//! What the author of a sink provides so that it can be tested.

use std::time::Duration;

use event::{EventId, Json};
use serde_json::Value;
use sink::{Registration, SinkErrorKind};

/// A place where one kind of sink can be tested.
pub trait Stand: Sync {
    /// The sink.
    fn registration(&self) -> Registration;

    /// A fresh, empty destination and a configuration that points at it.
    fn rig(&self) -> Rig;

    /// Names of laws that this destination cannot keep. Give the reason in a comment beside each.
    fn waived(&self) -> &'static [&'static str] {
        &[]
    }
}

/// A destination and how to reach it.
pub struct Rig {
    /// What a user would write under the sink's name, without `kind`.
    pub config: Value,
    /// Texts in `config` that must never be shown.
    pub secrets: Vec<String>,
    /// The view from the other side.
    pub destination: Box<dyn Destination>,
}

/// The destination as its owner sees it.
pub trait Destination {
    /// The events it has kept, in the order it got them. What it would itself recognise as a
    /// repetition counts once.
    ///
    /// # Errors
    ///
    /// What was wrong with what it was sent: a signature, a missing header, a repetition that
    /// differs from the original.
    fn stored(&self) -> Result<Vec<Stored>, String>;

    /// Names of everything that is there, so that it can be seen whether a probe leaves something
    /// behind: files, objects, rows. By default, of the stored events.
    fn contents(&self) -> Vec<String> {
        let ids = |stored: Vec<Stored>| stored.iter().map(|event| event.id.to_string()).collect();
        self.stored().map_or_else(|complaint| vec![complaint], ids)
    }

    /// Misbehaves from now on. Returns the kind that the sink has to report for it
    /// ([`Fault::kind`], unless there is a reason), or `None` if this destination cannot misbehave
    /// in this way.
    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind>;

    /// Behaves again.
    fn recover(&self);
}

/// An event as a destination has kept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which event it is.
    pub id: EventId,
    /// What the destination knows of it, in the event's own form: an object that has some of its
    /// fields, under the same names. `{}` if it keeps the id alone.
    pub said: Json,
}

/// A way for a destination to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Takes no connections.
    Away,
    /// Reads the batch and never answers.
    Hangs,
    /// Breaks the connection in the middle of the batch.
    CutsRequest,
    /// Takes the batch and breaks the connection in the middle of the answer.
    CutsAnswer,
    /// Takes the batch and answers that it failed (503).
    StoresThenFails,
    /// Answers 429.
    Throttles,
    /// Answers 429 and asks for a pause.
    ThrottlesFor(Duration),
    /// Answers 500.
    Fails,
    /// Answers 401.
    Unauthorized,
    /// Answers 404.
    NotFound,
    /// Answers 400.
    Rejects,
    /// Answers 413.
    TooLarge,
}

impl Fault {
    /// Every fault that a destination is asked to suffer.
    pub const ALL: &[Self] = &[
        Self::Away,
        Self::Hangs,
        Self::CutsRequest,
        Self::CutsAnswer,
        Self::StoresThenFails,
        Self::Throttles,
        Self::ThrottlesFor(Duration::from_secs(7)),
        Self::Fails,
        Self::Unauthorized,
        Self::NotFound,
        Self::Rejects,
        Self::TooLarge,
    ];

    /// What the sink has to report, unless the destination's protocol says otherwise.
    #[must_use]
    pub const fn kind(self) -> SinkErrorKind {
        match self {
            Self::Away | Self::Hangs | Self::CutsRequest | Self::CutsAnswer => {
                SinkErrorKind::Unreachable
            }
            Self::StoresThenFails | Self::Fails => SinkErrorKind::Failing,
            Self::Throttles | Self::ThrottlesFor(_) => SinkErrorKind::Throttled,
            Self::Unauthorized => SinkErrorKind::Unauthorized,
            Self::NotFound => SinkErrorKind::Misconfigured,
            Self::Rejects => SinkErrorKind::Refused,
            Self::TooLarge => SinkErrorKind::TooLarge,
        }
    }
}
