//! The management API from outside: requests through the router, tables looked at behind it.

mod bodies;
mod further;
mod keys;
mod manager;
mod refusals;
mod roles;
mod routes;
mod scale;
mod spending;

use axum::http::StatusCode;
use serde_json::Value;
use sqlx::Row as _;

use crate::api::tests::{Rig, rig};

const MASTER: &str = "sk-master";

/// What stands in every table of entities, the audit log and the version.
const TABLES: [&str; 11] = [
    "keys",
    "users",
    "teams",
    "team_members",
    "organizations",
    "organization_members",
    "end_users",
    "budgets",
    "tags",
    "control_audit",
    "control_version",
];

/// A collector with people in it:
///
/// * `boss`, `watcher`, `worker`, `reader`: one user of each role, and `lead`, who is admin of the
///   team `red` of the organization `acme`, of which `chief` is admin
/// * a key of each, `sk-<user>-0123456789`, and one of nobody, `sk-nobody-0123456789`
/// * the key of `red` alone, `sk-red-0123456789`, with a budget
/// * the budget `small`, the customer `app-1`, the tag `night`
struct World {
    rig: Rig,
}

impl World {
    async fn new() -> Self {
        let world = Self {
            rig: rig(Some(MASTER)).await,
        };
        for (route, body) in [
            (
                "POST /organization/new",
                r#"{"organization_id": "acme", "organization_alias": "Acme", "max_budget": 100}"#,
            ),
            (
                "POST /budget/new",
                r#"{"budget_id": "small", "max_budget": 5, "budget_duration": "30d"}"#,
            ),
            (
                "POST /customer/new",
                r#"{"user_id": "app-1", "max_budget": 3}"#,
            ),
            ("POST /tag/new", r#"{"name": "night", "max_budget": 2}"#),
            (
                "POST /team/new",
                r#"{"team_id": "red", "organization_id": "acme", "max_budget": 50, "models": ["gpt-4o"]}"#,
            ),
            ("POST /team/new", r#"{"team_id": "blue"}"#),
        ] {
            world.done(route, body).await;
        }
        world.users().await;
        world.places().await;
        world
    }

    /// A user of each role, and their keys.
    async fn users(&self) {
        for (name, role) in [
            ("boss", "proxy_admin"),
            ("watcher", "proxy_admin_viewer"),
            ("worker", "internal_user"),
            ("reader", "internal_user_viewer"),
            ("lead", "internal_user"),
            ("chief", "internal_user"),
        ] {
            let user = format!(
                r#"{{"user_id": "{name}", "user_role": "{role}", "auto_create_key": false}}"#
            );
            self.done("POST /user/new", &user).await;
            let key = format!(
                r#"{{"key": "sk-{name}-0123456789", "user_id": "{name}", "max_budget": 1}}"#
            );
            self.done("POST /key/generate", &key).await;
        }
    }

    /// Where they belong.
    async fn places(&self) {
        for (route, body) in [
            ("POST /key/generate", r#"{"key": "sk-nobody-0123456789"}"#),
            (
                "POST /key/generate",
                r#"{"key": "sk-red-0123456789", "team_id": "red", "max_budget": 1, "key_alias": "red"}"#,
            ),
            (
                "POST /team/member_add",
                r#"{"team_id": "red", "member": {"user_id": "lead", "role": "admin"}}"#,
            ),
            (
                "POST /team/member_add",
                r#"{"team_id": "red", "member": {"user_id": "reader", "role": "user"}}"#,
            ),
            (
                "POST /organization/member_add",
                r#"{"organization_id": "acme", "member": {"user_id": "chief", "role": "org_admin"}}"#,
            ),
        ] {
            self.done(route, body).await;
        }
    }

    /// Sends a request that has to succeed, as the master.
    async fn done(&self, route: &str, body: &str) -> Value {
        self.done_by(MASTER, route, body).await
    }

    async fn done_by(&self, key: &str, route: &str, body: &str) -> Value {
        let body = (!route.starts_with("GET")).then_some(body);
        let (status, text) = self.rig.send(route, Some(key), body).await;
        assert_eq!(status, StatusCode::OK, "{route} {body:?}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends a request that has to be refused, as the master, and checks that nothing changed.
    async fn refused(&self, route: &str, body: &str) -> (StatusCode, String) {
        self.refused_to(Some(MASTER), route, body).await
    }

    async fn refused_to(&self, key: Option<&str>, route: &str, body: &str) -> (StatusCode, String) {
        let before = self.tables().await;
        let body = (!route.starts_with("GET")).then_some(body);
        let (status, text) = self.rig.send(route, key, body).await;
        assert!(
            status.is_client_error(),
            "{route} {body:?}: {status} {text}"
        );
        let answer: Value = serde_json::from_str(&text).unwrap();
        let error = &answer["error"];
        assert_eq!(
            error["code"],
            status.as_u16().to_string(),
            "{route}: {text}"
        );
        assert!(error["type"].is_string(), "{text}");
        let message = error["message"].as_str().unwrap().to_owned();
        assert!(!message.is_empty() && message.len() < 1000, "{message}");
        assert_eq!(
            self.tables().await,
            before,
            "{route} {body:?} changed something"
        );
        (status, message)
    }

    async fn tables(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for table in TABLES {
            let columns = match table {
                "control_version" => "version || ''",
                "control_audit" => "version || action || entity || id || coalesce(became, '')",
                _ => "id || fields",
            };
            let sql = format!("SELECT {columns} FROM {table} ORDER BY rowid");
            let found = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.rig.books.readers());
            for row in found.await.unwrap() {
                rows.push(format!("{table}: {}", row.get::<String, _>(0)));
            }
        }
        rows
    }

    /// The audit rows since a version: who, with which role, did what, to what.
    async fn audit(&self, since: i64) -> Vec<[String; 5]> {
        let sql = "SELECT actor, actor_role, action, entity, id FROM control_audit \
                   WHERE version > ? ORDER BY number";
        type Row = (String, String, String, String, String);
        let rows = sqlx::query_as::<_, Row>(sql).bind(since);
        let rows = rows.fetch_all(self.rig.books.readers()).await.unwrap();
        rows.into_iter()
            .map(|(a, b, c, d, e)| [a, b, c, d, e])
            .collect()
    }

    async fn version(&self) -> i64 {
        let sql = "SELECT version FROM control_version";
        let version = sqlx::query_scalar(sql).fetch_one(self.rig.books.readers());
        version.await.unwrap()
    }
}

fn key_of(user: &str) -> String {
    format!("sk-{user}-0123456789")
}
