//! Who may ask: whoever knows the master key, admins, and gateways with a key of their own.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use event::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Api, answer::Refusal};
use crate::management;

/// Lets a request pass if it has the master key or an admin's, or if there is no master key.
pub(super) async fn check(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let headers = request.headers();
    if let Some(key) = &api.master_key
        && !is_master(key, given(headers)?)
    {
        let asked = (request.method(), request.uri().path());
        management::admit(&api, headers, asked).await?;
    }
    Ok(next.run(request).await)
}

/// Lets a gateway pass if it has the key for gateways; without one, the master key is that.
pub(super) async fn check_gateway(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if let Some(key) = api.control_key.as_ref().or(api.master_key.as_ref())
        && !is_master(key, given(request.headers())?)
    {
        return Err(invalid());
    }
    Ok(next.run(request).await)
}

/// Whether it is the master key. Compared by digests, so that the time says nothing about the
/// length either.
pub(crate) fn is_master(master: &Secret, given: &str) -> bool {
    let (given, master) = (Sha256::digest(given), Sha256::digest(master.expose()));
    given.ct_eq(&master).into()
}

/// The key is not one that opens this.
pub(crate) fn invalid() -> Refusal {
    Refusal::unauthorized("Authentication Error, Invalid proxy server token")
}

/// The key that a request comes with.
///
/// # Errors
/// If it comes without one.
pub(crate) fn given(headers: &HeaderMap) -> Result<&str, Refusal> {
    let ours = headers.get("x-litellm-api-key").map(|key| {
        let key = key.to_str().ok()?;
        Some(key.strip_prefix("Bearer ").unwrap_or(key))
    });
    let key = ours.unwrap_or_else(|| {
        let key = headers.get(header::AUTHORIZATION)?;
        key.to_str().ok()?.strip_prefix("Bearer ")
    });
    key.ok_or_else(|| Refusal::unauthorized("Authentication Error, No api key passed in."))
}
