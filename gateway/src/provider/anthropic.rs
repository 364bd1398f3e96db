//! Claude: the Messages API, at Anthropic, and as other platforms offer it.
//!
//! [`said`] translates a request into the API's body and gives the reader of its answer; a
//! platform adds its address and credentials, and what it wants otherwise in the body.

mod answer;
mod betas;
mod messages;
mod model;
mod native;
mod schema;
mod stream;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;

use bytes::Bytes;
use event::Json;
use http::HeaderMap;
use serde_json::{Map, Value, json};

pub use self::{betas::switch_on, stream::Events};
// Bedrock's Converse API asks the same models.
use self::{answer::Reading, messages::Conversation, tools::Names};
pub(super) use self::{
    model::Model,
    schema::{TOOL, wanted},
    thinking::say as think,
};
use super::{
    Answer, Ask, Fault, Need, Parameters, Prepared, Provider, ProviderError, Reader, Step,
    StreamedAnswer, content,
    content::{Source, list},
    frames::SseFrames,
    openai,
    translated::Translated,
};
use crate::{config::Deployment, operation::Operation};

/// The row of this file.
pub const ANTHROPIC: &[&dyn Provider] = &[&Anthropic];

/// The version of the API.
pub const VERSION: &str = "2023-06-01";

/// What differs between those who offer the API.
#[derive(Clone, Copy, Debug)]
pub struct Platform {
    /// Whether it fetches images and documents at `https` addresses by itself.
    pub takes_addresses: bool,
    /// Whether it can hold an answer to a schema; else a tool takes the answer.
    pub keeps_to_schemas: bool,
}

impl Platform {
    fn takes(&self, source: &Source<'_>) -> bool {
        self.takes_addresses && source.address.starts_with("https://")
    }
}

/// A request in the API's dialect.
#[derive(Debug)]
pub struct Said {
    /// The body, with `stream` but without the model.
    pub body: Map<String, Value>,
    /// Features that have to be switched on by name, `anthropic-beta`.
    pub betas: Vec<String>,
    /// Reads the answer.
    pub reader: Messages,
}

/// Reads messages and their streams.
#[derive(Clone, Debug)]
pub struct Messages(Reading);

impl Messages {
    /// Reads the events of a stream, for a platform that frames them otherwise.
    #[must_use]
    pub fn events(self) -> Events {
        Events::new(self.0)
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn read(&self, answer: &Answer) -> Result<Step, Fault> {
        self.0.whole(&answer.body)
    }
}

impl Reader for Messages {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        self.read(&answer)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let (model, now) = (self.0.model.clone(), self.0.now);
        let frames = SseFrames::default();
        Box::new(Translated::new(
            frames,
            self.events(),
            &model,
            now,
            strip_usage,
        ))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        answer::fault(answer)
    }
}

/// OpenAI's parameters that a model knows.
#[must_use]
pub fn parameters(model: &str) -> Parameters {
    const ALL: &[&str] = &[
        "stop",
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "user",
        "web_search_options",
        "thinking",
        "reasoning_effort",
    ];
    let thinks = Model::of(model).thinks();
    Parameters::only(if thinks { ALL } else { &ALL[..ALL.len() - 2] })
}

/// What has to be fetched before the request can be said.
///
/// # Errors
///
/// If it names more addresses than anybody does.
pub fn needs(ask: &Ask<'_>, platform: &Platform) -> Result<Vec<Need>, ProviderError> {
    content::needs(ask, |source| !platform.takes(source))
}

/// Says the request in the API's dialect.
///
/// # Errors
///
/// If it cannot be said.
pub fn said(ask: &Ask<'_>, platform: &Platform) -> Result<Said, ProviderError> {
    say(ask, platform, messages::Said::new(false))
}

/// The same with a turn for each message, for a platform that joins them itself.
///
/// # Errors
///
/// If it cannot be said.
pub fn said_apart(ask: &Ask<'_>, platform: &Platform) -> Result<Said, ProviderError> {
    say(ask, platform, messages::Said::new(true))
}

fn say(ask: &Ask<'_>, platform: &Platform, turns: messages::Said) -> Result<Said, ProviderError> {
    let model = Model::of(ask.model());
    let mut asked = ask.object();
    let offered = asked.remove("tools").unwrap_or_default();
    let offered = offered.as_array().map_or(&[][..], Vec::as_slice);
    let names = Names::of(offered);
    let messages = asked.remove("messages").unwrap_or_default();
    let messages = messages.as_array().map_or(&[][..], Vec::as_slice);
    let conversation = Conversation {
        platform,
        fetched: &ask.fetched,
        names: &names,
    };
    let (system, turns) = conversation.say(messages, turns)?.messages();
    let (mut tools, servers) = tools::tools(offered, &names)?;
    let mut body = limits(&mut asked, model)?;
    if let Some(options @ Value::Object(_)) = asked.remove("web_search_options") {
        tools.push(tools::web_search(&options));
    }
    let parallel = asked.remove("parallel_tool_calls");
    let parallel = parallel.as_ref().and_then(Value::as_bool);
    let mut choice = tools::choice(asked.remove("tool_choice").as_ref(), parallel, &names);
    let by_tool = match asked.remove("response_format") {
        Some(format) => {
            let schemas = platform.keeps_to_schemas && model.keeps_to_schemas();
            hold(&format, schemas, &mut body, (&mut tools, &mut choice))
        }
        None => false,
    };
    if tools.is_empty() && has_calls(messages) {
        // The API wants tools where calls are in the history.
        tools.push(
            json!({ "name": "none", "input_schema": { "type": "object" },
            "description": "Not a tool: this conversation has none any more." }),
        );
    }
    for (name, value) in [
        ("messages", Value::Array(turns)),
        ("system", Value::Array(system)),
        ("tools", Value::Array(tools)),
        ("mcp_servers", Value::Array(servers)),
        ("tool_choice", choice.unwrap_or_default()),
    ] {
        if !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()) {
            body.insert(name.to_owned(), value);
        }
    }
    // What is left is the API's own, or was allowed by name.
    for (name, value) in asked.into_iter().filter(|(_, value)| !value.is_null()) {
        body.entry(name).or_insert(value);
    }
    let betas = betas::of_body(&body);
    let reader = Messages(Reading {
        names,
        by_tool,
        model: ask.model().to_owned(),
        now: ask.now,
    });
    Ok(Said {
        body,
        betas,
        reader,
    })
}

/// Bounds, sampling and thinking.
fn limits(
    asked: &mut Map<String, Value>,
    model: Model,
) -> Result<Map<String, Value>, ProviderError> {
    let mut body = Map::new();
    let bounds = [
        asked.remove("max_tokens"),
        asked.remove("max_completion_tokens"),
    ];
    let bound = bounds.into_iter().flatten().rfind(|bound| !bound.is_null());
    if let Some(bound) = bound {
        body.insert("max_tokens".to_owned(), bound);
    }
    let effort = asked.remove("reasoning_effort");
    let thought = asked.remove("thinking").filter(|own| !own.is_null());
    if let Some(config) = asked.remove("output_config") {
        body.insert("output_config".to_owned(), config);
    }
    thinking::say(model, effort.as_ref(), thought, &mut body)?;
    body.entry("max_tokens")
        .or_insert_with(|| model.output_tokens().into());
    match asked.remove("stop") {
        Some(Value::String(stop)) => body.insert("stop_sequences".to_owned(), json!([stop])),
        Some(stop @ Value::Array(_)) => body.insert("stop_sequences".to_owned(), stop),
        _ => None,
    };
    if let Some(Value::String(user)) = asked.remove("user")
        && is_opaque(&user)
    {
        body.insert("metadata".to_owned(), json!({ "user_id": user }));
    }
    // One choice is all there is.
    for name in ["stream_options", "n"] {
        asked.remove(name);
    }
    if asked.get("stream") == Some(&Value::Bool(false)) {
        asked.remove("stream");
    }
    Ok(body)
}

/// Whether a user's id says nothing about a person: the API refuses mail addresses and numbers.
fn is_opaque(user: &str) -> bool {
    let is_mail = user
        .split_once('@')
        .is_some_and(|(_, host)| host.contains('.'));
    let dials = |byte: u8| byte.is_ascii_digit() || b"+-() ".contains(&byte);
    let is_number = user.len() >= 7 && user.bytes().all(dials);
    !is_mail && !is_number
}

/// Holds the answer to the schema of `format`. Returns whether a tool of ours takes it.
fn hold(
    format: &Value,
    keeps_to_schemas: bool,
    body: &mut Map<String, Value>,
    (tools, choice): (&mut Vec<Value>, &mut Option<Value>),
) -> bool {
    let Some(wanted) = schema::wanted(format) else {
        return false;
    };
    if keeps_to_schemas {
        let format = json!({ "type": "json_schema", "schema": schema::fit(wanted) });
        let config = body.entry("output_config").or_insert_with(|| json!({}));
        if let Some(config) = config.as_object_mut() {
            config.insert("format".to_owned(), format);
        }
        return false;
    }
    tools.insert(0, schema::tool(wanted));
    // A model that thinks cannot be forced to call a tool.
    let thinks = body
        .get("thinking")
        .and_then(|own| content::text(own, "type"));
    if matches!(thinks, None | Some("disabled")) {
        choice.get_or_insert_with(|| json!({ "type": "tool", "name": schema::TOOL }));
    }
    true
}

fn has_calls(messages: &[Value]) -> bool {
    messages.iter().any(|message| {
        let is_result = matches!(content::text(message, "role"), Some("tool" | "function"));
        let calls = !list(message, "tool_calls").is_empty();
        is_result || calls || message.get("function_call").is_some_and(Value::is_object)
    })
}

/// See the [module](self).
#[derive(Debug)]
struct Anthropic;

const PLATFORM: Platform = Platform {
    takes_addresses: true,
    keeps_to_schemas: true,
};

impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("https://api.anthropic.com")
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"]
    }

    fn serves(&self, operation: Operation) -> bool {
        matches!(
            operation,
            Operation::Chat | Operation::Messages | Operation::CountTokens
        )
    }

    fn parameters(&self, operation: Operation, model: &str) -> Parameters {
        match operation {
            Operation::Chat => parameters(model),
            _ => Parameters::All,
        }
    }

    fn credentials(&self, deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
        native::credentials(deployment)
    }

    fn needs(&self, ask: &Ask<'_>) -> Result<Vec<Need>, ProviderError> {
        match ask.operation() {
            Operation::Chat => needs(ask, &PLATFORM),
            _ => Ok(Vec::new()),
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        if ask.operation() != Operation::Chat {
            return native::prepare(ask);
        }
        let deployment = ask.deployment;
        let Said {
            mut body,
            betas,
            reader,
        } = said(ask, &PLATFORM)?;
        body.insert("model".to_owned(), ask.model().into());
        let uri = native::address(deployment, Operation::Messages);
        let headers = native::credentials(deployment)?;
        let body = Bytes::from(Json::of(&body).text().to_owned());
        let mut outgoing = openai::outgoing(deployment, uri, headers, body)?;
        switch_on(betas, &mut outgoing.headers);
        Ok(Prepared {
            outgoing,
            reader: Box::new(reader),
            streams: ask.stream(),
        })
    }
}
