//! LiteLLM's sections: what is supported here, and what is known and is not.

use std::time::Duration;

use event::Secret;
use serde_json::{Map, Value};

use super::{Config, ConfigError, Warning, read, unknown};

/// LiteLLM's other top-level sections.
pub(super) const TOP_LEVEL_UNSUPPORTED: &[&str] = &[
    "include",
    "guardrails",
    "policies",
    "policy_attachments",
    "callback_settings",
    "credential_list",
    "search_tools",
    "vector_store_registry",
    "mcp_servers",
    "mcp_tools",
    "agent_list",
    "prompts",
    "files_settings",
    "finetune_settings",
    "assistant_settings",
    "default_vertex_config",
    "sandbox_tools",
    "plugins",
    "worker_registry",
    "pass_through_endpoints",
];

const SETTINGS_SUPPORTED: &[&str] = &[
    "num_retries",
    "request_timeout",
    "turn_off_message_logging",
    "drop_params",
    "user_url_validation",
    "fallbacks",
    "default_fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "allowed_fails",
    "cache",
    "cache_params",
    "global_disable_no_log_param",
    "forward_traceparent_to_llm_provider",
    "cost_discount_config",
    "cost_margin_config",
    "timezone",
    "max_budget",
    "budget_duration",
];

const SETTINGS_UNSUPPORTED: &[&str] = &[
    "modify_params",
    "set_verbose",
    "json_logs",
    "success_callback",
    "failure_callback",
    "callbacks",
    "service_callback",
    "audit_log_callbacks",
    "budget_exceeded_status_code",
    "budget_rollover",
    "budget_reset_time",
    "max_internal_user_budget",
    "internal_user_budget_duration",
    "max_end_user_budget",
    "max_end_user_budget_id",
    "tag_budget_config",
    "default_internal_user_params",
    "default_team_params",
    "default_team_settings",
    "default_key_generate_params",
    "upperbound_key_generate_params",
    "key_generation_settings",
    "redact_user_api_key_info",
    "standard_logging_payload_excluded_fields",
    "langfuse_default_tags",
    "s3_callback_params",
    "aws_sqs_callback_params",
    "datadog_params",
    "include_cost_in_streaming_usage",
    "extra_spend_tag_headers",
    "disable_add_user_agent_to_request_tags",
    "disable_end_user_cost_tracking",
    "block_requests_for_models_without_pricing",
    "apply_search_free_tier",
    "expose_router_debug_in_errors",
    "enable_anthropic_prompt_caching",
    "request_correlation_in_logs",
    "model_group_settings",
    "public_model_groups",
    "post_call_rules",
    "custom_provider_map",
    "ssl_verify",
    "prometheus_metrics_config",
    "prometheus_latency_buckets",
    "prometheus_emit_stream_label",
    "prometheus_initialize_budget_metrics",
    "telemetry",
    "disable_hf_tokenizer_download",
    "custom_prometheus_metadata_labels",
    "custom_prometheus_tags",
    "enable_end_user_cost_tracking_prometheus_only",
];

const GENERAL_SUPPORTED: &[&str] = &[
    "master_key",
    "max_request_size_mb",
    "max_response_size_mb",
    "cancel_on_disconnect",
    "always_include_stream_usage",
    "dangerously_allow_mock_testing_request_params",
    "allowed_ips",
    "use_x_forwarded_for",
    "trusted_proxy_ranges",
    "enforce_user_param",
    "enforced_params",
];

const GENERAL_UNSUPPORTED: &[&str] = &[
    "database_url",
    "database_connection_pool_limit",
    "database_connection_timeout",
    "store_model_in_db",
    "proxy_config_reload_interval_seconds",
    "proxy_batch_write_at",
    "use_redis_transaction_buffer",
    "coordination_redis",
    "custom_auth",
    "custom_auth_run_common_checks",
    "enable_jwt_auth",
    "litellm_jwtauth",
    "litellm_key_header_name",
    "allowed_routes",
    "public_routes",
    "admin_only_routes",
    "alerting",
    "alerting_threshold",
    "alert_types",
    "alert_to_webhook_url",
    "alerting_args",
    "spend_report_frequency",
    "max_parallel_requests",
    "global_max_parallel_requests",
    "max_in_flight_requests_per_worker",
    "max_queued_requests_per_worker",
    "admission_queue_timeout_seconds",
    "background_health_checks",
    "health_check_interval",
    "pass_through_endpoints",
    "user_header_mappings",
    "reject_clientside_metadata_tags",
    "disable_spend_logs",
    "disable_spend_updates",
    "disable_reset_budget",
    "disable_error_logs",
    "store_prompts_in_spend_logs",
    "spend_logs_metadata_fields",
    "maximum_spend_logs_retention_period",
    "fail_closed_budget_enforcement",
    "fail_closed_rate_limit_enforcement",
    "disable_budget_reservation",
    "apply_user_budget_to_team_keys",
    "include_call_id_in_error_body",
    "missing_session_id",
    "key_management_system",
    "key_management_settings",
    "allow_requests_on_db_unavailable",
    "completion_model",
    "forward_client_headers_to_llm_api",
    "user_api_key_cache_ttl",
    "user_api_key_cache_max_size",
    "token_rate_limit_type",
    "ui_access_mode",
    "role_permissions",
    "enable_drain_endpoint",
];

const ROUTER_SUPPORTED: &[&str] = &[
    "num_retries",
    "timeout",
    "stream_timeout",
    "routing_strategy",
    "model_group_alias",
    "retry_after",
    "retry_policy",
    "model_group_retry_policy",
    "allowed_fails",
    "allowed_fails_policy",
    "cooldown_time",
    "disable_cooldowns",
    "fallbacks",
    "default_fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "max_fallbacks",
    "enable_pre_call_checks",
    "enable_tag_filtering",
    "tag_filtering_match_any",
    "default_max_parallel_requests",
];

/// Keys of `router_settings` that may stand in `litellm_settings` as well.
const ROUTER_ALSO: &[&str] = &[
    "fallbacks",
    "default_fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "allowed_fails",
];

const ROUTER_UNSUPPORTED: &[&str] = &[
    "routing_strategy_args",
    "optional_pre_call_checks",
    "enable_weighted_failover",
    "redis_host",
    "redis_port",
    "redis_password",
    "redis_url",
    "cache_responses",
    "cache_kwargs",
    "caching_groups",
    "provider_budget_config",
    "routing_groups",
    "alerting_config",
    "enable_health_check_routing",
    "ignore_invalid_deployments",
    "default_litellm_params",
];

/// `litellm_settings`.
pub(super) fn settings(
    config: &mut Config,
    value: &Value,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    let known = (SETTINGS_SUPPORTED, SETTINGS_UNSUPPORTED);
    for (key, value, path) in keys("litellm_settings", value, known, warnings)? {
        match key {
            "num_retries" => config.retries_max = read(value, &path)?,
            "request_timeout" => config.settings.upstream_timeout = seconds(value, &path)?,
            "forward_traceparent_to_llm_provider" => {
                config.forward_traceparent = read(value, &path)?;
            }
            "cache" => config.cache.is_on = read(value, &path)?,
            "cache_params" => config.cache.set(value, &path, warnings)?,
            key if ROUTER_ALSO.contains(&key) => config.router.set(key, value, &path)?,
            "global_disable_no_log_param" => config.ignores_no_log = read(value, &path)?,
            "drop_params" => config.drop_params = read(value, &path)?,
            // The collector's.
            "cost_discount_config"
            | "cost_margin_config"
            | "timezone"
            | "max_budget"
            | "budget_duration" => {}
            "user_url_validation" => config.fetches_anywhere = !read::<bool>(value, &path)?,
            _ => config.redact_messages = read(value, &path)?,
        }
    }
    Ok(())
}

/// `general_settings`.
pub(super) fn general(
    config: &mut Config,
    value: &Value,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    let known = (GENERAL_SUPPORTED, GENERAL_UNSUPPORTED);
    for (key, value, path) in keys("general_settings", value, known, warnings)? {
        match key {
            "master_key" => config.master_key = Some(master_key(value, &path)?),
            "max_request_size_mb" => config.settings.request_bytes_max = megabytes(value, &path)?,
            "max_response_size_mb" => config.settings.response_bytes_max = megabytes(value, &path)?,
            "dangerously_allow_mock_testing_request_params" => {
                config.allows_mocks = read(value, &path)?;
            }
            "always_include_stream_usage" => config.always_include_usage = read(value, &path)?,
            "allowed_ips" => config.sources.allowed = Some(networks(value, &path)?),
            "trusted_proxy_ranges" => config.sources.trusted = networks(value, &path)?,
            "use_x_forwarded_for" => config.sources.believes = read(value, &path)?,
            "enforced_params" => config.enforced_params.extend(read::<Vec<_>>(value, &path)?),
            "enforce_user_param" => {
                let user = read::<bool>(value, &path)?.then(|| "user".to_owned());
                config.enforced_params.extend(user);
            }
            _ => {
                if read(value, &path)? {
                    config.settings.on_disconnect = super::OnDisconnect::Cancel;
                }
            }
        }
    }
    Ok(())
}

/// `router_settings`.
pub(super) fn router(
    config: &mut Config,
    value: &Value,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    let known = (ROUTER_SUPPORTED, ROUTER_UNSUPPORTED);
    for (key, value, path) in keys("router_settings", value, known, warnings)? {
        match key {
            "num_retries" => config.retries_max = read(value, &path)?,
            "timeout" => config.settings.upstream_timeout = seconds(value, &path)?,
            "stream_timeout" => config.stream_timeout = Some(seconds(value, &path)?),
            key => config.router.set(key, value, &path)?,
        }
    }
    Ok(())
}

/// The value as an object; `null` (an empty section) is an empty one.
pub(super) fn object<'a>(
    value: &'a Value,
    path: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, ConfigError> {
    match value {
        Value::Null => Ok(None.into_iter().flatten()),
        Value::Object(map) => Ok(Some(map).into_iter().flatten()),
        _ => Err(ConfigError::at(path, "must be a mapping of keys to values")),
    }
}

/// A supported key, its value and its path.
type Setting<'a> = (&'a str, &'a Value, String);

/// The supported keys of a section. Known ones that are not supported become warnings.
fn keys<'a>(
    section: &str,
    value: &'a Value,
    (supported, unsupported): (&[&str], &[&str]),
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Setting<'a>>, ConfigError> {
    let mut found = Vec::new();
    for (key, value) in object(value, section)? {
        let path = format!("{section}.{key}");
        if supported.contains(&key.as_str()) {
            found.push((key.as_str(), value, path));
        } else if unsupported.contains(&key.as_str()) {
            warnings.push(Warning { path });
        } else {
            return Err(ConfigError::at(
                path,
                unknown(key, &[supported, unsupported].concat()),
            ));
        }
    }
    Ok(found)
}

fn master_key(value: &Value, path: &str) -> Result<Secret, ConfigError> {
    let key: Secret = read(value, path).map_err(|_error| {
        ConfigError::at(path, "must be text; is its environment variable set?")
    })?;
    if key.expose().is_empty() {
        return Err(ConfigError::at(
            path,
            "must not be empty; is its environment variable set?",
        ));
    }
    Ok(key)
}

fn seconds(value: &Value, path: &str) -> Result<Duration, ConfigError> {
    super::settings::duration(value).map_err(|error| ConfigError::at(path, error.to_string()))
}

fn networks(value: &Value, path: &str) -> Result<Vec<egress::Network>, ConfigError> {
    let texts: Vec<String> = read(value, path)?;
    let network = |(index, text): (usize, &String)| {
        let wrong = |error: egress::NotANetwork| {
            ConfigError::at(format!("{path}[{index}]"), error.to_string())
        };
        text.parse().map_err(wrong)
    };
    texts.iter().enumerate().map(network).collect()
}

fn megabytes(value: &Value, path: &str) -> Result<usize, ConfigError> {
    let count: usize = read(value, path)?;
    count
        .checked_mul(1 << 20)
        .ok_or_else(|| ConfigError::at(path, "is too large"))
}

/// The value as a map of its own; `null` is an empty one.
pub(super) fn map_of(value: &Value, path: &str) -> Result<Map<String, Value>, ConfigError> {
    Ok(object(value, path)?
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect())
}
