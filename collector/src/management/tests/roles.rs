//! Nobody gets more than they have: limits that are not theirs to loosen, keys that are not theirs
//! to see.

use axum::http::StatusCode;
use serde_json::json;

use super::{World, key_of};

async fn forbidden(world: &World, user: &str, route: &str, body: &str) {
    let (status, message) = world.refused_to(Some(&key_of(user)), route, body).await;
    assert_eq!(
        status,
        StatusCode::FORBIDDEN,
        "{route} {body} by {user}: {message}"
    );
}

#[tokio::test]
async fn nobody_makes_a_key_for_somebody_else() {
    let world = World::new().await;
    for (user, body) in [
        ("worker", r#"{"user_id": "boss"}"#),
        ("worker", r#"{"user_id": "nobody-yet"}"#),
        ("worker", r#"{"team_id": "red"}"#),
        ("worker", r#"{"organization_id": "acme"}"#),
        // Of no user and no team, it would be under nobody's budget.
        ("worker", r#"{"user_id": null}"#),
        ("lead", r#"{"team_id": "red", "user_id": "boss"}"#),
        ("lead", r#"{"team_id": "blue"}"#),
        ("reader", r#"{"user_id": "reader"}"#),
    ] {
        forbidden(&world, user, "POST /key/generate", body).await;
    }
    let own = world
        .done_by(&key_of("worker"), "POST /key/generate", "{}")
        .await;
    assert_eq!(own["user_id"], "worker");
    let team = r#"{"team_id": "red", "user_id": null}"#;
    let team = world
        .done_by(&key_of("lead"), "POST /key/generate", team)
        .await;
    assert_eq!(
        (&team["team_id"], &team["user_id"]),
        (&json!("red"), &json!(null))
    );
}

#[tokio::test]
async fn nobody_sees_a_new_key_of_somebody_else() {
    let world = World::new().await;
    let key = r#"{"key": "sk-boss-in-red-0123456789", "user_id": "boss", "team_id": "red"}"#;
    world.done("POST /key/generate", key).await;
    for route in [
        "POST /key/regenerate",
        "POST /key/sk-boss-in-red-0123456789/regenerate",
    ] {
        let body = match route {
            "POST /key/regenerate" => r#"{"key": "sk-boss-in-red-0123456789"}"#,
            _ => "{}",
        };
        forbidden(&world, "lead", route, body).await;
    }
    let body = r#"{"key": "sk-red-0123456789", "user_id": "boss"}"#;
    forbidden(&world, "lead", "POST /key/update", body).await;
}

#[tokio::test]
async fn an_owner_does_not_loosen_what_an_admin_has_set() {
    let world = World::new().await;
    for field in [
        r#""max_budget": 2"#,
        r#""max_budget": null"#,
        r#""budget_duration": "1d""#,
        r#""enforcement": "alert""#,
        r#""budget_id": "small""#,
        r#""team_id": "red""#,
    ] {
        let body = format!(r#"{{"key": "sk-worker-0123456789", {field}}}"#);
        forbidden(&world, "worker", "POST /key/update", &body).await;
        let body = format!(r#"{{"key": "sk-worker-0123456789", {field}}}"#);
        forbidden(&world, "worker", "POST /key/regenerate", &body).await;
    }
    let body = r#"{"key": "sk-worker-0123456789", "max_budget": 0.5, "tpm_limit": 10}"#;
    world
        .done_by(&key_of("worker"), "POST /key/update", body)
        .await;
    let body = r#"{"key": "sk-worker-0123456789", "max_budget": 0.75}"#;
    forbidden(&world, "worker", "POST /key/update", body).await;
    forbidden(
        &world,
        "worker",
        "POST /key/unblock",
        r#"{"key": "sk-worker-0123456789"}"#,
    )
    .await;
}

#[tokio::test]
async fn a_teams_admin_does_not_loosen_the_team() {
    let world = World::new().await;
    for field in [
        r#""max_budget": 51"#,
        r#""max_budget": null"#,
        r#""models": []"#,
        r#""models": ["gpt-4o", "o3"]"#,
        r#""organization_id": null"#,
        r#""budget_duration": "1h""#,
    ] {
        let body = format!(r#"{{"team_id": "red", {field}}}"#);
        forbidden(&world, "lead", "POST /team/update", &body).await;
    }
    let body = r#"{"team_id": "red", "max_budget": 10, "tpm_limit": 100}"#;
    world
        .done_by(&key_of("lead"), "POST /team/update", body)
        .await;
}

#[tokio::test]
async fn users_change_of_themselves_how_they_are_called() {
    let world = World::new().await;
    for field in [
        r#""user_role": "proxy_admin""#,
        r#""max_budget": 100"#,
        r#""models": []"#,
    ] {
        let body = format!(r#"{{"user_id": "worker", {field}}}"#);
        forbidden(&world, "worker", "POST /user/update", &body).await;
    }
    let body = r#"{"user_id": "worker", "user_alias": "W."}"#;
    world
        .done_by(&key_of("worker"), "POST /user/update", body)
        .await;
    forbidden(
        &world,
        "reader",
        "POST /user/update",
        r#"{"user_id": "reader", "user_alias": "R."}"#,
    )
    .await;
    world.done_by(&key_of("reader"), "GET /user/info", "").await;
    forbidden(&world, "reader", "GET /user/info?user_id=boss", "").await;
}

#[tokio::test]
async fn everybody_lists_what_is_theirs() {
    let world = World::new().await;
    for (user, path, expected) in [
        ("worker", "/key/list", 1),
        ("reader", "/key/list?user_id=reader", 1),
        ("worker", "/key/list?user_id=boss", 0),
        ("lead", "/key/list?team_id=red", 1),
        ("worker", "/key/list?team_id=red", 0),
        ("watcher", "/key/list", 8),
        ("boss", "/key/list", 8),
    ] {
        let list = world
            .done_by(&key_of(user), &format!("GET {path}"), "")
            .await;
        assert_eq!(list["total_count"], expected, "{path} by {user}");
    }
    let teams = world.done_by(&key_of("reader"), "GET /team/list", "").await;
    assert_eq!(teams.as_array().unwrap().len(), 1);
    forbidden(&world, "reader", "GET /team/list?user_id=lead", "").await;
    forbidden(&world, "nobody", "GET /key/list", "").await;
    let own = world.done_by(&key_of("nobody"), "GET /key/info", "").await;
    assert_eq!(own["info"]["status"], "active");
}

#[tokio::test]
async fn a_key_opens_the_routes_it_is_for() {
    let world = World::new().await;
    for (kind, list, make) in [
        ("llm_api", 403, 403),
        ("read_only", 200, 403),
        ("management", 200, 200),
        ("default", 200, 200),
    ] {
        let body = json!({"user_id": "boss", "key_type": kind}).to_string();
        let made = world.done("POST /key/generate", &body).await;
        let key = made["key"].as_str();
        let (status, _) = world.rig.send("GET /key/list", key, None).await;
        assert_eq!(status.as_u16(), list, "{kind}");
        let (status, _) = world.rig.send("POST /key/generate", key, Some("{}")).await;
        assert_eq!(status.as_u16(), make, "{kind}");
    }
}

#[tokio::test]
async fn a_user_who_came_with_a_key_makes_no_further_keys() {
    let world = World::new().await;
    let body = r#"{"key": "sk-app-0123456789abc", "user_id": "app", "max_budget": 1}"#;
    world.done("POST /key/generate", body).await;
    let key = Some("sk-app-0123456789abc");
    for body in ["{}", r#"{"user_id": null}"#, r#"{"max_budget": 1}"#] {
        let (status, _) = world.refused_to(key, "POST /key/generate", body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    }
    world
        .done(
            "POST /user/update",
            r#"{"user_id": "app", "user_role": "internal_user"}"#,
        )
        .await;
    world
        .done_by("sk-app-0123456789abc", "POST /key/generate", "{}")
        .await;
}
