//! Amazon SageMaker: endpoints that somebody runs there. `sagemaker_chat` speaks OpenAI's dialect
//! inside AWS's; `sagemaker` is Hugging Face's server, which continues a prompt.

mod chat;
mod continued;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::{
    Ask, Outgoing, Parameters, Prepared, Provider, ProviderError, Setting,
    aws::{self, Signer},
};
use crate::{config::Settings, operation::Operation};

/// The rows of this file.
pub const SAGEMAKER: &[&dyn Provider] = &[&Endpoint::Chat, &Endpoint::Continued];

/// Where the endpoint is, with its whole path.
const ADDRESS: &str = "sagemaker_base_url";
/// The model's name as the server behind the endpoint knows it.
const SERVED: &str = "hf_model_name";

const SETTINGS: [Setting; 17] = {
    let mut all = [aws::set(ADDRESS, &[]); 17];
    all[1] = aws::set(SERVED, &[]);
    let mut at = 0;
    while at < aws::SETTINGS.len() {
        all[at + 2] = aws::SETTINGS[at];
        at += 1;
    }
    all
};

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Chat,
    Continued,
}

impl Provider for Endpoint {
    fn name(&self) -> &'static str {
        match self {
            Self::Chat => "sagemaker_chat",
            Self::Continued => "sagemaker",
        }
    }

    fn default_base(&self) -> Option<&'static str> {
        None
    }

    fn needs_base(&self) -> bool {
        false
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &[]
    }

    fn settings(&self) -> &'static [Setting] {
        &SETTINGS
    }

    fn check(&self, settings: &Settings) -> Result<(), ProviderError> {
        aws::check(settings)
    }

    fn serves(&self, operation: Operation) -> bool {
        match operation {
            Operation::Chat => true,
            Operation::Embedding => *self == Self::Continued,
            _ => false,
        }
    }

    fn parameters(&self, operation: Operation, _model: &str) -> Parameters {
        match (self, operation) {
            (Self::Chat, _) => {
                Parameters::AllBut(&["reasoning_effort", "thinking", "user", "verbosity"])
            }
            (Self::Continued, Operation::Embedding) => Parameters::only(&[]),
            (Self::Continued, _) => Parameters::only(continued::PARAMETERS),
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let signer = Signer::of(ask.deployment, "sagemaker", None, ask.now)?;
        let runtime = Runtime { ask, signer };
        match (self, ask.operation()) {
            (Self::Chat, _) => chat::prepare(&runtime),
            (Self::Continued, Operation::Embedding) => continued::embed(&runtime),
            (Self::Continued, _) => continued::prepare(&runtime),
        }
    }
}

/// One request, and what both ways to say it need.
struct Runtime<'a> {
    ask: &'a Ask<'a>,
    signer: Signer,
}

impl Runtime<'_> {
    /// The request with `body`, signed.
    fn outgoing(&self, body: Bytes) -> Result<Outgoing, ProviderError> {
        let deployment = self.ask.deployment;
        let mut outgoing = self.signer.outgoing(deployment, self.address(), body)?;
        if let Some(component) = deployment.settings.text("model_id") {
            let name = HeaderName::from_static("x-amzn-sagemaker-inference-component");
            let wanted = "the name of an inference component";
            let value = HeaderValue::try_from(component)
                .map_err(|_error| ProviderError::Setting("model_id", wanted))?;
            outgoing.headers.insert(name, value);
        }
        Ok(outgoing)
    }

    fn address(&self) -> String {
        let deployment = self.ask.deployment;
        if let Some(address) = deployment.settings.text(ADDRESS) {
            return address;
        }
        let named = Some(deployment.api_base.clone()).filter(|base| !base.is_empty());
        let base = named.unwrap_or_else(|| self.signer.address("runtime.sagemaker"));
        let endpoint = aws::segment(self.ask.model());
        let action = if self.ask.stream() {
            "invocations-response-stream"
        } else {
            "invocations"
        };
        format!("{base}/endpoints/{endpoint}/{action}")
    }
}
