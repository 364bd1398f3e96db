//! What gateways are told, made of the tables of entities.
//!
//! The tables are looked at a few times in a second, and read when their version has moved: whoever
//! changes them, also another collector, need not know who follows.

use std::{collections::BTreeMap, time::Duration};

use chrono_tz::Tz;
use event::{
    Budget, Entity, EntityId, EntityKind, Terms, Usd, WhenUnpriced, WindowDuration, WindowRule,
    control::{self as told, ModelLimits, RateLimits, Snapshot},
};

use super::configured;
use crate::{
    books::{Books, BooksError, Page},
    entities::{
        BudgetLimit, BudgetRow, EndUser, Filter, Key, Limits, Organization, Stored, Tag, Team,
        TeamMember, User, page,
    },
    price::PriceMaps,
    tasks::Tasks,
};

/// How often the version is looked at.
const EVERY: Duration = Duration::from_millis(200);

/// Follows the tables until told to stop.
pub(crate) async fn follow(
    books: Books,
    (prices, budget): (PriceMaps, Option<Terms>),
    tasks: Tasks,
) {
    loop {
        tokio::select! {
            () = tasks.stopping() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = refresh(&books, &prices, budget.as_ref()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "entities cannot be read: gateways go on with what they know"
            );
        }
    }
}

/// Begins a version at a start: what gateways are told depends on the configuration too, and that may
/// be another one than before.
///
/// # Errors
/// If the books cannot be written.
pub(crate) async fn renew(books: &Books) -> Result<(), BooksError> {
    let sql = "UPDATE control_version SET version = version + 1";
    sqlx::query(sql).execute(&mut *books.writer().await).await?;
    Ok(())
}

/// Notes the configuration if it is another, and reads the tables if their version has moved.
///
/// # Errors
/// If they cannot be written or read.
pub(crate) async fn refresh(
    books: &Books,
    prices: &PriceMaps,
    budget: Option<&Terms>,
) -> Result<(), BooksError> {
    configured::note(books, prices, budget).await?;
    take(books).await
}

/// Reads the tables if their version has moved.
///
/// # Errors
/// If they cannot be read.
pub(crate) async fn take(books: &Books) -> Result<(), BooksError> {
    // Before the rows: what changes in between is read again with the next version.
    let version: i64 = sqlx::query_scalar("SELECT version FROM control_version")
        .fetch_one(books.readers())
        .await?;
    let version = crate::books::natural(version)?;
    if version > books.directory().known().snapshot().version {
        books.directory().put(snapshot(books, version).await?);
    }
    Ok(())
}

async fn all<S: Stored>(books: &Books) -> Result<Vec<S>, BooksError> {
    let (skip, take) = (0, u32::MAX);
    page(books, &Filter::default(), Page { skip, take }).await
}

/// Puts a snapshot together.
struct Draft {
    shared: BTreeMap<String, Limits>,
    /// In whose calendar windows begin, where a budget names none.
    zone: Tz,
    snapshot: Snapshot,
}

async fn snapshot(books: &Books, version: u64) -> Result<Snapshot, BooksError> {
    let rows: Vec<BudgetRow> = all(books).await?;
    let shared = rows.into_iter().map(|row| (row.budget_id, row.limits));
    let configured = configured::noted(books).await?;
    let budgets = configured.budget().into_iter();
    let mut draft = Draft {
        shared: shared.collect(),
        zone: books.zone(),
        snapshot: Snapshot {
            version,
            budgets: budgets.map(|budget| (budget.id.clone(), budget)).collect(),
            prices: configured.prices,
            ..Snapshot::default()
        },
    };
    for key in all::<Key>(books).await? {
        draft.key(&key);
    }
    for user in all::<User>(books).await? {
        draft.user(&user);
    }
    let teams: Vec<Team> = all(books).await?;
    for member in all::<TeamMember>(books).await? {
        let team = teams.iter().find(|team| team.team_id == member.team_id);
        draft.member(&member, team);
    }
    for team in &teams {
        draft.team(team);
    }
    for organization in all::<Organization>(books).await? {
        draft.organization(&organization);
    }
    for end_user in all::<EndUser>(books).await? {
        draft.end_user(&end_user);
    }
    for tag in all::<Tag>(books).await? {
        let limits = draft.limits(None, tag.budget_id.as_deref());
        draft.budgets(of(EntityKind::Tag, &tag.name), &limits, &[]);
    }
    Ok(draft.snapshot)
}

impl Draft {
    /// An entity's own limits; where it has none, those of the budget that it names.
    fn limits(&self, own: Option<&Limits>, budget: Option<&str>) -> Limits {
        let shared = budget.and_then(|id| self.shared.get(id));
        let own = own.cloned().unwrap_or_default();
        let Some(shared) = shared.cloned() else {
            return own;
        };
        let narrow = |own: BTreeMap<_, _>, shared| if own.is_empty() { shared } else { own };
        Limits {
            max_budget: own.max_budget.or(shared.max_budget),
            soft_budget: own.soft_budget.or(shared.soft_budget),
            budget_duration: own.budget_duration.or(shared.budget_duration),
            budget_timezone: own.budget_timezone.or(shared.budget_timezone),
            enforcement: own.enforcement.or(shared.enforcement),
            unpriced_charge: own.unpriced_charge.or(shared.unpriced_charge),
            max_parallel_requests: own.max_parallel_requests.or(shared.max_parallel_requests),
            tpm_limit: own.tpm_limit.or(shared.tpm_limit),
            rpm_limit: own.rpm_limit.or(shared.rpm_limit),
            model_max_budget: narrow(own.model_max_budget, shared.model_max_budget),
        }
    }

    /// The budgets of an entity: its own, one for each model, and further windows.
    fn budgets(&mut self, entity: Option<Entity>, limits: &Limits, more: &[BudgetLimit]) {
        let Some(entity) = entity else { return };
        let zone = limits.budget_timezone.unwrap_or(self.zone);
        let terms = |limit: Usd, soft: Option<Usd>, duration: Option<WindowDuration>| Terms {
            limit,
            soft,
            rule: duration.map(|duration| WindowRule::new(duration, zone)),
            enforcement: limits.enforcement.unwrap_or_default(),
            unpriced: limits
                .unpriced_charge
                .map(WhenUnpriced::Charge)
                .unwrap_or_default(),
        };
        let mut add = |id: String, entity: Entity, terms| {
            if let Ok(id) = id.parse::<EntityId>() {
                let budget = Budget {
                    id: id.clone(),
                    entity,
                    terms,
                };
                self.snapshot.budgets.insert(id, budget);
            }
        };
        if let Some(limit) = limits.max_budget {
            let terms = terms(limit, limits.soft_budget, limits.budget_duration);
            add(entity.to_string(), entity.clone(), terms);
        }
        for (model, limit) in &limits.model_max_budget {
            let model = model.parse().ok();
            let narrow = model.and_then(|model| entity.clone().within_model(model).ok());
            if let (Some(narrow), Some(amount)) = (narrow, limit.budget_limit) {
                let terms = terms(amount, None, limit.time_period);
                add(narrow.to_string(), narrow, terms);
            }
        }
        for further in more {
            let duration = further.budget_duration;
            let terms = terms(further.max_budget, None, Some(duration));
            add(format!("{entity} {duration}"), entity.clone(), terms);
        }
    }

    fn key(&mut self, key: &Key) {
        let limits = self.limits(Some(&key.limits), key.budget_id.as_deref());
        self.budgets(of(EntityKind::Key, &key.id), &limits, &key.budget_limits);
        let now = told::Key {
            id: id(&key.id),
            alias: key.key_alias.as_deref().and_then(id),
            user: key.user_id.as_deref().and_then(id),
            team: key.team_id.as_deref().and_then(id),
            organization: key.organization_id.as_deref().and_then(id),
            blocked: key.blocked,
            expires: key.expires,
            models: ids(&key.models),
            aliases: pairs(&key.aliases),
            allowed_routes: ids(&key.allowed_routes),
            allowed_ips: ids(&key.allowed_ips),
            allowed_request_params: ids(&key.allowed_request_params),
            enforced_params: ids(&key.enforced_params),
            tags: ids(&key.tags),
            limits: rates(&limits, (&key.model_rpm_limit, &key.model_tpm_limit)),
            metadata: key.metadata.clone(),
        };
        // The key as it was before it was regenerated opens the door for a while.
        let before = key.previous_hash.as_deref().and_then(id);
        if let (Some(hash), Some(until)) = (before, key.previous_until) {
            let expires = Some(now.expires.map_or(until, |expires| expires.min(until)));
            let before = told::Key {
                expires,
                ..now.clone()
            };
            self.snapshot.keys.insert(hash, before);
        }
        if let Some(hash) = id(&key.hash) {
            self.snapshot.keys.insert(hash, now);
        }
    }

    fn user(&mut self, user: &User) {
        self.budgets(of(EntityKind::User, &user.user_id), &user.limits, &[]);
        let none = BTreeMap::new();
        let now = told::User {
            alias: user.user_alias.as_deref().and_then(id),
            email: user.user_email.as_deref().and_then(id),
            models: ids(&user.models),
            limits: rates(&user.limits, (&none, &none)),
        };
        let id = id(&user.user_id);
        self.snapshot.users.extend(id.map(|id| (id, now)));
    }

    fn team(&mut self, team: &Team) {
        let entity = of(EntityKind::Team, &team.team_id);
        self.budgets(entity, &team.limits, &team.budget_limits);
        let by_model = (&team.model_rpm_limit, &team.model_tpm_limit);
        let now = told::Team {
            alias: team.team_alias.as_deref().and_then(id),
            organization: team.organization_id.as_deref().and_then(id),
            blocked: team.blocked,
            models: ids(&team.models),
            aliases: pairs(&team.model_aliases),
            limits: rates(&team.limits, by_model),
            metadata: team.metadata.clone(),
        };
        let id = id(&team.team_id);
        self.snapshot.teams.extend(id.map(|id| (id, now)));
    }

    fn member(&mut self, member: &TeamMember, team: Option<&Team>) {
        let ids_of = id(&member.team_id).zip(id(&member.user_id));
        let Some((team_id, user_id)) = ids_of else {
            return;
        };
        let entity = Entity::team_member(team_id, user_id);
        let usual = team.map(|team| Limits {
            max_budget: team.team_member_budget,
            budget_duration: team.team_member_budget_duration,
            rpm_limit: team.team_member_rpm_limit,
            tpm_limit: team.team_member_tpm_limit,
            ..Limits::default()
        });
        let limits = match &member.budget_id {
            Some(budget) => self.limits(None, Some(budget)),
            None => usual.unwrap_or_default(),
        };
        self.budgets(Some(entity.clone()), &limits, &[]);
        let none = BTreeMap::new();
        let now = told::Member {
            models: ids(&member.allowed_models),
            limits: rates(&limits, (&none, &none)),
        };
        self.snapshot.members.insert(entity, now);
    }

    fn organization(&mut self, organization: &Organization) {
        let limits = self.limits(None, organization.budget_id.as_deref());
        let entity = of(EntityKind::Organization, &organization.organization_id);
        self.budgets(entity, &limits, &[]);
        let by_model = (&organization.model_rpm_limit, &organization.model_tpm_limit);
        let now = told::Organization {
            alias: id(&organization.organization_alias),
            models: ids(&organization.models),
            limits: rates(&limits, by_model),
        };
        let id = id(&organization.organization_id);
        self.snapshot.organizations.extend(id.map(|id| (id, now)));
    }

    fn end_user(&mut self, end_user: &EndUser) {
        let limits = self.limits(None, end_user.budget_id.as_deref());
        self.budgets(of(EntityKind::EndUser, &end_user.user_id), &limits, &[]);
        let none = BTreeMap::new();
        let now = told::EndUser {
            alias: end_user.alias.as_deref().and_then(id),
            blocked: end_user.blocked,
            models: ids(&end_user.models),
            default_model: end_user.default_model.as_deref().and_then(id),
            limits: rates(&limits, (&none, &none)),
        };
        let id = id(&end_user.user_id);
        self.snapshot.end_users.extend(id.map(|id| (id, now)));
    }
}

fn id(text: &str) -> Option<EntityId> {
    text.parse().ok()
}

fn of(kind: EntityKind, text: &str) -> Option<Entity> {
    Entity::of(kind, id(text)?).ok()
}

/// Names in a list that allows them. An empty list allows everything, so a list never becomes
/// empty because none of its names can be one.
fn ids(texts: &[String]) -> Vec<EntityId> {
    let names: Vec<EntityId> = texts.iter().filter_map(|text| id(text)).collect();
    if names.is_empty() && !texts.is_empty() {
        return id("(no name)").into_iter().collect();
    }
    names
}

fn pairs(texts: &BTreeMap<String, String>) -> BTreeMap<EntityId, EntityId> {
    let pair = |(name, of): (&String, &String)| Some((id(name)?, id(of)?));
    texts.iter().filter_map(pair).collect()
}

fn rates(
    limits: &Limits,
    (rpm, tpm): (&BTreeMap<String, u64>, &BTreeMap<String, u64>),
) -> RateLimits {
    let mut models: BTreeMap<EntityId, ModelLimits> = BTreeMap::new();
    for (model, limit) in rpm {
        if let Some(model) = id(model) {
            models.entry(model).or_default().rpm = Some(*limit);
        }
    }
    for (model, limit) in tpm {
        if let Some(model) = id(model) {
            models.entry(model).or_default().tpm = Some(*limit);
        }
    }
    RateLimits {
        rpm: limits.rpm_limit,
        tpm: limits.tpm_limit,
        parallel: limits.max_parallel_requests,
        models,
    }
}
