//! What a deployment does not say itself: from the environment, and from the price map.

use cost_map::PriceMap;
use event::Secret;
use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use super::{super::ConfigError, Deployment};

/// 10⁻¹² USD in one USD.
const PICO: u64 = 1_000_000_000_000;

impl Deployment {
    /// Notes what the price map knows of the model.
    pub(in crate::config) fn look_up(&mut self, map: &PriceMap) {
        let model = self.base_model.as_deref().unwrap_or(&self.model);
        let Some(found) = map.resolve(Some(&self.provider_name), model) else {
            return;
        };
        self.input_tokens_max = found.entry.max_input_tokens();
        let price = found.entry.price("input_cost_per_token");
        let pico = price.and_then(|price| price.checked_mul(Decimal::from(PICO)));
        self.picodollars = pico.and_then(|pico| pico.round().to_u64());
    }

    /// Looks up in the environment what LiteLLM would look up there, and the deployment does not
    /// say: the key, the address, and the settings of its provider.
    fn fill(&mut self, environment: &dyn Fn(&str) -> Option<String>) {
        let provider = self.provider;
        self.settings.fill(provider.settings(), environment);
        let find = |names: &[&str]| names.iter().find_map(|name| environment(name));
        if self.api_key.is_none() {
            self.api_key = find(provider.key_variables()).map(Secret::new);
        }
        let base = find(provider.base_variables()).filter(|_| !self.names_base);
        if let Some(base) = base {
            base.trim_end_matches('/').clone_into(&mut self.api_base);
        }
    }
}

/// Fills in what the environment says, see [`Deployment::fill`].
pub(in crate::config) fn fill(
    deployments: &mut [Deployment],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    for (index, deployment) in deployments.iter_mut().enumerate() {
        deployment.fill(environment);
        let provider = deployment.provider;
        let is_lost = deployment.api_base.is_empty() && provider.needs_base();
        if is_lost && !deployment.mock.answers() {
            let path = format!("model_list[{index}].litellm_params.api_base");
            let name = provider.name();
            let variables = match provider.base_variables() {
                [] => String::new(),
                names => format!("; {} would name one", names.join(" or ")),
            };
            let message = format!("is missing: `{name}` has no address of its own{variables}");
            return Err(ConfigError::at(path, message));
        }
    }
    Ok(())
}
