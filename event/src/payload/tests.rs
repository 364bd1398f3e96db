//! Payloads as LiteLLM's proxy emitted them are read whole and written back the same.

use std::{fs, path::Path};

use serde_json::Value;

use super::StandardLoggingPayload;

#[test]
fn litellm_payloads_come_back_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/litellm");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        let payload: StandardLoggingPayload = serde_json::from_str(&text).unwrap();
        let written = serde_json::to_value(&payload).unwrap();
        let original: Value = serde_json::from_str(&text).unwrap();
        assert_same(&original, &written, &file.display().to_string());
        count += 1;
    }
    assert!(count >= 7, "only {count} examples found");
}

/// Objects have the same keys and values; numbers agree to the microsecond and to 10⁻¹² USD.
fn assert_same(original: &Value, written: &Value, at: &str) {
    match (original, written) {
        (Value::Object(original), Value::Object(written)) => {
            for (key, value) in original {
                let other = match written.get(key) {
                    Some(other) => other,
                    None if value.is_null() => continue,
                    None => panic!("{at}.{key} is lost"),
                };
                assert_same(value, other, &format!("{at}.{key}"));
            }
        }
        (Value::Number(original), Value::Number(written)) => {
            let (original, written) = (original.as_f64().unwrap(), written.as_f64().unwrap());
            #[expect(
                clippy::float_arithmetic,
                reason = "compares numbers that LiteLLM wrote"
            )]
            let apart = (original - written).abs();
            assert!(apart <= 5e-7, "{at}: {original} became {written}");
        }
        _ => assert_eq!(original, written, "{at}"),
    }
}
