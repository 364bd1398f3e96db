//! Which of OpenAI's parameters each provider of the table knows, as LiteLLM lists them.

use super::models::{self, NEW, NEW_OR_USER};
use crate::{operation::Operation, provider::Parameters};

/// What every provider that is compatible knows.
pub(super) fn plain(operation: Operation, _model: &str) -> Parameters {
    of(operation, Parameters::AllBut(NEW_OR_USER), Parameters::All)
}

/// The same for OpenAI's models elsewhere.
pub(super) fn openai(operation: Operation, _model: &str) -> Parameters {
    of(operation, Parameters::AllBut(NEW), Parameters::All)
}

/// For one that passes on how much a model is to reason, and the user, to whom the model runs at.
pub(super) fn passed_on(operation: Operation, _model: &str) -> Parameters {
    of(
        operation,
        Parameters::AllBut(&["verbosity"]),
        Parameters::All,
    )
}

/// For servers that run any model: they decide.
pub(super) fn any(_operation: Operation, _model: &str) -> Parameters {
    Parameters::All
}

/// For those that also know how much a model is to reason, and Claude's `thinking`.
pub(super) fn reasoning(operation: Operation, _model: &str) -> Parameters {
    of(
        operation,
        Parameters::AllBut(&["verbosity", "user"]),
        Parameters::All,
    )
}

/// For those that know an effort where the model reasons.
pub(super) fn effort(operation: Operation, model: &str) -> Parameters {
    let chat = if models::reasons(model) {
        Parameters::AllBut(&["thinking", "verbosity", "user"])
    } else {
        Parameters::AllBut(NEW_OR_USER)
    };
    of(operation, chat, Parameters::All)
}

pub(super) fn groq(operation: Operation, model: &str) -> Parameters {
    let chat = if models::reasons(model) {
        Parameters::AllBut(&["thinking", "verbosity"])
    } else {
        Parameters::AllBut(&[
            "reasoning_effort",
            "thinking",
            "verbosity",
            "web_search_options",
        ])
    };
    of(operation, chat, Parameters::All)
}

pub(super) fn local(operation: Operation, model: &str) -> Parameters {
    match operation {
        Operation::Embedding => Parameters::only(&[]),
        _ => plain(operation, model),
    }
}

pub(super) fn mistral(operation: Operation, model: &str) -> Parameters {
    const CHAT: &[&str] = &[
        "max_completion_tokens",
        "max_tokens",
        "parallel_tool_calls",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "reasoning_effort",
        "thinking",
    ];
    const EMBEDDING: Parameters = Parameters::only(&["encoding_format"]);
    of(operation, with(CHAT, 2, models::reasons(model)), EMBEDDING)
}

pub(super) fn deepinfra(operation: Operation, model: &str) -> Parameters {
    const CHAT: &[&str] = &[
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "max_completion_tokens",
        "max_tokens",
        "n",
        "presence_penalty",
        "response_format",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "reasoning_effort",
    ];
    let chat = with(CHAT, 1, models::reasons(model));
    of(operation, chat, Parameters::All)
}

pub(super) fn fireworks(operation: Operation, model: &str) -> Parameters {
    const OUT: &[&str] = &[
        "audio",
        "function_call",
        "functions",
        "modalities",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "verbosity",
        "web_search_options",
        "reasoning_effort",
        "thinking",
    ];
    let chat = Parameters::AllBut(if models::reasons(model) {
        OUT.split_at(OUT.len() - 2).0
    } else {
        OUT
    });
    let embedding = if model.contains("nomic") || model.contains("qwen3") {
        &["dimensions"][..]
    } else {
        &[]
    };
    of(operation, chat, Parameters::only(embedding))
}

pub(super) fn nvidia(operation: Operation, model: &str) -> Parameters {
    let chat: &[&str] = if model.contains("gemma") {
        &["max_tokens", "seed", "stop", "temperature", "top_p"]
    } else if model.contains("nemotron-4-340b") {
        &[
            "max_completion_tokens",
            "max_tokens",
            "temperature",
            "top_p",
        ]
    } else {
        &[
            "frequency_penalty",
            "max_completion_tokens",
            "max_tokens",
            "parallel_tool_calls",
            "presence_penalty",
            "response_format",
            "seed",
            "stop",
            "temperature",
            "tool_choice",
            "tools",
            "top_p",
        ]
    };
    of(operation, Parameters::only(chat), Parameters::All)
}

pub(super) fn perplexity(operation: Operation, model: &str) -> Parameters {
    const CHAT: &[&str] = &[
        "frequency_penalty",
        "max_completion_tokens",
        "max_tokens",
        "presence_penalty",
        "response_format",
        "temperature",
        "top_p",
        "web_search_options",
        "reasoning_effort",
    ];
    let chat = with(CHAT, 1, models::reasons(model));
    of(operation, chat, Parameters::All)
}

pub(super) fn sambanova(operation: Operation, model: &str) -> Parameters {
    const CHAT: &[&str] = &[
        "max_completion_tokens",
        "max_tokens",
        "response_format",
        "stop",
        "temperature",
        "top_p",
        "parallel_tool_calls",
        "tool_choice",
        "tools",
    ];
    let has_tools = ["Llama-3", "Llama-4", "gpt-oss", "Qwen", "V3", "Maverick"];
    let has_tools = has_tools.iter().any(|name| model.contains(name));
    of(operation, with(CHAT, 3, has_tools), Parameters::only(&[]))
}

pub(super) fn cerebras(operation: Operation, model: &str) -> Parameters {
    const CHAT: &[&str] = &[
        "max_completion_tokens",
        "max_tokens",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "user",
        "reasoning_effort",
    ];
    let chat = with(CHAT, 1, models::reasons(model));
    of(operation, chat, Parameters::All)
}

pub(super) fn xai(operation: Operation, model: &str) -> Parameters {
    const CHAT: &[&str] = &[
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "response_format",
        "seed",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "web_search_options",
    ];
    let is_new = model.contains("grok-4") || model.contains("grok-code");
    let more: &[(&str, bool)] = &[
        ("stop", !is_new && !model.contains("mini")),
        ("frequency_penalty", !is_new),
        ("reasoning_effort", models::reasons(model)),
    ];
    let more = more.iter().filter(|(_, knows)| *knows);
    let chat = CHAT.iter().copied().chain(more.map(|(name, _)| *name));
    of(operation, Parameters::Only(chat.collect()), Parameters::All)
}

pub(super) fn databricks(operation: Operation, _model: &str) -> Parameters {
    let chat = Parameters::only(&[
        "max_completion_tokens",
        "max_tokens",
        "n",
        "reasoning_effort",
        "response_format",
        "stop",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_p",
    ]);
    of(operation, chat, Parameters::only(&[]))
}

pub(super) fn anyscale(operation: Operation, _model: &str) -> Parameters {
    let chat = Parameters::only(&[
        "temperature",
        "top_p",
        "max_tokens",
        "n",
        "stop",
        "frequency_penalty",
        "presence_penalty",
    ]);
    of(operation, chat, Parameters::All)
}

pub(super) fn moonshot(operation: Operation, _model: &str) -> Parameters {
    let chat = Parameters::AllBut(&[
        "reasoning_effort",
        "thinking",
        "verbosity",
        "functions",
        "user",
    ]);
    of(operation, chat, Parameters::All)
}

pub(super) fn volcengine(operation: Operation, _model: &str) -> Parameters {
    let chat = Parameters::AllBut(&[
        "audio",
        "modalities",
        "parallel_tool_calls",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
        "web_search_options",
    ]);
    of(operation, chat, Parameters::AllBut(&["dimensions"]))
}

pub(super) fn few(operation: Operation, _model: &str) -> Parameters {
    let chat = Parameters::only(&[
        "frequency_penalty",
        "max_completion_tokens",
        "max_tokens",
        "n",
        "presence_penalty",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "user",
    ]);
    of(operation, chat, Parameters::All)
}

fn of(operation: Operation, chat: Parameters, embedding: Parameters) -> Parameters {
    match operation {
        Operation::Chat => chat,
        Operation::Embedding => embedding,
        _ => Parameters::All,
    }
}

/// All of `names`, or all but the last `last`.
fn with(names: &'static [&'static str], last: usize, has_all: bool) -> Parameters {
    let few = names.len().saturating_sub(last);
    Parameters::only(if has_all {
        names
    } else {
        names.split_at(few).0
    })
}
