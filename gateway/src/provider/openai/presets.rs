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
        knows: known::any,
        ..row(
            "custom_openai",
            "",
            &["CUSTOM_OPENAI_API_KEY", "OPENAI_API_KEY"],
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
    &row(
        "aiml",
        "https://api.aimlapi.com/v1",
        &["AIML_API_KEY"],
        &["AIML_API_BASE"],
    ),
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
    &row(
        "cometapi",
        "https://api.cometapi.com/v1",
        &["COMETAPI_KEY", "COMETAPI_API_KEY"],
        &["COMETAPI_API_BASE"],
    ),
    &row(
        "compactifai",
        "https://api.compactif.ai/v1",
        &["COMPACTIFAI_API_KEY"],
        &["COMPACTIFAI_API_BASE"],
    ),
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
        ..row(
            "deepseek",
            "https://api.deepseek.com/beta",
            &["DEEPSEEK_API_KEY"],
            &["DEEPSEEK_API_BASE"],
        )
    },
    &row(
        "docker_model_runner",
        "http://localhost:22088/engines/llama.cpp",
        &["DOCKER_MODEL_RUNNER_API_KEY"],
        &["DOCKER_MODEL_RUNNER_API_BASE"],
    ),
    &row(
        "empower",
        "https://app.empower.dev/api/v1",
        &["EMPOWER_API_KEY"],
        &["EMPOWER_API_BASE"],
    ),
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
    &row(
        "friendliai",
        "https://api.friendli.ai/serverless/v1",
        &["FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN"],
        &["FRIENDLI_API_BASE"],
    ),
    &row(
        "galadriel",
        "https://api.galadriel.com/v1",
        &["GALADRIEL_API_KEY"],
        &["GALADRIEL_API_BASE"],
    ),
    &Preset {
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
    &row(
        "helicone",
        "https://ai-gateway.helicone.ai",
        &["HELICONE_API_KEY"],
        &["HELICONE_API_BASE"],
    ),
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
        knows: known::few,
        ..row(
            "hyperbolic",
            "https://api.hyperbolic.xyz/v1",
            &["HYPERBOLIC_API_KEY"],
            &["HYPERBOLIC_API_BASE"],
        )
    },
    &row(
        "inception",
        "https://api.inceptionlabs.ai/v1",
        &["INCEPTION_API_KEY"],
        &["INCEPTION_API_BASE"],
    ),
    &Preset {
        knows: known::any,
        ..row(
            "infinity",
            "",
            &["INFINITY_API_KEY"],
            &["INFINITY_API_BASE"],
        )
    },
    &row(
        "lambda_ai",
        "https://api.lambda.ai/v1",
        &["LAMBDA_API_KEY"],
        &["LAMBDA_API_BASE"],
    ),
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
    &row(
        "meta_llama",
        "https://api.llama.com/compat/v1",
        &["LLAMA_API_KEY"],
        &["LLAMA_API_BASE"],
    ),
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
    &row(
        "modelscope",
        "https://api-inference.modelscope.cn/v1",
        &["MODELSCOPE_API_KEY"],
        &["MODELSCOPE_API_BASE"],
    ),
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
    &row(
        "morph",
        "https://api.morphllm.com/v1",
        &["MORPH_API_KEY"],
        &["MORPH_API_BASE"],
    ),
    &row(
        "nebius",
        "https://api.studio.nebius.ai/v1",
        &["NEBIUS_API_KEY"],
        &["NEBIUS_API_BASE"],
    ),
    &row(
        "novita",
        "https://api.novita.ai/v3/openai",
        &["NOVITA_API_KEY"],
        &["NOVITA_API_BASE"],
    ),
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
        knows: known::reasoning,
        changes: [changes::COMMON_CACHED, &[changes::CACHED_PARTS]],
        ..row(
            "openrouter",
            "https://openrouter.ai/api/v1",
            &["OPENROUTER_API_KEY", "OR_API_KEY"],
            &["OPENROUTER_API_BASE"],
        )
    },
    &row(
        "ovhcloud",
        "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        &["OVHCLOUD_API_KEY"],
        &["OVHCLOUD_API_BASE"],
    ),
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
    &row(
        "poe",
        "https://api.poe.com/v1",
        &["POE_API_KEY"],
        &["POE_API_BASE"],
    ),
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
    &row(
        "scaleway",
        "https://api.scaleway.ai/v1",
        &["SCW_SECRET_KEY"],
        &["SCALEWAY_API_BASE"],
    ),
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
        knows: known::any,
        ..row("triton", "", &["TRITON_API_KEY"], &["TRITON_API_BASE"])
    },
    &row(
        "v0",
        "https://api.v0.dev/v1",
        &["V0_API_KEY"],
        &["V0_API_BASE"],
    ),
    &row(
        "vercel_ai_gateway",
        "https://ai-gateway.vercel.sh/v1",
        &["VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"],
        &["VERCEL_AI_GATEWAY_API_BASE"],
    ),
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
        knows: known::any,
        any_key: ANY_KEY,
        ..row(
            "xinference",
            "",
            &["XINFERENCE_API_KEY"],
            &["XINFERENCE_API_BASE"],
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

/// The same as LiteLLM sends.
const ANY_KEY: Option<&str> = Some("fake-api-key");

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
