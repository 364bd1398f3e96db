//! The Converse API, which is the same for all models:
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.

mod answer;
mod messages;
mod schema;
mod stream;
mod tools;

use serde_json::{Map, Value, json};

pub(super) use self::answer::Reading;
use self::{
    messages::Conversation,
    tools::{Names, Tools},
};
use super::{
    super::{Prepared, ProviderError, anthropic, content::text},
    Runtime,
    model::{Effort, Model},
};

/// The smallest budget for thinking.
const BUDGET_MIN: u64 = 1024;

/// Fields of the request that are the API's own.
const OWN: &[&str] = &[
    "guardrailConfig",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
];

/// Says a chat in the API's words.
pub(super) fn prepare(runtime: &Runtime<'_>) -> Result<Prepared, ProviderError> {
    let (ask, model) = (runtime.ask, &runtime.model);
    let mut asked = ask.object();
    let offered = asked.remove("tools").unwrap_or_default();
    let offered = offered.as_array().map_or(&[][..], Vec::as_slice);
    let names = Names::of(offered)?;
    let mut body = own(&mut asked);
    let messages = asked.remove("messages").unwrap_or_default();
    let messages = messages.as_array().map_or(&[][..], Vec::as_slice);
    let choice = asked.remove("tool_choice");
    let mut tools = Tools::of(offered, choice.as_ref(), &names, model);
    let search = asked.remove("web_search_options");
    tools.search(search.as_ref());
    let (mut inference, mut additional) = (Map::new(), Map::new());
    limits(&mut asked, model, &mut inference, &mut additional)?;
    let thinks = thinks(&additional);
    let by_tool = match asked.remove("response_format") {
        Some(format) => hold(&format, model, thinks, (&mut tools, &mut body)),
        None => Held::Free,
    };
    if thinks {
        tools.let_choose();
    }
    one_by_one(&mut asked, model, &tools, &mut additional);
    let conversation = Conversation {
        model,
        names: &names,
        fetched: &ask.fetched,
        has_tools: !tools.list.is_empty(),
        guards: body.contains_key("guardrailConfig"),
    };
    let (system, turns) = conversation.say(messages)?;
    tier(&mut asked, &mut body);
    rest(asked, model, &mut inference, &mut additional);
    if additional.contains_key("thinking") {
        let path = json!(["/usage/output_tokens_details"]);
        body.insert("additionalModelResponseFieldPaths".to_owned(), path);
    }
    let streams =
        ask.stream() && by_tool != Held::ByTool && (tools.list.is_empty() || model.streams_calls());
    body.insert("messages".to_owned(), Value::Array(turns));
    for (name, value) in [
        ("system", Value::Array(system)),
        ("inferenceConfig", Value::Object(inference)),
        ("additionalModelRequestFields", Value::Object(additional)),
        ("toolConfig", tools.config()),
    ] {
        if !is_empty(&value) {
            body.insert(name.to_owned(), value);
        }
    }
    let reading = Reading {
        names,
        by_tool: by_tool != Held::Free,
        model: model.id.clone(),
        now: ask.now,
    };
    done(runtime, &body, reading, streams)
}

fn done(
    runtime: &Runtime<'_>,
    body: &Map<String, Value>,
    reading: Reading,
    streams: bool,
) -> Result<Prepared, ProviderError> {
    let action = if streams {
        "converse-stream"
    } else {
        "converse"
    };
    Ok(Prepared {
        outgoing: runtime.outgoing(action, body)?,
        reader: Box::new(reading),
        streams,
    })
}

/// The fields that go on as they came.
fn own(asked: &mut Map<String, Value>) -> Map<String, Value> {
    let found = OWN
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), asked.remove(*name)?)));
    found.filter(|(_, value)| !value.is_null()).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        value => value.is_null(),
    }
}

/// Bounds, sampling and thinking.
fn limits(
    asked: &mut Map<String, Value>,
    model: &Model,
    inference: &mut Map<String, Value>,
    additional: &mut Map<String, Value>,
) -> Result<(), ProviderError> {
    let bounds =
        ["max_tokens", "max_completion_tokens", "maxTokens"].map(|name| asked.remove(name));
    let bound = bounds.into_iter().flatten().rfind(|bound| !bound.is_null());
    let mut claude = Map::new();
    if let Some(bound) = bound {
        claude.insert("max_tokens".to_owned(), bound);
    }
    let effort = asked
        .remove("reasoning_effort")
        .filter(|own| !own.is_null());
    let thinking = asked.remove("thinking").filter(|own| !own.is_null());
    if let Some(config) = asked.remove("output_config") {
        claude.insert("output_config".to_owned(), config);
    }
    match (model.effort(), effort, thinking) {
        (Some(Effort::Plain), Some(effort), _) => {
            additional.insert("reasoning_effort".to_owned(), effort);
        }
        (Some(Effort::Reasoning), Some(effort), _) => {
            additional.insert("reasoning".to_owned(), json!({ "effort": effort }));
        }
        (Some(Effort::Nova), Some(effort), _) => {
            let config = json!({ "type": "enabled", "maxReasoningEffort": effort });
            additional.insert("reasoningConfig".to_owned(), config);
        }
        (_, effort, thinking) => {
            let own = model.claude().unwrap_or_else(|| anthropic::Model::of(""));
            anthropic::think(own, effort.as_ref(), at_least(thinking), &mut claude)?;
        }
    }
    if let Some(bound) = claude.remove("max_tokens") {
        inference.insert("maxTokens".to_owned(), bound);
    }
    additional.extend(claude);
    for (name, own) in [
        ("temperature", "temperature"),
        ("top_p", "topP"),
        ("topP", "topP"),
        ("stop", "stopSequences"),
        ("stopSequences", "stopSequences"),
    ] {
        let value = match asked.remove(name) {
            None | Some(Value::Null) => continue,
            Some(Value::String(stop)) if stop.is_empty() => continue,
            Some(Value::String(stop)) => json!([stop]),
            Some(value) => value,
        };
        inference.insert(own.to_owned(), value);
    }
    Ok(())
}

/// Bedrock takes no smaller budget.
fn at_least(mut thinking: Option<Value>) -> Option<Value> {
    let budget = thinking
        .as_mut()
        .and_then(|own| own.get_mut("budget_tokens"));
    if let Some(budget) = budget
        && budget.as_u64().is_some_and(|tokens| tokens < BUDGET_MIN)
    {
        *budget = BUDGET_MIN.into();
    }
    thinking
}

fn thinks(additional: &Map<String, Value>) -> bool {
    let thinking = additional.get("thinking");
    thinking.is_some_and(|own| text(own, "type") != Some("disabled"))
}

/// How the answer is held to a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Free,
    ByModel,
    ByTool,
}

/// Holds the answer to the schema of `format`.
fn hold(
    format: &Value,
    model: &Model,
    thinks: bool,
    (tools, body): (&mut Tools, &mut Map<String, Value>),
) -> Held {
    let Some(schema) = anthropic::wanted(format) else {
        return Held::Free;
    };
    let asked = format.get("json_schema").unwrap_or(&Value::Null);
    if model.keeps_to_schemas() {
        let closed = schema::closed(schema).to_string();
        let mut wanted = json!({ "schema": closed });
        for name in ["name", "description"] {
            if let (Some(wanted), Some(said)) = (wanted.as_object_mut(), text(asked, name)) {
                wanted.insert(name.to_owned(), said.into());
            }
        }
        let structure = json!({ "jsonSchema": wanted });
        let format = json!({ "type": "json_schema", "structure": structure });
        body.insert("outputConfig".to_owned(), json!({ "textFormat": format }));
        return Held::ByModel;
    }
    let input = schema::of_tool(Some(schema), model.is_strict());
    tools.take_answer(
        &input,
        text(asked, "description"),
        model.chooses() && !thinks,
    );
    Held::ByTool
}

/// One call at a time, where the model can be told.
fn one_by_one(
    asked: &mut Map<String, Value>,
    model: &Model,
    tools: &Tools,
    additional: &mut Map<String, Value>,
) {
    let parallel = asked.remove("parallel_tool_calls");
    let Some(parallel) = parallel.as_ref().and_then(Value::as_bool) else {
        return;
    };
    if !model.calls_one_by_one() || tools.list.is_empty() {
        return;
    }
    let mut choice = json!({ "disable_parallel_tool_use": !parallel });
    // The API refuses two that say what is to be called.
    if let (None, Some(choice)) = (&tools.choice, choice.as_object_mut()) {
        choice.insert("type".to_owned(), "auto".into());
    }
    additional.insert("tool_choice".to_owned(), choice);
}

fn tier(asked: &mut Map<String, Value>, body: &mut Map<String, Value>) {
    let tier = asked.remove("service_tier");
    let own = match tier.as_ref().and_then(Value::as_str) {
        Some("auto" | "default") => "default",
        Some("flex") => "flex",
        Some("priority") => "priority",
        _ => return,
    };
    body.insert("serviceTier".to_owned(), json!({ "type": own }));
}

/// What is left is the model's own.
fn rest(
    mut asked: Map<String, Value>,
    model: &Model,
    inference: &mut Map<String, Value>,
    additional: &mut Map<String, Value>,
) {
    let top_k = [asked.remove("top_k"), asked.remove("topK")];
    if let Some(top_k) = top_k.into_iter().flatten().find(|own| !own.is_null()) {
        // Others refuse it.
        if model.claude().is_some() {
            additional.insert("top_k".to_owned(), top_k);
        } else if model.name.starts_with("amazon.nova-") {
            additional.insert("inferenceConfig".to_owned(), json!({ "topK": top_k }));
        }
    }
    if let Some(Value::Object(own)) = asked.remove("inferenceConfig") {
        inference.extend(own);
    }
    if let Some(Value::Object(own)) = asked.remove("additionalModelRequestFields") {
        additional.extend(own);
    }
    for name in ["n", "stream", "stream_options", "user"] {
        asked.remove(name);
    }
    additional.extend(asked.into_iter().filter(|(_, value)| !value.is_null()));
}
