//! The keys of a deployment.

/// Keys of `litellm_params` that mean something here.
pub(super) const PARAMS: &[&str] = &[
    "model",
    "api_key",
    "api_base",
    "base_url",
    "api_version",
    "organization",
    "custom_llm_provider",
    "timeout",
    "max_retries",
    "num_retries",
    "weight",
    "rpm",
    "tpm",
    "headers",
    "extra_headers",
    "mock_response",
    "mock_tool_calls",
    "mock_timeout",
    "mock_delay",
    "base_model",
    "stream_timeout",
    "order",
    "cooldown_time",
    "max_parallel_requests",
    "tags",
    "drop_params",
    "additional_drop_params",
    "allowed_openai_params",
];

/// LiteLLM's other keys of `litellm_params`.
pub(super) const PARAMS_UNSUPPORTED: &[&str] = &[
    "itpm",
    "otpm",
    "timeout_by_service_tier",
    "tag_regex",
    "extra_body",
    "max_budget",
    "budget_duration",
    "litellm_credential_name",
    "use_in_pass_through",
    "use_chat_completions_api",
    "merge_reasoning_content_in_choices",
    "configurable_clientside_auth_params",
    "region_name",
    "tenant_id",
    "client_id",
    "client_secret",
    "azure_ad_token",
];

/// Parameters of a request that a deployment may set.
pub(super) const DEFAULTS: &[&str] = &[
    "temperature",
    "top_p",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "user",
    "response_format",
    "seed",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "logprobs",
    "top_logprobs",
    "modalities",
    "audio",
    "prediction",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "store",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "web_search_options",
    "stream_options",
];

/// Whether a key of a deployment is a key of the price map.
pub(super) fn is_price(key: &str) -> bool {
    key.contains("cost_per_") || key.contains("_token_cost") || key == "tiered_pricing"
}
