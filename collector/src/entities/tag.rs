//! A tag of requests, with a budget of its own.

use serde::{Deserialize, Serialize};

use super::{Stamps, Stored};

/// A tag.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) budget_id: Option<String>,
    #[serde(flatten, skip_deserializing)]
    pub(crate) stamps: Stamps,
}

impl Stored for Tag {
    const TABLE: &'static str = "tags";

    fn id(&self) -> String {
        self.name.clone()
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }
}
