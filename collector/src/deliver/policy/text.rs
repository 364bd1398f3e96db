//! Changes the texts within JSON and leaves every other byte as it is.

use event::Json;

/// Whether a text is a value or the name of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The name of a field.
    Name,
    /// A value.
    Value,
}

/// Gives each text within `json` to `change`, which says what to put there instead; `None` leaves
/// it.
pub(super) fn change_json(json: &mut Json, change: &mut dyn FnMut(&str, Place) -> Option<String>) {
    if json.is_null() {
        return;
    }
    if let Some(changed) = rewrite(json.text(), change) {
        // What cannot be read any more must not go out as it was.
        *json = Json::parse(changed).unwrap_or_default();
    }
}

/// The changed text, if anything has changed. `json` is valid JSON.
fn rewrite(json: &str, change: &mut dyn FnMut(&str, Place) -> Option<String>) -> Option<String> {
    let mut changed: Option<String> = None;
    let (mut at, mut copied) = (0, 0);
    while let Some(start) = find(json, at, b'"') {
        let end = end_of_string(json, start);
        at = end;
        let Some(quoted) = json.get(start..end) else {
            continue;
        };
        let rest = json.get(end..).unwrap_or_default();
        let place = if rest.trim_start().starts_with(':') {
            Place::Name
        } else {
            Place::Value
        };
        let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        let instead = if inner.contains('\\') {
            let text: Result<String, _> = serde_json::from_str(quoted);
            text.ok().and_then(|text| change(&text, place))
        } else {
            change(inner, place)
        };
        if let Some(instead) = instead {
            let target = changed.get_or_insert_with(|| String::with_capacity(json.len()));
            target.push_str(json.get(copied..start).unwrap_or_default());
            target.push_str(&serde_json::Value::String(instead).to_string());
            copied = end;
        }
    }
    let mut changed = changed?;
    changed.push_str(json.get(copied..).unwrap_or_default());
    Some(changed)
}

fn find(json: &str, from: usize, byte: u8) -> Option<usize> {
    let rest = json.as_bytes().get(from..)?;
    memchr::memchr(byte, rest).map(|at| from + at)
}

/// The position after the quote that ends the string that begins at `start`.
fn end_of_string(json: &str, start: usize) -> usize {
    let mut at = start + 1;
    while let Some(rest) = json.as_bytes().get(at..) {
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(found) if rest.get(found) == Some(&b'\\') => at += found + 2,
            Some(found) => return at + found + 1,
            None => break,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_texts_are_changed() {
        let json = r#"{ "a\"b": ["x", 1.50, "y\\", {"c":"x"}], "x" : null }"#;
        let mut seen = Vec::new();
        let changed = rewrite(json, &mut |text, place| {
            seen.push((text.to_owned(), place));
            (text == "x" && place == Place::Value).then(|| "\"new\"".to_owned())
        });
        assert_eq!(
            changed.unwrap(),
            r#"{ "a\"b": ["\"new\"", 1.50, "y\\", {"c":"\"new\""}], "x" : null }"#
        );
        assert_eq!(seen[0], ("a\"b".to_owned(), Place::Name));
        assert_eq!(seen[2], ("y\\".to_owned(), Place::Value));
        assert_eq!(rewrite(json, &mut |_, _| None), None);
    }

    proptest! {
        #[test]
        fn it_stays_json(texts in prop::collection::vec(".*", 0..6), instead in ".*") {
            let json = serde_json::to_string(&texts).unwrap();
            let changed = rewrite(&json, &mut |_, _| Some(instead.clone()));
            let read: Vec<String> = serde_json::from_str(changed.as_deref().unwrap_or(&json)).unwrap();
            prop_assert!(read.iter().all(|text| *text == instead));
            prop_assert_eq!(read.len(), texts.len());
        }
    }
}
