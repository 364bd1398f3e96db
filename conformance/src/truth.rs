//! Whether what a destination knows of an event is what the event says.

use std::collections::BTreeMap;

use event::Exact;
use serde_json::{Value, value::RawValue};

/// Every field that `said` has must be in `event`, with the same value. Numbers are compared by
/// their digits, since a float would make unequal amounts equal.
///
/// # Errors
///
/// The first field that differs.
pub(crate) fn agrees(event: &RawValue, said: &RawValue, at: &str) -> Result<(), String> {
    if let (Some(event), Some(said)) = (object(event), object(said)) {
        for (key, said) in said {
            let at = format!("{at}.{key}");
            let event = event
                .get(&key)
                .ok_or_else(|| format!("`{at}` is not in the event"))?;
            agrees(event, said, &at)?;
        }
        return Ok(());
    }
    if let (Some(event), Some(said)) = (array(event), array(said)) {
        if event.len() != said.len() {
            return Err(format!(
                "`{at}` has {} entries, not {}",
                said.len(),
                event.len()
            ));
        }
        let mut pairs = event.iter().zip(said).zip(0..);
        return pairs.try_for_each(|((event, said), at_index)| {
            agrees(event, said, &format!("{at}[{at_index}]"))
        });
    }
    let same = match (number(event), number(said)) {
        (Some(event), Some(said)) => event == said,
        _ => value(event).is_some() && value(event) == value(said),
    };
    let short = |raw: &RawValue| raw.get().chars().take(80).collect::<String>();
    if same {
        Ok(())
    } else {
        Err(format!("`{at}` is {}, not {}", short(said), short(event)))
    }
}

fn object(raw: &RawValue) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

fn array(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

fn value(raw: &RawValue) -> Option<Value> {
    serde_json::from_str(raw.get()).ok()
}

/// Strings are not numbers, whatever they look like.
fn number(raw: &RawValue) -> Option<Exact> {
    if raw.get().starts_with('"') {
        None
    } else {
        raw.get().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(event: &str, said: &str) -> Result<(), String> {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        agrees(&raw(event), &raw(said), "event")
    }

    #[test]
    fn a_part_that_is_the_same_agrees() {
        let event = r#"{"a":1.50,"b":{"c":["x",null],"d":true},"e":1e-9}"#;
        for said in [
            "{}",
            r#"{"a":1.5}"#,
            r#"{"b":{"c":["\u0078",null]}}"#,
            r#"{"e":0.000000001}"#,
        ] {
            assert_eq!(compare(event, said), Ok(()), "{said}");
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        let event = r#"{"cost":123456789.000000000001,"n":18446744073709551615,"l":[1],"s":"1"}"#;
        for (said, at) in [
            (r#"{"cost":123456789.000000000002}"#, "event.cost"),
            (r#"{"n":18446744073709551614}"#, "event.n"),
            (r#"{"l":[1,2]}"#, "event.l"),
            (r#"{"l":[2]}"#, "event.l[0]"),
            (r#"{"s":1}"#, "event.s"),
            (r#"{"x":null}"#, "event.x"),
            ("[]", "event"),
        ] {
            let error = compare(event, said).unwrap_err();
            assert!(error.starts_with(&format!("`{at}`")), "{said}: {error}");
        }
    }
}
