//! Amazon Bedrock: models of many makers, asked by the Converse API or in their own dialects.

mod converse;
mod embed;
mod invoke;
mod model;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use event::Json;
use serde_json::{Map, Value};

use self::model::{Effort, Family, Model, Route};
use super::{
    Ask, Need, Outgoing, Parameters, Prepared, Provider, ProviderError, Setting, anthropic,
    aws::{self, Signer},
    content,
};
use crate::{config::Settings, operation::Operation};

/// The row of this file.
pub const BEDROCK: &[&dyn Provider] = &[&Bedrock];

/// Where Bedrock is asked, if not at the region's own address.
const ENDPOINT: &str = "aws_bedrock_runtime_endpoint";

const SETTINGS: [Setting; 16] = {
    let mut all = [aws::set(ENDPOINT, &["AWS_BEDROCK_RUNTIME_ENDPOINT"]); 16];
    let mut at = 0;
    while at < aws::SETTINGS.len() {
        all[at] = aws::SETTINGS[at];
        at += 1;
    }
    all
};

/// See the [module](self).
#[derive(Debug)]
struct Bedrock;

impl Provider for Bedrock {
    fn name(&self) -> &'static str {
        "bedrock"
    }

    fn default_base(&self) -> Option<&'static str> {
        None
    }

    fn needs_base(&self) -> bool {
        false
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["AWS_BEARER_TOKEN_BEDROCK"]
    }

    fn settings(&self) -> &'static [Setting] {
        &SETTINGS
    }

    fn check(&self, settings: &Settings) -> Result<(), ProviderError> {
        aws::check(settings)
    }

    fn serves(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Chat | Operation::Embedding)
    }

    fn parameters(&self, operation: Operation, model: &str) -> Parameters {
        let read = Model::of(model, None);
        match (operation, read.route) {
            (Operation::Embedding, _) => embed::parameters(&read.name),
            (_, Route::Invoke(Family::Claude)) => anthropic::parameters(&read.name),
            (_, Route::Invoke(family)) => invoke::parameters(family),
            (_, Route::Converse) => converse_parameters(&read),
        }
    }

    fn needs(&self, ask: &Ask<'_>) -> Result<Vec<Need>, ProviderError> {
        match (ask.operation(), model(ask).route) {
            (Operation::Chat, Route::Converse) => content::needs(ask, |_| true),
            (Operation::Chat, Route::Invoke(Family::Claude)) => {
                anthropic::needs(ask, &invoke::PLATFORM)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let model = model(ask);
        let region = model.region.as_deref();
        let signer = Signer::of(ask.deployment, "bedrock", region, ask.now)?;
        let runtime = Runtime { ask, model, signer };
        match (ask.operation(), runtime.model.route) {
            (Operation::Embedding, _) => embed::prepare(&runtime),
            (_, Route::Converse) => converse::prepare(&runtime),
            (_, Route::Invoke(family)) => invoke::prepare(&runtime, family),
        }
    }
}

fn model(ask: &Ask<'_>) -> Model {
    Model::of(ask.model(), ask.deployment.settings.text("model_id"))
}

fn converse_parameters(model: &Model) -> Parameters {
    let mut names = vec![
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "temperature",
        "top_p",
        "response_format",
        "service_tier",
        "parallel_tool_calls",
    ];
    let effort = model.effort();
    for (can, name) in [
        (model.calls(), "tools"),
        (model.chooses(), "tool_choice"),
        (model.name.starts_with("amazon.nova-"), "web_search_options"),
        (effort.is_some(), "reasoning_effort"),
        (effort == Some(Effort::Thinking), "thinking"),
    ] {
        if can {
            names.push(name);
        }
    }
    Parameters::Only(Cow::Owned(names))
}

/// One request, and what every way to say it needs.
struct Runtime<'a> {
    ask: &'a Ask<'a>,
    model: Model,
    signer: Signer,
}

impl Runtime<'_> {
    /// The request for `action` with `body`, signed.
    fn outgoing(&self, action: &str, body: &Map<String, Value>) -> Result<Outgoing, ProviderError> {
        let body = Bytes::from(Json::of(body).text().to_owned());
        let deployment = self.ask.deployment;
        self.signer.outgoing(deployment, self.address(action), body)
    }

    fn address(&self, action: &str) -> String {
        let deployment = self.ask.deployment;
        let named = Some(deployment.api_base.clone()).filter(|base| !base.is_empty());
        let base = named
            .or_else(|| deployment.settings.text(ENDPOINT))
            .unwrap_or_else(|| self.signer.address("bedrock-runtime"));
        let id = aws::segment(&self.model.id);
        format!("{}/model/{id}/{action}", base.trim_end_matches('/'))
    }
}
