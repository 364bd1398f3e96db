//! What Mistral calls otherwise.

use serde_json::Value;

use super::changes::{self, Change, rename};

/// What a request to Mistral needs.
pub(super) const CHANGES: &[Change] = &[
    changes::MAX_TOKENS,
    changes::ANY_TOOL,
    changes::UNNAMED,
    changes::WITHOUT_REASONING,
    Change {
        field: "seed",
        signs: &[],
        apply: |object, _model| rename(object, "seed", "random_seed"),
    },
    Change {
        field: "reasoning_effort",
        signs: &[],
        apply: |object, model| {
            // Its models reason or do not; the newer ones take an effort.
            if model.contains("magistral") {
                object.remove("reasoning_effort");
                object.insert("prompt_mode".to_owned(), "reasoning".into());
            }
        },
    },
    Change {
        field: "thinking",
        signs: &[],
        apply: |object, _model| {
            let thinking = object.remove("thinking");
            let kind = thinking.as_ref().and_then(|thinking| thinking.get("type"));
            if kind.and_then(Value::as_str) == Some("enabled") {
                object.insert("prompt_mode".to_owned(), "reasoning".into());
            }
        },
    },
];
