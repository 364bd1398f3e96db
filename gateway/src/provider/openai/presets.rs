//! The table of those who speak OpenAI's dialect, or nearly.
//!
//! A row is `row(name, address, variables of the key, variables of the address)`, and what differs
//! from the common case.

use serde_json::Value;

use super::{
    changes::{self, Change},
    databricks, fixes, known, mistral, models,
    preset::{Preset, row},
    schema,
};
use crate::{
    provider::{Provider, Setting},
    request::UsageOption::Unknown,
};

/// Everyone who speaks OpenAI's dialect.
pub const PRESETS: &[&dyn Provider] = &[
    &Preset {
        knows: models::parameters,
        takes: models::takes,
        changes: [changes::NATIVE, &[]],
        fixes: &[],
        ..row(
            "openai",
            "https://api.openai.com/v1",
            &["OPENAI_API_KEY"],
            &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
        )
    },
    &Preset {
        knows: known::anyscale,
        takes: |_model, name, value| name != "n" || value == "1",
        ..row(
            "anyscale",
            "https://api.endpoints.anyscale.com/v1",
            &["ANYSCALE_API_KEY"],
            &["ANYSCALE_API_BASE"],
        )
    },
    &Preset {
        knows: known::few,
        ..row(
            "baseten",
            "https://inference.baseten.co/v1",
            &["BASETEN_API_KEY"],
            &["BASETEN_API_BASE"],
        )
    },
    &Preset {
        knows: known::cerebras,
        usage: Unknown,
        changes: [changes::COMMON, &[changes::MAX_TOKENS]],
        ..row(
            "cerebras",
            "https://api.cerebras.ai/v1",
            &["CEREBRAS_API_KEY"],
            &["CEREBRAS_API_BASE"],
        )
    },
    &Preset {
        settings: &[CLOUDFLARE_ACCOUNT],
        ..row(
            "cloudflare",
            "https://api.cloudflare.com/client/v4/accounts/{cloudflare_account_id}/ai/v1",
            &["CLOUDFLARE_API_KEY"],
            &["CLOUDFLARE_API_BASE"],
        )
    },
    &Preset {
        knows: known::effort,
        ..row(
            "dashscope",
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            &["DASHSCOPE_API_KEY"],
            &["DASHSCOPE_API_BASE"],
        )
    },
    &Preset {
        knows: known::databricks,
        usage: Unknown,
        changes: [databricks::COMMON, databricks::CHANGES],
        fixes: &[fixes::THOUGHT_PARTS],
        ..row(
            "databricks",
            "",
            &["DATABRICKS_API_KEY"],
            &["DATABRICKS_API_BASE"],
        )
    },
    &Preset {
        knows: known::deepinfra,
        takes: some_tool_choices,
        usage: Unknown,
        changes: [changes::COMMON, &[changes::MAX_TOKENS]],
        ..row(
            "deepinfra",
            "https://api.deepinfra.com/v1/openai",
            &["DEEPINFRA_API_KEY"],
            &["DEEPINFRA_API_BASE"],
        )
    },
    &Preset {
        knows: known::reasoning,
        changes: [changes::COMMON, DEEPSEEK],
        fixes: &[fixes::REASONING, fixes::CACHE_HITS],
        ..row(
            "deepseek",
            "https://api.deepseek.com/beta",
            &["DEEPSEEK_API_KEY"],
            &["DEEPSEEK_API_BASE"],
        )
    },
    &Preset {
        knows: known::few,
        ..row(
            "featherless_ai",
            "https://api.featherless.ai/v1",
            &["FEATHERLESS_AI_API_KEY", "FEATHERLESS_API_KEY"],
            &["FEATHERLESS_AI_API_BASE", "FEATHERLESS_API_BASE"],
        )
    },
    &Preset {
        knows: known::fireworks,
        model_prefix: "accounts/fireworks/models/",
        changes: [changes::COMMON, FIREWORKS],
        ..row(
            "fireworks_ai",
            "https://api.fireworks.ai/inference/v1",
            &[
                "FIREWORKS_API_KEY",
                "FIREWORKS_AI_API_KEY",
                "FIREWORKSAI_API_KEY",
                "FIREWORKS_AI_TOKEN",
            ],
            &["FIREWORKS_API_BASE"],
        )
    },
    &Preset {
        knows: known::openai,
        changes: [changes::COMMON, &[changes::MAX_TOKENS]],
        ..row(
            "github",
            "https://models.inference.ai.azure.com",
            &["GITHUB_API_KEY"],
            &["GITHUB_API_BASE"],
        )
    },
    &Preset {
        knows: known::groq,
        changes: [changes::COMMON, GROQ],
        ..row(
            "groq",
            "https://api.groq.com/openai/v1",
            &["GROQ_API_KEY"],
            &["GROQ_API_BASE"],
        )
    },
    &Preset {
        knows: known::few,
        ..row(
            "hyperbolic",
            "https://api.hyperbolic.xyz/v1",
            &["HYPERBOLIC_API_KEY"],
            &["HYPERBOLIC_API_BASE"],
        )
    },
    &Preset {
        knows: known::reasoning,
        ..row(
            "minimax",
            "https://api.minimax.io/v1",
            &["MINIMAX_API_KEY"],
            &["MINIMAX_API_BASE"],
        )
    },
    &Preset {
        knows: known::mistral,
        usage: Unknown,
        changes: [changes::COMMON, mistral::CHANGES],
        fixes: &[fixes::THOUGHT_PARTS],
        ..row(
            "mistral",
            "https://api.mistral.ai/v1",
            &["MISTRAL_API_KEY", "MISTRAL_AZURE_API_KEY"],
            &["MISTRAL_API_BASE", "MISTRAL_AZURE_API_BASE"],
        )
    },
    &Preset {
        knows: known::mistral,
        usage: Unknown,
        changes: [changes::COMMON, mistral::CHANGES],
        ..row(
            "codestral",
            "https://codestral.mistral.ai/v1",
            &["CODESTRAL_API_KEY"],
            &["CODESTRAL_API_BASE"],
        )
    },
    &Preset {
        knows: known::moonshot,
        changes: [changes::COMMON, &[changes::JOINED_TEXT]],
        ..row(
            "moonshot",
            "https://api.moonshot.ai/v1",
            &["MOONSHOT_API_KEY"],
            &["MOONSHOT_API_BASE"],
        )
    },
    &Preset {
        knows: known::few,
        ..row(
            "nscale",
            "https://inference.api.nscale.com/v1",
            &["NSCALE_API_KEY"],
            &["NSCALE_API_BASE"],
        )
    },
    &Preset {
        knows: known::nvidia,
        usage: Unknown,
        changes: [changes::COMMON, &[changes::MAX_TOKENS]],
        ..row(
            "nvidia_nim",
            "https://integrate.api.nvidia.com/v1",
            &["NVIDIA_NIM_API_KEY"],
            &["NVIDIA_NIM_API_BASE"],
        )
    },
    &Preset {
        knows: known::passed_on,
        changes: [changes::COMMON_CACHED, changes::CACHED_OR_NOT],
        ..row(
            "openrouter",
            "https://openrouter.ai/api/v1",
            &["OPENROUTER_API_KEY", "OR_API_KEY"],
            &["OPENROUTER_API_BASE"],
        )
    },
    &Preset {
        knows: known::perplexity,
        usage: Unknown,
        fixes: &[fixes::CHUNK_NAMES],
        ..row(
            "perplexity",
            "https://api.perplexity.ai",
            &["PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"],
            &["PERPLEXITY_API_BASE"],
        )
    },
    &Preset {
        knows: known::sambanova,
        changes: [
            changes::COMMON,
            &[changes::MAX_TOKENS, changes::JOINED_TEXT],
        ],
        ..row(
            "sambanova",
            "https://api.sambanova.ai/v1",
            &["SAMBANOVA_API_KEY"],
            &["SAMBANOVA_API_BASE"],
        )
    },
    &Preset {
        knows: known::effort,
        changes: [changes::COMMON, &[changes::WITHOUT_THINKING]],
        fixes: &[fixes::REASONING, fixes::FINISH],
        ..row(
            "together_ai",
            "https://api.together.xyz/v1",
            &[
                "TOGETHERAI_API_KEY",
                "TOGETHER_AI_API_KEY",
                "TOGETHER_API_KEY",
                "TOGETHER_AI_TOKEN",
            ],
            &["TOGETHER_AI_API_BASE"],
        )
    },
    &Preset {
        knows: known::volcengine,
        ..row(
            "volcengine",
            "https://ark.cn-beijing.volces.com/api/v3",
            &["VOLCENGINE_API_KEY", "ARK_API_KEY"],
            &["VOLCENGINE_API_BASE"],
        )
    },
    &Preset {
        knows: known::effort,
        ..row(
            "wandb",
            "https://api.inference.wandb.ai/v1",
            &["WANDB_API_KEY"],
            &["WANDB_API_BASE"],
        )
    },
    &Preset {
        knows: known::xai,
        changes: [changes::COMMON, &[changes::MAX_TOKENS]],
        fixes: &[fixes::REASONING, fixes::ALL_TOKENS],
        ..row(
            "xai",
            "https://api.x.ai/v1",
            &["XAI_API_KEY"],
            &["XAI_API_BASE"],
        )
    },
    &Preset {
        knows: known::reasoning,
        ..row(
            "zai",
            "https://api.z.ai/api/paas/v4",
            &["ZAI_API_KEY"],
            &["ZAI_API_BASE"],
        )
    },
];

const CLOUDFLARE_ACCOUNT: Setting = Setting {
    key: "cloudflare_account_id",
    variables: &["CLOUDFLARE_ACCOUNT_ID"],
};

const DEEPSEEK: &[Change] = &[
    changes::JOINED_TEXT,
    changes::THINKING_SWITCH[0],
    changes::THINKING_SWITCH[1],
];

const FIREWORKS: &[Change] = &[
    changes::MAX_TOKENS,
    changes::ANY_TOOL,
    changes::FORMAT_OR_TOOLS,
    changes::WITHOUT_THINKING,
];

const GROQ: &[Change] = &[changes::MAX_TOKENS, changes::WITHOUT_NULLS, schema::GROQ];

/// For those whose tools are the model's to choose.
fn some_tool_choices(_model: &str, name: &str, value: &str) -> bool {
    let choice: Option<Value> = serde_json::from_str(value).ok();
    let is_free = || choice.is_none_or(|choice| choice == "auto" || choice == "none");
    name != "tool_choice" || is_free()
}
