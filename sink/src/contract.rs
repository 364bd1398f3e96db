//! The trait a destination implements.

use std::{fmt, future::Future};

use event::PricedKind;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{Batch, BatchLimits, Clock, Receipt, SinkError, http::HttpClient};

/// What a user has written for a sink, by name.
pub type Settings = serde_json::Map<String, serde_json::Value>;

/// A destination of events, of alerts, or of both.
///
/// A sink has no memory: when [`deliver`](Sink::deliver) returns, the destination has the batch or
/// the collector still does. It spawns no tasks, reads no clock and no environment, and may be
/// called from several tasks at once.
pub trait Sink: fmt::Debug + Send + Sync + Sized + 'static {
    /// The value of `kind: …` that selects this sink in the configuration file.
    const KIND: &'static str;

    /// What a user may write for this sink. Deserializing it is all the validation there is:
    /// refuse unknown fields.
    type Config: DeserializeOwned;

    /// Variables of the environment that stand in for settings that are not written, as pairs of
    /// setting and variable. The collector looks them up; `written` are the settings, of which some
    /// may make others meaningless.
    #[must_use]
    fn variables(_written: &Settings) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Makes the sink. Touches neither network nor disk.
    ///
    /// # Errors
    ///
    /// If two settings that are each valid do not go together.
    fn open(config: Self::Config, env: &SinkEnv) -> Result<Self, SinkError>;

    /// What it can be sent. Of both, it is sent events alone unless the user's configuration says
    /// otherwise (`send: alerts`, `send: both`).
    fn takes(&self) -> Takes {
        Takes::Events
    }

    /// The batch size the destination likes best; the user's configuration overrides it.
    fn limits(&self) -> BatchLimits {
        BatchLimits::default()
    }

    /// Asks the destination whether it would take a batch now, and leaves nothing behind.
    fn probe(&self) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Sends the batch once. Dropping the future midway is allowed and may leave a duplicate.
    fn deliver(&self, batch: &Batch<'_>)
    -> impl Future<Output = Result<Receipt, SinkError>> + Send;
}

/// What every sink is given besides its configuration.
#[derive(Clone, Debug)]
pub struct SinkEnv {
    /// The one HTTP client: time limits, egress policy, and what each status means.
    pub http: HttpClient,
    /// The time, for destinations that want to be told it.
    pub clock: Clock,
}

/// What a sink is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Takes {
    /// Calls with their costs.
    Events,
    /// What a person should know.
    Alerts,
    /// Both, in one batch: see [`Item::kind`](crate::Item::kind).
    Both,
}

impl Takes {
    /// Whether an item of this kind is sent.
    #[must_use]
    pub const fn takes(self, kind: PricedKind) -> bool {
        match kind {
            PricedKind::Event => matches!(self, Self::Events | Self::Both),
            PricedKind::Alert => matches!(self, Self::Alerts | Self::Both),
        }
    }
}
