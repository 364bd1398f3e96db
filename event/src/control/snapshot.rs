//! What a gateway must know to admit calls, and how it follows what the collector knows.
//!
//! Names are LiteLLM's where it has the thing. An empty list of models means all of them. A plain
//! key is nowhere in here: only its hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PriceLayer;
use crate::{Budget, Entity, EntityId, Json, Terms, Timestamp, Usd, WindowId};

/// All that admission needs, at one version. A gateway keeps it on disk and starts from it when the
/// collector is away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Rises with every change.
    pub version: u64,
    /// By the SHA-256 of the key in hexadecimal digits.
    pub keys: BTreeMap<EntityId, Key>,
    /// By id.
    pub users: BTreeMap<EntityId, User>,
    /// By id.
    pub teams: BTreeMap<EntityId, Team>,
    /// By the team member.
    pub members: BTreeMap<Entity, Member>,
    /// By id.
    pub organizations: BTreeMap<EntityId, Organization>,
    /// By id; an end user that is not here is one that nothing is known of.
    pub end_users: BTreeMap<EntityId, EndUser>,
    /// By id.
    pub budgets: BTreeMap<EntityId, Budget>,
    /// The budget of every end user without one: LiteLLM's `max_end_user_budget_id`.
    pub end_user_terms: Option<Terms>,
    /// What had been spent when the snapshot was taken, in windows that were not over. [`Changes`]
    /// do not move it: a lease tells what is newer.
    pub spent: Vec<Spent>,
    /// What calls are priced by, the lowest first; what is in it is asked for on its own, as
    /// [`Prices`](super::Prices). Nothing where only the map is used that is compiled in.
    pub prices: Vec<PriceLayer>,
}

/// What has changed between two versions: what is new or different as it is now, and what is gone.
/// A collector that cannot go back so far answers 410, and the gateway takes a [`Snapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    /// The version that these follow.
    pub since: u64,
    /// The version that they lead to.
    pub version: u64,
    /// By the SHA-256 of the key.
    pub keys: BTreeMap<EntityId, Key>,
    /// By id.
    pub users: BTreeMap<EntityId, User>,
    /// By id.
    pub teams: BTreeMap<EntityId, Team>,
    /// By the team member.
    pub members: BTreeMap<Entity, Member>,
    /// By id.
    pub organizations: BTreeMap<EntityId, Organization>,
    /// By id.
    pub end_users: BTreeMap<EntityId, EndUser>,
    /// By id.
    pub budgets: BTreeMap<EntityId, Budget>,
    /// Keys, users, teams, team members, organizations and end users that are gone.
    pub gone: Vec<Entity>,
    /// Budgets that are gone.
    pub gone_budgets: Vec<EntityId>,
    /// The budget of every end user without one, if that has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_user_terms: Option<Changed<Terms>>,
    /// The price maps, if they have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Vec<PriceLayer>>,
}

/// What something that may be missing has changed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed<T> {
    /// What it is now; `None` if it is gone.
    pub now: Option<T>,
}

/// A virtual key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Key {
    /// What its calls are counted under: it stays when the key is regenerated. `None` for the
    /// SHA-256 of the key.
    pub id: Option<EntityId>,
    /// Its name.
    pub alias: Option<EntityId>,
    /// Whose it is.
    pub user: Option<EntityId>,
    /// Its team.
    pub team: Option<EntityId>,
    /// Its organization.
    pub organization: Option<EntityId>,
    /// Whether it is blocked.
    pub blocked: bool,
    /// From when on it is not valid.
    pub expires: Option<Timestamp>,
    /// The models it may use.
    pub models: Vec<EntityId>,
    /// Its own names for models.
    pub aliases: BTreeMap<EntityId, EntityId>,
    /// The routes it may use; empty for all.
    pub allowed_routes: Vec<EntityId>,
    /// Networks and addresses that it may be used from; empty for all.
    pub allowed_ips: Vec<EntityId>,
    /// The parameters that its requests may set; empty for those that all may.
    pub allowed_request_params: Vec<EntityId>,
    /// The parameters that its requests have to set.
    pub enforced_params: Vec<EntityId>,
    /// Tags that each of its calls gets.
    pub tags: Vec<EntityId>,
    /// How fast it may call.
    pub limits: RateLimits,
    /// What its owner put there; an object or `null`.
    pub metadata: Json,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// A name.
    pub alias: Option<EntityId>,
    /// An address.
    pub email: Option<EntityId>,
    /// The models it may use.
    pub models: Vec<EntityId>,
    /// How fast it may call.
    pub limits: RateLimits,
}

/// A team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Team {
    /// A name.
    pub alias: Option<EntityId>,
    /// Its organization.
    pub organization: Option<EntityId>,
    /// Whether it is blocked.
    pub blocked: bool,
    /// The models it may use.
    pub models: Vec<EntityId>,
    /// Its own names for models.
    pub aliases: BTreeMap<EntityId, EntityId>,
    /// How fast it may call.
    pub limits: RateLimits,
    /// What its owner put there; an object or `null`.
    pub metadata: Json,
}

/// A user within a team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    /// The models it may use there.
    pub models: Vec<EntityId>,
    /// How fast it may call there.
    pub limits: RateLimits,
}

/// An organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Organization {
    /// A name.
    pub alias: Option<EntityId>,
    /// The models it may use.
    pub models: Vec<EntityId>,
    /// How fast it may call.
    pub limits: RateLimits,
}

/// The application's own user: LiteLLM's customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndUser {
    /// A name.
    pub alias: Option<EntityId>,
    /// Whether it is blocked.
    pub blocked: bool,
    /// The models it may use.
    pub models: Vec<EntityId>,
    /// The model it gets when it asks for none.
    pub default_model: Option<EntityId>,
    /// How fast it may call.
    pub limits: RateLimits,
}

/// How fast one may call. `None` is without limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimits {
    /// Requests in a minute: `rpm_limit`.
    pub rpm: Option<u64>,
    /// Tokens in a minute: `tpm_limit`.
    pub tpm: Option<u64>,
    /// Calls at the same time: `max_parallel_requests`.
    pub parallel: Option<u64>,
    /// By model: `model_rpm_limit`, `model_tpm_limit`.
    pub models: BTreeMap<EntityId, ModelLimits>,
}

/// How fast one may call one model. `None` is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelLimits {
    /// Requests in a minute.
    pub rpm: Option<u64>,
    /// Tokens in a minute.
    pub tpm: Option<u64>,
}

/// What has been spent of a budget in a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The budget.
    pub budget: EntityId,
    /// Its window.
    pub window: WindowId,
    /// In US dollars.
    pub settled: Usd,
}

/// Changes that do not follow the version that is there: take a [`Snapshot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("changes since version {since} do not follow version {version}: take a snapshot")]
pub struct Gap {
    /// The version they follow.
    pub since: u64,
    /// The version that is there.
    pub version: u64,
}

impl Snapshot {
    /// Brings it to the version of the changes.
    ///
    /// # Errors
    ///
    /// If they follow another version; then nothing is changed.
    pub fn apply(&mut self, changes: Changes) -> Result<(), Gap> {
        let (since, version) = (changes.since, self.version);
        if since != version {
            return Err(Gap { since, version });
        }
        for entity in &changes.gone {
            self.remove(entity);
        }
        for id in &changes.gone_budgets {
            self.budgets.remove(id);
        }
        self.keys.extend(changes.keys);
        self.users.extend(changes.users);
        self.teams.extend(changes.teams);
        self.members.extend(changes.members);
        self.organizations.extend(changes.organizations);
        self.end_users.extend(changes.end_users);
        self.budgets.extend(changes.budgets);
        if let Some(Changed { now }) = changes.end_user_terms {
            self.end_user_terms = now;
        }
        if let Some(prices) = changes.prices {
            self.prices = prices;
        }
        self.version = changes.version;
        Ok(())
    }

    fn remove(&mut self, entity: &Entity) {
        use crate::EntityKind as Kind;
        if entity.kind() == Kind::TeamMember {
            self.members.remove(entity);
        }
        let Some(id) = entity.id() else {
            return;
        };
        match entity.kind() {
            Kind::Key => drop(self.keys.remove(id)),
            Kind::User => drop(self.users.remove(id)),
            Kind::Team => drop(self.teams.remove(id)),
            Kind::Organization => drop(self.organizations.remove(id)),
            Kind::EndUser => drop(self.end_users.remove(id)),
            Kind::Global
            | Kind::TeamMember
            | Kind::Tag
            | Kind::Provider
            | Kind::Model
            | Kind::Session => {}
        }
    }
}
