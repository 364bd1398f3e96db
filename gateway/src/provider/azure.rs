//! Azure: OpenAI's dialect at an address made of resource, deployment and API version, and the
//! models of others at Azure AI.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    Ask, Parameters, Prepared, Provider, ProviderError,
    openai::{
        self, bearer,
        changes::{self, Change},
        fixed::Fixed,
        fixes, models,
    },
};
use crate::{operation::Operation, request::UsageOption};

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

    fn serves(&self, _operation: Operation) -> bool {
        true
    }

    fn parameters(&self, operation: Operation, model: &str) -> Parameters {
        models::azure(operation, model)
    }

    fn takes(&self, model: &str, name: &str, value: &str) -> bool {
        models::takes(model, name, value)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let deployment = ask.deployment;
        let version = deployment.api_version.as_deref().unwrap_or(API_VERSION);
        let (base, path) = (&deployment.api_base, ask.operation().path());
        let model = ask.model();
        let name = ["o_series/", "gpt5_series/"];
        let name = name.iter().find_map(|series| model.strip_prefix(series));
        let name = name.unwrap_or(model);
        let uri = format!("{base}/openai/deployments/{name}/{path}?api-version={version}");
        prepared(ask, uri, api_key(ask)?, [changes::NATIVE, &[]])
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

    fn serves(&self, _operation: Operation) -> bool {
        true
    }

    fn parameters(&self, operation: Operation, model: &str) -> Parameters {
        models::parameters(operation, model)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let deployment = ask.deployment;
        let (base, path) = (&deployment.api_base, ask.operation().path());
        let is_resource = [".services.ai.azure.com", ".openai.azure.com"];
        let is_resource = is_resource.iter().any(|host| base.contains(host));
        let version = deployment.api_version.as_deref();
        let uri = if is_resource && !base.ends_with(path) {
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
        let headers = if is_resource {
            api_key(ask)?
        } else {
            token(ask)?
        };
        prepared(ask, uri, headers, [changes::COMMON, &[]])
    }
}

fn api_key(ask: &Ask<'_>) -> Result<Option<(HeaderName, HeaderValue)>, ProviderError> {
    let Some(key) = &ask.deployment.api_key else {
        return Ok(None);
    };
    let name = HeaderName::from_static("api-key");
    Ok(Some((name, openai::sensitive(key.expose())?)))
}

fn token(ask: &Ask<'_>) -> Result<Option<(HeaderName, HeaderValue)>, ProviderError> {
    let Some(key) = &ask.deployment.api_key else {
        return Ok(None);
    };
    Ok(Some((header::AUTHORIZATION, bearer(key)?)))
}

fn prepared(
    ask: &Ask<'_>,
    uri: String,
    credential: Option<(HeaderName, HeaderValue)>,
    changes: [&[Change]; 2],
) -> Result<Prepared, ProviderError> {
    let headers: HeaderMap = credential.into_iter().collect();
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
