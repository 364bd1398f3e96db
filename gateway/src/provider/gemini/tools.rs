//! Tools, and which of them may be called.

use serde_json::{Map, Value, json};

use super::{
    super::{ProviderError, content::text},
    schema,
};

/// Tools that one request may have.
const TOOLS_MAX: usize = 1024;

/// Tools of Google's own, by the names that clients know them by.
const OWN: &[(&str, &str)] = &[
    ("googleSearch", "googleSearch"),
    ("google_search", "googleSearch"),
    ("googleSearchRetrieval", "googleSearchRetrieval"),
    ("google_search_retrieval", "googleSearchRetrieval"),
    ("enterpriseWebSearch", "enterpriseWebSearch"),
    ("enterprise_web_search", "enterpriseWebSearch"),
    ("urlContext", "urlContext"),
    ("url_context", "urlContext"),
    ("codeExecution", "codeExecution"),
    ("code_execution", "codeExecution"),
    ("googleMaps", "googleMaps"),
    ("google_maps", "googleMaps"),
    ("computerUse", "computerUse"),
    ("computer_use", "computerUse"),
];

/// `tools` as Google takes them: functions together, each other tool alone.
///
/// # Errors
///
/// If one is no tool that Gemini knows.
pub(super) fn tools(tools: &[Value]) -> Result<Vec<Value>, ProviderError> {
    if tools.len() > TOOLS_MAX {
        let message = format!("`tools` has more than {TOOLS_MAX} entries");
        return Err(ProviderError::Request(message));
    }
    let (mut functions, mut others) = (Vec::new(), Vec::new());
    for tool in tools {
        match text(tool, "type") {
            Some("web_search" | "web_search_preview") => others.push(search()),
            Some("computer_use") => others.push(json!({ "computerUse": without_type(tool) })),
            _ if tool.get("function").is_some() => functions.push(function(&tool["function"])?),
            _ if tool.get("name").is_some() => functions.push(function(tool)?),
            _ => others.push(own(tool)?),
        }
    }
    let mut said = Vec::new();
    if !functions.is_empty() {
        said.push(json!({ "functionDeclarations": functions }));
    }
    said.extend(others);
    Ok(said)
}

/// A search by Google.
pub(super) fn search() -> Value {
    json!({ "googleSearch": {} })
}

fn without_type(tool: &Value) -> Value {
    let mut tool = tool.clone();
    if let Some(fields) = tool.as_object_mut() {
        fields.remove("type");
    }
    tool
}

fn own(tool: &Value) -> Result<Value, ProviderError> {
    let tool = without_type(tool);
    let mut fields = tool.as_object().into_iter().flatten();
    let known = fields.find_map(|(name, value)| {
        let known = OWN.iter().find(|(theirs, _)| theirs == name);
        known.map(|(_, own)| (own, value))
    });
    let Some((own, value)) = known else {
        let start: String = tool.to_string().chars().take(100).collect();
        let message = format!("`tools` has an entry that Gemini does not know: {start}");
        return Err(ProviderError::Request(message));
    };
    Ok(json!({ *own: if value.is_object() { value.clone() } else { json!({}) } }))
}

fn function(function: &Value) -> Result<Value, ProviderError> {
    let Some(name) = text(function, "name") else {
        let message = "a tool of type `function` needs `function.name`";
        return Err(ProviderError::Request(message.to_owned()));
    };
    let mut said = Map::new();
    said.insert("name".to_owned(), name.into());
    if let Some(description) = text(function, "description") {
        said.insert("description".to_owned(), description.into());
    }
    if let Some(parameters @ Value::Object(_)) = function.get("parameters") {
        said.insert("parameters".to_owned(), schema::own(parameters)?);
    }
    Ok(Value::Object(said))
}

/// `tool_choice` as Google takes it.
///
/// # Errors
///
/// If it is none.
pub(super) fn choice(choice: &Value) -> Result<Value, ProviderError> {
    let named = |choice: &Value| {
        let function = choice.get("function")?;
        text(function, "name").map(str::to_owned)
    };
    let config = match choice.as_str().or_else(|| text(choice, "type")) {
        Some("none") => json!({ "mode": "NONE" }),
        Some("auto") => json!({ "mode": "AUTO" }),
        Some("required" | "any") => json!({ "mode": "ANY" }),
        _ => match named(choice) {
            Some(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
            None => {
                let message =
                    "`tool_choice` must be none, auto, required or a function by its name";
                return Err(ProviderError::Request(message.to_owned()));
            }
        },
    };
    Ok(json!({ "functionCallingConfig": config }))
}
