//! What OpenAI's own models know, and who else reasons.

use serde_json::Value;

use crate::{operation::Operation, provider::Parameters};

/// What came with the models that reason; the others refuse it.
pub(in crate::provider) const NEW: &[&str] = &["reasoning_effort", "thinking", "verbosity"];

/// The same, for those that do not ask for the user either.
pub(in crate::provider) const NEW_OR_USER: &[&str] =
    &["reasoning_effort", "thinking", "verbosity", "user"];

/// A generation of OpenAI's models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Generation {
    /// Those that do not reason.
    Plain,
    /// o1, o3, o4.
    O,
    /// GPT-5.
    Five,
    /// GPT-5.1 and later: they can be told not to reason.
    Later,
    /// A name that says nothing.
    Unknown,
}

impl Generation {
    /// Of a model's name, or of a deployment's that is called like its model.
    pub(in crate::provider) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        if model.contains("o_series/") {
            return Self::O;
        }
        if model.contains("gpt5_series/") {
            return Self::Five;
        }
        let is_o = |family: &str| {
            let rest = name.strip_prefix(family);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        if ["o1", "o3", "o4"].into_iter().any(is_o) {
            return Self::O;
        }
        match name.strip_prefix("gpt-").unwrap_or_default().as_bytes() {
            [b'5', b'-', b'c', b'h', b'a', b't', ..] | [b'3' | b'4', ..] => Self::Plain,
            [b'5', b'.', b'1'..=b'9', ..] | [b'6'..=b'9', ..] => Self::Later,
            [b'5'] | [b'5', b'-', ..] => Self::Five,
            _ if name.starts_with("chatgpt-") => Self::Plain,
            _ => Self::Unknown,
        }
    }

    /// Whether it reasons before it answers: its bound is `max_completion_tokens`.
    pub(in crate::provider) const fn reasons(self) -> bool {
        matches!(self, Self::O | Self::Five | Self::Later)
    }
}

/// The parameters that `model` knows.
pub(in crate::provider) fn parameters(operation: Operation, model: &str) -> Parameters {
    match operation {
        Operation::Chat => Parameters::AllBut(match Generation::of(model) {
            Generation::Plain if matches!(model, "gpt-4" | "gpt-3.5-turbo-16k") => &[
                "reasoning_effort",
                "thinking",
                "verbosity",
                "response_format",
            ],
            Generation::Plain => NEW,
            Generation::O => NOT_O,
            Generation::Five => NOT_FIVE,
            Generation::Later => NOT_LATER,
            Generation::Unknown => &["thinking"],
        }),
        Operation::Embedding if model.contains("ada-002") => Parameters::AllBut(&["dimensions"]),
        _ => Parameters::All,
    }
}

/// What Azure's deployments of these models know otherwise.
pub(in crate::provider) fn azure(operation: Operation, model: &str) -> Parameters {
    match (operation, Generation::of(model)) {
        (Operation::Chat, Generation::O) => Parameters::AllBut(&NOT_O[1..]),
        _ => parameters(operation, model),
    }
}

/// Whether `model` takes `value` for a parameter that it knows: one that reasons has one
/// temperature, unless it is told not to reason.
pub(in crate::provider) fn takes(model: &str, name: &str, value: &str) -> bool {
    let generation = Generation::of(model);
    match name {
        "temperature" if matches!(generation, Generation::O | Generation::Five) => {
            let number: Option<Value> = serde_json::from_str(value).ok();
            number.is_none_or(|number| number.is_null() || number == 1 || number == 1.0)
        }
        "reasoning_effort" if generation == Generation::Five => value != "\"none\"",
        _ => true,
    }
}

const NOT_O: &[&str] = &[
    "parallel_tool_calls",
    "frequency_penalty",
    "presence_penalty",
    "logprobs",
    "top_logprobs",
    "top_p",
    "thinking",
    "verbosity",
];

const NOT_FIVE: &[&str] = &[
    "audio",
    "frequency_penalty",
    "logit_bias",
    "modalities",
    "prediction",
    "presence_penalty",
    "stop",
    "thinking",
    "web_search_options",
    "logprobs",
    "top_logprobs",
    "top_p",
];

const NOT_LATER: &[&str] = NOT_FIVE.split_at(9).0;

/// Whether an open model reasons, by its name: providers that serve many refuse to be told how
/// much by a model that does not.
pub(in crate::provider) fn reasons(model: &str) -> bool {
    const SIGNS: &[&str] = &[
        "deepseek-r1",
        "deepseek-v3.1",
        "deepseek-v3.2",
        "deepseek-v4",
        "glm-4.5",
        "glm-4.6",
        "glm-4.7",
        "glm-5",
        "gpt-oss",
        "grok-3-mini",
        "grok-4.",
        "grok-code",
        "kimi-k2",
        "magistral",
        "mistral-small-26",
        "minimax-m",
        "nemotron",
        "qwen-3",
        "qwen3",
        "qwq",
        "reason",
        "research",
        "thinking",
    ];
    let model = model.to_ascii_lowercase();
    SIGNS.iter().any(|sign| model.contains(sign))
}
