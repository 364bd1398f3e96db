//! Tokens that stand for credentials, kept until shortly before they end.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use event::Secret;
use tokio::time::Instant;

use crate::{
    call::Call,
    config::Deployment,
    error::ErrorClass,
    provider::{Token, TokenRequest},
    upstream::{self, Failure},
};

/// A token is not used in the last of its time: it has a way to go.
const MARGIN: Duration = Duration::from_secs(60);
/// Bytes of a token's answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Tokens that are kept; beyond that those that have ended go, then all.
const TOKENS_MAX: usize = 1000;

/// The tokens of all deployments.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    tokens: Mutex<HashMap<String, (Secret, Instant)>>,
}

impl Credentials {
    /// The token of this name, if there is one that can still be used.
    pub(crate) fn kept(&self, name: &str) -> Option<Secret> {
        let tokens = self.lock();
        let (secret, until) = tokens.get(name)?;
        (*until > Instant::now()).then(|| secret.clone())
    }

    /// The token that `request` asks for: the one that is kept, or a fresh one.
    ///
    /// # Errors
    ///
    /// If it is refused, or does not come by `deadline`.
    pub(crate) async fn token(
        &self,
        call: &mut Call,
        deployment: &Deployment,
        request: TokenRequest,
        deadline: Instant,
    ) -> Result<Secret, Box<Failure>> {
        if let Some(token) = self.kept(&request.name) {
            return Ok(token);
        }
        let upstream = call.shared.upstream.clone();
        let response = upstream
            .send(call, deployment, request.outgoing, deadline)
            .await?;
        let status = response.status();
        let body = upstream::read(response.into_body(), ANSWER_BYTES_MAX, deadline)
            .await
            .unwrap_or_default();
        // What was answered may hold a credential, so it is not repeated.
        let Some(token) = (request.read)(&body).filter(|_| status.is_success()) else {
            let message = format!(
                "the credentials of this deployment were not taken for a token (status {status}): \
                 check them"
            );
            return Err(Failure::here(
                deployment,
                ErrorClass::Authentication,
                message,
            ));
        };
        Ok(self.keep(request.name, token))
    }

    fn keep(&self, name: String, Token { secret, lives }: Token) -> Secret {
        let mut tokens = self.lock();
        if tokens.len() >= TOKENS_MAX {
            let now = Instant::now();
            tokens.retain(|_, (_, until)| *until > now);
        }
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        let until = Instant::now() + lives.saturating_sub(MARGIN);
        tokens.insert(name, (secret.clone(), until));
        secret
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Secret, Instant)>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
