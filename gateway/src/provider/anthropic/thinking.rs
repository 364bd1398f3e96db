//! How long a model thinks: budgets for older models, effort for newer ones.

use serde_json::{Map, Value, json};

use super::{super::ProviderError, model::Model};

/// The smallest budget that the API takes.
const BUDGET_MIN: u64 = 1024;
/// What is added to a budget for the answer itself, where the client sets no bound.
const ANSWER_TOKENS: u64 = 4096;

/// What each effort is as a budget of tokens, and as an effort of newer models.
const EFFORTS: &[(&str, u64, &str)] = &[
    ("minimal", 1024, "low"),
    ("low", 1024, "low"),
    ("medium", 2048, "medium"),
    ("high", 4096, "high"),
    ("xhigh", 8192, "xhigh"),
    ("max", 16_384, "max"),
];

/// Says `reasoning_effort` and `thinking` in `body`; its `max_tokens` is the client's.
///
/// # Errors
///
/// If nobody knows the effort.
pub(in crate::provider) fn say(
    model: Model,
    effort: Option<&Value>,
    thinking: Option<Value>,
    body: &mut Map<String, Value>,
) -> Result<(), ProviderError> {
    let effort = effort.and_then(|effort| {
        let named = effort.get("effort").unwrap_or(effort);
        named.as_str()
    });
    let thinking = match (effort, thinking) {
        (_, Some(thinking)) => client_own(model, thinking, body),
        (None | Some("none"), None) => None,
        (Some(effort), None) => Some(of_effort(model, effort, body)?),
    };
    let Some(thinking) = thinking else {
        return Ok(());
    };
    if let Some(budget) = thinking.get("budget_tokens").and_then(Value::as_u64) {
        let bound = budget.saturating_add(ANSWER_TOKENS);
        body.entry("max_tokens").or_insert_with(|| bound.into());
    }
    body.insert("thinking".to_owned(), thinking);
    Ok(())
}

fn of_effort(
    model: Model,
    effort: &str,
    body: &mut Map<String, Value>,
) -> Result<Value, ProviderError> {
    let known = EFFORTS.iter().find(|(name, ..)| *name == effort);
    let Some((_, budget, own)) = known else {
        let names: Vec<&str> = EFFORTS.iter().map(|(name, ..)| *name).collect();
        return Err(ProviderError::Request(format!(
            "`reasoning_effort` is `{effort}`: it must be one of none, {}",
            names.join(", ")
        )));
    };
    if !model.is_adaptive() {
        return Ok(json!({ "type": "enabled", "budget_tokens": budget }));
    }
    let config = body.entry("output_config").or_insert_with(|| json!({}));
    if let Some(config) = config.as_object_mut() {
        config.insert("effort".to_owned(), (*own).into());
    }
    Ok(adaptive())
}

fn adaptive() -> Value {
    json!({ "type": "adaptive", "display": "summarized" })
}

/// What the client asks for, in the way that the model takes it; `None` if it cannot think at all.
fn client_own(model: Model, thinking: Value, body: &Map<String, Value>) -> Option<Value> {
    match thinking.get("type").and_then(Value::as_str) {
        Some("adaptive") if !model.is_adaptive() => {
            let bound = body.get("max_tokens").and_then(Value::as_u64);
            let budget = match bound {
                Some(bound) if bound <= BUDGET_MIN => return None,
                Some(bound) => bound.saturating_sub(1).min(2048),
                None => 2048,
            };
            Some(json!({ "type": "enabled", "budget_tokens": budget }))
        }
        Some("enabled") if model.refuses_budgets() => Some(adaptive()),
        _ => Some(thinking),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_old(budget: u64, bound: u64) -> Value {
        json!({ "thinking": { "type": "enabled", "budget_tokens": budget }, "max_tokens": bound })
    }

    fn of_new() -> Value {
        json!({ "thinking": adaptive(), "output_config": { "effort": "low" } })
    }

    #[test]
    fn effort_is_a_budget_or_an_effort() {
        let sonnet = "claude-sonnet-4-5";
        for (model, effort, bound, wanted) in [
            (sonnet, json!("low"), None, of_old(1024, 5120)),
            (
                sonnet,
                json!({ "effort": "high" }),
                Some(9000),
                of_old(4096, 9000),
            ),
            (sonnet, json!("none"), None, json!({})),
            ("claude-opus-4-6", json!("minimal"), None, of_new()),
        ] {
            assert_eq!(
                said(model, Some(&effort), None, bound),
                wanted,
                "{model} {effort}"
            );
        }
        let unknown = say(
            Model::of(sonnet),
            Some(&json!("much")),
            None,
            &mut Map::new(),
        );
        assert!(unknown.unwrap_err().to_string().contains("much"));
    }

    #[test]
    fn thinking_is_asked_for_as_the_model_takes_it() {
        let own = |kind: &str| json!({ "type": kind });
        let budget = json!({ "type": "enabled", "budget_tokens": 5000 });
        let old = "claude-opus-4-5";
        for (model, thinking, bound, wanted) in [
            (old, own("adaptive"), Some(1500), of_old(1499, 1500)),
            (
                old,
                own("adaptive"),
                Some(900),
                json!({ "max_tokens": 900 }),
            ),
            (old, budget.clone(), None, of_old(5000, 9096)),
            (
                old,
                own("disabled"),
                None,
                json!({ "thinking": own("disabled") }),
            ),
            (
                "claude-opus-4-8",
                budget,
                None,
                json!({ "thinking": adaptive() }),
            ),
        ] {
            assert_eq!(said(model, None, Some(thinking), bound), wanted, "{model}");
        }
    }

    fn said(
        model: &str,
        effort: Option<&Value>,
        thinking: Option<Value>,
        bound: Option<u64>,
    ) -> Value {
        let bound = bound.map(|bound| ("max_tokens".to_owned(), bound.into()));
        let mut body: Map<String, Value> = bound.into_iter().collect();
        say(Model::of(model), effort, thinking, &mut body).unwrap();
        Value::Object(body)
    }
}
