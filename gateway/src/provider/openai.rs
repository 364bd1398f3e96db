//! Everyone who speaks OpenAI's dialect.

use std::borrow::Cow;

use bytes::Bytes;
use event::{Json, Secret};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Answer, Ask, Fault, Observed, Outgoing, Parameters, Prepared, Provider, ProviderError, Reader,
    Step, StreamedAnswer, Whole, sse::OpenAiStream,
};
use crate::{
    answer, config::Deployment, error::ErrorClass, operation::Operation, request::UsageOption,
};

/// The upstreams that differ in nothing but their name, address and key variable.
pub const PRESETS: &[&dyn Provider] = &[
    &Preset {
        name: "openai",
        base: "https://api.openai.com/v1",
        keys: &["OPENAI_API_KEY"],
    },
    &Preset {
        name: "cerebras",
        base: "https://api.cerebras.ai/v1",
        keys: &["CEREBRAS_API_KEY"],
    },
    &Preset {
        name: "deepinfra",
        base: "https://api.deepinfra.com/v1/openai",
        keys: &["DEEPINFRA_API_KEY"],
    },
    &Preset {
        name: "deepseek",
        base: "https://api.deepseek.com/beta",
        keys: &["DEEPSEEK_API_KEY"],
    },
    &Preset {
        name: "fireworks_ai",
        base: "https://api.fireworks.ai/inference/v1",
        keys: &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"],
    },
    &Preset {
        name: "github",
        base: "https://models.inference.ai.azure.com",
        keys: &["GITHUB_API_KEY"],
    },
    &Preset {
        name: "groq",
        base: "https://api.groq.com/openai/v1",
        keys: &["GROQ_API_KEY"],
    },
    &Preset {
        name: "hosted_vllm",
        base: "",
        keys: &["HOSTED_VLLM_API_KEY"],
    },
    &Preset {
        name: "lm_studio",
        base: "",
        keys: &["LM_STUDIO_API_KEY"],
    },
    &Preset {
        name: "mistral",
        base: "https://api.mistral.ai/v1",
        keys: &["MISTRAL_API_KEY"],
    },
    &Preset {
        name: "moonshot",
        base: "https://api.moonshot.ai/v1",
        keys: &["MOONSHOT_API_KEY"],
    },
    &Preset {
        name: "nvidia_nim",
        base: "https://integrate.api.nvidia.com/v1",
        keys: &["NVIDIA_NIM_API_KEY"],
    },
    &Preset {
        name: "openrouter",
        base: "https://openrouter.ai/api/v1",
        keys: &["OPENROUTER_API_KEY", "OR_API_KEY"],
    },
    &Preset {
        name: "perplexity",
        base: "https://api.perplexity.ai",
        keys: &["PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"],
    },
    &Preset {
        name: "sambanova",
        base: "https://api.sambanova.ai/v1",
        keys: &["SAMBANOVA_API_KEY"],
    },
    &Preset {
        name: "together_ai",
        base: "https://api.together.xyz/v1",
        keys: &[
            "TOGETHERAI_API_KEY",
            "TOGETHER_AI_API_KEY",
            "TOGETHER_API_KEY",
        ],
    },
    &Preset {
        name: "xai",
        base: "https://api.x.ai/v1",
        keys: &["XAI_API_KEY"],
    },
];

/// One of [`PRESETS`].
#[derive(Debug)]
struct Preset {
    name: &'static str,
    /// Empty if everybody runs their own.
    base: &'static str,
    keys: &'static [&'static str],
}

/// Those among [`PRESETS`] that have the Responses API.
const WITH_RESPONSES: &[&str] = &["hosted_vllm", "openai", "xai"];

/// Those among [`PRESETS`] that refuse `stream_options`.
const WITHOUT_USAGE_OPTION: &[&str] = &["mistral"];

impl Preset {
    fn usage_option(&self) -> UsageOption {
        if WITHOUT_USAGE_OPTION.contains(&self.name) {
            UsageOption::Unknown
        } else {
            UsageOption::Known
        }
    }
}

impl Provider for Preset {
    fn name(&self) -> &'static str {
        self.name
    }

    fn default_base(&self) -> Option<&'static str> {
        (!self.base.is_empty()).then_some(self.base)
    }

    fn key_variables(&self) -> &'static [&'static str] {
        self.keys
    }

    fn serves(&self, operation: Operation) -> bool {
        match operation {
            Operation::Messages | Operation::CountTokens => false,
            Operation::Responses => WITH_RESPONSES.contains(&self.name),
            _ => true,
        }
    }

    fn parameters(&self, _operation: Operation, _model: &str) -> Parameters {
        Parameters::All
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let deployment = ask.deployment;
        let uri = format!("{}/{}", deployment.api_base, ask.operation().path());
        let headers = credentials(deployment)?;
        let body = ask.rewritten(self.usage_option());
        let outgoing = outgoing(deployment, uri, headers, body)?;
        Ok(Prepared::as_it_is(ask, outgoing))
    }
}

impl Prepared {
    /// A request in OpenAI's dialect, whose answer the client gets as it comes.
    #[must_use]
    pub fn as_it_is(ask: &Ask<'_>, outgoing: Outgoing) -> Self {
        Self {
            outgoing,
            reader: Box::new(AsItIs),
            streams: ask.stream(),
        }
    }
}

/// The headers of OpenAI's way to show credentials.
pub(super) fn credentials(deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::with_capacity(8);
    if let Some(key) = &deployment.api_key {
        headers.insert(header::AUTHORIZATION, bearer(key)?);
    }
    if let Some(organization) = &deployment.organization {
        let name = HeaderName::from_static("openai-organization");
        headers.insert(name, sensitive(organization)?);
    }
    Ok(headers)
}

/// Reads answers that the client gets as they come.
#[derive(Clone, Copy, Debug)]
pub struct AsItIs;

impl Reader for AsItIs {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let observed = whole(&answer.body);
        let body = answer.body;
        Ok(Step::Done(Box::new(Whole { body, observed })))
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(OpenAiStream::new(strip_usage))
    }

    fn is_stream(&self, headers: &HeaderMap) -> bool {
        answer::is_event_stream(headers)
    }
}

/// The header value of a bearer token.
pub(super) fn bearer(token: &Secret) -> Result<HeaderValue, ProviderError> {
    sensitive(&format!("Bearer {}", token.expose()))
}

/// A header value that is not shown.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::try_from(text).map_err(|_error| ProviderError::BadCredential)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Adds what every JSON request has.
pub(super) fn outgoing(
    deployment: &Deployment,
    uri: String,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Outgoing, ProviderError> {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    for (name, value) in &deployment.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), sensitive(value.expose())) {
            headers.insert(name, value);
        }
    }
    let uri = Uri::try_from(&uri).map_err(|_error| ProviderError::BadAddress(uri))?;
    let method = Method::POST;
    Ok(Outgoing {
        method,
        uri,
        headers,
        body,
    })
}

/// The fields of an answer that matter here. Each is read on its own: an odd one must not make the
/// usage disappear.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
}

/// Reads an answer that came whole.
pub(crate) fn whole(body: &Bytes) -> Observed {
    fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
        serde_json::from_str(raw?.get()).ok()
    }
    let Ok(raw) = serde_json::from_slice::<&RawValue>(body) else {
        return Observed::default();
    };
    let whole: Fields<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let text_bytes = whole.choices.map_or(0, |choices| choices.get().len());
    Observed {
        id: read(whole.id),
        model: read(whole.model),
        usage: read(whole.usage),
        service_tier: read(whole.service_tier),
        response: Some(Json::from(raw)),
        text_bytes: u64::try_from(text_bytes).unwrap_or(u64::MAX),
        error: whole.error.map(|error| Fault {
            class: ErrorClass::InternalServer,
            message: error_message(error),
        }),
    }
}

/// The message inside an error object, or the object's text.
pub(super) fn error_message(error: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        message: Cow<'a, str>,
    }
    serde_json::from_str::<Message<'_>>(error.get()).map_or_else(
        |_error| error.get().to_owned(),
        |error| error.message.into_owned(),
    )
}

/// The message of an error answer, whatever its shape; empty if there is none.
pub(crate) fn error_text(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    match serde_json::from_slice::<Answer<'_>>(body) {
        Ok(answer) => error_message(answer.error),
        Err(_error) => String::from_utf8_lossy(&body[..body.len().min(500)])
            .trim()
            .to_owned(),
    }
}
