//! From a call that shows something, a shorter one that shows the same.

use serde_json::Value;

/// The most calls that are tried.
const TRIES_MAX: usize = 3_000;
/// What a call needs in order to be the same case at all.
const KEPT: [&str; 3] = ["model", "custom_llm_provider", "base_model"];

/// Takes away fields and makes numbers smaller for as long as `same` holds.
pub(crate) fn shortest(mut call: Value, same: &dyn Fn(&Value) -> bool) -> Value {
    let mut tries = 0;
    loop {
        let mut places = Vec::new();
        collect(&call, &mut Vec::new(), &mut places);
        let mut changed = false;
        for place in places {
            for shorter in shorter(&call, &place) {
                tries += 1;
                if tries > TRIES_MAX {
                    return call;
                }
                if same(&shorter) {
                    call = shorter;
                    changed = true;
                    break;
                }
            }
        }
        if !changed {
            return call;
        }
    }
}

/// The places of all fields, the outer ones first.
fn collect(value: &Value, path: &mut Vec<String>, places: &mut Vec<Vec<String>>) {
    let Value::Object(fields) = value else { return };
    for (name, inner) in fields {
        path.push(name.clone());
        places.push(path.clone());
        collect(inner, path, places);
        path.pop();
    }
}

/// The same call without the field, or with a smaller number in it.
fn shorter(call: &Value, place: &[String]) -> Vec<Value> {
    let Some((name, parents)) = place.split_last() else {
        return Vec::new();
    };
    let pointer: String = parents.iter().map(|part| format!("/{part}")).collect();
    let Some(Value::Object(fields)) = call.pointer(&pointer) else {
        return Vec::new();
    };
    let with = |change: Option<Value>| {
        let mut copy = call.clone();
        if let Some(Value::Object(fields)) = copy.pointer_mut(&pointer) {
            match change {
                Some(value) => fields.insert(name.clone(), value),
                None => fields.remove(name),
            };
        }
        copy
    };
    let mut calls = Vec::new();
    if !(parents.is_empty() && KEPT.contains(&name.as_str())) {
        calls.push(with(None));
    }
    if let Some(number) = fields.get(name).and_then(Value::as_u64) {
        let mut smaller: Vec<u64> = vec![
            1,
            10,
            1000,
            number / 10,
            number / 2,
            number.saturating_sub(1),
        ];
        smaller.retain(|candidate| *candidate < number && *candidate > 0);
        calls.extend(
            smaller
                .into_iter()
                .map(|candidate| with(Some(candidate.into()))),
        );
    }
    calls
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let call = json!({"model": "m", "usage": {"a": 700, "b": 3}, "size": "1x1"});
        let same = |call: &Value| call.pointer("/usage/a").and_then(Value::as_u64) > Some(20);
        assert_eq!(
            shortest(call, &same),
            json!({"model": "m", "usage": {"a": 21}})
        );
    }
}
