//! Azure OpenAI: OpenAI's dialect at an address made of resource, deployment and API version.

use http::{HeaderMap, HeaderName};

use super::{Ask, Parameters, Prepared, Provider, ProviderError, openai};
use crate::{operation::Operation, request::UsageOption};

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

    fn serves(&self, _operation: Operation) -> bool {
        true
    }

    fn parameters(&self, _operation: Operation, _model: &str) -> Parameters {
        Parameters::All
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let deployment = ask.deployment;
        let version = deployment.api_version.as_deref().unwrap_or(API_VERSION);
        let uri = format!(
            "{}/openai/deployments/{}/{}?api-version={version}",
            deployment.api_base,
            deployment.model,
            ask.operation().path(),
        );
        let mut headers = HeaderMap::with_capacity(8);
        if let Some(key) = &deployment.api_key {
            let name = HeaderName::from_static("api-key");
            headers.insert(name, openai::sensitive(key.expose())?);
        }
        let body = ask.rewritten(UsageOption::Known);
        let outgoing = openai::outgoing(deployment, uri, headers, body)?;
        Ok(Prepared::as_it_is(ask, outgoing))
    }
}
