//! Azure OpenAI: OpenAI's dialect at an address made of resource, deployment and API version.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::{
    Observed, Outgoing, Provider, ProviderError, StreamedAnswer, openai, sse::OpenAiStream,
};
use crate::{
    config::Deployment,
    request::{ChatRequest, UsageOption},
};

/// The row of this file.
pub const AZURE: &[&dyn Provider] = &[&Azure];

/// The version that is asked for when a deployment names none.
const API_VERSION: &str = "2024-10-21";

/// See the [module](self).
#[derive(Debug)]
struct Azure;

impl Provider for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn default_base(&self) -> Option<&'static str> {
        None
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"]
    }

    fn prepare(
        &self,
        deployment: &Deployment,
        request: &ChatRequest,
    ) -> Result<Outgoing, ProviderError> {
        let version = deployment.api_version.as_deref().unwrap_or(API_VERSION);
        let uri = format!(
            "{}/openai/deployments/{}/chat/completions?api-version={version}",
            deployment.api_base, deployment.model
        );
        let mut headers = HeaderMap::with_capacity(8);
        if let Some(key) = &deployment.api_key {
            let name = HeaderName::from_static("api-key");
            headers.insert(name, openai::sensitive(key.expose())?);
        }
        let body = request.rewritten(&deployment.model, &deployment.defaults, UsageOption::Known);
        openai::outgoing(deployment, uri, headers, body)
    }

    fn stream(&self, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(OpenAiStream::new(strip_usage))
    }

    fn whole(&self, body: &Bytes) -> Observed {
        openai::whole(body)
    }
}
