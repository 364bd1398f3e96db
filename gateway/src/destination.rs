//! Whom a request is for: the deployments of a model, or one of a provider.

use std::sync::Arc;

use crate::{
    error::{ApiError, ErrorClass},
    gateway::Shared,
    request::ClientRequest,
    routing::Found,
};

/// The deployments that may answer `request`.
///
/// # Errors
///
/// If there is none, with the names there are.
pub(crate) fn find(shared: &Shared, request: &mut ClientRequest) -> Result<Found, ApiError> {
    let named = shared.groups.find(&request.model);
    let providers = request.providers;
    if providers.is_empty() {
        return named.ok_or_else(|| unknown_model(shared, &request.model));
    }
    if let Some(found) = named {
        let group = found.group.only(|member| {
            let provider = member.deployment.provider_name.as_str();
            providers.contains(&provider)
        });
        if !group.members().is_empty() {
            let group = Arc::new(group);
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

/// What a client is told that names a model which nobody serves.
pub(crate) fn unknown_model(shared: &Shared, model: &str) -> ApiError {
    let names = shared.groups.names();
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
