//! Why a request cannot be sent to a provider.

use crate::{error::ErrorClass, operation::Operation};

/// Why a request cannot be sent to this provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The deployment's address is none.
    #[error("`{0}` is not an address: check the deployment's `api_base`")]
    BadAddress(String),
    /// The deployment's credential has characters that no header can carry.
    #[error("the deployment's `api_key` cannot be sent in a header")]
    BadCredential,
    /// The deployment lacks something.
    #[error("the deployment's `{0}` is missing")]
    Missing(&'static str),
    /// The deployment's setting is not what it has to be.
    #[error("the deployment's `{0}` must be {1}")]
    Setting(&'static str, &'static str),
    /// The request cannot be said in the provider's dialect.
    #[error("{0}")]
    Request(String),
    /// A parameter that the model does not know.
    #[error(
        "UnsupportedParamsError: {provider} does not support parameters: {names:?}, for \
         model={model}. To drop these, set `drop_params: true` in the request or in \
         `litellm_settings`; to send them all the same, name them in `allowed_openai_params`"
    )]
    Parameters {
        /// Who does not know it.
        provider: String,
        /// The model that was asked for.
        model: String,
        /// The parameters.
        names: Vec<String>,
    },
    /// It does not do this at all.
    #[error("{provider} does not serve {}", operation.path())]
    Operation {
        /// Who.
        provider: &'static str,
        /// What.
        operation: Operation,
    },
    /// One that is no more.
    #[error("`{name}` is no more: {instead}")]
    Gone {
        /// As it was written.
        name: String,
        /// What to use.
        instead: &'static str,
    },
    /// Nobody of this name.
    #[error("no provider is called `{name}`; there are: {known}")]
    Unknown {
        /// As it was written.
        name: String,
        /// The names there are.
        known: String,
    },
}

impl ProviderError {
    /// What the client is told: whether it, or the configuration, has to change.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Parameters { .. } => ErrorClass::UnsupportedParams,
            Self::Request(_) | Self::Operation { .. } => ErrorClass::BadRequest,
            Self::Missing(_) => ErrorClass::Authentication,
            _ => ErrorClass::InternalServer,
        }
    }
}
