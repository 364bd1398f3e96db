//! What has to be fetched before a request can be sent, and how tokens are asked for.

use std::{fmt, time::Duration};

use event::Secret;

use super::{Outgoing, ProviderError};

/// What has to be fetched before a request can be sent.
#[derive(Debug)]
pub enum Need {
    /// A token that stands for the deployment's credentials.
    Token(Box<TokenRequest>),
    /// The same, where it costs something to say how it is asked for.
    TokenFrom(Box<dyn TokenSource>),
    /// What stands at an address in the request, an image mostly.
    Media(String),
}

/// Says how a token is asked for, when there is none that can still be used.
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// As [`TokenRequest::name`].
    fn name(&self) -> String;

    /// The request.
    ///
    /// # Errors
    ///
    /// If the credentials are none.
    fn request(&self) -> Result<TokenRequest, ProviderError>;
}

/// How a token is asked for.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// What the token is kept under: tokens of different credentials have different names. Not a
    /// secret.
    pub name: String,
    /// The request that asks for it.
    pub outgoing: Outgoing,
    /// Finds it in the answer.
    pub read: fn(&[u8]) -> Option<Token>,
}

/// A token and how long it is good for.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    /// From when it was given.
    pub lives: Duration,
}
