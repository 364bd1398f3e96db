//! Why a request cannot be served, for the client that sent it.

/// Why a request cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object: {0}")]
    NotJson(String),
    /// A field that has to be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field with the wrong type.
    #[error("`{name}` must be {wanted}")]
    WrongType {
        /// The field.
        name: &'static str,
        /// What it has to be.
        wanted: &'static str,
    },
    /// A field that a request may not set.
    #[error("`{0}` may not be set by a request: it belongs in the gateway's configuration")]
    Forbidden(String),
    /// The same field twice.
    #[error("`{0}` stands in the body twice")]
    Twice(String),
    /// Too many fields.
    #[error("the body has more than {max} fields")]
    TooManyFields {
        /// The most it may have.
        max: usize,
    },
    /// A path that leads out of the provider's address.
    #[error("the path must stay below the provider's address: no `..` in it")]
    Path,
    /// Things that two deployments keep, in one request.
    #[error("the request names things that different deployments keep: nobody has them all")]
    OfTwo,
    /// Not a request for a WebSocket.
    #[error("this path takes WebSockets: connect with `upgrade: websocket`, version 13")]
    Socket,
    /// A form that is none.
    #[error("the body is not the form that its `content-type` says: {0}")]
    Form(&'static str),
    /// More models and conversations than one request may have.
    #[error(
        "models and conversations make more than {max} calls, the most that one request may make"
    )]
    TooMany {
        /// The most calls.
        max: usize,
    },
    /// A field that stands in every event, and is too large for that.
    #[error("`{name}` is larger than {max} bytes")]
    TooLarge {
        /// The field.
        name: &'static str,
        /// The most it may have.
        max: usize,
    },
}

impl RequestError {
    /// The field that is at fault, if it is one.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Missing(name) | Self::WrongType { name, .. } | Self::TooLarge { name, .. } => {
                Some(name)
            }
            Self::Forbidden(name) | Self::Twice(name) => Some(name),
            Self::NotJson(_)
            | Self::TooManyFields { .. }
            | Self::TooMany { .. }
            | Self::Path
            | Self::OfTwo
            | Self::Socket
            | Self::Form(_) => None,
        }
    }
}
