//! JSON schemas as the Converse API takes them.

use serde_json::{Map, Value, json};

/// How deep references are followed.
const DEPTH_MAX: usize = 16;
/// Nodes that a schema may have once its references are written out.
const NODES_MAX: usize = 20_000;

/// The schema of a tool's input: an object without references. `whole`: the model takes more than
/// type, properties and what is required.
pub(super) fn of_tool(schema: Option<&Value>, whole: bool) -> Value {
    let mut schema = match schema {
        Some(Value::Object(schema)) => schema.clone(),
        _ => Map::new(),
    };
    let mut definitions = Map::new();
    for name in ["$defs", "definitions"] {
        if let Some(Value::Object(own)) = schema.remove(name) {
            definitions.extend(own);
        }
    }
    let mut nodes = NODES_MAX;
    let written = |part: Option<Value>, nodes: &mut usize| {
        part.map(|part| written_out(&part, &definitions, DEPTH_MAX, nodes))
    };
    let kind = schema.remove("type").filter(Value::is_string);
    let mut own = json!({
        "type": kind.unwrap_or_else(|| "object".into()),
        "properties": written(schema.remove("properties"), &mut nodes).unwrap_or_else(|| json!({})),
        "required": schema.remove("required").filter(Value::is_array).unwrap_or_else(|| json!([])),
    });
    let others = written(schema.remove("additionalProperties"), &mut nodes);
    if let (true, Some(others), Some(own)) = (whole, others, own.as_object_mut()) {
        own.insert("additionalProperties".to_owned(), others);
    }
    own
}

/// `node` with what its references stand for; one that leads nowhere, or round and round, stays.
fn written_out(
    node: &Value,
    definitions: &Map<String, Value>,
    depth: usize,
    nodes: &mut usize,
) -> Value {
    *nodes = nodes.saturating_sub(1);
    if *nodes == 0 {
        return node.clone();
    }
    let mut inner = |node: &Value| written_out(node, definitions, depth, nodes);
    match node {
        Value::Array(list) => list.iter().map(inner).collect(),
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            let name = reference.and_then(|reference| reference.rsplit('/').next());
            let target = name.and_then(|name| definitions.get(name));
            if let (Some(target), Some(depth)) = (target, depth.checked_sub(1)) {
                let Value::Object(mut target) = written_out(target, definitions, depth, nodes)
                else {
                    return node.clone();
                };
                for (name, value) in fields.iter().filter(|(name, _)| *name != "$ref") {
                    target.insert(name.clone(), value.clone());
                }
                return Value::Object(target);
            }
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), inner(value)));
            Value::Object(fields.collect())
        }
        plain => plain.clone(),
    }
}

/// `schema` with no object open to other properties, unless it says so.
pub(super) fn closed(schema: &Value) -> Value {
    let Value::Object(fields) = schema else {
        return schema.clone();
    };
    let each = |inner: &Map<String, Value>| {
        let inner = inner
            .iter()
            .map(|(name, value)| (name.clone(), closed(value)));
        Value::Object(inner.collect())
    };
    let mut own: Map<String, Value> = fields
        .iter()
        .map(|(name, value)| {
            let value = match (name.as_str(), value) {
                ("properties" | "$defs" | "definitions", Value::Object(inner)) => each(inner),
                ("items", inner) => closed(inner),
                ("anyOf" | "allOf" | "oneOf", Value::Array(inner)) => {
                    inner.iter().map(closed).collect()
                }
                (_, value) => value.clone(),
            };
            (name.clone(), value)
        })
        .collect();
    if own.get("type").and_then(Value::as_str) == Some("object") {
        own.entry("additionalProperties").or_insert(false.into());
    }
    Value::Object(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_written_out_but_not_for_ever() {
        let schema = json!({
            "$defs": {
                "a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/b"}}},
                "b": {"type": "string"},
                "r": {"type": "object", "properties": {"again": {"$ref": "#/$defs/r"}}},
                "w": {"anyOf": [{"$ref": "#/$defs/w"}, {"$ref": "#/$defs/w"}, {"$ref": "#/$defs/w"}]},
            },
            "properties": {"x": {"$ref": "#/$defs/a", "description": "d"}, "y": {"$ref": "#/$defs/none"}},
            "additionalProperties": false, "title": "t",
        });
        let wanted = json!({
            "type": "object", "required": [],
            "properties": {
                "x": {"type": "object", "properties": {"b": {"type": "string"}}, "description": "d"},
                "y": {"$ref": "#/$defs/none"},
            },
        });
        assert_eq!(of_tool(Some(&schema), false), wanted);
        let whole = of_tool(Some(&schema), true);
        assert_eq!(whole["additionalProperties"], false);
        let empty = json!({"type": "object", "properties": {}, "required": []});
        assert_eq!(of_tool(None, true), empty);
        for round in ["r", "w"] {
            let mut schema = schema.clone();
            schema["properties"] = json!({"x": {"$ref": format!("#/$defs/{round}")}});
            let size = of_tool(Some(&schema), false).to_string().len();
            assert!(size < 4 << 20, "{size}");
        }
    }

    #[test]
    fn objects_are_closed() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}},
            "b": {"anyOf": [{"type": "object", "additionalProperties": true}]}}});
        let wanted = json!({"type": "object", "additionalProperties": false, "properties": {
            "a": {"type": "array", "items": {"type": "object", "additionalProperties": false}},
            "b": {"anyOf": [{"type": "object", "additionalProperties": true}]}}});
        assert_eq!(closed(&schema), wanted);
    }
}
