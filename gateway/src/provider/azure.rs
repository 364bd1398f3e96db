//! Azure: OpenAI's dialect at an address made of resource, deployment and API version, and the
//! models of others at Azure AI.

use http::{HeaderMap, HeaderName};

use super::{
    Ask, Parameters, Prepared, Provider, ProviderError,
    openai::{
        self,
        changes::{self, Change},
        fixed::Fixed,
        fixes, models,
    },
    realtime::parameter,
};
use crate::{config::Deployment, operation::Operation, request::UsageOption};

/// The rows of this file.
pub const AZURE: &[&dyn Provider] = &[&Azure, &AzureAi];

/// The version that is asked for when a deployment names none.
const API_VERSION: &str = "2024-10-21";

/// The same for the models of others.
const AI_API_VERSION: &str = "2024-05-01-preview";

/// OpenAI's models.
#[derive(Debug)]
struct Azure;

/// The models of others.
#[derive(Debug)]
struct AzureAi;

impl Provider for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn default_base(&self) -> Option<&'static str> {
        None
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["AZURE_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"]
    }

    fn serves(&self, operation: Operation) -> bool {
        !matches!(operation, Operation::Messages | Operation::CountTokens)
    }

    fn credentials(&self, deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
        api_key(deployment)
    }

    fn keeps_at(&self, deployment: &Deployment) -> (String, Option<String>) {
        let base = format!("{}/openai", deployment.api_base);
        (base, Some(format!("api-version={}", version(deployment))))
    }

    fn realtime(&self, deployment: &Deployment) -> Option<String> {
        let (base, version) = (&deployment.api_base, version(deployment));
        let model = parameter(&deployment.model);
        Some(format!(
            "{base}/openai/realtime?api-version={version}&deployment={model}"
        ))
    }

    fn parameters(&self, operation: Operation, model: &str) -> Parameters {
        models::azure(operation, model)
    }

    fn takes(&self, model: &str, name: &str, value: &str) -> bool {
        models::takes(model, name, value)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let deployment = ask.deployment;
        let version = version(deployment);
        let (base, path) = (&deployment.api_base, ask.operation().path());
        let model = ask.model();
        let name = ["o_series/", "gpt5_series/"];
        let name = name.iter().find_map(|series| model.strip_prefix(series));
        let name = name.unwrap_or(model);
        let uri = if ask.operation() == Operation::Responses {
            // The model stands in the body.
            format!("{base}/openai/{path}?api-version={version}")
        } else {
            format!("{base}/openai/deployments/{name}/{path}?api-version={version}")
        };
        prepared(ask, uri, api_key(deployment)?, [changes::NATIVE, &[]])
    }
}

impl Provider for AzureAi {
    fn name(&self) -> &'static str {
        "azure_ai"
    }

    fn default_base(&self) -> Option<&'static str> {
        None
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["AZURE_AI_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["AZURE_AI_API_KEY"]
    }

    fn serves(&self, operation: Operation) -> bool {
        use Operation::{CountTokens, Messages, Responses};
        !matches!(operation, Messages | CountTokens | Responses)
    }

    fn credentials(&self, deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
        if is_resource(deployment) {
            api_key(deployment)
        } else {
            openai::credentials(deployment)
        }
    }

    fn parameters(&self, operation: Operation, model: &str) -> Parameters {
        models::parameters(operation, model)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let deployment = ask.deployment;
        let (base, path) = (&deployment.api_base, ask.operation().path());
        let version = deployment.api_version.as_deref();
        let uri = if is_resource(deployment) && !base.ends_with(path) {
            let version = version.unwrap_or(AI_API_VERSION);
            let base = base.trim_end_matches("/models");
            format!("{base}/models/{path}?api-version={version}")
        } else {
            let path = if base.ends_with(path) {
                String::new()
            } else {
                format!("/{path}")
            };
            let version =
                version.map_or_else(String::new, |version| format!("?api-version={version}"));
            format!("{base}{path}{version}")
        };
        let headers = self.credentials(deployment)?;
        prepared(ask, uri, headers, [changes::COMMON, &[]])
    }
}

/// The version of the API that is asked for.
fn version(deployment: &Deployment) -> &str {
    deployment.api_version.as_deref().unwrap_or(API_VERSION)
}

/// Whether Azure AI is at a resource's own address.
fn is_resource(deployment: &Deployment) -> bool {
    let hosts = [".services.ai.azure.com", ".openai.azure.com"];
    hosts.iter().any(|host| deployment.api_base.contains(host))
}

fn api_key(deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::with_capacity(8);
    if let Some(key) = &deployment.api_key {
        let name = HeaderName::from_static("api-key");
        headers.insert(name, openai::sensitive(key.expose())?);
    }
    Ok(headers)
}

fn prepared(
    ask: &Ask<'_>,
    uri: String,
    headers: HeaderMap,
    changes: [&[Change]; 2],
) -> Result<Prepared, ProviderError> {
    let body = match changes::made(ask, changes) {
        Some(object) => ask.written(object, ask.model(), UsageOption::Known),
        None => ask.rewritten(UsageOption::Known),
    };
    // The first chunk tells of filters and is called nothing.
    let fixes = vec![fixes::CHUNK_NAMES, fixes::REASONING];
    Ok(Prepared {
        outgoing: openai::outgoing(ask.deployment, uri, headers, body)?,
        reader: Box::new(Fixed::new(ask, fixes)),
        streams: ask.stream(),
    })
}
