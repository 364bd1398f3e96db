//! What is refused: for every route, whoever asks wrongly, whatever is asked wrongly; nothing
//! changes.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    World, key_of,
    routes::{REFUSED, ROUTES},
};
use crate::management;

const USERS: [&str; 6] = ["watcher", "worker", "reader", "lead", "chief", "nobody"];

/// Whether a path is one that a pattern with `{…}` stands for.
fn is_of(pattern: &str, route: &str) -> bool {
    let path = route.split([' ', '?']).nth(1).unwrap();
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    pattern.clone().count() == path.clone().count()
        && pattern
            .zip(path)
            .all(|(wanted, part)| wanted == part || wanted.starts_with('{'))
}

#[test]
fn every_route_is_put_through_these_tests() {
    let tried: Vec<&str> = ROUTES.iter().map(|route| route.route).collect();
    for (pattern, _) in management::rows() {
        let mut tried = tried.iter().chain(REFUSED);
        assert!(
            tried.any(|route| is_of(pattern, route)),
            "`{pattern}` has no row in `tests/routes.rs`"
        );
    }
}

#[tokio::test]
async fn spend_is_not_set_whoever_asks() {
    let world = World::new().await;
    for route in REFUSED {
        let (status, message) = world.refused(route, r#"{"reset_to": 0}"#).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{route}");
        assert!(message.contains("never set"), "{message}");
        for user in USERS {
            let key = key_of(user);
            let body = r#"{"reset_to": 0}"#;
            let (status, _) = world.refused_to(Some(&key), route, body).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{route} by {user}");
        }
        for body in ["{}", r#"{"reset_to": "x"}"#, r#"{"reset_to": -1}"#, "[]"] {
            world.refused(route, body).await;
        }
    }
}

#[tokio::test]
async fn a_query_changes_nothing_whatever_it_says() {
    const NASTY: &str = "x%27)%3B%20DROP%20TABLE%20keys%3B%20--";
    let world = World::new().await;
    for route in ROUTES.iter().filter(|route| route.route.starts_with("GET")) {
        let sign = if route.route.contains('?') { '&' } else { '?' };
        let unknown = format!("{}{sign}nothing=1", route.route);
        let (status, message) = world.refused(&unknown, "").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{unknown}: {message}");
        let (path, query) = route.route.split_once('?').unwrap_or((route.route, ""));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, _) = pair.split_once('=').unwrap();
            let long = "x".repeat(20_000);
            for value in [NASTY, "%00", "%0a", &long, "%ff"] {
                let before = world.tables().await;
                let asked = format!("{path}?{name}={value}");
                let master = Some(super::MASTER);
                let (status, body) = world.rig.send(&asked, master, None).await;
                let short: String = asked.chars().take(80).collect();
                assert!(!status.is_server_error(), "{short}: {status} {body}");
                assert_eq!(world.tables().await, before, "{short}");
            }
        }
    }
}

#[tokio::test]
async fn each_route_is_open_to_those_it_is_for() {
    let world = World::new().await;
    for route in ROUTES {
        for key in [
            None,
            Some("sk-wrong-0123456789"),
            Some(""),
            Some("' OR 1=1 --"),
        ] {
            let (status, _) = world.refused_to(key, route.route, route.body).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {key:?}", route.route);
        }
        for user in USERS {
            if route.open_to.contains(&user) {
                continue;
            }
            let key = key_of(user);
            let (status, message) = world.refused_to(Some(&key), route.route, route.body).await;
            let (name, text) = (route.route, &message);
            assert_eq!(status, StatusCode::FORBIDDEN, "{name} by {user}: {text}");
        }
        world.done(route.route, route.body).await;
    }
}

#[tokio::test]
async fn those_it_is_open_to_are_let_in() {
    for user in ["boss", "watcher", "worker", "reader", "lead", "chief"] {
        let world = World::new().await;
        let key = key_of(user);
        for route in ROUTES {
            if user == "boss" || route.open_to.contains(&user) {
                world.done_by(&key, route.route, route.body).await;
            } else {
                world.done(route.route, route.body).await;
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_of_known_fields_is_refused() {
    let world = World::new().await;
    for route in ROUTES
        .iter()
        .filter(|route| !route.route.starts_with("GET"))
    {
        let name = route.route;
        let fields: Map<String, Value> = serde_json::from_str(route.body).unwrap();
        for body in ["[]", "1", "\"x\"", "null", "{", "{\"a\": }", "\u{0}"] {
            let (status, _) = world.refused(name, body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{name} {body}");
        }
        let mut unknown = fields.clone();
        unknown.insert("max_bugdet".to_owned(), json!(1));
        unknown.insert("'; DROP TABLE keys; --".to_owned(), json!(1));
        let (status, message) = world
            .refused(name, &Value::Object(unknown).to_string())
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}");
        assert!(
            message.contains("`max_bugdet`") && message.contains("DROP"),
            "{message}"
        );

        let twice = route
            .body
            .replacen('{', r#"{"max_budget": 1, "max_budget": 2, "#, 1);
        let (status, message) = world.refused(name, &twice).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}");
        assert!(message.contains("twice"), "{message}");

        for required in route.required {
            let mut missing = fields.clone();
            missing.remove(*required);
            let (status, message) = world
                .refused(name, &Value::Object(missing).to_string())
                .await;
            assert_eq!(
                status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{name}: {message}"
            );
        }
        world.done(name, route.body).await;
    }
}

#[tokio::test]
async fn every_field_is_of_its_type_and_within_bounds() {
    let world = World::new().await;
    for route in ROUTES
        .iter()
        .filter(|route| !route.route.starts_with("GET"))
    {
        let fields: Map<String, Value> = serde_json::from_str(route.body).unwrap();
        for field in fields.keys() {
            let values = match &fields[field] {
                Value::String(_) => vec![
                    json!(1),
                    json!(["a"]),
                    json!({}),
                    json!(true),
                    json!(""),
                    json!("a\u{0}b"),
                    json!("a\nb"),
                    json!("x".repeat(257)),
                    json!("x".repeat(100_000)),
                ],
                Value::Array(_) => vec![
                    json!(1),
                    json!([1]),
                    json!([[]]),
                    json!([""]),
                    json!(vec!["x"; 1001]),
                    json!(["x".repeat(257)]),
                ],
                Value::Number(_) => vec![
                    json!("1"),
                    json!(-1),
                    json!([1]),
                    json!(1e30),
                    json!("NaN"),
                    json!("Infinity"),
                    json!(true),
                ],
                _ => vec![json!(1), json!("x"), json!([1]), json!([[]])],
            };
            for value in values {
                let mut wrong = fields.clone();
                wrong.insert(field.clone(), value);
                let body = Value::Object(wrong).to_string();
                let (status, message) = world.refused(route.route, &body).await;
                let expected = [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY];
                assert!(
                    expected.contains(&status),
                    "{} {field}: {status} {message}",
                    route.route
                );
            }
        }
        world.done(route.route, route.body).await;
    }
}

#[tokio::test]
async fn what_looks_like_sql_is_a_name_like_any_other() {
    let world = World::new().await;
    let nasty = "x'); DROP TABLE keys; --";
    for (route, body) in [
        ("POST /key/update", json!({"key": nasty})),
        ("POST /key/delete", json!({"keys": [nasty]})),
        ("POST /key/delete", json!({"key_aliases": ["' OR '1'='1"]})),
        ("POST /user/delete", json!({"user_ids": [nasty]})),
        ("POST /team/delete", json!({"team_ids": [nasty]})),
        ("POST /budget/delete", json!({"id": nasty})),
        ("POST /tag/delete", json!({"name": nasty})),
    ] {
        let (status, _) = world.refused(route, &body.to_string()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{route}");
    }
    let user = json!({"user_id": nasty, "user_alias": nasty, "auto_create_key": false});
    world.done("POST /user/new", &user.to_string()).await;
    let key = json!({"user_id": nasty, "key_alias": nasty, "models": [nasty]});
    world.done("POST /key/generate", &key.to_string()).await;
    let path = "GET /key/list?user_id=x%27)%3B%20DROP%20TABLE%20keys%3B%20--";
    assert_eq!(world.done(path, "").await["total_count"], 1);
    let path = "GET /key/list?user_id=%27%20OR%20%271%27%3D%271";
    assert_eq!(world.done(path, "").await["total_count"], 0);
}

#[tokio::test]
async fn queries_are_as_strict_as_bodies() {
    let world = World::new().await;
    for (route, status) in [
        ("GET /key/list?page=0", 422),
        ("GET /key/list?page=-1", 422),
        ("GET /key/list?size=101", 422),
        ("GET /key/list?size=99999999999999999999", 422),
        ("GET /key/list?return_full_object=maybe", 422),
        ("GET /key/list?sort_by=id;DROP", 400),
        ("GET /key/list?user_id=a&user_id=b", 400),
        ("GET /key/info", 422),
        ("GET /key/info?key=sk-unknown-0123456789", 404),
        ("GET /user/info?user_id=ghost", 404),
        ("GET /user/info?nothing=1", 400),
        ("GET /user/list?page_size=0", 422),
        ("GET /team/info", 422),
        ("GET /team/info?team_id=ghost", 404),
        ("GET /organization/info?organization_id=ghost", 404),
        ("GET /customer/info?end_user_id=ghost", 404),
        ("GET /budget/settings?budget_id=ghost", 404),
        ("GET /tag/list?start_date=2026-01-01", 400),
    ] {
        let (found, message) = world.refused(route, "").await;
        assert_eq!(found.as_u16(), status, "{route}: {message}");
    }
}

#[tokio::test]
async fn litellms_fields_without_effect_are_named_or_refused() {
    let world = World::new().await;
    let unset = r#"{"guardrails": [], "config": {}, "permissions": {}, "spend": 0, "auto_rotate": false, "agent_id": null}"#;
    world.done("POST /key/generate", unset).await;
    let (status, message) = world
        .refused(
            "POST /key/generate",
            r#"{"guardrails": ["pii"], "tpd_limit": 5}"#,
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(message.contains("`guardrails`, `tpd_limit`"), "{message}");
    let harmless = r#"{"send_invite_email": true}"#;
    world.done("POST /key/generate", harmless).await;
}

#[tokio::test]
async fn a_list_of_which_one_is_wrong_changes_nothing() {
    let world = World::new().await;
    for (route, body) in [
        (
            "POST /key/delete",
            r#"{"keys": ["sk-red-0123456789", "sk-ghost-0123456789"]}"#,
        ),
        ("POST /user/delete", r#"{"user_ids": ["worker", "ghost"]}"#),
        ("POST /team/delete", r#"{"team_ids": ["red", "ghost"]}"#),
        (
            "POST /customer/delete",
            r#"{"user_ids": ["app-1", "ghost"]}"#,
        ),
        (
            "POST /customer/unblock",
            r#"{"user_ids": ["app-1", "ghost"]}"#,
        ),
        (
            "POST /team/member_add",
            r#"{"team_id": "blue", "member": [{"user_id": "new-one", "role": "user"}, {"role": "user"}]}"#,
        ),
        (
            "POST /team/member_add",
            r#"{"team_id": "red", "member": [{"user_id": "new-one", "role": "user"}, {"user_id": "lead", "role": "user"}]}"#,
        ),
    ] {
        world.refused(route, body).await;
    }
    let key = world.done("GET /key/info?key=sk-red-0123456789", "").await;
    assert_eq!(key["info"]["key_alias"], "red");
}
