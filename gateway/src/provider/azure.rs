//! Azure OpenAI: OpenAI's dialect at an address made of resource, deployment and API version.

use http::{HeaderMap, HeaderName};

use super::{Ask, Parameters, Prepared, Provider, ProviderError, openai};
use crate::{config::Deployment, operation::Operation, request::UsageOption};

/// The row of this file.
pub const AZURE: &[&dyn Provider] = &[&Azure];

/// The version that is asked for when a deployment names none.
const API_VERSION: &str = "2024-10-21";

fn version(deployment: &Deployment) -> &str {
    deployment.api_version.as_deref().unwrap_or(API_VERSION)
}

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

    fn serves(&self, operation: Operation) -> bool {
        !matches!(operation, Operation::Messages | Operation::CountTokens)
    }

    fn credentials(&self, deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
        let mut headers = HeaderMap::with_capacity(8);
        if let Some(key) = &deployment.api_key {
            let name = HeaderName::from_static("api-key");
            headers.insert(name, openai::sensitive(key.expose())?);
        }
        Ok(headers)
    }

    fn keeps_at(&self, deployment: &Deployment) -> (String, Option<String>) {
        let version = version(deployment);
        let base = format!("{}/openai", deployment.api_base);
        (base, Some(format!("api-version={version}")))
    }

    fn parameters(&self, _operation: Operation, _model: &str) -> Parameters {
        Parameters::All
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let deployment = ask.deployment;
        let (base, path) = (&deployment.api_base, ask.operation().path());
        let version = version(deployment);
        let uri = if ask.operation() == Operation::Responses {
            // The model stands in the body.
            format!("{base}/openai/{path}?api-version={version}")
        } else {
            let model = &deployment.model;
            format!("{base}/openai/deployments/{model}/{path}?api-version={version}")
        };
        let headers = self.credentials(deployment)?;
        let body = ask.rewritten(UsageOption::Known);
        let outgoing = openai::outgoing(deployment, uri, headers, body)?;
        Ok(Prepared::as_it_is(ask, outgoing))
    }
}
