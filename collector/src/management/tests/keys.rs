//! Keys: how they are known, renewed, ended.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{MASTER, World};

#[tokio::test]
async fn a_key_is_known_by_its_text_its_digest_and_after_that_by_nothing_else() {
    let world = World::new().await;
    let made = world.done("POST /key/generate", "{}").await;
    let (key, token) = (
        made["key"].as_str().unwrap(),
        made["token"].as_str().unwrap(),
    );
    for named in [key, token] {
        let info = world.done(&format!("GET /key/info?key={named}"), "").await;
        assert_eq!(info["key"], token);
    }
    // The digest names it, and does not open anything.
    let (status, _) = world.rig.send("GET /key/info", Some(token), None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    world.done_by(key, "GET /key/info", "").await;
}

#[tokio::test]
async fn a_renewed_key_is_the_same_key_with_another_text() {
    let world = World::new().await;
    let made = world
        .done("POST /key/generate", r#"{"max_budget": 3}"#)
        .await;
    let old = made["key"].as_str().unwrap();
    let renewed = world
        .done(
            "POST /key/regenerate",
            &json!({"key": old, "grace_period": "24h"}).to_string(),
        )
        .await;
    let new = renewed["key"].as_str().unwrap();
    assert_ne!(old, new);
    assert_eq!(
        renewed["token"], made["token"],
        "its spend would begin anew"
    );
    assert_eq!(
        (&renewed["max_budget"], &renewed["rotation_count"]),
        (&json!(3.0), &json!(1))
    );
    for key in [old, new] {
        let info = world.done_by(key, "GET /key/info", "").await;
        assert_eq!(info["key"], made["token"]);
    }
    // Once more, without grace: only the newest opens.
    let path = format!("POST /key/{}/regenerate", made["token"].as_str().unwrap());
    let last = world.done(&path, "").await;
    for key in [old, new] {
        let (status, _) = world.rig.send("GET /key/info", Some(key), None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    world
        .done_by(last["key"].as_str().unwrap(), "GET /key/info", "")
        .await;
}

#[tokio::test]
async fn a_key_that_is_known_is_not_made_again() {
    let world = World::new().await;
    world
        .done(
            "POST /key/regenerate",
            r#"{"key": "sk-red-0123456789", "new_key": "sk-red2-0123456789"}"#,
        )
        .await;
    for key in [
        MASTER,
        "sk-red-0123456789",
        "sk-red2-0123456789",
        "sk-worker-0123456789",
    ] {
        let (status, _) = world
            .refused("POST /key/generate", &json!({"key": key}).to_string())
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{key}");
    }
    let (status, message) = world
        .refused("POST /key/generate", r#"{"key_alias": "red"}"#)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(message.contains("already exists"), "{message}");
}

#[tokio::test]
async fn blocked_and_expired_keys_open_nothing() {
    let world = World::new().await;
    let key = "sk-worker-0123456789";
    let named = json!({ "key": key }).to_string();
    world.done("POST /key/block", &named).await;
    let (status, body) = world.rig.send("GET /key/info", Some(key), None).await;
    assert_eq!(
        (status, body.contains("blocked")),
        (StatusCode::UNAUTHORIZED, true)
    );
    let info = world.done(&format!("GET /key/info?key={key}"), "").await;
    assert_eq!(info["info"]["status"], "revoked");
    world.done("POST /key/unblock", &named).await;
    world.done_by(key, "GET /key/info", "").await;

    let sql = "UPDATE keys SET fields = json_set(fields, '$.expires', '2020-01-01T00:00:00Z') \
               WHERE user_id = 'worker'";
    sqlx::query(sql)
        .execute(&mut *world.rig.books.writer().await)
        .await
        .unwrap();
    let (status, body) = world.rig.send("GET /key/info", Some(key), None).await;
    assert_eq!(
        (status, body.contains("expired_key")),
        (StatusCode::UNAUTHORIZED, true)
    );

    world
        .done("POST /team/block", r#"{"team_id": "red"}"#)
        .await;
    let (status, _) = world
        .rig
        .send("GET /key/info", Some("sk-red-0123456789"), None)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_an_update_leaves_out_stays_and_null_clears() {
    let world = World::new().await;
    let body =
        r#"{"key": "sk-two-fields-0123456789", "max_budget": 3, "tpm_limit": 9, "models": ["a"]}"#;
    world.done("POST /key/generate", body).await;
    let body = r#"{"key": "sk-two-fields-0123456789", "max_budget": null, "duration": "1h"}"#;
    let changed = world.done("POST /key/update", body).await;
    assert_eq!(
        (&changed["max_budget"], &changed["tpm_limit"]),
        (&Value::Null, &json!(9))
    );
    assert_eq!(changed["models"], json!(["a"]));
    assert!(changed["expires"].is_string());
    let body = r#"{"key": "sk-two-fields-0123456789", "duration": "-1", "models": null}"#;
    let changed = world.done("POST /key/update", body).await;
    assert_eq!(
        (&changed["expires"], &changed["models"]),
        (&Value::Null, &json!([]))
    );
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused() {
    let world = World::new().await;
    for body in [
        r#"{"max_budget": 1, "soft_budget": 1}"#,
        r#"{"max_budget": -1}"#,
        r#"{"budget_duration": "0d"}"#,
        r#"{"budget_duration": "-1d"}"#,
        r#"{"budget_duration": "1 fortnight"}"#,
        r#"{"budget_duration": "99999999999d"}"#,
        r#"{"duration": "0s"}"#,
        r#"{"tpm_limit": 1e16}"#,
        r#"{"tpm_limit": 1.5}"#,
        r#"{"enforcement": "lax"}"#,
        r#"{"model_max_budget": {"a": {"budget_limit": -1}}}"#,
        r#"{"model_max_budget": {"a": {"budget_limit": 1, "surprise": 1}}}"#,
        r#"{"budget_limits": [{"max_budget": 1}]}"#,
        r#"{"metadata": [1]}"#,
        r#"{"budget_id": "ghost"}"#,
        r#"{"key_type": "root"}"#,
        r#"{"team_id": "red", "organization_id": "other"}"#,
    ] {
        world.refused("POST /key/generate", body).await;
    }
    let deep = format!(
        r#"{{"metadata": {{"a": {}1{}}}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    world.refused("POST /key/generate", &deep).await;
    let large = format!(r#"{{"metadata": {{"a": "{}"}}}}"#, "x".repeat(17 << 10));
    let (status, _) = world.refused("POST /key/generate", &large).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let huge = format!(r#"{{"metadata": "{}"}}"#, "x".repeat(3 << 20));
    world.refused("POST /key/generate", &huge).await;
}

#[tokio::test]
async fn spend_is_never_set() {
    let world = World::new().await;
    let (status, message) = world
        .refused(
            "POST /key/sk-red-0123456789/reset_spend",
            r#"{"reset_to": 0}"#,
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(message.contains("never set"), "{message}");
    let (status, _) = world.refused("POST /key/generate", r#"{"spend": 5}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_change_is_audited_and_moves_the_version_once() {
    let world = World::new().await;
    let before = world.version().await;
    world.done("POST /team/member_add", r#"{"team_id": "blue", "member": {"user_id": "newcomer", "role": "user"}, "max_budget_in_team": 1}"#).await;
    assert_eq!(world.version().await, before + 1);
    let audit = world.audit(before).await;
    let entities: Vec<_> = audit
        .iter()
        .map(|row| (row[2].as_str(), row[3].as_str()))
        .collect();
    assert_eq!(
        entities,
        [
            ("created", "users"),
            ("created", "budgets"),
            ("created", "team_members")
        ]
    );
    assert_eq!(audit[0][0..2], ["master key", "proxy_admin"]);

    let boss = world
        .done_by("sk-boss-0123456789", "GET /key/info", "")
        .await;
    world
        .done_by(
            "sk-boss-0123456789",
            "POST /user/update",
            r#"{"user_id": "newcomer", "max_budget": 1}"#,
        )
        .await;
    let audit = world.audit(before + 1).await;
    let hash = boss["key"].as_str().unwrap();
    assert_eq!(
        audit,
        [[hash, "proxy_admin", "updated", "users", "newcomer"].map(str::to_owned)]
    );

    // The same again changes nothing.
    world
        .done(
            "POST /user/update",
            r#"{"user_id": "newcomer", "max_budget": 1}"#,
        )
        .await;
    assert_eq!(world.version().await, before + 2);
    world
        .done("POST /user/delete", r#"{"user_ids": ["newcomer"]}"#)
        .await;
    let deleted = world.audit(before + 2).await;
    assert_eq!(deleted.len(), 3);
    assert!(deleted.iter().all(|row| row[2] == "deleted"), "{deleted:?}");
}

#[tokio::test]
async fn the_trail_says_who_what_it_was_and_what_it_became() {
    let world = World::new().await;
    let body = r#"{"user_id": "newcomer", "auto_create_key": false}"#;
    world.done("POST /user/new", body).await;
    let body = r#"{"user_id": "newcomer", "max_budget": 1}"#;
    world
        .done_by("sk-boss-0123456789", "POST /user/update", body)
        .await;
    let body = r#"{"user_ids": ["newcomer"]}"#;
    world.done("POST /user/delete", body).await;
    let boss = world
        .done_by("sk-boss-0123456789", "GET /key/info", "")
        .await;
    let trail = world
        .done(
            "GET /audit/entities?object_id=newcomer&table_name=users",
            "",
        )
        .await;
    let (deleted, updated) = (&trail["audit_logs"][0], &trail["audit_logs"][1]);
    assert_eq!(
        (&trail["total"], &deleted["updated_values"]),
        (&json!(3), &Value::Null)
    );
    assert_eq!(updated["before_value"]["max_budget"], Value::Null);
    assert_eq!(updated["updated_values"]["max_budget"], json!(1.0));
    assert_eq!(updated["changed_by_api_key"], boss["key"]);
    assert_eq!(deleted["changed_by_api_key"], "master key");
}
