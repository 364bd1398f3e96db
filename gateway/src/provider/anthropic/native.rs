//! Requests that a client makes in the API's own dialect: the body is passed on as it came.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Ask, Prepared, ProviderError, VERSION, openai, switch_on};
use crate::{config::Deployment, operation::Operation, request::UsageOption};

/// The beta that the tokens of subscriptions need.
const OAUTH: &str = "oauth-2025-04-20";

/// Where the deployment serves `operation`.
pub(super) fn address(deployment: &Deployment, operation: Operation) -> String {
    let base = deployment.api_base.trim_end_matches("/messages");
    let path = operation.path();
    if base.ends_with("/v1") {
        format!("{base}/{path}")
    } else {
        format!("{base}/v1/{path}")
    }
}

/// The version of the API, and the credentials.
pub(super) fn credentials(deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::with_capacity(8);
    let version = HeaderName::from_static("anthropic-version");
    headers.insert(version, HeaderValue::from_static(VERSION));
    let Some(key) = &deployment.api_key else {
        return Ok(headers);
    };
    // The tokens of subscriptions are no keys.
    if key.expose().starts_with("sk-ant-oat") {
        headers.insert(header::AUTHORIZATION, openai::bearer(key)?);
        let beta = HeaderName::from_static("anthropic-beta");
        headers.insert(beta, HeaderValue::from_static(OAUTH));
    } else {
        let name = HeaderName::from_static("x-api-key");
        headers.insert(name, openai::sensitive(key.expose())?);
    }
    Ok(headers)
}

/// Passes a request on, with the features that the client switches on.
pub(super) fn prepare(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let deployment = ask.deployment;
    let uri = address(deployment, ask.operation());
    let mut headers = credentials(deployment)?;
    let asked = &ask.request.headers;
    if let Some(version) = asked.get("anthropic-version") {
        headers.insert("anthropic-version", version.clone());
    }
    let body = ask.rewritten(UsageOption::Unknown);
    let mut outgoing = openai::outgoing(deployment, uri, headers, body)?;
    let betas = asked.get_all("anthropic-beta").iter();
    let betas = betas.filter_map(|value| value.to_str().ok());
    let betas = betas.flat_map(|value| value.split(','));
    let betas = betas.map(|beta| beta.trim().to_owned()).collect();
    switch_on(betas, &mut outgoing.headers);
    Ok(Prepared::as_it_is(ask, outgoing))
}
