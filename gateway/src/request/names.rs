//! Fields of a request that do not go upstream, and fields that it may not have.

/// Fields that are for the gateway and do not go upstream.
pub(super) const OURS: &[&str] = &[
    "metadata",
    "litellm_metadata",
    "tags",
    "mock_response",
    "mock_tool_calls",
    "mock_timeout",
    "mock_delay",
    "fastest_response",
    "turn_off_message_logging",
    "num_retries",
    "timeout",
    "request_timeout",
    "drop_params",
    "cache",
    "guardrails",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "disable_fallbacks",
    "litellm_call_id",
    "litellm_trace_id",
    "litellm_session_id",
    "allowed_openai_params",
    "additional_drop_params",
    "no-log",
    "extra_query",
];

/// Fields that would change where a request goes, who pays, or what it costs.
pub(super) const FORBIDDEN: &[&str] = &[
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "custom_llm_provider",
    "organization",
    "model_list",
    "deployment_id",
    "model_info",
    "base_model",
    "litellm_credential_name",
    "litellm_params",
    "user_config",
    "router_settings_override",
    "extra_headers",
    "headers",
    "extra_body",
    "azure_ad_token",
    "proxy_server_request",
    "secret_fields",
    "tiered_pricing",
];

/// Beginnings of such fields.
pub(super) const FORBIDDEN_PREFIXES: &[&str] = &["user_api_key", "aws_", "vertex_", "azure_"];
