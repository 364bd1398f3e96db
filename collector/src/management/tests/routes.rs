//! Every route, with a request that succeeds, and who may send it. The other tests go through this.

/// A route and a request to it.
pub(super) struct Route {
    /// `METHOD path`, with the query of a request that succeeds.
    pub(super) route: &'static str,
    /// The body of a request that succeeds.
    pub(super) body: &'static str,
    /// Without these fields it does not.
    pub(super) required: &'static [&'static str],
    /// Whose keys may send it, besides those of admins.
    pub(super) open_to: &'static [&'static str],
}

const fn row(
    route: &'static str,
    body: &'static str,
    required: &'static [&'static str],
    open_to: &'static [&'static str],
) -> Route {
    Route {
        route,
        body,
        required,
        open_to,
    }
}

/// In an order in which one request does not spoil the next.
pub(super) const ROUTES: &[Route] = &[
    row(
        "POST /key/generate",
        r#"{"models": ["gpt-4o"]}"#,
        &[],
        &["worker", "lead", "chief"],
    ),
    row(
        "GET /key/info?key=sk-red-0123456789",
        "",
        &[],
        &["watcher", "lead", "chief"],
    ),
    row(
        "GET /key/list?team_id=red&return_full_object=true",
        "",
        &[],
        &["watcher", "worker", "reader", "lead", "chief"],
    ),
    row(
        "GET /key/aliases?team_id=red&search=re",
        "",
        &[],
        &["watcher", "worker", "reader", "lead", "chief"],
    ),
    row(
        "POST /key/health",
        "{}",
        &[],
        &["watcher", "worker", "reader", "lead", "chief", "nobody"],
    ),
    row(
        "POST /v2/key/info",
        r#"{"keys": ["sk-red-0123456789"]}"#,
        &["keys"],
        &["watcher", "lead", "chief"],
    ),
    row(
        "POST /key/service-account/generate",
        r#"{"team_id": "red"}"#,
        &["team_id"],
        &["lead", "chief"],
    ),
    row(
        "POST /key/bulk_update",
        r#"{"keys": [{"key": "sk-red-0123456789", "rpm_limit": 10}]}"#,
        &["keys"],
        &["lead", "chief"],
    ),
    row(
        "POST /key/update",
        r#"{"key": "sk-red-0123456789", "tpm_limit": 100}"#,
        &["key"],
        &["lead", "chief"],
    ),
    row(
        "POST /key/block",
        r#"{"key": "sk-red-0123456789"}"#,
        &["key"],
        &["lead", "chief"],
    ),
    row(
        "POST /key/unblock",
        r#"{"key": "sk-red-0123456789"}"#,
        &["key"],
        &["lead", "chief"],
    ),
    row(
        "POST /key/regenerate",
        r#"{"key": "sk-red-0123456789", "new_key": "sk-red2-0123456789"}"#,
        &["key"],
        &["lead", "chief"],
    ),
    row(
        "POST /key/sk-red2-0123456789/regenerate",
        r#"{"new_key": "sk-red3-0123456789"}"#,
        &[],
        &["lead", "chief"],
    ),
    row(
        "POST /key/delete",
        r#"{"key_aliases": ["red"]}"#,
        &["key_aliases"],
        &["lead", "chief"],
    ),
    row(
        "POST /user/new",
        r#"{"user_id": "fresh", "user_email": "fresh@acme.test"}"#,
        &[],
        &[],
    ),
    row("GET /user/info?user_id=fresh", "", &[], &["watcher"]),
    row("GET /user/list?role=internal_user", "", &[], &["watcher"]),
    row(
        "POST /user/update",
        r#"{"user_id": "fresh", "max_budget": 7.25}"#,
        &["user_id"],
        &[],
    ),
    row("GET /v2/user/info?user_id=fresh", "", &[], &["watcher"]),
    row(
        "GET /user/available_roles",
        "",
        &[],
        &["watcher", "worker", "reader", "lead", "chief", "nobody"],
    ),
    row(
        "POST /user/bulk_update",
        r#"{"users": [{"user_id": "fresh", "max_budget": 8}]}"#,
        &["users"],
        &[],
    ),
    row(
        "POST /user/delete",
        r#"{"user_ids": ["fresh"]}"#,
        &["user_ids"],
        &[],
    ),
    row(
        "POST /team/new",
        r#"{"team_id": "green", "organization_id": "acme"}"#,
        &[],
        &["chief"],
    ),
    row(
        "GET /team/info?team_id=red",
        "",
        &[],
        &["watcher", "lead", "reader", "chief"],
    ),
    row(
        "GET /team/list",
        "",
        &[],
        &["watcher", "worker", "reader", "lead", "chief"],
    ),
    row(
        "POST /team/update",
        r#"{"team_id": "red", "max_budget": 40}"#,
        &["team_id"],
        &["lead", "chief"],
    ),
    row(
        "GET /v2/team/list",
        "",
        &[],
        &["watcher", "worker", "reader", "lead", "chief"],
    ),
    row(
        "GET /team/available",
        "",
        &[],
        &["watcher", "worker", "reader", "lead", "chief", "nobody"],
    ),
    row(
        "GET /team/permissions_list?team_id=red",
        "",
        &[],
        &["watcher", "lead", "reader", "chief"],
    ),
    row(
        "POST /team/permissions_update",
        r#"{"team_id": "red", "team_member_permissions": ["/key/list"]}"#,
        &["team_id", "team_member_permissions"],
        &["lead", "chief"],
    ),
    row(
        "POST /team/model/add",
        r#"{"team_id": "red", "models": ["gpt-4o"]}"#,
        &["team_id", "models"],
        &["lead", "chief"],
    ),
    row(
        "POST /team/model/delete",
        r#"{"team_id": "red", "models": ["o3"]}"#,
        &["team_id", "models"],
        &["lead", "chief"],
    ),
    row(
        "PATCH /team/red",
        r#"{"max_budget": 39}"#,
        &[],
        &["lead", "chief"],
    ),
    row(
        "POST /team/bulk_member_add",
        r#"{"team_id": "red", "members": [{"user_id": "many-1", "role": "user"}]}"#,
        &["team_id", "members"],
        &["lead", "chief"],
    ),
    row(
        "POST /team/block",
        r#"{"team_id": "blue"}"#,
        &["team_id"],
        &[],
    ),
    row(
        "POST /team/unblock",
        r#"{"team_id": "blue"}"#,
        &["team_id"],
        &[],
    ),
    row(
        "POST /team/member_add",
        r#"{"team_id": "red", "member": [{"role": "user", "user_id": "worker"}], "max_budget_in_team": 2.5}"#,
        &["team_id", "member"],
        &["lead", "chief"],
    ),
    row(
        "POST /team/member_update",
        r#"{"team_id": "red", "user_id": "worker", "max_budget_in_team": 3}"#,
        &["team_id", "user_id"],
        &["lead", "chief"],
    ),
    row(
        "POST /team/member_delete",
        r#"{"team_id": "red", "user_id": "worker"}"#,
        &["team_id", "user_id"],
        &["lead", "chief"],
    ),
    row(
        "POST /team/delete",
        r#"{"team_ids": ["green"]}"#,
        &["team_ids"],
        &["chief"],
    ),
    row(
        "POST /organization/new",
        r#"{"organization_id": "zeta", "organization_alias": "Zeta"}"#,
        &["organization_alias"],
        &[],
    ),
    row(
        "GET /organization/info?organization_id=acme",
        "",
        &[],
        &["watcher", "chief"],
    ),
    row(
        "GET /organization/list",
        "",
        &[],
        &["watcher", "worker", "reader", "lead", "chief"],
    ),
    row(
        "PATCH /organization/update",
        r#"{"organization_id": "acme", "max_budget": 120}"#,
        &["organization_id"],
        &[],
    ),
    row(
        "POST /organization/member_add",
        r#"{"organization_id": "acme", "member": {"user_id": "worker"}}"#,
        &["organization_id", "member"],
        &["chief"],
    ),
    row(
        "PATCH /organization/member_update",
        r#"{"organization_id": "acme", "user_id": "worker", "role": "internal_user_viewer"}"#,
        &["organization_id", "user_id"],
        &["chief"],
    ),
    row(
        "DELETE /organization/member_delete",
        r#"{"organization_id": "acme", "user_id": "worker"}"#,
        &["organization_id", "user_id"],
        &["chief"],
    ),
    row(
        "DELETE /organization/delete",
        r#"{"organization_ids": ["zeta"]}"#,
        &["organization_ids"],
        &[],
    ),
    row(
        "POST /customer/new",
        r#"{"user_id": "app-2", "budget_id": "small"}"#,
        &["user_id"],
        &[],
    ),
    row(
        "GET /customer/info?end_user_id=app-1",
        "",
        &[],
        &["watcher"],
    ),
    row(
        "GET /end_user/info?end_user_id=app-1",
        "",
        &[],
        &["watcher"],
    ),
    row("GET /end_user/list", "", &[], &["watcher"]),
    row("GET /customer/list", "", &[], &["watcher"]),
    row(
        "POST /end_user/new",
        r#"{"user_id": "app-3", "max_budget": 1}"#,
        &["user_id"],
        &[],
    ),
    row(
        "POST /end_user/update",
        r#"{"user_id": "app-3", "alias": "third"}"#,
        &["user_id"],
        &[],
    ),
    row(
        "POST /end_user/block",
        r#"{"user_ids": ["app-3"]}"#,
        &["user_ids"],
        &[],
    ),
    row(
        "POST /customer/unblock",
        r#"{"user_ids": ["app-3"]}"#,
        &["user_ids"],
        &[],
    ),
    row(
        "POST /customer/delete",
        r#"{"user_ids": ["app-3"]}"#,
        &["user_ids"],
        &[],
    ),
    row(
        "POST /customer/update",
        r#"{"user_id": "app-1", "max_budget": 4}"#,
        &["user_id"],
        &[],
    ),
    row(
        "POST /customer/block",
        r#"{"user_ids": ["app-1"]}"#,
        &["user_ids"],
        &[],
    ),
    row(
        "POST /end_user/unblock",
        r#"{"user_ids": ["app-1"]}"#,
        &["user_ids"],
        &[],
    ),
    row(
        "POST /end_user/delete",
        r#"{"user_ids": ["app-2"]}"#,
        &["user_ids"],
        &[],
    ),
    row(
        "POST /budget/new",
        r#"{"budget_id": "large", "max_budget": 1000}"#,
        &[],
        &[],
    ),
    row(
        "POST /budget/info",
        r#"{"budgets": ["small"]}"#,
        &["budgets"],
        &["watcher"],
    ),
    row("GET /budget/list", "", &[], &["watcher"]),
    row(
        "GET /budget/settings?budget_id=small",
        "",
        &[],
        &["watcher"],
    ),
    row(
        "POST /budget/update",
        r#"{"budget_id": "small", "max_budget": 6}"#,
        &["budget_id"],
        &[],
    ),
    row("POST /budget/delete", r#"{"id": "large"}"#, &["id"], &[]),
    row(
        "POST /tag/new",
        r#"{"name": "day", "budget_id": "small"}"#,
        &["name"],
        &[],
    ),
    row(
        "POST /tag/info",
        r#"{"names": ["night"]}"#,
        &["names"],
        &["watcher"],
    ),
    row("GET /tag/list", "", &[], &["watcher"]),
    row(
        "POST /tag/update",
        r#"{"name": "night", "max_budget": 9}"#,
        &["name"],
        &[],
    ),
    row("POST /tag/delete", r#"{"name": "day"}"#, &["name"], &[]),
    row(
        "GET /audit/entities?table_name=keys&action=created",
        "",
        &[],
        &["watcher"],
    ),
    row(
        "POST /budget_manager/create_budget",
        r#"{"user": "someone", "total_budget": 5}"#,
        &["user", "total_budget"],
        &[],
    ),
    row("GET /budget_manager/get_users", "", &[], &["watcher"]),
];

/// Routes that never succeed: spend is not set.
pub(super) const REFUSED: &[&str] = &[
    "POST /key/sk-red-0123456789/reset_spend",
    "POST /team/red/member/lead/reset_spend",
];
