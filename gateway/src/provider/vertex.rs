//! Vertex AI: Gemini, Claude and open models in a project of Google Cloud.

mod credentials;
mod embeddings;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use event::{Json, Secret};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use self::credentials::Credentials;
use super::{
    Answer, Ask, Fault, Need, Parameters, Prepared, Provider, ProviderError, Reader, Setting, Step,
    StreamedAnswer,
    anthropic::{self, Said},
    gemini::{self, Candidates, Platform},
    openai,
};
use crate::{config::Deployment, operation::Operation, request::UsageOption};

/// The row of this file.
pub const VERTEX: &[&dyn Provider] = &[&Vertex];

/// Where models are, if a deployment does not say.
const LOCATION: &str = "us-central1";
/// The version of Claude's API, as Vertex calls it.
const CLAUDE_VERSION: &str = "vertex-2023-10-16";

const CLAUDE: anthropic::Platform = anthropic::Platform {
    takes_addresses: false,
    keeps_to_schemas: false,
};

const SETTINGS: &[Setting] = &[
    Setting {
        key: "vertex_project",
        variables: &["VERTEXAI_PROJECT", "VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT"],
    },
    Setting {
        key: "vertex_location",
        variables: &["VERTEXAI_LOCATION", "VERTEX_LOCATION"],
    },
    Setting {
        key: "vertex_credentials",
        variables: &["VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"],
    },
    Setting {
        key: "vertex_ai_project",
        variables: &[],
    },
    Setting {
        key: "vertex_ai_location",
        variables: &[],
    },
    Setting {
        key: "vertex_ai_credentials",
        variables: &[],
    },
];

/// See the [module](self).
#[derive(Debug)]
struct Vertex;

/// Whose model it is, which decides the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Gemini,
    Claude,
    /// Models with a publisher in their name, which are offered in OpenAI's dialect.
    Open,
}

impl Family {
    fn of(model: &str) -> Self {
        if model.contains("claude") {
            Self::Claude
        } else if model.contains('/') {
            Self::Open
        } else {
            Self::Gemini
        }
    }
}

impl Provider for Vertex {
    fn name(&self) -> &'static str {
        "vertex_ai"
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
        SETTINGS
    }

    fn files(&self) -> &'static [&'static str] {
        &["vertex_credentials", "vertex_ai_credentials"]
    }

    fn serves(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Chat | Operation::Embedding)
    }

    fn parameters(&self, operation: Operation, model: &str) -> Parameters {
        match (operation, Family::of(model)) {
            (Operation::Embedding, _) => Parameters::only(&["dimensions"]),
            (_, Family::Gemini) => gemini::parameters(Platform::Vertex, model),
            (_, Family::Claude) => anthropic::parameters(model),
            (_, Family::Open) => Parameters::All,
        }
    }

    fn needs(&self, ask: &Ask<'_>) -> Result<Vec<Need>, ProviderError> {
        let mut needs = match (ask.operation(), Family::of(ask.model())) {
            (Operation::Chat, Family::Gemini) => gemini::needs(ask, Platform::Vertex)?,
            (Operation::Chat, Family::Claude) => anthropic::needs(ask, &CLAUDE)?,
            _ => Vec::new(),
        };
        if ask.deployment.api_key.is_none() {
            let source = credentials(ask.deployment)?.token(ask.now);
            needs.push(Need::TokenFrom(Box::new(source)));
        }
        Ok(needs)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        // A deployment's key is a token that somebody else has come by.
        let token = ask
            .fetched
            .token
            .as_ref()
            .or(ask.deployment.api_key.as_ref());
        let token = token.ok_or(ProviderError::Missing("vertex_credentials"))?;
        match (ask.operation(), Family::of(ask.model())) {
            (Operation::Embedding, _) => embedding(ask, token),
            (_, Family::Gemini) => gemini(ask, token),
            (_, Family::Claude) => claude(ask, token),
            (_, Family::Open) => open(ask, token),
        }
    }
}

/// A setting under either of its names.
fn setting(deployment: &Deployment, names: [&'static str; 2]) -> Option<String> {
    names.iter().find_map(|name| deployment.settings.text(name))
}

fn credentials(deployment: &Deployment) -> Result<Credentials, ProviderError> {
    let mut names = ["vertex_credentials", "vertex_ai_credentials"].into_iter();
    let setting = names.find_map(|name| deployment.settings.value(name));
    Credentials::read(setting.ok_or(ProviderError::Missing("vertex_credentials"))?)
}

/// Where a deployment's models are, without a slash at the end: `https://…/v1/projects/…/locations/…`.
fn place(deployment: &Deployment) -> Result<String, ProviderError> {
    let project = match setting(deployment, ["vertex_project", "vertex_ai_project"]) {
        Some(project) => project,
        None => {
            let known = credentials(deployment).ok();
            let project = known.as_ref().and_then(Credentials::project);
            project
                .ok_or(ProviderError::Missing("vertex_project"))?
                .to_owned()
        }
    };
    let location = setting(deployment, ["vertex_location", "vertex_ai_location"]);
    let location = location.unwrap_or_else(|| LOCATION.to_owned());
    let is_name = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        !text.is_empty() && text.bytes().all(fits)
    };
    if !is_name(&project) {
        return Err(ProviderError::Setting("vertex_project", "a project's id"));
    }
    if !is_name(&location) {
        return Err(ProviderError::Setting(
            "vertex_location",
            "a region, or `global`",
        ));
    }
    let base = match (&*deployment.api_base, &*location) {
        ("", "global") => "https://aiplatform.googleapis.com".to_owned(),
        ("", "us" | "eu") => format!("https://aiplatform.{location}.rep.googleapis.com"),
        ("", _) => format!("https://{location}-aiplatform.googleapis.com"),
        (base, _) => base.to_owned(),
    };
    Ok(format!("{base}/v1/projects/{project}/locations/{location}"))
}

/// Where a model answers to `verb`. A base with a path is the model's own address.
fn address(ask: &Ask<'_>, publisher: &str, verb: &str) -> Result<String, ProviderError> {
    let (deployment, model) = (ask.deployment, ask.model());
    let base = Uri::try_from(&deployment.api_base).ok();
    if base.is_some_and(|base| base.path().len() > 1) {
        return Ok(format!("{}:{verb}", deployment.api_base));
    }
    let place = place(deployment)?;
    // A model that was tuned has no name, but an endpoint with a number.
    if model.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(format!("{place}/endpoints/{model}:{verb}"));
    }
    Ok(format!(
        "{place}/publishers/{publisher}/models/{model}:{verb}"
    ))
}

fn with_token(token: &Secret) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::AUTHORIZATION, openai::bearer(token)?);
    Ok(headers)
}

fn gemini(ask: &Ask<'_>, token: &Secret) -> Result<Prepared, ProviderError> {
    let verb = if ask.stream() {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    };
    let uri = address(ask, "google", verb)?;
    let body = gemini::body(ask, Platform::Vertex)?;
    Ok(Prepared {
        outgoing: openai::outgoing(ask.deployment, uri, with_token(token)?, body)?,
        reader: Box::new(Candidates::of(ask)),
        streams: ask.stream(),
    })
}

fn claude(ask: &Ask<'_>, token: &Secret) -> Result<Prepared, ProviderError> {
    let Said {
        mut body,
        betas,
        reader,
    } = anthropic::said(ask, &CLAUDE)?;
    body.insert("anthropic_version".to_owned(), CLAUDE_VERSION.into());
    if !betas.is_empty() {
        body.insert("anthropic_beta".to_owned(), betas.clone().into());
    }
    let verb = if ask.stream() {
        "streamRawPredict?alt=sse"
    } else {
        "rawPredict"
    };
    let uri = address(ask, "anthropic", verb)?;
    let mut headers = with_token(token)?;
    // Anthropic's own client sends these here too.
    let key = HeaderName::from_static("x-api-key");
    headers.insert(key, openai::sensitive(token.expose())?);
    let version = HeaderName::from_static("anthropic-version");
    headers.insert(version, HeaderValue::from_static(anthropic::VERSION));
    let body = Bytes::from(Json::of(&body).text().to_owned());
    let mut outgoing = openai::outgoing(ask.deployment, uri, headers, body)?;
    anthropic::switch_on(betas, &mut outgoing.headers);
    Ok(Prepared {
        outgoing,
        reader: Box::new(Claude(reader)),
        streams: ask.stream(),
    })
}

/// Claude's answers, and Google's errors.
struct Claude(anthropic::Messages);

impl Reader for Claude {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        self.0.read(&answer)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(self.0).stream(strip_usage)
    }

    fn fault(&self, answer: &Answer) -> Fault {
        match answer.status.as_u16() {
            413 | 529 => self.0.fault(answer),
            _ => gemini::fault(answer),
        }
    }
}

fn open(ask: &Ask<'_>, token: &Secret) -> Result<Prepared, ProviderError> {
    let uri = format!(
        "{}/endpoints/openapi/chat/completions",
        place(ask.deployment)?
    );
    let body = ask.rewritten(UsageOption::Known);
    let outgoing = openai::outgoing(ask.deployment, uri, with_token(token)?, body)?;
    Ok(Prepared::as_it_is(ask, outgoing))
}

fn embedding(ask: &Ask<'_>, token: &Secret) -> Result<Prepared, ProviderError> {
    let uri = address(ask, "google", "predict")?;
    let body = Bytes::from(Json::of(&embeddings::body(ask)?).text().to_owned());
    Ok(Prepared {
        outgoing: openai::outgoing(ask.deployment, uri, with_token(token)?, body)?,
        reader: Box::new(Predictions(ask.model().to_owned())),
        streams: false,
    })
}

/// Reads embeddings.
struct Predictions(String);

impl Reader for Predictions {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        embeddings::whole(&answer.body, &self.0)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(super::sse::OpenAiStream::new(strip_usage))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        gemini::fault(answer)
    }
}
