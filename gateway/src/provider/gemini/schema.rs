//! JSON schemas as Google's own kind of schema: fewer words, no references, and `null` in its way.

use serde_json::{Map, Value, json};

use super::super::ProviderError;

/// Words that Google's schemas have.
const KNOWN: &[&str] = &[
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "default",
    "items",
    "minItems",
    "maxItems",
    "enum",
    "properties",
    "propertyOrdering",
    "required",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
];
/// Words that belong to an object or a list, where a schema has several types.
const OF_CONTAINERS: &[&str] = &[
    "properties",
    "required",
    "items",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];
/// Schemas that one tool may come to when its references are written out.
const SCHEMAS_MAX: usize = 20_000;

/// `schema` in Google's words.
///
/// # Errors
///
/// If it is larger than any schema is when its references are written out.
pub(super) fn own(schema: &Value) -> Result<Value, ProviderError> {
    let definitions = ["$defs", "definitions"].map(|name| schema.get(name));
    let mut writer = Writer {
        definitions,
        open: Vec::new(),
        left: SCHEMAS_MAX,
    };
    writer.write(schema)
}

struct Writer<'a> {
    definitions: [Option<&'a Value>; 2],
    /// References that are being written out.
    open: Vec<&'a str>,
    left: usize,
}

impl<'a> Writer<'a> {
    fn write(&mut self, schema: &'a Value) -> Result<Value, ProviderError> {
        self.left = self.left.checked_sub(1).ok_or_else(too_large)?;
        let Some(fields) = schema.as_object() else {
            return Ok(json!({ "type": "object" }));
        };
        if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
            return self.reference(name);
        }
        let mut own = self.fields(fields)?;
        several_types(&mut own);
        if own.get("type").is_some_and(|kind| kind != "string") {
            own.remove("enum");
        }
        let alternatives = ["anyOf", "oneOf", "allOf"];
        if !own.contains_key("type")
            && !alternatives.iter().any(|name| fields.contains_key(*name))
            && !own.contains_key("anyOf")
        {
            own.insert("type".to_owned(), "object".into());
        }
        if own
            .get("properties")
            .and_then(Value::as_object)
            .is_some_and(Map::is_empty)
        {
            own.remove("properties");
            own.remove("required");
        }
        let is_list = own.get("type").is_some_and(|kind| kind == "array");
        if is_list && !own.contains_key("items") {
            own.insert("items".to_owned(), json!({ "type": "object" }));
        }
        Ok(Value::Object(alone(own)))
    }

    fn fields(
        &mut self,
        fields: &'a Map<String, Value>,
    ) -> Result<Map<String, Value>, ProviderError> {
        let mut own = Map::new();
        for (name, value) in fields {
            let value = match (&**name, value) {
                ("properties", Value::Object(properties)) => {
                    let mut written = Map::new();
                    for (name, schema) in properties {
                        written.insert(name.clone(), self.write(schema)?);
                    }
                    Value::Object(written)
                }
                ("items", schema @ Value::Object(inner)) if !inner.is_empty() => {
                    self.write(schema)?
                }
                ("items", _) => continue,
                ("anyOf", Value::Array(schemas)) => self.alternatives(schemas)?,
                ("format", Value::String(format)) if format != "enum" && format != "date-time" => {
                    continue;
                }
                ("required", Value::Null) => continue,
                ("enum", Value::Array(values)) => {
                    values.iter().filter(|one| *one != "").cloned().collect()
                }
                (name, value) if KNOWN.contains(&name) => value.clone(),
                _ => continue,
            };
            own.insert(name.clone(), value);
        }
        Ok(own)
    }

    /// Alternatives: `null` among them is a mark on the others.
    fn alternatives(&mut self, schemas: &'a [Value]) -> Result<Value, ProviderError> {
        let is_null = |schema: &&Value| schema.get("type").is_some_and(|kind| kind == "null");
        let nullable = schemas.iter().any(|schema| is_null(&schema));
        let mut written = Vec::new();
        for schema in schemas.iter().filter(|schema| !is_null(schema)) {
            let mut schema = self.write(schema)?;
            if let (true, Some(fields)) = (nullable, schema.as_object_mut()) {
                fields.insert("nullable".to_owned(), true.into());
            }
            written.push(schema);
        }
        Ok(Value::Array(written))
    }

    /// What `name` refers to; a schema that contains itself ends there, as any object.
    fn reference(&mut self, name: &'a str) -> Result<Value, ProviderError> {
        let key = name.rsplit('/').next().unwrap_or_default();
        let found = self
            .definitions
            .iter()
            .flatten()
            .find_map(|all| all.get(key));
        let (Some(schema), false) = (found, self.open.contains(&name)) else {
            return Ok(json!({ "type": "object" }));
        };
        self.open.push(name);
        let written = self.write(schema);
        self.open.pop();
        written
    }
}

/// `type: [a, b]` as alternatives.
fn several_types(own: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = own.get("type").cloned() else {
        return;
    };
    if let [one] = &types[..] {
        own.insert("type".to_owned(), one.clone());
        return;
    }
    own.remove("type");
    let is_container = |kind: &Value| kind == "object" || kind == "array";
    let moves = types.iter().any(is_container);
    let parts: Map<String, Value> = if moves {
        let names = OF_CONTAINERS.iter();
        names.filter_map(|name| own.remove_entry(*name)).collect()
    } else {
        Map::new()
    };
    let any = types.iter().filter(|kind| kind.is_string()).map(|kind| {
        let mut alternative = if is_container(kind) {
            parts.clone()
        } else {
            Map::new()
        };
        alternative.insert("type".to_owned(), kind.clone());
        Value::Object(alternative)
    });
    own.insert("anyOf".to_owned(), any.collect());
}

/// Where there are alternatives, nothing may stand beside them.
fn alone(mut own: Map<String, Value>) -> Map<String, Value> {
    let Some(Value::Array(mut any)) = own.remove("anyOf").filter(|any| any != &json!([])) else {
        return own;
    };
    for name in ["title", "description"] {
        let Some(text) = own.get(name) else {
            continue;
        };
        for schema in any.iter_mut().filter_map(Value::as_object_mut) {
            schema.insert(name.to_owned(), text.clone());
        }
    }
    [("anyOf".to_owned(), Value::Array(any))]
        .into_iter()
        .collect()
}

pub(super) fn too_large() -> ProviderError {
    ProviderError::Request(format!(
        "a schema has more than {SCHEMAS_MAX} parts when its references are written out"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_said_in_googles_words() {
        for (schema, wanted) in [
            (
                json!({"type": "object", "properties": {}, "additionalProperties": false}),
                json!({"type": "object"}),
            ),
            (
                json!({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "title": "T"}),
                json!({"anyOf": [{"type": "string", "format": "date-time", "nullable": true, "title": "T"}]}),
            ),
            (
                json!({"type": ["string", "null"], "format": "email"}),
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            ),
            (
                json!({"type": ["array", "null"], "items": {"type": "integer", "enum": [1]}}),
                json!({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}),
            ),
            (
                json!({"type": "array", "items": {}}),
                json!({"type": "array", "items": {"type": "object"}}),
            ),
            (
                json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/p"}},
                    "$defs": {"p": {"type": "object", "properties": {"next": {"$ref": "#/$defs/p"}}}}}),
                json!({"type": "object", "properties": {"p": {"type": "object",
                    "properties": {"next": {"type": "object"}}}}}),
            ),
            (
                json!({"type": "string", "enum": ["", "a"]}),
                json!({"type": "string", "enum": ["a"]}),
            ),
            (json!({}), json!({"type": "object"})),
        ] {
            assert_eq!(own(&schema).unwrap(), wanted, "{schema}");
        }
    }

    #[test]
    fn references_that_multiply_are_refused() {
        let mut definitions = Map::new();
        for depth in 0..40 {
            let next = format!("#/$defs/d{}", depth + 1);
            let both =
                json!({"type": "object", "properties": {"a": {"$ref": next}, "b": {"$ref": next}}});
            definitions.insert(format!("d{depth}"), both);
        }
        let schema = json!({"$ref": "#/$defs/d0", "$defs": definitions});
        assert!(own(&schema).is_err());
    }
}
