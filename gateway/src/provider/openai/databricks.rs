//! What models at Databricks need, Claude above all.

use serde_json::{Value, json};

use super::{
    changes::{self, Change, Object, messages},
    schema,
};

/// Tokens that are left for the answer beside those for reasoning, if nobody says how many.
const ANSWER_TOKENS: u64 = 4096;

/// Marks of what is cached stay.
pub(super) const COMMON: &[Change] = changes::COMMON_CACHED;

/// What a request to Databricks needs.
pub(super) const CHANGES: &[Change] = &[
    changes::MAX_TOKENS,
    changes::CACHED_PARTS,
    changes::WITHOUT_REASONING,
    schema::DATABRICKS,
    Change {
        field: "messages",
        signs: &["\"tool\""],
        apply: |object, _model| {
            for message in messages(object) {
                if message.get("role").is_some_and(|role| role == "tool") {
                    message.remove("name");
                }
            }
        },
    },
    Change {
        field: "messages",
        signs: &["\"text\""],
        apply: |object, model| {
            if !model.contains("claude") {
                (changes::JOINED_TEXT.apply)(object, model);
            }
        },
    },
    Change {
        field: "reasoning_effort",
        signs: &[],
        apply: |object, model| {
            if model.contains("claude") {
                let effort = object.remove("reasoning_effort");
                let budget = effort.as_ref().and_then(Value::as_str).and_then(budget);
                if let Some(budget) = budget {
                    object
                        .entry("thinking")
                        .or_insert_with(|| json!({ "type": "enabled", "budget_tokens": budget }));
                }
                bound(object);
            }
        },
    },
    Change {
        field: "thinking",
        signs: &[],
        apply: |object, _model| bound(object),
    },
];

/// What an effort stands for, in tokens.
fn budget(effort: &str) -> Option<u64> {
    match effort {
        "minimal" | "low" => Some(1024),
        "medium" => Some(2048),
        "high" => Some(4096),
        "xhigh" => Some(8192),
        _ => None,
    }
}

/// Claude wants a bound that leaves room beyond the reasoning.
fn bound(object: &mut Object) {
    let thinking = object.get("thinking");
    let budget = thinking.and_then(|thinking| thinking.get("budget_tokens")?.as_u64());
    if let Some(budget) = budget {
        let bound = budget.saturating_add(ANSWER_TOKENS);
        object.entry("max_tokens").or_insert_with(|| bound.into());
    }
}
