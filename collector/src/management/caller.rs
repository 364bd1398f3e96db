//! Who asks, and what they may do.
//!
//! The master key and the keys of a `proxy_admin` may everything; those of a `proxy_admin_viewer`
//! may read everything; an `internal_user` manages keys of their own; a viewer reads what is their
//! own; the admin of a team manages its members and keys, that of an organization its teams; a key
//! without a user sees itself.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, Method},
    middleware::Next,
    response::Response,
};
use event::Timestamp;
use sqlx::SqliteConnection;
use subtle::ConstantTimeEq as _;

use super::secret;
use crate::{
    api::{Api, answer::Refusal, auth},
    books::Books,
    clock,
    entities::{
        self, Actor, Change, Key, OrganizationMember, OrganizationRole, Role, Team, TeamMember,
        TeamRole, User,
    },
};

/// It takes a body, and changes nothing.
const REPORT: &str = "/spend/calculate";

/// As a handler gets it.
pub(crate) type Who = Extension<Arc<Caller>>;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// `None` for a key without a user.
    role: Option<Role>,
    user_id: Option<String>,
    /// `None` for the master key.
    key: Option<Key>,
    /// What they ask for.
    route: String,
}

/// Finds out who asks.
pub(crate) async fn enter(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let route = request.uri().path().to_owned();
    let caller = Caller::of(&api, request.headers(), route).await?;
    request.extensions_mut().insert(Arc::new(caller));
    Ok(next.run(request).await)
}

/// Lets a request pass that is for those who may read everything, or may everything where it
/// changes something.
pub(crate) async fn admit(
    api: &Api,
    headers: &HeaderMap,
    (method, path): (&Method, &str),
) -> Result<(), Refusal> {
    let caller = Caller::of(api, headers, path.to_owned()).await?;
    match *method == Method::GET || path == REPORT {
        true => caller.viewer(),
        false => caller.admin(),
    }
}

impl Caller {
    async fn of(api: &Api, headers: &HeaderMap, route: String) -> Result<Self, Refusal> {
        let admin = Self {
            role: Some(Role::ProxyAdmin),
            user_id: None,
            key: None,
            route,
        };
        let Some(master) = &api.master_key else {
            return Ok(admin);
        };
        let given = auth::given(headers)?;
        if auth::is_master(master, given) {
            return Ok(admin);
        }
        let key = known(&api.books, given, clock::now()).await?;
        let user = match &key.user_id {
            Some(id) => entities::get::<User>(&api.books, id).await?,
            None => None,
        };
        let caller = Self {
            role: user.as_ref().map(|user| user.user_role),
            user_id: user.map(|user| user.user_id),
            key: Some(key),
            ..admin
        };
        caller.opens_route()?;
        Ok(caller)
    }

    /// Whether the key may be used for management at all.
    fn opens_route(&self) -> Result<(), Refusal> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let reads = [
            "/info",
            "/list",
            "/settings",
            "/aliases",
            "/available",
            "/available_roles",
            "/permissions_list",
            "/health",
        ];
        let reads = reads.iter().any(|end| self.route.ends_with(end));
        let opens = |allowed: &String| match allowed.as_str() {
            "management_routes" => true,
            "spend_tracking_routes" | "global_spend_tracking_routes" => self.tells_spend(),
            "info_routes" => reads,
            other => match other.strip_suffix('*') {
                Some(start) => self.route.starts_with(start),
                None => self.route == other,
            },
        };
        if key.allowed_routes.is_empty() || key.allowed_routes.iter().any(opens) {
            return Ok(());
        }
        Err(Refusal::forbidden(&format!(
            "Virtual key is not allowed to call this route. Only allowed to call routes: {:?}. \
             Tried to call route: {}",
            key.allowed_routes, self.route
        )))
    }

    /// Whether they ask what was spent.
    fn tells_spend(&self) -> bool {
        let beginnings = ["/spend/", "/global/", "/provider/budgets"];
        beginnings.iter().any(|begin| self.route.starts_with(begin))
            || self.route.contains("/daily/activity")
    }

    /// The user whose key it is.
    pub(crate) fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// What they ask for.
    pub(super) fn route(&self) -> &str {
        &self.route
    }

    /// The key they ask with; `None` for the master key.
    pub(crate) const fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Whether they may everything.
    pub(super) fn is_admin(&self) -> bool {
        self.role == Some(Role::ProxyAdmin)
    }

    /// Whether they may read everything.
    pub(crate) fn sees_all(&self) -> bool {
        self.is_admin() || self.role == Some(Role::ProxyAdminViewer)
    }

    /// Whether they may change what is their own.
    pub(super) fn may_write(&self) -> bool {
        self.is_admin() || self.role == Some(Role::InternalUser)
    }

    /// Refuses all but who may everything.
    pub(crate) fn admin(&self) -> Result<(), Refusal> {
        self.must(self.is_admin())
    }

    /// Refuses all but who may read everything.
    pub(crate) fn viewer(&self) -> Result<(), Refusal> {
        self.must(self.sees_all())
    }

    /// Refuses unless `allowed`.
    pub(crate) fn must(&self, allowed: bool) -> Result<(), Refusal> {
        match allowed {
            true => Ok(()),
            false => Err(self.refusal()),
        }
    }

    /// That they may not do this.
    pub(crate) fn refusal(&self) -> Refusal {
        Refusal::forbidden(&format!(
            "Only proxy admin can be used to generate, delete, update info for new \
             keys/users/teams/models. Route={}. Your role={}. Your user_id={}",
            self.route,
            self.role_name(),
            self.user_id().unwrap_or("none")
        ))
    }

    fn role_name(&self) -> &'static str {
        self.role.map_or("key", Role::as_str)
    }

    /// Whether they manage a team: its admin, or its organization's.
    pub(crate) async fn manages(&self, books: &Books, team: &Team) -> Result<bool, Refusal> {
        if self.is_admin() {
            return Ok(true);
        }
        let Some(user) = self.user_id().filter(|_| self.may_write()) else {
            return Ok(false);
        };
        let id = TeamMember::id_of(&team.team_id, user);
        let member: Option<TeamMember> = entities::get(books, &id).await?;
        if member.is_some_and(|member| member.role == TeamRole::Admin) {
            return Ok(true);
        }
        match &team.organization_id {
            Some(organization) => self.leads(books, organization).await,
            None => Ok(false),
        }
    }

    /// Whether they are an admin of an organization.
    pub(crate) async fn leads(&self, books: &Books, organization: &str) -> Result<bool, Refusal> {
        if self.is_admin() {
            return Ok(true);
        }
        let member = self.in_organization(books, organization).await?;
        let admin = member.is_some_and(|member| member.user_role == OrganizationRole::OrgAdmin);
        Ok(admin && self.may_write())
    }

    /// Their place in an organization.
    pub(super) async fn in_organization(
        &self,
        books: &Books,
        organization: &str,
    ) -> Result<Option<OrganizationMember>, Refusal> {
        let Some(user) = self.user_id() else {
            return Ok(None);
        };
        let id = OrganizationMember::id_of(organization, user);
        Ok(entities::get(books, &id).await?)
    }

    /// Whether they may see a team: whoever belongs to it may.
    pub(crate) async fn sees(&self, books: &Books, team: &Team) -> Result<bool, Refusal> {
        let own = self.key.as_ref().and_then(|key| key.team_id.as_deref());
        if self.sees_all() || own == Some(&team.team_id) {
            return Ok(true);
        }
        let member: Option<TeamMember> = match self.user_id() {
            Some(user) => {
                let id = TeamMember::id_of(&team.team_id, user);
                entities::get(books, &id).await?
            }
            None => None,
        };
        Ok(member.is_some() || self.manages(books, team).await?)
    }

    /// Begins a change in their name.
    pub(super) async fn change<'c>(
        &self,
        writer: &'c mut SqliteConnection,
    ) -> Result<Change<'c>, Refusal> {
        let key = self.key.as_ref().map(|key| key.id.clone());
        let user = self.user_id.clone();
        let actor = Actor {
            name: user
                .or_else(|| key.clone())
                .unwrap_or_else(|| "default_user_id".to_owned()),
            key: key.unwrap_or_else(|| "master key".to_owned()),
            role: self.role_name(),
        };
        Ok(Change::begin(writer, actor, clock::now()).await?)
    }
}

/// The key that opens the door with this text.
async fn known(books: &Books, given: &str, now: Timestamp) -> Result<Key, Refusal> {
    let digest = secret::digest(given);
    let current = entities::first::<Key>(books, "hash", &digest).await?;
    let key = match current {
        Some(key) => Some(key),
        None => entities::first::<Key>(books, "previous_hash", &digest)
            .await?
            .filter(|key| key.previous_until.is_some_and(|until| now < until)),
    };
    let opens = |key: &Key| {
        let previous = key.previous_hash.as_deref().unwrap_or_default();
        let current = key.hash.as_bytes().ct_eq(digest.as_bytes());
        bool::from(current | previous.as_bytes().ct_eq(digest.as_bytes()))
    };
    let Some(key) = key.filter(opens) else {
        return Err(auth::invalid().of_kind("token_not_found_in_db"));
    };
    if key.blocked {
        return Err(Refusal::unauthorized(
            "Authentication Error, Key is blocked. Update via `/key/unblock` if you're admin.",
        ));
    }
    if key.is_expired(now) {
        let message = "Authentication Error, Expired Key. Make a new one with `/key/generate`.";
        return Err(Refusal::unauthorized(message).of_kind("expired_key"));
    }
    if let Some(id) = &key.team_id {
        let team: Option<Team> = entities::get(books, id).await?;
        if team.is_some_and(|team| team.blocked) {
            return Err(Refusal::unauthorized(&format!(
                "Authentication Error, Team={id} is blocked. Update via `/team/unblock` if you're admin."
            )));
        }
    }
    Ok(key)
}
