//! Whom an alert is about: names for people, and the ids that LiteLLM's webhook has. Pure.

use event::{AlertFacts, Entity, EntityKind, control::Known};

/// What LiteLLM calls the kind of an entity in its webhook.
const fn group(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Global => "proxy",
        other => other.as_str(),
    }
}

/// The ids and names of an entity.
pub(super) fn facts(entity: &Entity, known: &Known) -> AlertFacts {
    let mut facts = AlertFacts {
        event_group: Some(group(entity.kind()).to_owned()),
        model: entity.model().map(str::to_owned),
        ..AlertFacts::default()
    };
    let id = entity.id().map(str::to_owned);
    match entity.kind() {
        EntityKind::Global => {}
        EntityKind::Organization => facts.organization_id = id,
        EntityKind::Team => facts.team_id = id,
        EntityKind::TeamMember => {
            facts.team_id = entity.team().map(str::to_owned);
            facts.user_id = id;
        }
        EntityKind::User => facts.user_id = id,
        EntityKind::Key => facts.token = id,
        EntityKind::EndUser => facts.customer_id = id,
        EntityKind::Tag => facts.tag = id,
        EntityKind::Provider => facts.provider = id,
        EntityKind::Model => facts.model = id,
        EntityKind::Session => facts.session_id = id,
        _ => {}
    }
    complete(facts, known)
}

/// Adds what is known of the key, the user and the team.
pub(super) fn complete(mut facts: AlertFacts, known: &Known) -> AlertFacts {
    let snapshot = known.snapshot();
    let text = |id: &Option<event::EntityId>| id.as_ref().map(ToString::to_string);
    if let Some(token) = &facts.token {
        let of = |key: &&event::control::Key| {
            let id = key.id.as_ref();
            id.is_some_and(|id| id.as_str() == token)
        };
        if let Some(key) = snapshot.keys.values().find(of) {
            facts.key_alias = facts.key_alias.or(text(&key.alias));
            facts.user_id = facts.user_id.or(text(&key.user));
            facts.team_id = facts.team_id.or(text(&key.team));
            facts.organization_id = facts.organization_id.or(text(&key.organization));
        }
    }
    if let Some(user) = facts
        .user_id
        .as_deref()
        .and_then(|id| snapshot.users.get(id))
    {
        facts.user_email = facts.user_email.or(text(&user.email));
    }
    if let Some(team) = facts
        .team_id
        .as_deref()
        .and_then(|id| snapshot.teams.get(id))
    {
        facts.team_alias = facts.team_alias.or(text(&team.alias));
        facts.organization_id = facts.organization_id.or(text(&team.organization));
    }
    facts
}

/// How a message names an entity: by what people call it, with as much of an id as tells it apart.
pub(super) fn name(entity: &Entity, facts: &AlertFacts) -> String {
    let id = entity.id().unwrap_or_default();
    let whole = match entity.kind() {
        EntityKind::Global => "everything together".to_owned(),
        EntityKind::Key => key(facts),
        EntityKind::Team => match &facts.team_alias {
            Some(alias) => format!("team `{alias}` ({id})"),
            None => format!("team `{id}`"),
        },
        EntityKind::TeamMember => {
            let team = entity.team().unwrap_or_default();
            format!("user `{id}` in team `{team}`")
        }
        EntityKind::EndUser => format!("end user `{id}`"),
        kind => format!("{} `{id}`", kind.as_str()),
    };
    match entity.model() {
        Some(model) => format!("{whole}, on model `{model}`,"),
        None => whole,
    }
}

/// How a message names a key.
pub(super) fn key(facts: &AlertFacts) -> String {
    let token = facts.token.as_deref().unwrap_or_default();
    let short: String = token.chars().take(12).collect();
    match &facts.key_alias {
        Some(alias) => format!("key `{alias}` ({short}…)"),
        None => format!("key {short}…"),
    }
}
