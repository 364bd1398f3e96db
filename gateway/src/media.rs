//! Fetches what stands at an address in a request: images, for providers that take no addresses.

use tokio::time::Instant;

use crate::{
    call::Call,
    error::{ApiError, ErrorClass},
    provider::Media,
    upstream::Failure,
};

/// Fetches media.
#[derive(Debug)]
pub(crate) struct MediaClient;

impl MediaClient {
    /// What stands at `address`.
    ///
    /// # Errors
    ///
    /// If it cannot be fetched.
    pub(crate) async fn fetch(
        &self,
        _call: &mut Call,
        address: &str,
        _deadline: Instant,
    ) -> Result<Media, Box<Failure>> {
        let message = format!("`{address}` cannot be fetched: send the content itself");
        Err(Box::new(Failure {
            error: ApiError::new(ErrorClass::BadRequest, message),
            status: None,
            headers: http::HeaderMap::new(),
            answering: None,
        }))
    }
}
