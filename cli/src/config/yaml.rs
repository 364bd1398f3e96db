//! YAML to a tree that remembers its lines.

use std::collections::HashMap;

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Number, Value};

use super::Misconfigured;

/// How deep a file may nest.
const DEPTH_MAX: usize = 64;

/// A parsed file.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) tree: Value,
    /// The line of each path: `model_list[0].litellm_params.model`.
    lines: HashMap<String, usize>,
}

impl Document {
    /// Parses one document; an empty one is an empty mapping.
    pub(super) fn parse(text: &str) -> Result<Self, Misconfigured> {
        let documents = MarkedYaml::load_from_str(text).map_err(|error| Misconfigured {
            line: Some(error.marker().line()),
            message: format!("this is not YAML: {}", error.info()),
        })?;
        let mut lines = HashMap::new();
        let tree = match documents.as_slice() {
            [] => Value::Object(Map::new()),
            [one] => convert(one, "", &mut lines, 0)?,
            [_, second, ..] => {
                let message = "there is a second document here: one is all there can be".to_owned();
                return Err(Misconfigured {
                    line: Some(second.span.start.line()),
                    message,
                });
            }
        };
        let tree = if tree.is_null() {
            Value::Object(Map::new())
        } else {
            tree
        };
        Ok(Self { tree, lines })
    }

    /// The line of `path`, or of the nearest thing around it that has one.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }
}

fn convert(
    node: &MarkedYaml<'_>,
    path: &str,
    lines: &mut HashMap<String, usize>,
    depth: usize,
) -> Result<Value, Misconfigured> {
    let line = node.span.start.line();
    let wrong = |message: &str| {
        Err(Misconfigured {
            line: Some(line),
            message: format!("`{path}`: {message}"),
        })
    };
    if depth > DEPTH_MAX {
        return wrong("is nested too deeply");
    }
    lines.entry(path.to_owned()).or_insert(line);
    match &node.data {
        YamlData::Value(scalar) => Ok(value(scalar)),
        YamlData::Sequence(items) => {
            let items = items.iter().enumerate();
            let item = |(index, item)| convert(item, &format!("{path}[{index}]"), lines, depth + 1);
            items.map(item).collect::<Result<_, _>>().map(Value::Array)
        }
        YamlData::Mapping(entries) => {
            let mut map = Map::new();
            for (key, entry) in entries {
                let Some(name) = name(key) else {
                    return wrong("has a key that is no text");
                };
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                // The line of the key, where a reader looks for it.
                lines.insert(path.clone(), key.span.start.line());
                map.insert(name, convert(entry, &path, lines, depth + 1)?);
            }
            Ok(Value::Object(map))
        }
        YamlData::Tagged(_, inner) => convert(inner, path, lines, depth + 1),
        YamlData::Representation(text, ..) => Ok(Value::String(text.to_string())),
        YamlData::Alias(_) | YamlData::BadValue => wrong("cannot be read"),
    }
}

fn name(key: &MarkedYaml<'_>) -> Option<String> {
    match &key.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        _ => None,
    }
}

fn value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(truth) => Value::Bool(*truth),
        Scalar::Integer(number) => Value::Number((*number).into()),
        // The shortest digits that mean this number: those that were written, as far as a price has
        // any.
        Scalar::FloatingPoint(number) => {
            Number::from_f64(number.0).map_or(Value::Null, Value::Number)
        }
        // As LiteLLM's reader understands them.
        Scalar::String(text) if text == "True" => Value::Bool(true),
        Scalar::String(text) if text == "False" => Value::Bool(false),
        Scalar::String(text) => Value::String(text.to_string()),
    }
}
