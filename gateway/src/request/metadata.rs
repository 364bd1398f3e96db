//! What a client says about its call, in the body's `metadata`.

use event::Json;
use serde::{Deserialize, Deserializer};

/// What the client says about the call, in `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientMetadata {
    /// Tags to count the spend by: a list, or one text.
    #[serde(deserialize_with = "one_or_many")]
    pub tags: Vec<String>,
    /// The task the call belongs to.
    pub trace_id: Option<String>,
    /// The conversation the call belongs to.
    pub session_id: Option<String>,
    /// What the client wants to find in the spend logs.
    pub spend_logs_metadata: Option<Json>,
    /// The metadata itself.
    #[serde(skip)]
    pub whole: Option<Json>,
}

/// A list of text, or one text.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tags {
        Many(Vec<String>),
        One(String),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Tags::One(tag)) => vec![tag],
        Some(Tags::Many(tags)) => tags,
    })
}
