//! The rows of servers that everybody runs for themselves.

use super::{
    changes, known,
    preset::{Preset, row},
};
use crate::provider::Provider;

/// Servers without an address that all know.
pub const SERVERS: &[&dyn Provider] = &[
    &Preset {
        knows: known::any,
        ..row(
            "custom_openai",
            "",
            &["CUSTOM_OPENAI_API_KEY"],
            &["CUSTOM_OPENAI_API_BASE"],
        )
    },
    &Preset {
        knows: known::any,
        ..row(
            "openai_like",
            "",
            &["OPENAI_LIKE_API_KEY"],
            &["OPENAI_LIKE_API_BASE"],
        )
    },
    &Preset {
        knows: known::any,
        changes: [&[], &[]],
        ..row(
            "litellm_proxy",
            "",
            &["LITELLM_PROXY_API_KEY"],
            &["LITELLM_PROXY_API_BASE"],
        )
    },
    &Preset {
        knows: known::reasoning,
        any_key: ANY_KEY,
        changes: [
            changes::COMMON,
            &[changes::EFFORT, changes::WITHOUT_THINKING],
        ],
        ..row(
            "hosted_vllm",
            "",
            &["HOSTED_VLLM_API_KEY"],
            &["HOSTED_VLLM_API_BASE"],
        )
    },
    &Preset {
        knows: known::any,
        ..row(
            "infinity",
            "",
            &["INFINITY_API_KEY"],
            &["INFINITY_API_BASE"],
        )
    },
    &Preset {
        any_key: ANY_KEY,
        ..row(
            "llamafile",
            "http://127.0.0.1:8080/v1",
            &["LLAMAFILE_API_KEY"],
            &["LLAMAFILE_API_BASE"],
        )
    },
    &Preset {
        knows: known::local,
        any_key: ANY_KEY,
        ..row(
            "lm_studio",
            "",
            &["LM_STUDIO_API_KEY"],
            &["LM_STUDIO_API_BASE"],
        )
    },
    &Preset {
        knows: known::any,
        ..row("triton", "", &["TRITON_API_KEY"], &["TRITON_API_BASE"])
    },
    &Preset {
        knows: known::any,
        any_key: ANY_KEY,
        ..row(
            "xinference",
            "",
            &["XINFERENCE_API_KEY"],
            &["XINFERENCE_API_BASE"],
        )
    },
];

/// The same as LiteLLM sends.
const ANY_KEY: Option<&str> = Some("fake-api-key");
