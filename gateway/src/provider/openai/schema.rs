//! Answers in a format, from models that know tools and no formats: a tool takes the answer.

use serde_json::{Value, json};

use super::{
    changes::{Change, Object},
    fixes::FORMAT_TOOL,
};

/// Groq's models of which only some know schemas.
pub(super) const GROQ: Change = Change {
    field: "response_format",
    signs: &["json_schema"],
    apply: |object, model| {
        let knows = ["gpt-oss", "llama-4", "kimi-k2"];
        let has_tools = object.contains_key("tools");
        if !has_tools && !knows.iter().any(|name| model.contains(name)) {
            by_tool(object);
        }
    },
};

/// Claude at Databricks: a format without a schema says nothing to it.
pub(super) const DATABRICKS: Change = Change {
    field: "response_format",
    signs: &[],
    apply: |object, model| {
        if model.contains("claude") && !by_tool(object) {
            object.remove("response_format");
        }
    },
};

/// Whether the answer is taken by a tool.
pub(super) fn is_by_tool(object: &Object) -> bool {
    let named = object
        .get("tool_choice")
        .and_then(|choice| choice.get("function")?.get("name"));
    named.is_some_and(|name| name == FORMAT_TOOL)
}

/// Offers a tool whose arguments are the answer, and has the model call it. Returns whether the
/// format has a schema.
fn by_tool(object: &mut Object) -> bool {
    let format = object.get("response_format");
    let schema = format.and_then(|format| format.get("json_schema")?.get("schema"));
    let Some(schema) = schema.cloned() else {
        return false;
    };
    object.remove("response_format");
    let function = json!({ "name": FORMAT_TOOL, "parameters": schema });
    let tool = json!({ "type": "function", "function": function });
    let tools = object.entry("tools").or_insert_with(|| json!([]));
    if let Value::Array(tools) = tools {
        tools.push(tool);
    }
    let choice = json!({ "type": "function", "function": { "name": FORMAT_TOOL } });
    object.insert("tool_choice".to_owned(), choice);
    true
}
