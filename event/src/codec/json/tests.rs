//! What is written is what `serde_json` writes.

use std::collections::BTreeMap;

use proptest::{collection, prelude::*};
use serde_json::{Value, value::RawValue};

use super::*;
use crate::{Exact, Json};

fn written(value: &impl Serialize) -> String {
    let mut record = b"before".to_vec();
    write(&mut record, value).unwrap();
    String::from_utf8(record.split_off("before".len())).unwrap()
}

/// All that serde knows.
#[derive(Clone, Serialize)]
enum Shape {
    Unit,
    New(i64),
    Pair(f64, Option<u8>),
    Named { text: String, r#type: Nothing },
}

#[derive(Clone, Serialize)]
struct Nothing;

#[derive(Serialize)]
struct Holds<'a> {
    shapes: Vec<Shape>,
    tuple: (bool, char, i128),
    raw: &'a RawValue,
    json: Json,
    absent: Option<Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    empty: Vec<u8>,
    exact: Exact,
    by_number: BTreeMap<u8, Exact>,
    float: f32,
    value: Value,
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Texts around the length that is looked at together, most of them with something to escape.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        8 => prop::char::range('a', 'z'),
        2 => any::<char>(),
        1 => prop::char::range('\0', '"'),
        1 => Just('\\'),
    ];
    collection::vec(letter, 0..CHUNK * 3).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn any_value_is_written_as_the_library_writes_it(value in value()) {
        prop_assert_eq!(written(&value), serde_json::to_string(&value).unwrap());
    }

    #[test]
    fn any_shape_is_written_as_the_library_writes_it(
        text in text(), number: i64, wide: i128, float: f32, value in value(), letter: char,
    ) {
        let raw = serde_json::value::to_raw_value(&value).unwrap();
        let exact: Exact = "0.000012".parse().unwrap();
        let holds = Holds {
            shapes: vec![
                Shape::Unit,
                Shape::New(number),
                Shape::Pair(0.1, None),
                Shape::Named { text, r#type: Nothing },
            ],
            tuple: (true, letter, wide),
            raw: &raw,
            json: Json::from(&*raw),
            absent: None,
            empty: Vec::new(),
            exact,
            by_number: BTreeMap::new(),
            float,
            value,
        };
        prop_assert_eq!(written(&holds), serde_json::to_string(&holds).unwrap());
    }
}

#[test]
fn numbers_as_keys_are_left_to_the_library() {
    let exact: Exact = "0.5".parse().unwrap();
    let map = BTreeMap::from([(7_u8, ("before", exact))]);
    assert_eq!(written(&map), r#"{"7":["before",0.5]}"#);
}

#[test]
fn what_cannot_be_json_is_an_error() {
    let map = BTreeMap::from([((1, 2), 3)]);
    assert!(write(&mut Vec::new(), &map).is_err());
}
