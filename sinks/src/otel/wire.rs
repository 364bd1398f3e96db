//! Attributes and envelopes of OTLP, within their limits.

use std::fmt::Display;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value},
    resource::v1::Resource,
};
use serde_json::Value as Json;

/// Bytes of a text that is no content: names, ids, tags.
pub(crate) const TEXT_BYTES_MAX: usize = 4 << 10;
/// Entries of a list.
const LIST_MAX: usize = 128;
/// Attributes of one span or record. Receivers drop what is beyond theirs, which are larger.
const ATTRIBUTES_MAX: usize = 1_000;

/// Attributes in the order they were added. What is empty, or cannot be said, is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// A text, cut to [`TEXT_BYTES_MAX`].
    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.long(key, cut(text, TEXT_BYTES_MAX).to_owned());
    }

    /// The same, where there is one.
    pub(crate) fn maybe(&mut self, key: &str, text: Option<&str>) {
        self.text(key, text.unwrap_or_default());
    }

    /// A text that somebody else has cut.
    pub(crate) fn long(&mut self, key: &str, text: String) {
        if !text.is_empty() {
            self.value(key, any_value::Value::StringValue(text));
        }
    }

    /// A count. One that OTLP cannot hold is left out: no number is better than a wrong one.
    pub(crate) fn count(&mut self, key: &str, count: u64) {
        if let Ok(count) = i64::try_from(count) {
            self.value(key, any_value::Value::IntValue(count));
        }
    }

    /// The double that is nearest to a number written in decimal digits.
    pub(crate) fn number(&mut self, key: &str, number: impl Display) {
        if let Some(number) = double(number) {
            self.value(key, any_value::Value::DoubleValue(number));
        }
    }

    pub(crate) fn truth(&mut self, key: &str, truth: bool) {
        self.value(key, any_value::Value::BoolValue(truth));
    }

    /// Texts, the first 128.
    pub(crate) fn texts<'a>(&mut self, key: &str, texts: impl IntoIterator<Item = &'a str>) {
        let values: Vec<_> = texts
            .into_iter()
            .filter(|text| !text.is_empty())
            .take(LIST_MAX)
            .map(|text| {
                any(any_value::Value::StringValue(
                    cut(text, TEXT_BYTES_MAX).to_owned(),
                ))
            })
            .collect();
        if !values.is_empty() {
            self.value(key, any_value::Value::ArrayValue(ArrayValue { values }));
        }
    }

    /// JSON as lists and maps of OTLP.
    pub(crate) fn structure(&mut self, key: &str, json: Json) {
        if let Some(value) = structured(json).value {
            self.value(key, value);
        }
    }

    fn value(&mut self, key: &str, value: any_value::Value) {
        if self.0.len() < ATTRIBUTES_MAX {
            self.0.push(KeyValue {
                key: key.to_owned(),
                value: Some(any(value)),
                ..KeyValue::default()
            });
        }
    }

    /// The list.
    pub(crate) fn into_inner(self) -> Vec<KeyValue> {
        self.0
    }
}

const fn any(value: any_value::Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn structured(json: Json) -> AnyValue {
    use any_value::Value;
    let value = match json {
        Json::Null => None,
        Json::Bool(truth) => Some(Value::BoolValue(truth)),
        Json::Number(number) => number
            .as_i64()
            .map(Value::IntValue)
            .or_else(|| double(number).map(Value::DoubleValue)),
        Json::String(text) => Some(Value::StringValue(text)),
        Json::Array(items) => Some(Value::ArrayValue(ArrayValue {
            values: items.into_iter().map(structured).collect(),
        })),
        Json::Object(entries) => Some(Value::KvlistValue(KeyValueList {
            values: entries
                .into_iter()
                .map(|(key, json)| KeyValue {
                    key,
                    value: Some(structured(json)),
                    ..KeyValue::default()
                })
                .collect(),
        })),
    };
    AnyValue { value }
}

/// The double nearest to what is written, as long as there is one.
pub(crate) fn double(number: impl Display) -> Option<f64> {
    let number: f64 = number.to_string().parse().ok()?;
    number.is_finite().then_some(number)
}

/// The longest beginning of `text` that has at most `bytes` bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// Who says it.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "tollkeeper".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// On whose behalf.
pub(crate) const fn resource(attributes: Vec<KeyValue>) -> Resource {
    Resource {
        attributes,
        dropped_attributes_count: 0,
        entity_refs: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_said_is_left_out_and_what_is_long_is_cut() {
        let mut attributes = Attributes::default();
        attributes.text("empty", "");
        attributes.maybe("none", None);
        attributes.count("large", 1 << 63);
        attributes.number("odd", "NaN");
        attributes.texts("list", [""]);
        attributes.structure("null", Json::Null);
        assert_eq!(attributes, Attributes::default());
        attributes.text("long", &"€".repeat(TEXT_BYTES_MAX));
        attributes.texts("many", std::iter::repeat_n("x", 500));
        let [long, many] = &attributes.into_inner()[..] else {
            panic!("two attributes");
        };
        let any_value::Value::StringValue(long) = long.value.clone().unwrap().value.unwrap() else {
            panic!("a text");
        };
        assert_eq!(long.len(), 4095);
        let any_value::Value::ArrayValue(many) = many.value.clone().unwrap().value.unwrap() else {
            panic!("a list");
        };
        assert_eq!(many.values.len(), LIST_MAX);
    }

    #[test]
    fn attributes_end_somewhere() {
        let mut attributes = Attributes::default();
        (0..5_000).for_each(|number| attributes.count("n", number));
        assert_eq!(attributes.into_inner().len(), ATTRIBUTES_MAX);
    }

    #[test]
    fn a_structure_keeps_the_kinds_of_its_parts() {
        let value = structured(json!({ "a": [1, 1.5, "x", true, null] }));
        let Some(any_value::Value::KvlistValue(map)) = value.value else {
            panic!("a map");
        };
        let list = map.values[0].value.clone().unwrap().value.unwrap();
        let any_value::Value::ArrayValue(list) = list else {
            panic!("a list");
        };
        let kinds: Vec<_> = list.values.into_iter().map(|item| item.value).collect();
        assert_eq!(kinds[0], Some(any_value::Value::IntValue(1)));
        assert_eq!(kinds[1], Some(any_value::Value::DoubleValue(1.5)));
        assert_eq!(kinds[3], Some(any_value::Value::BoolValue(true)));
        assert_eq!(kinds[4], None);
    }
}
