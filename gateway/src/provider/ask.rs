//! What a provider is asked, with all it may need to know.

use std::collections::HashMap;

use bytes::Bytes;
use event::{Json, Secret, Timestamp};
use serde_json::{Map, Value};

use super::{ProviderError, parameters};
use crate::{
    config::Deployment,
    operation::Operation,
    request::{ClientRequest, UsageOption},
};

/// One request to one deployment.
pub struct Ask<'a> {
    /// Who is asked.
    pub deployment: &'a Deployment,
    /// What the client sent.
    pub request: &'a ClientRequest,
    /// When: signatures need it.
    pub now: Timestamp,
    /// What [`needs`](super::Provider::needs) has asked for.
    pub fetched: Fetched,
    /// Parameters that are not sent.
    pub(super) dropped: Vec<String>,
}

/// What was fetched for one request.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// The token that stands for the deployment's credentials.
    pub token: Option<Secret>,
    /// By address.
    pub media: HashMap<String, Media>,
}

/// What stands at an address.
#[derive(Clone, Debug)]
pub struct Media {
    /// As its server says, without parameters: `image/png`.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl<'a> Ask<'a> {
    /// Checks that the deployment's provider knows what the request says; `drop_params` says what
    /// is done where neither request nor deployment does.
    ///
    /// # Errors
    ///
    /// If the provider does not serve this, or does not know a parameter that may not be dropped.
    pub fn new(
        deployment: &'a Deployment,
        request: &'a ClientRequest,
        now: Timestamp,
        drop_params: bool,
    ) -> Result<Self, ProviderError> {
        let provider = deployment.provider;
        if !provider.serves(request.operation) {
            return Err(ProviderError::Operation {
                provider: provider.name(),
                operation: request.operation,
            });
        }
        let dropped = parameters::dropped(deployment, request, drop_params)?;
        let fetched = Fetched::default();
        Ok(Self {
            deployment,
            request,
            now,
            fetched,
            dropped,
        })
    }

    /// What is asked for.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.request.operation
    }

    /// The provider's own name of the model.
    #[must_use]
    pub fn model(&self) -> &'a str {
        &self.deployment.model
    }

    /// Whether the client wants a stream.
    #[must_use]
    pub const fn stream(&self) -> bool {
        self.request.stream
    }

    /// The request as it came, for a provider that speaks OpenAI's dialect.
    #[must_use]
    pub fn rewritten(&self, asks: UsageOption) -> Bytes {
        let (model, defaults) = (&self.deployment.model, &self.deployment.defaults);
        self.request.rewritten(model, defaults, &self.dropped, asks)
    }

    /// What goes upstream for `name`, as JSON.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        if self.dropped.iter().any(|dropped| dropped == name) {
            return None;
        }
        let mut defaults = self.deployment.defaults.iter();
        let default = || Some(defaults.find(|(default, _)| default == name)?.1.text());
        self.request.text(name).or_else(default)
    }

    /// Whether a parameter is sent whoever knows it (`allowed_openai_params`).
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        parameters::allows(self.deployment, self.request, name)
    }

    /// A request in OpenAI's dialect that was changed: `object` is what [`Ask::object`] gave,
    /// and `model` the provider's name of the model.
    #[must_use]
    pub fn written(&self, mut object: Map<String, Value>, model: &str, asks: UsageOption) -> Bytes {
        object.insert("model".to_owned(), model.into());
        match self.request.asked_options(asks) {
            Some(options) => {
                object.insert(
                    "stream_options".to_owned(),
                    options.read().unwrap_or_default(),
                );
            }
            None => {
                object.remove("stream_options");
            }
        }
        Json::of(&object).text().to_owned().into()
    }

    /// The request as values, without the model and without what is for the gateway, with the
    /// deployment's defaults: what a dialect is translated from.
    #[must_use]
    pub fn object(&self) -> Map<String, Value> {
        self.request
            .object(&self.deployment.defaults, &self.dropped)
    }
}
