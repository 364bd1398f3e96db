//! Something a person should know.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Something a person should know. Two alerts with the same [`key`](Alert::key) are one alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is about, the same for every time it is noticed: the key that keeps it unique
    /// across replicas and restarts.
    pub key: String,
    /// What happened.
    pub kind: AlertKind,
    /// How bad it is.
    pub severity: Severity,
    /// When it was first noticed.
    pub at: Timestamp,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertKind {
    /// A model was used that the price map has no price for.
    ModelUnpriced,
    /// A sink does not take what it is sent.
    SinkFailing,
    /// Events were given up for one sink and wait in its dead letters.
    DeadLetters,
    /// A record on the bus cannot be read.
    BadRecord,
    /// A price map was not taken, and the old one stays.
    PriceMapRefused,
    /// Records were lost or deleted before they were read.
    LogGap,
    /// Calls were priced again, and their costs have changed.
    CostsCorrected,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will become a problem.
    Warning,
    /// Is a problem.
    Critical,
}
