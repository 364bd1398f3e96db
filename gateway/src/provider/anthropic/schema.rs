//! Answers that keep to a schema: by the API itself, or by a tool that the model has to call.

use serde_json::{Map, Value, json};

use super::super::content::text;

/// The tool whose input is the answer.
pub(in crate::provider) const TOOL: &str = "json_tool_call";

/// The schema that `response_format` asks for; none for `json_object` and `text`.
pub(in crate::provider) fn wanted(format: &Value) -> Option<&Value> {
    let own = format.get("response_schema");
    let schema = own.or_else(|| format.get("json_schema")?.get("schema"));
    schema.filter(|schema| schema.is_object())
}

/// The tool that takes an answer of `schema`.
pub(super) fn tool(schema: &Value) -> Value {
    let mut input = json!({ "type": "object" });
    if let (Some(input), Some(schema)) = (input.as_object_mut(), schema.as_object()) {
        input.extend(schema.clone());
    }
    json!({ "name": TOOL, "input_schema": input })
}

/// Words of a schema that the API refuses, and how a person is told the same.
const REFUSED: &[(&str, &str)] = &[
    ("minItems", "at least this many items"),
    ("maxItems", "at most this many items"),
    ("uniqueItems", "no item twice"),
    ("contains", "one item like"),
    ("minContains", "at least this many such items"),
    ("maxContains", "at most this many such items"),
    ("prefixItems", "first items like"),
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("exclusiveMinimum", "more than"),
    ("exclusiveMaximum", "less than"),
    ("multipleOf", "a multiple of"),
    ("minLength", "at least this many characters"),
    ("maxLength", "at most this many characters"),
    ("minProperties", "at least this many properties"),
    ("maxProperties", "at most this many properties"),
    ("patternProperties", "properties by pattern"),
    ("propertyNames", "names of properties like"),
    ("dependentRequired", "properties that need others"),
    ("dependentSchemas", "schemas that depend on properties"),
    ("unevaluatedProperties", "other properties like"),
    ("if", "if"),
    ("then", "then"),
    ("else", "else"),
    ("not", "not like"),
];

/// `schema` as the API takes it: what it refuses is told in the description.
pub(super) fn fit(schema: &Value) -> Value {
    let Value::Object(schema) = schema else {
        return schema.clone();
    };
    let mut fit = Map::new();
    for (name, value) in schema {
        let value = match (&**name, value) {
            (name, _) if REFUSED.iter().any(|(refused, _)| *refused == name) => continue,
            ("properties" | "$defs" | "definitions", Value::Object(inner)) => Value::Object(
                inner
                    .iter()
                    .map(|(name, inner)| (name.clone(), self::fit(inner)))
                    .collect(),
            ),
            ("items", inner) => self::fit(inner),
            ("anyOf" | "allOf", Value::Array(inner)) => inner.iter().map(self::fit).collect(),
            ("oneOf", Value::Array(inner)) => {
                let inner = inner.iter().map(self::fit);
                let any = fit.entry("anyOf").or_insert_with(|| json!([]));
                if let Value::Array(any) = any {
                    any.extend(inner);
                }
                continue;
            }
            (_, value) => value.clone(),
        };
        fit.insert(name.clone(), value);
    }
    let told: Vec<String> = REFUSED
        .iter()
        .filter_map(|(name, words)| Some((words, schema.get(*name)?)))
        .filter(|(_, value)| **value != Value::Bool(false))
        .map(|(words, value)| format!("{words} {value}"))
        .collect();
    if !told.is_empty() {
        let own = schema.get("description").and_then(Value::as_str);
        let told = format!("{} ({})", own.unwrap_or_default(), told.join("; "));
        fit.insert("description".to_owned(), told.trim().into());
    }
    let fit_value = Value::Object(fit);
    if text(&fit_value, "type") == Some("object")
        && let Value::Object(mut fit) = fit_value
    {
        fit.insert("additionalProperties".to_owned(), false.into());
        return Value::Object(fit);
    }
    fit_value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_refuses_is_told_instead() {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "How many"},
            "u": {"type": "array", "uniqueItems": false, "items": {"oneOf": [{"type": "string", "maxLength": 3}]}}}});
        let wanted = json!({"type": "object", "additionalProperties": false, "properties": {
            "n": {"type": "integer", "description": "How many (at least 1)"},
            "u": {"type": "array", "items": {"anyOf": [
                {"type": "string", "description": "(at most this many characters 3)"}]}}}});
        assert_eq!(fit(&schema), wanted);
        assert_eq!(fit(&json!(true)), json!(true));
    }
}
