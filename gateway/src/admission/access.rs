//! What a key, its team and its user may do.

use event::{Entity, control::Known};

use crate::{
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::Shared,
};

/// Names in a list of models that stand for several.
const ALL_TEAM_MODELS: &str = "all-team-models";
const ALL_PROXY_MODELS: &str = "all-proxy-models";

/// The name of a model that a key or its team has given it; the key's own comes first.
pub(crate) fn aliased(draft: &Draft, model: &str) -> Option<String> {
    let snapshot = draft.identity.known.snapshot();
    let key = draft.identity.opened_by.as_deref();
    let key = key.and_then(|hash| snapshot.keys.get(hash))?;
    let team = draft.identity.team_id.as_deref();
    let team = team.and_then(|team| snapshot.teams.get(team));
    let of_team = || team.and_then(|team| team.aliases.get(model));
    let name = key.aliases.get(model).or_else(of_team)?;
    Some(name.to_string())
}

/// Whether whoever calls may call this.
///
/// # Errors
///
/// Who may not.
pub(super) fn check(shared: &Shared, draft: &Draft, known: &Known) -> Result<(), ApiError> {
    let snapshot = known.snapshot();
    let identity = &draft.identity;
    let key = identity.opened_by.as_deref();
    let Some(key) = key.and_then(|hash| snapshot.keys.get(hash)) else {
        return end_user(draft, known);
    };
    let routes = &key.allowed_routes;
    if !routes.is_empty()
        && !routes
            .iter()
            .any(|route| is_route(route.as_str(), draft.route))
    {
        let allowed: Vec<&str> = routes.iter().map(event::EntityId::as_str).collect();
        let message = format!(
            "Virtual key is not allowed to call this route. Only allowed to call routes: {}. \
             Tried to call route: {}",
            allowed.join(", "),
            draft.route
        );
        return Err(ApiError::new(ErrorClass::PermissionDenied, message));
    }
    let team = key.team.as_ref().and_then(|team| snapshot.teams.get(team));
    if team.is_some_and(|team| team.blocked) {
        let id = key
            .team
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let message = format!("Team={id} is blocked. Update via `/team/unblock` if your admin.");
        return Err(ApiError::new(ErrorClass::Authentication, message));
    }
    let model = draft.request.as_ref().map_or("", |request| &*request.model);
    let usual = Vec::new();
    let of_team = team.map_or(&usual, |team| &team.models);
    let member = key.team.clone().zip(key.user.clone());
    let member = member.map(|(team, user)| Entity::team_member(team, user));
    let of_member = member.and_then(|member| snapshot.members.get(&member));
    let user = key.user.as_ref().filter(|_| key.team.is_none());
    let of_user = user.and_then(|user| snapshot.users.get(user));
    for (whose, models) in [
        ("key", &key.models),
        ("team", of_team),
        ("team", of_member.map_or(&usual, |member| &member.models)),
        ("user", of_user.map_or(&usual, |user| &user.models)),
    ] {
        let wanted = (model, draft.operation.consumes());
        if !may_use(shared, models, of_team, wanted) {
            return Err(denied(whose, model, models));
        }
    }
    end_user(draft, known)
}

fn end_user(draft: &Draft, known: &Known) -> Result<(), ApiError> {
    let Some(id) = draft.end_user() else {
        return Ok(());
    };
    let found = known.snapshot().end_users.get(&*id);
    if found.is_some_and(|found| found.blocked) {
        let message = format!("User blocked from making LLM API Calls. User={id}");
        return Err(ApiError::new(ErrorClass::PermissionDenied, message));
    }
    Ok(())
}

/// Whether a list of models has this one: by its name, a pattern with `*`, or for all. An empty
/// list has every one.
fn may_use(
    shared: &Shared,
    models: &[event::EntityId],
    of_team: &[event::EntityId],
    (model, consumes): (&str, bool),
) -> bool {
    if models.is_empty() || (model.is_empty() && !consumes) {
        return true;
    }
    let names = |alias: &str| {
        shared
            .groups
            .find(alias)
            .map(|found| found.group.name().to_owned())
    };
    models.iter().any(|allowed| match allowed.as_str() {
        ALL_PROXY_MODELS => true,
        ALL_TEAM_MODELS => {
            let named = of_team.iter().any(|name| fits(name.as_str(), model));
            of_team.is_empty()
                || named
                || of_team.iter().any(|name| name.as_str() == ALL_PROXY_MODELS)
        }
        allowed => fits(allowed, model) || names(model).as_deref() == Some(allowed),
    })
}

/// Whether `name` is what a pattern says, in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(head) else {
        return false;
    };
    if !tail.contains('*') {
        return rest.ends_with(tail);
    }
    // At most as many steps as the name has characters, for each `*`.
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| fits(tail, rest)))
}

/// Whether a route is one that a list names: itself, a group of LiteLLM's, or `…/*`.
fn is_route(allowed: &str, route: &str) -> bool {
    let without = |path: &str| path.strip_prefix("/v1").unwrap_or(path).to_owned();
    match allowed {
        "llm_api_routes" | "openai_routes" => true,
        "management_routes" | "info_routes" | "spend_tracking_routes" => false,
        "anthropic_routes" => without(route).starts_with("/messages"),
        allowed => match allowed.strip_suffix("/*") {
            Some(head) => without(route).starts_with(&without(head)),
            None => without(allowed) == without(route),
        },
    }
}

fn denied(whose: &str, model: &str, models: &[event::EntityId]) -> ApiError {
    let kind = match whose {
        "team" => "team_model_access_denied",
        "user" => "user_model_access_denied",
        _ => "key_model_access_denied",
    };
    let shown: Vec<&str> = models
        .iter()
        .map(event::EntityId::as_str)
        .take(50)
        .collect();
    let model: String = model.chars().take(100).collect();
    let message = format!(
        "{whose} not allowed to access model. This {whose} can only access models={shown:?}. \
         Tried to access {model}"
    );
    let error = ApiError::new(ErrorClass::PermissionDenied, message).of_kind(kind);
    ApiError {
        param: Some("model".to_owned()),
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, is) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("openai/*", "openai/gpt-4o", true),
            ("openai/*", "azure/gpt-4o", false),
            ("*", "anything", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
        ] {
            assert_eq!(fits(pattern, name), is, "{pattern} {name}");
        }
    }

    #[test]
    fn a_route_is_named_with_or_without_its_version() {
        for (allowed, route, is) in [
            ("/chat/completions", "/v1/chat/completions", true),
            ("/v1/embeddings", "/v1/chat/completions", false),
            ("llm_api_routes", "/v1/embeddings", true),
            ("management_routes", "/v1/embeddings", false),
            ("/v1/audio/*", "/v1/audio/speech", true),
        ] {
            assert_eq!(is_route(allowed, route), is, "{allowed} {route}");
        }
    }
}
