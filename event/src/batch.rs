//! What an event tells of a batch that a provider works through: that it was created, or what its
//! requests consumed. A batch is seen many times, and billed with one event.

use serde::{Deserialize, Serialize};

use crate::{EventId, Json, Usage};

/// What an event tells of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Batch {
    /// What was seen of it.
    pub stage: BatchStage,
    /// What it goes by at its provider, each unique there: its id, the file with its results, the
    /// first of them. Events that share a name are of one batch.
    pub names: Vec<String>,
    /// What it consumed; empty if that is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<BatchPart>,
    /// Why it is not known what it consumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// The event that it is billed with, where that is another one. Set by the collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billed_with: Option<EventId>,
    /// The hash of the key that asked, where the key pays that created the batch. Set by the
    /// collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
}

impl Batch {
    /// How much it tells of what the batch consumed.
    #[must_use]
    pub fn tells(&self) -> BatchTells {
        let is_measured = |part: &BatchPart| part.prompt_min > 0 || part.prompt_max == 0;
        if self.unknown.is_some() || self.parts.is_empty() {
            BatchTells::Nothing
        } else if self.parts.iter().all(is_measured) {
            BatchTells::All
        } else {
            BatchTells::Sums
        }
    }
}

/// How much an event tells of what a batch consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BatchTells {
    /// Nothing: there is no price.
    #[default]
    Nothing,
    /// Sums, and not how long each request was: there is no price where that matters.
    Sums,
    /// All that a price depends on.
    All,
}

/// What was seen of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchStage {
    /// The provider took it on.
    #[default]
    Created,
    /// It has ended, and costs what its requests consumed.
    Ended,
}

/// What the requests of a batch to one model consumed, as far as they are of about one length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchPart {
    /// The model that answered, as the provider names it.
    pub model: String,
    /// The sum of what they consumed.
    pub usage: Usage,
    /// How many there were.
    pub requests: u64,
    /// Tokens in the shortest prompt among them, as far as it is known: some prices depend on it.
    pub prompt_min: u64,
    /// Tokens in the longest.
    pub prompt_max: u64,
    /// The model to price by, where a deployment of this model names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// The prices of its deployment, over those of the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_overrides: Option<Json>,
}
