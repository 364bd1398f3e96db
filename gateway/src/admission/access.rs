//! What a key, its team, its user, its organization and its end user may do.

mod models;
mod parameters;
mod routes;

use std::net::IpAddr;

use event::{
    EntityId,
    control::{Key, Known},
};

pub(crate) use self::models::Lists;
use crate::{
    auth::Identity,
    config::within,
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::{Core, Shared},
    request::ClientRequest,
};

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
    let key = enter(shared, &draft.identity, draft.client.address, draft.route)?;
    let end_user = draft.end_user();
    if let Some(request) = &draft.request {
        let lists = Lists::of(&draft.identity, key, end_user.as_deref());
        models(shared, request, &lists)?;
        let configured = shared.config.settings.allowed_request_params.as_deref();
        parameters::check(request, key, configured)?;
        parameters::required(request, key, &shared.config.enforced_params)?;
    }
    let blocked = end_user.filter(|id| {
        let found = known.snapshot().end_users.get(&**id);
        found.is_some_and(|found| found.blocked)
    });
    match blocked {
        None => Ok(()),
        Some(id) => {
            let message = format!("User blocked from making LLM API Calls. User={id}");
            Err(ApiError::new(ErrorClass::PermissionDenied, message))
        }
    }
}

/// The virtual key that somebody came with.
pub(crate) fn key_of(identity: &Identity) -> Option<&Key> {
    let keys = &identity.known.snapshot().keys;
    keys.get(identity.opened_by.as_deref()?)
}

/// The key of whoever asks from this address, if they may ask for anything on this route.
///
/// # Errors
///
/// If the address or the route is not one of theirs, or their team is blocked.
pub(crate) fn enter<'a>(
    core: &Core,
    identity: &'a Identity,
    address: Option<IpAddr>,
    route: &str,
) -> Result<Option<&'a Key>, ApiError> {
    let key = key_of(identity);
    if let Some(address) = address {
        from(core, key, address)?;
    }
    let Some(key) = key else {
        return Ok(None);
    };
    if !routes::may_use(&key.allowed_routes, route) {
        let allowed = key.allowed_routes.iter().map(EntityId::as_str);
        let message = format!(
            "Virtual key is not allowed to call this route. Only allowed to call routes: {}. \
             Tried to call route: {route}",
            allowed.take(50).collect::<Vec<_>>().join(", "),
        );
        return Err(ApiError::new(ErrorClass::PermissionDenied, message));
    }
    let team = key.team.as_ref();
    let teams = &identity.known.snapshot().teams;
    let found = team.and_then(|team| teams.get(team));
    match (team, found) {
        (Some(id), Some(team)) if team.blocked => {
            let message =
                format!("Team={id} is blocked. Update via `/team/unblock` if your admin.");
            Err(ApiError::new(ErrorClass::Authentication, message))
        }
        _ => Ok(Some(key)),
    }
}

/// Whether anybody may call from an address, and whether this key may be used from it.
///
/// # Errors
///
/// If not.
pub(crate) fn from(core: &Core, key: Option<&Key>, address: IpAddr) -> Result<(), ApiError> {
    let networks = key.map_or(&[][..], |key| &key.allowed_ips);
    let of_key = networks
        .iter()
        .filter_map(|text| text.as_str().parse().ok());
    let of_key: Vec<egress::Network> = of_key.collect();
    let may_use = networks.is_empty() || within(&of_key, address);
    if may_use && core.config.sources.allows(address) {
        return Ok(());
    }
    let message = format!("Access forbidden: IP address {address} not allowed.");
    Err(ApiError::new(ErrorClass::PermissionDenied, message))
}

/// Whether every list has every model that the request names: its own, what its path calls it, and
/// those it wants asked instead.
fn models(shared: &Shared, request: &ClientRequest, lists: &Lists<'_>) -> Result<(), ApiError> {
    let consumes = request.operation.consumes();
    for model in named(request).filter(|model| consumes || !model.is_empty()) {
        if let Some(denied) = lists.denied(&shared.groups, model) {
            return Err(refusal(denied, model));
        }
    }
    Ok(())
}

fn named(request: &ClientRequest) -> impl Iterator<Item = &str> {
    let own = request.own_model.as_deref();
    let lists = [
        &request.context_window_fallbacks,
        &request.content_policy_fallbacks,
    ];
    let special = lists.into_iter().flat_map(|lists| lists.names());
    let instead = request.fallbacks.iter().map(String::as_str).chain(special);
    std::iter::once(&*request.model).chain(own).chain(instead)
}

fn refusal(denied: models::Denied<'_>, model: &str) -> ApiError {
    let whose = denied.whose;
    let kind = match whose {
        "team" => "team_model_access_denied",
        "user" => "user_model_access_denied",
        "org" => "org_model_access_denied",
        "customer" => "customer_model_access_denied",
        _ => "key_model_access_denied",
    };
    let names = denied.list.iter().map(EntityId::as_str);
    let shown: Vec<&str> = names.take(50).collect();
    let model: String = model.chars().take(100).collect();
    let message = format!(
        "{whose} not allowed to access model. This {whose} can only access models={shown:?}. \
         Tried to access {model}"
    );
    ApiError {
        param: Some("model".to_owned()),
        ..ApiError::new(ErrorClass::PermissionDenied, message).of_kind(kind)
    }
}
