//! IBM watsonx.ai: <https://cloud.ibm.com/apidocs/watsonx-ai>. `watsonx` chats, close to OpenAI's
//! dialect; `watsonx_text` continues a text. A key of IBM Cloud is taken for a token first.

mod lists;
#[cfg(test)]
mod tests;
mod text;
mod token;

use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::{
    Ask, Need, Outgoing, Parameters, Prepared, Provider, ProviderError, Setting,
    alike::Alike,
    conversation::{self, Object},
    openai, request,
};
use crate::operation::Operation;

/// The rows of this file.
pub const WATSONX: &[&dyn Provider] = &[
    &Watsonx {
        name: "watsonx",
        chats: true,
    },
    &Watsonx {
        name: "watsonx_text",
        chats: false,
    },
];

/// The version that is asked for when a deployment names none.
const API_VERSION: &str = "2024-03-13";

/// What the model of a deployment space begins with.
const DEPLOYMENT: &str = "deployment/";

const CHAT: &[&str] = &[
    "temperature",
    "max_tokens",
    "top_p",
    "frequency_penalty",
    "stop",
    "seed",
    "tools",
    "tool_choice",
    "logprobs",
    "top_logprobs",
    "n",
    "presence_penalty",
    "response_format",
    "reasoning_effort",
];

const SETTINGS: &[Setting] = &[
    Setting {
        key: "project_id",
        variables: &["WATSONX_PROJECT_ID", "WX_PROJECT_ID"],
    },
    Setting {
        key: "watsonx_project",
        variables: &[],
    },
    Setting {
        key: "space_id",
        variables: &[
            "WATSONX_DEPLOYMENT_SPACE_ID",
            "WATSONX_SPACE_ID",
            "WX_SPACE_ID",
        ],
    },
    Setting {
        key: "token",
        variables: &["WATSONX_TOKEN"],
    },
    Setting {
        key: "zen_api_key",
        variables: &["WATSONX_ZENAPIKEY"],
    },
    Setting {
        key: "watsonx_iam_url",
        variables: &["WATSONX_IAM_URL"],
    },
];

/// See the [module](self).
#[derive(Debug)]
struct Watsonx {
    name: &'static str,
    chats: bool,
}

impl Provider for Watsonx {
    fn name(&self) -> &'static str {
        self.name
    }

    fn default_base(&self) -> Option<&'static str> {
        None
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["WATSONX_API_BASE", "WATSONX_URL", "WX_URL", "WML_URL"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY"]
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn serves(&self, operation: Operation) -> bool {
        use Operation::{Chat, Embedding, Rerank};
        matches!(operation, Chat | Embedding | Rerank)
    }

    fn parameters(&self, operation: Operation, _model: &str) -> Parameters {
        match operation {
            Operation::Chat if self.chats => Parameters::only(CHAT),
            Operation::Chat => Parameters::only(text::PARAMETERS),
            Operation::Embedding => Parameters::only(&[]),
            _ => Parameters::All,
        }
    }

    fn needs(&self, ask: &Ask<'_>) -> Result<Vec<Need>, ProviderError> {
        token::needs(ask)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        match ask.operation() {
            Operation::Embedding => lists::embed(ask),
            Operation::Rerank => lists::rerank(ask),
            _ if !self.chats => text::prepare(ask),
            _ => chat(ask),
        }
    }
}

/// Options that only continuing a text knows.
const OF_TEXT: &[&str] = &[
    "decoding_method",
    "max_new_tokens",
    "min_new_tokens",
    "length_penalty",
    "stop_sequences",
    "top_k",
    "repetition_penalty",
    "truncate_input_tokens",
    "include_stop_sequences",
    "return_options",
    "random_seed",
    "moderations",
    "min_tokens",
];

fn chat(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let mut body = ask.object();
    if let Some(name) = OF_TEXT.iter().find(|name| body.contains_key(**name)) {
        return Err(ProviderError::Request(format!(
            "watsonx's chat does not know `{name}`: name the model `watsonx_text/…` to have it"
        )));
    }
    conversation::put_back(&mut body, ask);
    body.remove("model");
    // The address says whether it streams.
    body.remove("stream");
    if let Some(tools) = body.get_mut("tools") {
        simplify(tools);
    }
    if body.get("tool_choice").is_some_and(Value::is_string) {
        request::rename(&mut body, &[("tool_choice", "tool_choice_option")]);
    }
    let outgoing = post(ask, "text/chat", body)?;
    Ok(Prepared {
        outgoing,
        reader: Box::new(Alike::new("watsonx", ask)),
        streams: ask.stream(),
    })
}

/// Takes out of a schema what watsonx.ai refuses.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.remove("strict");
            if object.get("additionalProperties") == Some(&Value::Bool(false)) {
                object.remove("additionalProperties");
            }
            object.values_mut().for_each(simplify);
        }
        Value::Array(list) => list.iter_mut().for_each(simplify),
        _ => {}
    }
}

/// Posts `body` to `path` with the model and whose account is charged.
fn post(ask: &Ask<'_>, path: &str, mut body: Object) -> Result<Outgoing, ProviderError> {
    let settings = &ask.deployment.settings;
    let base = &ask.deployment.api_base;
    let version = ask.deployment.api_version.as_deref().unwrap_or(API_VERSION);
    let stream = if ask.stream() { "_stream" } else { "" };
    let uri = match ask.model().strip_prefix(DEPLOYMENT) {
        Some(id) => format!("{base}/ml/v1/deployments/{id}/{path}{stream}?version={version}"),
        None => {
            body.insert("model_id".to_owned(), ask.model().into());
            let project = settings.text("project_id");
            let project = project.or_else(|| settings.text("watsonx_project"));
            let (name, id) = match (project, settings.text("space_id")) {
                (Some(project), _) => ("project_id", project),
                (None, Some(space)) => ("space_id", space),
                (None, None) => return Err(ProviderError::Missing("project_id")),
            };
            body.insert(name.to_owned(), json!(id));
            format!("{base}/ml/v1/{path}{stream}?version={version}")
        }
    };
    let mut headers = HeaderMap::with_capacity(8);
    let authorization = if let Some(token) = &ask.fetched.token {
        Some(openai::bearer(token)?)
    } else if let Some(token) = settings.text("token") {
        Some(openai::sensitive(&format!("Bearer {token}"))?)
    } else if let Some(key) = settings.text("zen_api_key") {
        Some(openai::sensitive(&format!("ZenApiKey {key}"))?)
    } else {
        None
    };
    if let Some(authorization) = authorization {
        headers.insert(header::AUTHORIZATION, authorization);
    }
    request::post_with(ask, uri, headers, &body)
}
