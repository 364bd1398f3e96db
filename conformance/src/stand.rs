//! What the author of a sink provides so that it can be tested.

use std::time::Duration;

use event::{EventId, Json};
use serde_json::Value;
use sink::{
    Registration, SinkErrorKind,
    http::{StatusCode, meaning},
};

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
    /// The events and alerts it has kept, in the order it got them. What it would itself recognise as a
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
    /// in this way: then it behaves.
    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind>;

    /// Behaves again.
    fn recover(&self);
}

/// An event or an alert as a destination has kept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which one it is: [`sink::Item::id`].
    pub id: EventId,
    /// What the destination knows of it, in its own form: an object that has some of its fields,
    /// under the same names. `{}` if it keeps the id alone.
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
    /// Answers so slowly that it never comes to an end.
    Drips,
    /// Breaks the connection in the middle of the batch.
    CutsRequest,
    /// Reads the batch and breaks the connection instead of taking it.
    Resets,
    /// Takes the batch and breaks the connection instead of answering.
    StoresThenResets,
    /// Takes the batch and never answers.
    StoresThenHangs,
    /// Takes the batch and breaks the connection in the middle of the answer's head.
    CutsAnswer,
    /// Takes the batch and breaks the connection in the middle of the answer's body.
    CutsAnswerBody,
    /// Takes the batch and answers that it failed (503).
    StoresThenFails,
    /// Answers what is not of its protocol.
    AnswersGarbage,
    /// Answers with more headers than anybody reads.
    AnswersHugeHead,
    /// Answers with this status and nothing else. Nothing is stored.
    Answers(u16),
    /// Answers with this status and asks for a pause, in seconds. Nothing is stored.
    AsksForPause(u16, Duration),
    /// Answers with this status and asks for a pause, by the date at which it ends. Nothing is
    /// stored.
    AsksForPauseUntil(u16, Duration),
    /// Redirects, with this status, to an address inside the network. Nothing is stored.
    Redirects(u16),
}

/// The pause that faults ask for.
const PAUSE: Duration = Duration::from_secs(7);

impl Fault {
    /// Every fault that a destination is asked to suffer.
    pub const ALL: &[Self] = &[
        Self::Away,
        Self::Hangs,
        Self::Drips,
        Self::CutsRequest,
        Self::Resets,
        Self::StoresThenResets,
        Self::StoresThenHangs,
        Self::CutsAnswer,
        Self::CutsAnswerBody,
        Self::StoresThenFails,
        Self::AnswersGarbage,
        Self::AnswersHugeHead,
        Self::Answers(304),
        Self::Answers(400),
        Self::Answers(401),
        Self::Answers(403),
        Self::Answers(404),
        Self::Answers(405),
        Self::Answers(408),
        Self::Answers(409),
        Self::Answers(410),
        Self::Answers(413),
        Self::Answers(415),
        Self::Answers(422),
        Self::Answers(425),
        Self::Answers(429),
        Self::Answers(500),
        Self::Answers(502),
        Self::Answers(503),
        Self::Answers(504),
        Self::Answers(529),
        Self::AsksForPause(429, PAUSE),
        Self::AsksForPause(503, PAUSE),
        Self::AsksForPauseUntil(429, PAUSE),
        Self::Redirects(301),
        Self::Redirects(302),
        Self::Redirects(307),
        Self::Redirects(308),
    ];

    /// Faults that leave the batch stored.
    pub const STORES: &[Self] = &[
        Self::StoresThenResets,
        Self::StoresThenHangs,
        Self::CutsAnswer,
        Self::CutsAnswerBody,
        Self::StoresThenFails,
    ];

    /// The status of the answer, where there is one.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Answers(status)
            | Self::AsksForPause(status, _)
            | Self::AsksForPauseUntil(status, _)
            | Self::Redirects(status) => Some(status),
            Self::StoresThenFails => Some(503),
            _ => None,
        }
    }

    /// What the sink has to report, unless the destination's protocol says otherwise.
    #[must_use]
    pub fn kind(self) -> SinkErrorKind {
        let status = self
            .status()
            .and_then(|code| StatusCode::from_u16(code).ok());
        let meant = status.and_then(|status| meaning(status).err());
        meant.unwrap_or(SinkErrorKind::Unreachable)
    }

    /// The pause that it asks for.
    #[must_use]
    pub const fn pause(self) -> Option<Duration> {
        match self {
            Self::AsksForPause(_, pause) | Self::AsksForPauseUntil(_, pause) => Some(pause),
            _ => None,
        }
    }
}
