//! Who may spend, and how much: keys, users, teams, organizations, end users, budgets, tags.
//!
//! An entity is a row of JSON under LiteLLM's names (`books/schema.rs`). Whatever changes entities
//! does so in a [`Change`]: one transaction of the rows, an audit row for each, and one step of the
//! control version. No spend is kept here: what an entity cost is a sum in the books (`spend.rs`).

mod budget;
mod change;
mod end_user;
mod find;
mod key;
mod limits;
mod organization;
mod spend;
mod tag;
mod team;
mod trail;
mod user;

use event::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{books::BooksError, rfc3339};

pub(crate) use self::{
    budget::BudgetRow,
    change::{Actor, Change},
    end_user::EndUser,
    find::{Filter, count, first, get, page},
    key::Key,
    limits::{BudgetLimit, Limits, ModelLimit, ModelRates, now_in},
    organization::{Organization, OrganizationMember, OrganizationRole},
    spend::{Since, Spend, spends},
    tag::Tag,
    team::{Team, TeamMember, TeamRole},
    trail::{Audited, trail},
    user::{Role, User},
};

/// An entity that is kept in a table of its own.
pub(crate) trait Stored: Serialize + DeserializeOwned + Send {
    /// The table.
    const TABLE: &'static str;

    /// What is unique in it.
    fn id(&self) -> String;

    /// When it came and was changed.
    fn stamps(&mut self) -> &mut Stamps;

    /// The part that more than one kind of entity has. It is read by itself, because a flattened
    /// part goes through a float, and amounts must not.
    fn limits(&mut self) -> Option<&mut Limits> {
        None
    }
}

/// When an entity came and was last changed, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Stamps {
    #[serde(with = "rfc3339")]
    pub(crate) created_at: Timestamp,
    /// The user of the key that did it, or the key's id.
    pub(crate) created_by: String,
    #[serde(with = "rfc3339")]
    pub(crate) updated_at: Timestamp,
    pub(crate) updated_by: String,
}

/// Reads what stands in `fields`.
fn read<S: Stored>(text: &str) -> Result<S, BooksError> {
    let undecodable = |error: serde_json::Error| BooksError::Database(decode(error));
    let mut row: S = serde_json::from_str(text).map_err(undecodable)?;
    *row.stamps() = serde_json::from_str(text).map_err(undecodable)?;
    if let Some(limits) = row.limits() {
        *limits = serde_json::from_str(text).map_err(undecodable)?;
    }
    Ok(row)
}

fn decode(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// The id of what two ids name together.
fn pair(first: &str, second: &str) -> String {
    serde_json::Value::from(vec![first, second]).to_string()
}
