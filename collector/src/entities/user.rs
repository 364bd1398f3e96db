//! A user: a person or a program that keys belong to.

use event::Json;
use serde::{Deserialize, Serialize};

use super::{Limits, Stamps, Stored};

/// What a user may do with the management API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Everything.
    ProxyAdmin,
    /// Read everything.
    ProxyAdminViewer,
    /// Keys of their own.
    #[default]
    InternalUser,
    /// Read what is their own.
    InternalUserViewer,
}

impl Role {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ProxyAdmin => "proxy_admin",
            Self::ProxyAdminViewer => "proxy_admin_viewer",
            Self::InternalUser => "internal_user",
            Self::InternalUserViewer => "internal_user_viewer",
        }
    }
}

/// A user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct User {
    pub(crate) user_id: String,
    pub(crate) user_alias: Option<String>,
    pub(crate) user_email: Option<String>,
    pub(crate) user_role: Role,
    #[serde(flatten, skip_deserializing)]
    pub(crate) limits: Limits,
    /// The models they may use; none named is all.
    pub(crate) models: Vec<String>,
    pub(crate) metadata: Json,
    #[serde(flatten, skip_deserializing)]
    pub(crate) stamps: Stamps,
}

impl Stored for User {
    const TABLE: &'static str = "users";

    fn id(&self) -> String {
        self.user_id.clone()
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn limits(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }
}
