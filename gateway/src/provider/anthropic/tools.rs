//! Tools, and which of them may be called.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::super::{
    ProviderError,
    content::{list, text},
};

/// Tools that one request may have.
const TOOLS_MAX: usize = 1024;
/// Characters of a tool's name.
const NAME_CHARS_MAX: usize = 128;

/// The names of tools as they are sent, where the client's own may not be.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    sent: HashMap<String, String>,
    own: HashMap<String, String>,
}

impl Names {
    /// Finds a name for every tool whose own has characters that the API refuses.
    pub(super) fn of(tools: &[Value]) -> Self {
        let mut names = Self::default();
        let taken: Vec<&str> = tools.iter().filter_map(name).collect();
        for own in &taken {
            let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            if own.len() <= NAME_CHARS_MAX && own.bytes().all(is_fit) || own.is_empty() {
                continue;
            }
            let plain: String = own
                .chars()
                .take(NAME_CHARS_MAX - 4)
                .map(|c| {
                    if c.is_ascii_alphanumeric() || c == '-' {
                        c
                    } else {
                        '_'
                    }
                })
                .collect();
            let mut sent = plain.clone();
            let mut number = 1;
            while taken.contains(&&*sent) || names.own.contains_key(&sent) {
                number += 1;
                sent = format!("{plain}_{number}");
            }
            names.sent.insert((*own).to_owned(), sent.clone());
            names.own.insert(sent, (*own).to_owned());
        }
        names
    }

    /// The name that is sent.
    pub(super) fn sent<'a>(&'a self, own: &'a str) -> &'a str {
        self.sent.get(own).map_or(own, |sent| sent)
    }

    /// The client's own name.
    pub(super) fn own<'a>(&'a self, sent: &'a str) -> &'a str {
        self.own.get(sent).map_or(sent, |own| own)
    }
}

fn name(tool: &Value) -> Option<&str> {
    text(tool.get("function")?, "name")
}

/// `tools` in the API's shape, and servers of tools that it asks by itself.
///
/// # Errors
///
/// If one is no tool.
pub(super) fn tools(
    tools: &[Value],
    names: &Names,
) -> Result<(Vec<Value>, Vec<Value>), ProviderError> {
    let (mut said, mut servers) = (Vec::new(), Vec::new());
    if tools.len() > TOOLS_MAX {
        let message = format!("`tools` has more than {TOOLS_MAX} entries");
        return Err(ProviderError::Request(message));
    }
    for tool in tools {
        match text(tool, "type").unwrap_or_default() {
            _ if tool.get("input_schema").is_some() => said.push(tool.clone()),
            "url" => servers.push(tool.clone()),
            "mcp" => servers.push(server(tool)),
            "function" | "custom" => said.push(function(tool, names)?),
            kind if kind.starts_with("computer_") => said.push(computer(tool, kind)),
            "" => return Err(ProviderError::Request("a tool without `type`".to_owned())),
            _ => said.push(tool.clone()),
        }
    }
    Ok((said, servers))
}

fn function(tool: &Value, names: &Names) -> Result<Value, ProviderError> {
    let function = tool.get("function").unwrap_or(&Value::Null);
    let Some(name) = text(function, "name") else {
        let message = "a tool of type `function` needs `function.name`";
        return Err(ProviderError::Request(message.to_owned()));
    };
    let mut schema = match function.get("parameters") {
        Some(Value::Object(schema)) => schema.clone(),
        _ => Map::new(),
    };
    schema.entry("type").or_insert_with(|| "object".into());
    if schema.get("type").and_then(Value::as_str) == Some("object") {
        schema.entry("properties").or_insert_with(|| json!({}));
    }
    let mut said = json!({ "name": names.sent(name), "input_schema": schema, "type": "custom" });
    let fields = [
        "cache_control",
        "defer_loading",
        "allowed_callers",
        "input_examples",
    ];
    if let Some(said) = said.as_object_mut() {
        if let Some(description) = function.get("description").filter(|one| !one.is_null()) {
            said.insert("description".to_owned(), description.clone());
        }
        for field in fields {
            let value = tool.get(field).or_else(|| function.get(field));
            if let Some(value) = value.filter(|value| !value.is_null()) {
                said.insert(field.to_owned(), value.clone());
            }
        }
    }
    Ok(said)
}

/// The computer that a model may use: its screen stands in the function's parameters.
fn computer(tool: &Value, kind: &str) -> Value {
    let function = tool.get("function").unwrap_or(tool);
    let mut said = Map::new();
    if let Some(Value::Object(screen)) = function.get("parameters") {
        said.extend(screen.clone());
    }
    said.insert("type".to_owned(), kind.into());
    said.insert(
        "name".to_owned(),
        text(function, "name").unwrap_or("computer").into(),
    );
    if let Some(marker) = tool.get("cache_control").filter(|marker| !marker.is_null()) {
        said.insert("cache_control".to_owned(), marker.clone());
    }
    Value::Object(said)
}

/// A server of tools, from OpenAI's shape.
fn server(tool: &Value) -> Value {
    let mut said = json!({
        "type": "url",
        "url": tool.get("server_url"),
        "name": tool.get("server_label"),
    });
    if let (Some(said), allowed @ [_, ..]) = (said.as_object_mut(), list(tool, "allowed_tools")) {
        let allowed = json!({ "allowed_tools": allowed });
        said.insert("tool_configuration".to_owned(), allowed);
    }
    let token = tool
        .get("headers")
        .and_then(|headers| text(headers, "Authorization"));
    if let (Some(said), Some(token)) = (said.as_object_mut(), token) {
        let token = token.strip_prefix("Bearer ").unwrap_or(token);
        said.insert("authorization_token".to_owned(), token.into());
    }
    said
}

/// `tool_choice` and `parallel_tool_calls` in the API's shape.
pub(super) fn choice(
    choice: Option<&Value>,
    parallel: Option<bool>,
    names: &Names,
) -> Option<Value> {
    let named = |choice: &Value| {
        let name = choice
            .get("function")
            .and_then(|function| text(function, "name"));
        name.or_else(|| text(choice, "name"))
            .map(|name| json!({ "type": "tool", "name": names.sent(name) }))
    };
    let word = choice.and_then(|choice| choice.as_str().or_else(|| text(choice, "type")));
    let mut said = match word {
        Some("auto") => Some(json!({ "type": "auto" })),
        Some("required" | "any") => Some(json!({ "type": "any" })),
        Some("none") => return Some(json!({ "type": "none" })),
        _ => choice.and_then(named),
    };
    if let Some(parallel) = parallel {
        let said = said.get_or_insert_with(|| json!({ "type": "auto" }));
        if let Some(said) = said.as_object_mut() {
            said.insert("disable_parallel_tool_use".to_owned(), (!parallel).into());
        }
    }
    said
}

/// The search that `web_search_options` asks for.
pub(super) fn web_search(options: &Value) -> Value {
    let mut said = json!({ "type": "web_search_20250305", "name": "web_search" });
    let Some(fields) = said.as_object_mut() else {
        return said;
    };
    let place = options
        .get("user_location")
        .and_then(|place| place.get("approximate"));
    if let Some(Value::Object(place)) = place {
        let mut place = place.clone();
        place.insert("type".to_owned(), "approximate".into());
        fields.insert("user_location".to_owned(), Value::Object(place));
    }
    let uses = match text(options, "search_context_size") {
        Some("low") => Some(1),
        Some("medium") => Some(5),
        Some("high") => Some(10),
        _ => None,
    };
    if let Some(uses) = uses {
        fields.insert("max_uses".to_owned(), uses.into());
    }
    said
}
