//! The budget manager over HTTP: costs to the last digit, counted once; who may ask, and how not.

use axum::http::StatusCode;
use event::Usd;
use serde_json::{Value, json};

use super::{MASTER, World, key_of};

/// A priced completion: 1000 tokens in for 2.5 and 100 out for 10 USD a million.
const COMPLETION: &str = r#"{"id": "chatcmpl-elsewhere", "model": "gpt-4o", "usage":
    {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}"#;
const COST: &str = "0.0035";

impl World {
    async fn call(&self, method: &str, body: &str) -> Value {
        self.done(&format!("POST /budget_manager/{method}"), body)
            .await
    }

    async fn tell(&self, method: &str, user: &str) -> String {
        let route = format!("GET /budget_manager/{method}?user={user}");
        let (status, text) = self.rig.send(&route, Some(MASTER), None).await;
        assert_eq!(status, StatusCode::OK, "{route}: {text}");
        text
    }

    async fn reported(&self) -> i64 {
        let sql = "SELECT count(*) FROM reported_costs";
        let count = sqlx::query_scalar(sql).fetch_one(self.rig.books.readers());
        count.await.unwrap()
    }

    async fn alice(self) -> Self {
        let body = r#"{"user": "alice", "total_budget": 0.01, "duration": "monthly"}"#;
        let made = self.call("create_budget", body).await;
        assert_eq!(made["total_budget"], 0.01);
        assert_eq!(made["current_cost"], 0.0);
        assert!(
            made["budget_reset_at"]
                .as_str()
                .unwrap()
                .contains("-01T00:00:00")
        );
        self
    }
}

fn update(completion: &str) -> String {
    format!(r#"{{"user": "alice", "completion_obj": {completion}}}"#)
}

#[tokio::test]
async fn what_was_spent_elsewhere_is_counted_once_and_to_the_last_digit() {
    let world = World::new().await.alice().await;
    assert!(world.tell("is_valid_user", "alice").await.contains("true"));
    assert!(world.tell("is_valid_user", "bob").await.contains("false"));
    let first = world.call("update_cost", &update(COMPLETION)).await;
    assert_eq!(
        (&first["cost"], &first["counted"]),
        (&json!(0.0035), &json!(true))
    );
    let again = world.call("update_cost", &update(COMPLETION)).await;
    assert_eq!(
        (&again["current_cost"], &again["counted"]),
        (&json!(0.0035), &json!(false))
    );
    // A call that a gateway saw has been counted by it.
    let seen = COMPLETION.replace("chatcmpl-elsewhere", "chatcmpl-0");
    let seen = world.call("update_cost", &update(&seen)).await;
    assert_eq!(
        (&seen["current_cost"], &seen["counted"]),
        (&json!(0.0035), &json!(false))
    );
    // Eight and five bytes are two tokens each: 2 × 2.5 and 2 × 10 USD a million.
    let texts =
        r#"{"user": "alice", "model": "gpt-4o", "input_text": "12345678", "output_text": "12345"}"#;
    world.call("update_cost", texts).await;
    let total: Usd = "0.003525".parse().unwrap();
    let current = world.tell("get_current_cost", "alice").await;
    assert!(
        current.contains(&format!(r#""current_cost":{total},"#)),
        "{current}"
    );
    let models = world.tell("get_model_cost", "alice").await;
    assert!(
        models.contains(&format!(r#"{{"gpt-4o":{total}}}"#)),
        "{models}"
    );
    assert!(
        world
            .tell("get_total_budget", "alice")
            .await
            .contains(r#""total_budget":0.01,"#)
    );
}

#[tokio::test]
async fn a_prompt_is_added_to_what_was_spent() {
    let world = World::new().await.alice().await;
    world.call("update_cost", &update(COMPLETION)).await;
    let body = r#"{"user": "alice", "model": "gpt-4o", "messages": [{"role": "user", "content": "12345678"}]}"#;
    let told = world.call("projected_cost", body).await;
    assert_eq!(told["prompt_cost"], 0.000_005);
    assert_eq!(told["projected_cost"], 0.003_505);
    assert_eq!(told["current_cost"].to_string(), COST);
}

#[tokio::test]
async fn costs_that_are_set_back_begin_at_nothing_and_leave_a_trace() {
    let world = World::new().await.alice().await;
    world.call("update_cost", &update(COMPLETION)).await;
    let reset = world.call("reset_cost", r#"{"user": "alice"}"#).await;
    assert_eq!(reset["current_cost"], 0.0);
    assert!(
        world
            .tell("get_model_cost", "alice")
            .await
            .contains(r#""model_cost":{}"#)
    );
    assert_eq!(world.reported().await, 2);
    let other = COMPLETION.replace("elsewhere", "other");
    let after = world.call("update_cost", &update(&other)).await;
    assert_eq!(after["current_cost"].to_string(), COST);
    for method in ["reset_on_duration", "update_budget_all_users", "save_data"] {
        let body = match method {
            "reset_on_duration" => r#"{"user": "alice"}"#,
            _ => "{}",
        };
        world.call(method, body).await;
    }
    assert!(world.tell("get_current_cost", "alice").await.contains(COST));
    let audit: Value = world.done("GET /audit", "").await;
    assert_eq!(audit["balanced"], true);
}

#[tokio::test]
async fn a_budget_that_is_spent_elsewhere_raises_its_alerts_once() {
    let world = World::new().await.alice().await;
    for number in 0..4 {
        let completion = COMPLETION.replace("elsewhere", &number.to_string().repeat(20));
        world.call("update_cost", &update(&completion)).await;
    }
    let alerts = world.rig.books.alerts_after(0, 100).await.unwrap();
    let percents: Vec<_> = alerts
        .iter()
        .map(|alert| alert.alert().unwrap().facts.unwrap())
        .map(|facts| (facts.customer_id.unwrap(), facts.threshold_percent.unwrap()))
        .collect();
    let of = |percent| ("alice".to_owned(), percent);
    assert_eq!(percents, [of(50), of(80), of(95), of(100)]);
}

#[tokio::test]
async fn a_new_budget_takes_the_place_of_the_old_one_and_users_are_named() {
    let world = World::new().await.alice().await;
    world.call("update_cost", &update(COMPLETION)).await;
    let body = r#"{"user": "alice", "total_budget": 5, "duration": "monthly"}"#;
    let made = world.call("create_budget", body).await;
    assert_eq!(
        (&made["total_budget"], &made["current_cost"]),
        (&json!(5.0), &json!(0.0035))
    );
    let ever = world
        .call("create_budget", r#"{"user": "bob", "total_budget": 1}"#)
        .await;
    assert_eq!(ever["budget_reset_at"], Value::Null);
    let users = world.done("GET /budget_manager/get_users", "").await;
    assert_eq!(users["users"], json!(["alice", "app-1", "bob"]));
}

#[tokio::test]
async fn only_admins_change_and_viewers_look() {
    let world = World::new().await.alice().await;
    let writes = [
        (
            "create_budget",
            r#"{"user": "eve", "total_budget": 1}"#.to_owned(),
        ),
        ("update_cost", update(COMPLETION)),
        ("reset_cost", r#"{"user": "alice"}"#.to_owned()),
    ];
    for user in ["watcher", "worker", "reader", "lead", "nobody"] {
        let key = key_of(user);
        for (method, body) in &writes {
            let route = format!("POST /budget_manager/{method}");
            let (status, _) = world.refused_to(Some(&key), &route, body).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{route} by {user}");
        }
        let route = "GET /budget_manager/get_current_cost?user=alice";
        let (status, _) = world.rig.send(route, Some(&key), None).await;
        let expected = match user {
            "watcher" => StatusCode::OK,
            _ => StatusCode::FORBIDDEN,
        };
        assert_eq!(status, expected, "{user}");
    }
    for key in [None, Some("sk-wrong-0123456789")] {
        let (status, _) = world
            .refused_to(key, "POST /budget_manager/save_data", "{}")
            .await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.reported().await, 0);
}

/// Methods, and bodies that they refuse.
const WRONG: &[(&str, &str)] = &[
    ("create_budget", r#"{"user": "x"}"#),
    ("create_budget", r#"{"user": "x", "total_budget": "1"}"#),
    ("create_budget", r#"{"user": "x", "total_budget": -1}"#),
    ("create_budget", r#"{"user": "x", "total_budget": 1e400}"#),
    (
        "create_budget",
        r#"{"user": "x", "total_budget": 1, "duration": "'; DROP TABLE keys"}"#,
    ),
    (
        "create_budget",
        r#"{"user": "x", "total_budget": 1, "budget": 1}"#,
    ),
    ("create_budget", r#"{"user": ["x"], "total_budget": 1}"#),
    ("create_budget", "[]"),
    ("update_cost", r#"{"user": "alice"}"#),
    ("update_cost", r#"{"user": "alice", "completion_obj": "x"}"#),
    (
        "update_cost",
        r#"{"user": "alice", "completion_obj": {"model": "gpt-4o"}}"#,
    ),
    ("update_cost", r#"{"user": "alice", "input_text": "x"}"#),
    (
        "update_cost",
        r#"{"user": "alice", "input_text": "x", "model": "no-such-model"}"#,
    ),
    (
        "update_cost",
        r#"{"user": "alice", "completion_obj": {"model": "gpt-4o", "usage": {"prompt_tokens": -1}}}"#,
    ),
    (
        "projected_cost",
        r#"{"user": "alice", "model": "gpt-4o", "messages": "x"}"#,
    ),
    (
        "projected_cost",
        r#"{"user": "nobody", "model": "gpt-4o", "messages": []}"#,
    ),
    ("reset_cost", r#"{"user": "nobody"}"#),
    ("reset_cost", "{}"),
    ("get_current_cost", "{}"),
    ("drop", "{}"),
];

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_and_counts_nothing() {
    let world = World::new().await.alice().await;
    for (method, body) in WRONG {
        world
            .refused(&format!("POST /budget_manager/{method}"), body)
            .await;
    }
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let deep = update(&format!(r#"{{"model": "gpt-4o", "usage": {deep}}}"#));
    world
        .refused("POST /budget_manager/update_cost", &deep)
        .await;
    let unknown = update(COMPLETION).replace("alice", "bob");
    let (status, _) = world
        .refused("POST /budget_manager/update_cost", &unknown)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for route in [
        "get_current_cost",
        "get_current_cost?user=bob",
        "get_current_cost?user=alice&x=1",
        "get_users?user=alice",
        "reset_cost?user=alice",
        "is_valid_user?user=%0A",
    ] {
        world
            .refused(&format!("GET /budget_manager/{route}"), "")
            .await;
    }
    assert_eq!(world.reported().await, 0);
}
