//! `model_list`: what a public model name stands for.

mod fields;
mod filling;

use std::{collections::HashMap, time::Duration};

use event::{Json, Secret};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use self::fields::{optional, required};
pub(super) use self::filling::fill;
use super::keys::{DEFAULTS, PARAMS, PARAMS_UNSUPPORTED, is_price};
use super::{
    ConfigError, Mocking, RouterSettings, Warning, litellm::map_of, provider_settings::Settings,
    unknown,
};
use crate::provider::{self, Provider};

/// A deployment's id: `model_info.id`, else a digest of its settings.
pub type DeploymentId = String;

/// One entry of `model_list`: a public model name mapped to a provider, its model, address and key.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The public name; several deployments with one name share its calls.
    pub model_name: String,
    /// The deployment's id.
    pub id: DeploymentId,
    /// Who is asked.
    pub provider: &'static dyn Provider,
    /// The provider's name, as events and prices say it.
    pub provider_name: String,
    /// The provider's own name of the model.
    pub model: String,
    /// Where the provider is; no slash at the end.
    pub api_base: String,
    /// Whether its configuration says so.
    pub names_base: bool,
    /// The credential, if there is one.
    pub api_key: Option<Secret>,
    /// The version of the API, where the address has one.
    pub api_version: Option<String>,
    /// The organization to bill, for providers that know them.
    pub organization: Option<String>,
    /// How long this deployment may take.
    pub timeout: Option<Duration>,
    /// Its share of the calls, relative to the others of its name.
    pub weight: u32,
    /// How long a stream of it may pause; `None`: as `timeout`.
    pub stream_timeout: Option<Duration>,
    /// How long it is left alone after failures.
    pub cooldown_time: Option<Duration>,
    /// Those with the lowest are asked first, the others stand by.
    pub order: u32,
    /// What tagged requests choose it by.
    pub tags: Vec<String>,
    /// Names of lists of models that its model is in (`model_info.access_groups`).
    pub access_groups: Vec<String>,
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute.
    pub tpm: Option<u64>,
    /// Calls in flight.
    pub max_parallel_requests: Option<u64>,
    /// The longest prompt in tokens, where prompts are checked.
    pub input_tokens_max: Option<u64>,
    /// The price of an input token in 10⁻¹² USD, where the cheapest is asked.
    pub picodollars: Option<u64>,
    /// Its own number of attempts after the first.
    pub retries_max: Option<u32>,
    /// Headers that are added to every request; they may be credentials.
    pub headers: Vec<(String, Secret)>,
    /// Parameters of requests that do not set them: name and JSON.
    pub defaults: Vec<(String, Json)>,
    /// Parameters that the provider does not know are left out; `None`: as `litellm_settings` says.
    pub drop_params: Option<bool>,
    /// Parameters that are never sent (`additional_drop_params`).
    pub dropped: Vec<String>,
    /// Parameters that are sent whoever knows them (`allowed_openai_params`).
    pub allowed: Vec<String>,
    /// What the provider has beyond address and key: `vertex_project`, `aws_region_name`.
    pub settings: Settings,
    /// What to answer instead of asking the provider.
    pub mock: Mocking,
    /// Whether requests may say that (`model_info.allow_client_mock_response`).
    pub allows_mocks: bool,
    /// The model to price by.
    pub base_model: Option<String>,
    /// Its own prices: price-map keys, over those of the map.
    pub price_overrides: Option<Json>,
}

impl Deployment {
    /// Calls that it may have in flight.
    #[must_use]
    pub fn max_parallel(&self, router: &RouterSettings) -> Option<u64> {
        self.max_parallel_requests
            .or(router.default_max_parallel_requests)
    }

    /// The same deployment for one of the models that the `*` of its name stands for.
    #[must_use]
    pub fn of_star(&self, star: &str) -> Self {
        Self {
            model: self.model.replace('*', star),
            ..self.clone()
        }
    }

    /// The same deployment for another model of its provider, whose prices are not this one's.
    #[must_use]
    pub fn of_model(&self, model: &str) -> Self {
        if model == self.model {
            return self.clone();
        }
        Self {
            model: model.to_owned(),
            base_model: None,
            price_overrides: None,
            ..self.clone()
        }
    }
}

/// Reads `model_list`.
pub(super) fn list(
    value: &Value,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Deployment>, ConfigError> {
    let entries = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(entries) => entries,
        _ => return Err(ConfigError::at("model_list", "must be a list")),
    };
    let read_entry = |(index, entry)| one(entry, &format!("model_list[{index}]"), warnings);
    entries.iter().enumerate().map(read_entry).collect()
}

/// Gives deployments whose settings are the same different ids: `abc`, `abc-2`, ….
pub(super) fn number_ids(deployments: &mut [Deployment]) {
    let mut seen: HashMap<DeploymentId, u32> = HashMap::new();
    for deployment in deployments {
        let count = seen.entry(deployment.id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            deployment.id = format!("{}-{count}", deployment.id);
        }
    }
}

fn one(entry: &Value, path: &str, warnings: &mut Vec<Warning>) -> Result<Deployment, ConfigError> {
    let mut parts = map_of(entry, path)?;
    let model_name: String = required(&mut parts, "model_name", path)?;
    let params_path = format!("{path}.litellm_params");
    let params = parts.remove("litellm_params").unwrap_or_default();
    let info = parts.remove("model_info").unwrap_or_default();
    if let Some(key) = parts.keys().next() {
        let known = ["model_name", "litellm_params", "model_info"];
        return Err(ConfigError::at(
            format!("{path}.{key}"),
            unknown(key, &known),
        ));
    }
    let info_path = format!("{path}.model_info");
    let mut entry = Entry {
        params: map_of(&params, &params_path)?,
        info: map_of(&info, &info_path)?,
        params_path,
        info_path,
    };
    let defaults = entry.defaults();
    let price_overrides = entry.price_overrides()?;
    let (provider, model) = match entry.provider() {
        Ok(found) => found,
        // A misspelt key may be why.
        Err(error) => {
            entry.check_keys(warnings)?;
            return Err(error);
        }
    };
    let settings = Settings::take(provider.settings(), &mut entry.params);
    provider
        .check(&settings)
        .map_err(|error| ConfigError::at(&entry.params_path, error.to_string()))?;
    entry.check_keys(warnings)?;
    let deployment = entry.deployment(model_name, provider, model)?;
    Ok(Deployment {
        settings,
        defaults,
        price_overrides,
        ..deployment
    })
}

/// One entry while it is read.
struct Entry {
    params: Map<String, Value>,
    info: Map<String, Value>,
    params_path: String,
    info_path: String,
}

impl Entry {
    /// Takes out the parameters that are sent with every request.
    fn defaults(&mut self) -> Vec<(String, Json)> {
        let take = |name: &&str| {
            self.params
                .remove(*name)
                .map(|value| (name.to_string(), value))
        };
        DEFAULTS
            .iter()
            .filter_map(take)
            .map(|(name, value)| (name, Json::of(&value)))
            .collect()
    }

    /// Takes out the price-map keys of both halves, and has the calculator check them.
    fn price_overrides(&mut self) -> Result<Option<Json>, ConfigError> {
        let mut prices = Map::new();
        for (half, path) in [
            (&mut self.info, &self.info_path),
            (&mut self.params, &self.params_path),
        ] {
            let names: Vec<String> = half.keys().filter(|key| is_price(key)).cloned().collect();
            for name in names {
                let Some(value) = half.remove(&name) else {
                    continue;
                };
                let alone = Value::Object([(name.clone(), value.clone())].into_iter().collect());
                cost_map::Overrides::parse(&alone.to_string()).map_err(|error| {
                    ConfigError::at(format!("{path}.{name}"), error.to_string())
                })?;
                prices.insert(name, value);
            }
        }
        Ok((!prices.is_empty()).then(|| Json::of(&prices)))
    }

    fn check_keys(&self, warnings: &mut Vec<Warning>) -> Result<(), ConfigError> {
        for key in self.params.keys() {
            let path = format!("{}.{key}", self.params_path);
            let foreign = ["aws_", "vertex_"]
                .iter()
                .any(|prefix| key.starts_with(prefix));
            if foreign || PARAMS_UNSUPPORTED.contains(&key.as_str()) {
                warnings.push(Warning { path });
            } else if !PARAMS.contains(&key.as_str()) {
                return Err(ConfigError::at(
                    path,
                    unknown(key, &[PARAMS, DEFAULTS].concat()),
                ));
            }
        }
        Ok(())
    }

    /// The provider, and its own name of the model.
    fn provider(&self) -> Result<(&'static dyn Provider, String), ConfigError> {
        let named: String = self.param("model")?.ok_or_else(|| {
            let path = format!("{}.model", self.params_path);
            ConfigError::at(
                path,
                "is missing: name the provider and its model, `openai/gpt-4o`",
            )
        })?;
        let chosen: Option<String> = self.param("custom_llm_provider")?;
        provider::of_model(&named, chosen.as_deref()).map_err(|error| {
            ConfigError::at(format!("{}.model", self.params_path), error.to_string())
        })
    }

    fn deployment(
        &self,
        model_name: String,
        provider: &'static dyn Provider,
        model: String,
    ) -> Result<Deployment, ConfigError> {
        let chosen: Option<String> = self.param("custom_llm_provider")?;
        let id = match self.info("id")? {
            Some(id) => id,
            None => digest(&model_name, &self.params),
        };
        let base = self.param("api_base")?.or(self.param("base_url")?);
        let names_base = base.is_some();
        let own = || provider.default_base().map(str::to_owned);
        let api_base: String = base.or_else(own).unwrap_or_default();
        let base_model = match self.info("base_model")? {
            Some(model) => Some(model),
            None => self.param("base_model")?,
        };
        Ok(Deployment {
            model_name,
            id,
            provider,
            provider_name: chosen.unwrap_or_else(|| provider.name().to_owned()),
            model,
            api_base: api_base.trim_end_matches('/').to_owned(),
            names_base,
            api_key: self.param("api_key")?,
            api_version: self.param("api_version")?,
            organization: self.param("organization")?,
            timeout: self.timeout("timeout")?,
            stream_timeout: self.timeout("stream_timeout")?,
            cooldown_time: self.timeout("cooldown_time")?,
            order: self.param("order")?.unwrap_or_default(),
            tags: self.param("tags")?.unwrap_or_default(),
            access_groups: self.info("access_groups")?.unwrap_or_default(),
            rpm: self.param("rpm")?,
            tpm: self.param("tpm")?,
            max_parallel_requests: self.param("max_parallel_requests")?,
            input_tokens_max: None,
            picodollars: None,
            weight: self.weight()?,
            retries_max: self.param("num_retries")?.or(self.param("max_retries")?),
            headers: self.headers()?,
            defaults: Vec::new(),
            drop_params: self.param("drop_params")?,
            dropped: self.param("additional_drop_params")?.unwrap_or_default(),
            allowed: self.param("allowed_openai_params")?.unwrap_or_default(),
            settings: Settings::default(),
            mock: Mocking::of_params(&self.params, &self.params_path)?,
            allows_mocks: self.info("allow_client_mock_response")?.unwrap_or(false),
            base_model,
            price_overrides: None,
        })
    }

    fn param<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        optional(&self.params, key, &self.params_path)
    }

    fn info<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        optional(&self.info, key, &self.info_path)
    }

    fn timeout(&self, key: &str) -> Result<Option<Duration>, ConfigError> {
        let Some(value) = self.params.get(key) else {
            return Ok(None);
        };
        super::settings::duration(value).map(Some).map_err(|error| {
            ConfigError::at(format!("{}.{key}", self.params_path), error.to_string())
        })
    }

    /// LiteLLM's order: `weight`, else `rpm`, else `tpm`, else all the same.
    fn weight(&self) -> Result<u32, ConfigError> {
        let weight = self
            .param("weight")?
            .or(self.param("rpm")?)
            .or(self.param("tpm")?);
        Ok(weight.unwrap_or(1))
    }

    fn headers(&self) -> Result<Vec<(String, Secret)>, ConfigError> {
        let mut headers = Vec::new();
        for key in ["headers", "extra_headers"] {
            let path = format!("{}.{key}", self.params_path);
            let Some(map) = self.param::<Map<String, Value>>(key)? else {
                continue;
            };
            for (name, value) in map {
                let Value::String(value) = value else {
                    return Err(ConfigError::at(format!("{path}.{name}"), "must be text"));
                };
                let valid = http::HeaderName::try_from(&name).is_ok()
                    && http::HeaderValue::try_from(&value).is_ok();
                if !valid {
                    return Err(ConfigError::at(format!("{path}.{name}"), "is not a header"));
                }
                headers.push((name, Secret::new(value)));
            }
        }
        Ok(headers)
    }
}

/// An id that stays the same as long as the deployment's settings do. Its secrets do not count, so
/// that a rotated key is the same deployment.
fn digest(model_name: &str, params: &Map<String, Value>) -> DeploymentId {
    let mut hash = Sha256::new();
    hash.update(model_name);
    // The order in which they are written does not matter.
    let mut params = Value::Object(params.clone());
    params.sort_all_objects();
    let params = params.as_object().into_iter().flatten();
    for (key, value) in params.filter(|(key, _)| !key.contains("key")) {
        hash.update(key);
        hash.update(value.to_string());
    }
    hex::encode(hash.finalize())
}
