//! Whom a request is for: the deployments of a model, or one of a provider.

use std::sync::Arc;

use crate::{
    admission::{self, Lists},
    auth::Identity,
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    request::ClientRequest,
    routing::{Found, Member, account},
};

/// The deployments that may answer `request`, whose model may be a name that the key or its team
/// has given it.
///
/// # Errors
///
/// If there is none, with the names there are.
pub(crate) fn find(
    shared: &Shared,
    draft: &Draft,
    request: &mut ClientRequest,
) -> Result<Found, ApiError> {
    if let Some(name) = admission::aliased(draft, &request.model) {
        request.model = name;
    }
    let named = shared.groups.find(&request.model);
    if let Some(mark) = &request.mark {
        let keeper = shared.groups.marked(mark).ok_or_else(gone)?;
        return of_account(request, keeper, named);
    }
    let providers = request.providers;
    if providers.is_empty() {
        return named.ok_or_else(|| unknown_model(shared, &draft.identity, &request.model));
    }
    if let Some(found) = named {
        let group = found.group.only(|member| {
            let provider = member.deployment.provider_name.as_str();
            providers.contains(&provider)
        });
        if !group.members().is_empty() {
            let group = Arc::new(group);
            // Ours: the deployment's own name goes to the provider.
            request.own_model = None;
            return Ok(Found { group, ..found });
        }
    }
    // Whoever speaks to a provider may use its own names.
    if !request.model.is_empty() {
        request.own_model.get_or_insert(request.model.clone());
    }
    shared.groups.of_provider(providers).ok_or_else(|| {
        let message = format!(
            "no deployment of {} here to pass this on to: add one to `model_list`",
            providers.join(" or ")
        );
        ApiError::new(ErrorClass::BadRequest, message)
    })
}

/// The deployments of the account that keeps what the request names: those of the model, or the one
/// that keeps it where no model is asked.
fn of_account(
    request: &ClientRequest,
    keeper: Found,
    named: Option<Found>,
) -> Result<Found, ApiError> {
    let Some(named) = named.filter(|_| request.passed.is_none()) else {
        return Ok(keeper);
    };
    let is_of = |member: &Arc<Member>| {
        let own = account(&member.deployment);
        let mut keepers = keeper.group.members().iter();
        keepers.any(|keeper| account(&keeper.deployment) == own)
    };
    let group = named.group.only(is_of);
    if group.members().is_empty() {
        let message = format!(
            "no deployment of `{}` has the account that keeps what this request names",
            request.model
        );
        return Err(ApiError::new(ErrorClass::BadRequest, message));
    }
    let group = Arc::new(group);
    Ok(Found { group, ..named })
}

/// What a client is told that names something of a deployment that is here no more.
fn gone() -> ApiError {
    let message = "no deployment here keeps what this id names: the one that did has been taken \
                   out of `model_list`, or has other settings now";
    ApiError::new(ErrorClass::NotFound, message)
}

/// What a client is told that names a model which nobody serves: those that it may use.
pub(crate) fn unknown_model(shared: &Shared, identity: &Identity, model: &str) -> ApiError {
    let names = Lists::of(identity, admission::key_of(identity), None).shown(&shared.groups);
    let shown: String = model.chars().take(100).collect();
    let message = format!(
        "Invalid model name passed in model={shown}. Known here: {}. Ask `/v1/models` for the list",
        names.join(", ").chars().take(500).collect::<String>()
    );
    ApiError {
        param: Some("model".to_owned()),
        ..ApiError::new(ErrorClass::BadRequest, message)
    }
}
