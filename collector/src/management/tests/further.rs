//! Several at once, what members are let do, lists of models, zones, and what is not here.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{MASTER, World, key_of};

#[tokio::test]
async fn of_several_all_are_changed_or_none() {
    let world = World::new().await;
    let keys = |last: &str| {
        json!({"keys": [{"key": "sk-red-0123456789", "rpm_limit": 7}, {"key": last, "rpm_limit": 7}]})
            .to_string()
    };
    let route = "POST /key/bulk_update";
    let (status, _) = world.refused(route, &keys("sk-ghost-0123456789")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let lead = key_of("lead");
    let boss = keys("sk-boss-0123456789");
    let (status, _) = world.refused_to(Some(&lead), route, &boss).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let version = world.version().await;
    let done = world.done(route, &boss).await;
    assert_eq!(
        world.version().await,
        version + 1,
        "one change, however many keys"
    );
    assert_eq!(done["total_requested"], 2);
    assert_eq!(done["successful_updates"][1]["key_info"]["rpm_limit"], 7);
    assert_eq!(done["failed_updates"], json!([]));

    let route = "POST /user/bulk_update";
    let wrong = r#"{"users": [{"user_id": "worker", "max_budget": 1}, {"user_id": "ghost"}]}"#;
    world.refused(route, wrong).await;
    let wrong = r#"{"users": [{"user_id": "worker", "max_bugdet": 1}]}"#;
    world.refused(route, wrong).await;
    let users = r#"{"users": [{"user_id": "worker", "max_budget": 1}, {"user_id": "lead"}]}"#;
    let done = world.done(route, users).await;
    assert_eq!(done["results"][0]["updated_user"]["max_budget"], 1.0);
    assert_eq!(
        (&done["successful_updates"], &done["failed_updates"]),
        (&json!(2), &json!(0))
    );
}

#[tokio::test]
async fn an_admin_without_a_user_sees_every_key_and_team() {
    let world = World::new().await;
    let all = world.done("GET /user/info", "").await;
    assert_eq!(
        (&all["user_id"], &all["user_info"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(all["keys"].as_array().unwrap().len(), 8);
    assert_eq!(all["teams"].as_array().unwrap().len(), 2);
    let own = world.done_by(&key_of("lead"), "GET /user/info", "").await;
    assert_eq!(own["user_info"]["teams"], json!(["red"]));
    let (status, _) = world
        .refused_to(Some(&key_of("nobody")), "GET /user/info", "")
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn members_may_do_what_their_team_lets_them_do_and_no_more() {
    let world = World::new().await;
    // A member who may make keys of their own at all.
    let join = r#"{"team_id": "red", "member": {"user_id": "worker", "role": "user"}}"#;
    world.done("POST /team/member_add", join).await;
    let (worker, reader) = (key_of("worker"), key_of("reader"));
    let own = r#"{"team_id": "red"}"#;
    let of_nobody = r#"{"team_id": "red", "user_id": null}"#;
    let others = r#"{"team_id": "red", "user_id": "lead"}"#;
    let service = "POST /key/service-account/generate";
    let refused = async |key: &str, route: &str, body: &str| {
        let (status, message) = world.refused_to(Some(key), route, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{route} {body}: {message}");
    };
    let make = "POST /key/generate";
    for (route, body) in [(make, own), (make, of_nobody), (service, own)] {
        refused(&worker, route, body).await;
    }
    let lets =
        |names: &[&str]| json!({"team_id": "red", "team_member_permissions": names}).to_string();
    let update = "POST /team/permissions_update";
    let (status, message) = world.refused(update, &lets(&["/key/root"])).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(message.contains("/key/generate"), "{message}");
    refused(&worker, update, &lets(&["/key/generate"])).await;

    world.done(update, &lets(&["/key/generate"])).await;
    let made = world.done_by(&worker, make, own).await;
    assert_eq!(
        (&made["user_id"], &made["team_id"]),
        (&json!("worker"), &json!("red"))
    );
    for (key, route, body) in [
        // Of nobody it would not count in the member's own budget.
        (&worker, make, of_nobody),
        (&worker, make, others),
        (&worker, service, own),
        (&worker, make, r#"{"team_id": "blue"}"#),
        (
            &worker,
            "POST /key/update",
            r#"{"key": "sk-worker-0123456789", "team_id": "red"}"#,
        ),
        // Who may write nothing may not write this.
        (&reader, make, own),
        (&key_of("lead"), make, r#"{"team_id": "blue"}"#),
    ] {
        refused(key, route, body).await;
    }
    let path = "GET /key/info?key=sk-red-0123456789";
    refused(&reader, path, "").await;
    let names = ["/key/info", "/key/list", "/key/service-account/generate"];
    world.done(update, &lets(&names)).await;
    refused(&worker, make, own).await;
    let made = world.done_by(&worker, service, own).await;
    assert_eq!(made["user_id"], Value::Null);
    world.done_by(&reader, path, "").await;
    let list = world
        .done_by(&reader, "GET /key/list?team_id=red", "")
        .await;
    assert_eq!(list["total_count"], 3);
    let told = world
        .done_by(&reader, "GET /team/permissions_list?team_id=red", "")
        .await;
    assert_eq!(told["team_member_permissions"], json!(names));
}

#[tokio::test]
async fn a_list_of_models_never_becomes_every_model() {
    let world = World::new().await;
    let models = |names: &[&str]| json!({"team_id": "red", "models": names}).to_string();
    let lead = key_of("lead");
    let (status, _) = world
        .refused_to(Some(&lead), "POST /team/model/add", &models(&["o3"]))
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let team = world.done("POST /team/model/add", &models(&["o3"])).await;
    assert_eq!(team["models"], json!(["gpt-4o", "o3"]));
    let team = world
        .done_by(&lead, "POST /team/model/delete", &models(&["gpt-4o"]))
        .await;
    assert_eq!(team["models"], json!(["o3"]));
    let (status, message) = world
        .refused("POST /team/model/delete", &models(&["o3"]))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(message.contains("no-default-models"), "{message}");
}

#[tokio::test]
async fn a_member_of_an_organization_is_promoted_by_who_leads_it() {
    let world = World::new().await;
    let body = r#"{"organization_id": "acme", "user_id": "chief", "role": "internal_user"}"#;
    let route = "PATCH /organization/member_update";
    let (status, _) = world.refused_to(Some(&key_of("lead")), route, body).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let member = world.done(route, body).await;
    assert_eq!(member["user_role"], "internal_user");
    let (status, _) = world.refused_to(Some(&key_of("chief")), route, body).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "a leader no more");
}

#[tokio::test]
async fn a_budget_begins_by_the_calendar_that_it_names() {
    let world = World::new().await;
    let body = |zone: &str| {
        json!({"budget_duration": "30d", "max_budget": 1, "budget_timezone": zone}).to_string()
    };
    for zone in ["Mars/Olympus", "", "UTC+2", "../etc"] {
        let (status, _) = world.refused("POST /key/generate", &body(zone)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{zone}");
    }
    let made = world.done("POST /key/generate", &body("Asia/Tokyo")).await;
    assert_eq!(made["budget_timezone"], "Asia/Tokyo");
    let resets = made["budget_reset_at"].as_str().unwrap();
    assert!(resets.contains("T15:00:00"), "midnight in Tokyo: {resets}");
    let usual = r#"{"budget_duration": "30d", "max_budget": 1}"#;
    let made = world.done("POST /key/generate", usual).await;
    let resets = made["budget_reset_at"].as_str().unwrap();
    assert!(resets.contains("T00:00:00"), "{resets}");
    // A budget is the same for those who share it, zone and all.
    let shared = r#"{"budget_id": "tokyo", "max_budget": 1, "budget_duration": "1d", "budget_timezone": "Asia/Tokyo"}"#;
    world.done("POST /budget/new", shared).await;
    let customer = r#"{"user_id": "app-9", "budget_id": "tokyo"}"#;
    let customer = world.done("POST /customer/new", customer).await;
    let resets = customer["budget_reset_at"].as_str().unwrap();
    assert!(resets.contains("T15:00:00"), "{resets}");
}

#[tokio::test]
async fn what_a_key_may_do_is_read_strictly() {
    let world = World::new().await;
    for body in [
        r#"{"allowed_ips": ["10.0.0.0/33"]}"#,
        r#"{"allowed_ips": ["localhost"]}"#,
        r#"{"allowed_ips": "10.0.0.1"}"#,
        r#"{"allowed_request_params": [1]}"#,
        r#"{"enforced_params": "user"}"#,
    ] {
        world.refused("POST /key/generate", body).await;
    }
    let body = r#"{"key": "sk-strict-0123456789", "user_id": "worker",
        "allowed_ips": ["10.0.0.0/8", "::1"], "enforced_params": ["user", "metadata.project"],
        "allowed_request_params": ["temperature"]}"#;
    let made = world.done("POST /key/generate", body).await;
    assert_eq!(made["allowed_ips"], json!(["10.0.0.0/8", "::1"]));
    // Its owner does not get out of what an admin has set.
    for field in [
        r#""allowed_ips": []"#,
        r#""allowed_ips": ["0.0.0.0/0"]"#,
        r#""enforced_params": ["user"]"#,
        r#""allowed_request_params": []"#,
        r#""budget_timezone": "Asia/Tokyo""#,
    ] {
        let body = format!(r#"{{"key": "sk-strict-0123456789", {field}}}"#);
        let worker = key_of("worker");
        let (status, _) = world
            .refused_to(Some(&worker), "POST /key/update", &body)
            .await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{field}");
    }
}

#[tokio::test]
async fn what_is_not_here_says_what_there_is_instead() {
    let world = World::new().await;
    for (route, status, word) in [
        ("GET /credentials", 501, "configuration"),
        ("POST /model/new", 501, "model_list"),
        ("POST /project/new", 501, "team"),
        ("POST /global/spend/reset", 501, "budget_duration"),
        ("GET /key/nonsense", 404, "`/key/nonsense`"),
        ("GET /key/generate", 405, "GET"),
        ("DELETE /user/new", 405, "DELETE"),
    ] {
        let (found, body) = world.rig.send(route, Some(MASTER), None).await;
        assert_eq!(found.as_u16(), status, "{route}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let error = &body["error"];
        assert_eq!(error["code"], status.to_string());
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
    }
}

#[tokio::test]
async fn admins_read_what_was_spent_and_gateways_alone_are_lent_to() {
    let world = World::new().await;
    let everybody = ["boss", "watcher", "worker", "reader", "lead", "nobody"];
    for (route, open_to) in [
        // Each is told of what is their own: `spending.rs`.
        ("GET /global/spend", &everybody[..]),
        ("GET /spend/logs", &everybody),
        ("GET /audit", &["boss", "watcher"]),
        ("GET /alerts", &["boss", "watcher"]),
        ("GET /metrics", &["boss", "watcher"]),
        ("POST /reprice", &["boss"]),
        ("GET /control/snapshot", &[]),
        ("POST /control/leases", &[]),
    ] {
        for user in everybody {
            let (status, text) = world.rig.send(route, Some(&key_of(user)), Some("{}")).await;
            let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
            let told = format!("{route} by {user}: {status} {text}");
            assert_eq!(!refused, open_to.contains(&user), "{told}");
        }
    }
    for (list, spend, keys) in [
        (json!(["spend_tracking_routes"]), 200, 403),
        (json!(["info_routes"]), 403, 200),
    ] {
        let body = json!({ "user_id": "boss", "allowed_routes": list }).to_string();
        let made = world.done("POST /key/generate", &body).await;
        let key = made["key"].as_str();
        let (status, _) = world.rig.send("GET /global/spend", key, None).await;
        assert_eq!(status.as_u16(), spend, "{list}");
        let (status, _) = world.rig.send("GET /key/list", key, None).await;
        assert_eq!(status.as_u16(), keys, "{list}");
    }
}
