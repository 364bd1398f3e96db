//! LiteLLM's fields that have no effect here. Pure.
//!
//! Where one is not set it may be there. One that would not change what a key may do is let pass
//! and named in a header; any other is refused, so that nobody relies on a limit that nobody keeps.

/// A field that has no effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    name: &'static str,
    harmless: bool,
}

impl Field {
    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// Whether it would not change what a key may do.
    pub(super) const fn is_harmless(self) -> bool {
        self.harmless
    }
}

/// The field of this name, if it is one of LiteLLM's that have no effect here.
pub(super) fn find(name: &str) -> Option<Field> {
    let within = |names: &'static [&'static str], harmless| {
        let name = names.iter().copied().find(|other| *other == name)?;
        Some(Field { name, harmless })
    };
    within(&HARMLESS, true).or_else(|| within(&REFUSED, false))
}

const HARMLESS: [&str; 7] = [
    "default_estimated_output_tokens",
    "default_estimated_output_tokens_per_model",
    "enable_prompt_caching",
    "litellm_changed_by",
    "prompts",
    "send_invite_email",
    "team_member_key_duration",
];

const REFUSED: [&str; 57] = [
    "access_group_ids",
    "admins",
    "agent_id",
    "allow_team_guardrail_config",
    "allowed_cache_controls",
    "allowed_model_region",
    "allowed_passthrough_routes",
    "allowed_vector_store_indexes",
    "auto_rotate",
    "budget_fallbacks",
    "budget_reset_at",
    "config",
    "default_team_member_models",
    "denied_passthrough_routes",
    "disable_global_guardrails",
    "end_user_budget_id",
    "enforced_batch_output_expires_after",
    "enforced_file_expires_after",
    "guardrails",
    "max_budget_in_organization",
    "mcp_rpm_limit",
    "members",
    "members_with_roles",
    "model_id",
    "model_info",
    "model_itpm_limit",
    "model_otpm_limit",
    "model_spend",
    "models",
    "new_master_key",
    "object_permission",
    "object_permission_id",
    "organizations",
    "password",
    "permissions",
    "policies",
    "project_id",
    "reset_at",
    "rotation_interval",
    "router_settings",
    "rpm_limit_type",
    "secret_manager_settings",
    "soft_budget_cooldown",
    "spend",
    "sso_user_id",
    "tag_rpm_limit",
    "teams",
    "temp_budget_expiry",
    "temp_budget_increase",
    "throttle_on_budget_exceeded",
    "token",
    "total_spend",
    "tpd_limit",
    "tpm_limit_type",
    "updated_at",
    "created_at",
    "created_by",
];
