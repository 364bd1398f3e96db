//! Who may ask: whoever knows the master key.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Api, answer::Refusal};

/// Lets a request pass if it has the master key, or if there is none.
pub(super) async fn check(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if let Some(key) = &api.master_key {
        let given = given(request.headers())
            .ok_or_else(|| Refusal::unauthorized("Authentication Error, No api key passed in."))?;
        // Of digests, so that the time says nothing about the length either.
        let (given, key) = (Sha256::digest(given), Sha256::digest(key.expose()));
        if !bool::from(given.ct_eq(&key)) {
            return Err(Refusal::unauthorized(
                "Authentication Error, Invalid proxy server token",
            ));
        }
    }
    Ok(next.run(request).await)
}

fn given(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-litellm-api-key") {
        let key = key.to_str().ok()?;
        return Some(key.strip_prefix("Bearer ").unwrap_or(key));
    }
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}
