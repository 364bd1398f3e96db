//! Which budgets a call counts in: the same answer for the gateway that admits it and for the
//! collector that settles it.

use std::collections::BTreeMap;

use super::Snapshot;
use crate::{Budget, Entity, EntityId, EntityKind, StandardLoggingPayload};

/// What the budget of an end user without one of their own is called: this and the end user.
const DEFAULT_OF: &str = "default of ";

/// A snapshot that can be asked for the budgets of a call.
#[derive(Clone, Debug, Default)]
pub struct Known {
    snapshot: Snapshot,
    by_entity: BTreeMap<Entity, Vec<EntityId>>,
}

/// Whom a call is counted for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whom<'a> {
    /// The organization's id.
    pub organization: Option<&'a str>,
    /// The team's id.
    pub team: Option<&'a str>,
    /// The user's id.
    pub user: Option<&'a str>,
    /// The key's id.
    pub key: Option<&'a str>,
    /// The application's own user.
    pub end_user: Option<&'a str>,
    /// The tags of the request.
    pub tags: Vec<&'a str>,
    /// The provider that is asked first.
    pub provider: Option<&'a str>,
    /// The model as clients ask for it.
    pub model: Option<&'a str>,
}

impl<'a> Whom<'a> {
    /// Whom an event names.
    #[must_use]
    pub fn of(payload: &'a StandardLoggingPayload) -> Self {
        let metadata = &payload.metadata;
        Self {
            organization: metadata.user_api_key_org_id.as_deref(),
            team: metadata.user_api_key_team_id.as_deref(),
            user: metadata.user_api_key_user_id.as_deref(),
            key: metadata.user_api_key_hash.as_deref(),
            end_user: payload.end_user.as_deref(),
            tags: payload.request_tags.iter().map(String::as_str).collect(),
            provider: payload.custom_llm_provider.as_deref(),
            model: payload.model_group.as_deref(),
        }
    }

    /// Each entity once, the widest first. A user's own budget is not for what the user does
    /// within a team: there the team and the member pay.
    fn entities(&self) -> Vec<Entity> {
        let id = |text: Option<&str>| text.and_then(|text| text.parse::<EntityId>().ok());
        let of = |kind, text| Entity::of(kind, id(text)?).ok();
        let member = id(self.team).zip(id(self.user));
        let member = member.map(|(team, user)| Entity::team_member(team, user));
        let user = self.user.filter(|_| self.team.is_none());
        let within = [
            of(EntityKind::Key, self.key),
            of(EntityKind::Team, self.team),
            of(EntityKind::User, user),
            of(EntityKind::EndUser, self.end_user),
        ];
        let mut entities = vec![Entity::global()];
        entities.extend(of(EntityKind::Organization, self.organization));
        entities.extend(member);
        entities.extend(of(EntityKind::Provider, self.provider));
        entities.extend(of(EntityKind::Model, self.model));
        let tags = self.tags.iter().map(|tag| of(EntityKind::Tag, Some(tag)));
        entities.extend(tags.flatten());
        for entity in within.into_iter().flatten() {
            let model = id(self.model).and_then(|model| entity.clone().within_model(model).ok());
            entities.push(entity);
            entities.extend(model);
        }
        entities.sort();
        entities.dedup();
        entities
    }
}

impl Known {
    /// Of a snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        let mut by_entity: BTreeMap<Entity, Vec<EntityId>> = BTreeMap::new();
        for (id, budget) in &snapshot.budgets {
            let ids = by_entity.entry(budget.entity.clone()).or_default();
            ids.push(id.clone());
        }
        Self {
            snapshot,
            by_entity,
        }
    }

    /// The snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Whether no call counts in any budget.
    #[must_use]
    pub fn is_without_budgets(&self) -> bool {
        self.by_entity.is_empty() && self.snapshot.end_user_terms.is_none()
    }

    /// The budgets that a call counts in.
    #[must_use]
    pub fn budgets(&self, whom: &Whom<'_>) -> Vec<Budget> {
        if self.is_without_budgets() {
            return Vec::new();
        }
        let mut budgets = Vec::new();
        for entity in whom.entities() {
            let ids = self.by_entity.get(&entity);
            let own = ids.into_iter().flatten();
            let own = own.filter_map(|id| self.snapshot.budgets.get(id));
            budgets.extend(own.cloned());
            let is_end_user = entity.kind() == EntityKind::EndUser && entity.model().is_none();
            if is_end_user && ids.is_none() {
                budgets.extend(self.usual(entity));
            }
        }
        budgets
    }

    /// The budget with this id.
    #[must_use]
    pub fn budget(&self, id: &EntityId) -> Option<Budget> {
        if let Some(budget) = self.snapshot.budgets.get(id) {
            return Some(budget.clone());
        }
        let entity: Entity = id.as_str().strip_prefix(DEFAULT_OF)?.parse().ok()?;
        self.usual(entity)
    }

    /// The first of the budgets that an entity has of its own.
    #[must_use]
    pub fn own(&self, kind: EntityKind, id: &str) -> Option<&Budget> {
        if self.by_entity.is_empty() {
            return None;
        }
        let entity = Entity::of(kind, id.parse().ok()?).ok()?;
        let first = self.by_entity.get(&entity)?.first()?;
        self.snapshot.budgets.get(first)
    }

    /// The budget of an end user that has none.
    fn usual(&self, entity: Entity) -> Option<Budget> {
        let terms = self.snapshot.end_user_terms.clone()?;
        let id = format!("{DEFAULT_OF}{entity}").parse().ok()?;
        Some(Budget { id, entity, terms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let budget = |id: &str, entity: &str| {
            let json = format!(r#"{{"id":"{id}","entity":"{entity}","terms":{{"limit":1}}}}"#);
            let budget: Budget = serde_json::from_str(&json).unwrap();
            (budget.id.clone(), budget)
        };
        Known::new(Snapshot {
            budgets: [
                budget("k", "key:h"),
                budget("k-m", "key:h?model=m"),
                budget("u", "user:u"),
                budget("tm", "team_member:t/u"),
                budget("all", "global"),
                budget("e", "end_user:e"),
            ]
            .into(),
            end_user_terms: Some(serde_json::from_str(r#"{"limit":0.5}"#).unwrap()),
            ..Snapshot::default()
        })
    }

    fn ids(whom: &Whom<'_>) -> Vec<String> {
        let known = known();
        let budgets = known.budgets(whom);
        for budget in &budgets {
            assert_eq!(known.budget(&budget.id).as_ref(), Some(budget));
        }
        budgets.iter().map(|budget| budget.id.to_string()).collect()
    }

    #[test]
    fn a_call_counts_in_every_budget_of_whom_it_is_for() {
        let key = Whom {
            key: Some("h"),
            user: Some("u"),
            model: Some("m"),
            ..Whom::default()
        };
        let mut found = ids(&key);
        found.sort();
        assert_eq!(found, ["all", "k", "k-m", "u"]);
        let in_team = Whom {
            team: Some("t"),
            model: Some("other"),
            ..key
        };
        let mut found = ids(&in_team);
        found.sort();
        assert_eq!(found, ["all", "k", "tm"]);
        assert_eq!(ids(&Whom::default()), ["all"]);
    }

    #[test]
    fn an_end_user_without_a_budget_has_the_usual_one() {
        let of = |id| Whom {
            end_user: Some(id),
            ..Whom::default()
        };
        assert_eq!(ids(&of("e")), ["all", "e"]);
        assert_eq!(ids(&of("x")), ["all", "default of end_user:x"]);
    }
}
