//! An end user: LiteLLM's customer, whom an application names in its requests.

use serde::{Deserialize, Serialize};

use super::{Stamps, Stored};

/// An end user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EndUser {
    pub(crate) user_id: String,
    pub(crate) alias: Option<String>,
    pub(crate) blocked: bool,
    pub(crate) budget_id: Option<String>,
    /// The model of requests that name none.
    pub(crate) default_model: Option<String>,
    /// The models they may use; none named is all.
    pub(crate) models: Vec<String>,
    #[serde(flatten, skip_deserializing)]
    pub(crate) stamps: Stamps,
}

impl Stored for EndUser {
    const TABLE: &'static str = "end_users";

    fn id(&self) -> String {
        self.user_id.clone()
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }
}
