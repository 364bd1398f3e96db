//! Answers: the fields that LiteLLM's clients read, with amounts to the last digit.

use axum::http::StatusCode;
use event::Usd;
use serde_json::{Value, json};

use super::{MASTER, World};
use crate::{
    entities::{Since, Spend, spends},
    management::form::Form,
};

fn has(answer: &Value, fields: &[&str]) {
    let object = answer.as_object().unwrap();
    for field in fields {
        assert!(
            object.contains_key(*field),
            "`{field}` is missing in {answer}"
        );
    }
}

#[tokio::test]
async fn a_new_key_is_answered_as_litellm_does() {
    let world = World::new().await;
    let body = json!({
        "key_alias": "ci", "duration": "30d", "models": ["gpt-4o"], "max_budget": 10.5,
        "soft_budget": 8, "budget_duration": "daily", "tpm_limit": 1000, "rpm_limit": 10,
        "max_parallel_requests": 3, "metadata": {"cost_centre": 7}, "tags": ["night"],
        "aliases": {"mini": "gpt-4o-mini"}, "team_id": "red", "key_type": "llm_api",
        "model_max_budget": {"gpt-4o": {"budget_limit": 1.5, "time_period": "1d"}},
        "model_rpm_limit": {"gpt-4o": 5}, "budget_limits": [{"budget_duration": "1h", "max_budget": 1}],
    });
    let made = world.done("POST /key/generate", &body.to_string()).await;
    has(
        &made,
        &[
            "key",
            "token",
            "token_id",
            "key_name",
            "expires",
            "created_at",
            "updated_at",
            "created_by",
            "updated_by",
            "budget_id",
            "blocked",
            "user_id",
            "budget_reset_at",
            "litellm_budget_table",
        ],
    );
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("sk-") && key.len() == 25, "{key}");
    assert_eq!(made["key_name"], format!("sk-...{}", &key[21..]));
    assert_eq!(made["max_budget"], 10.5);
    assert_eq!(made["budget_duration"], "1d");
    assert_eq!(made["organization_id"], "acme");
    assert_eq!(made["allowed_routes"], json!(["llm_api_routes"]));
    assert_eq!(made["model_max_budget"]["gpt-4o"]["budget_limit"], 1.5);
    assert!(made["expires"].as_str().unwrap().ends_with('Z'));

    let info = world.done(&format!("GET /key/info?key={key}"), "").await;
    assert_eq!(info["key"], made["token"]);
    assert_eq!(
        (&info["info"]["status"], &info["info"]["spend"]),
        (&json!("active"), &json!(0.0))
    );
    assert_eq!(info["info"]["metadata"], json!({"cost_centre": 7}));
    let tables = world.tables().await.join("\n");
    assert!(!tables.contains(key), "the key itself is kept");
}

#[tokio::test]
async fn amounts_keep_every_digit() {
    let world = World::new().await;
    let body = r#"{"budget_id": "exact", "max_budget": 123456789.000000000001}"#;
    let (_, text) = world
        .rig
        .send("POST /budget/new", Some(MASTER), Some(body))
        .await;
    assert!(
        text.contains(r#""max_budget":123456789.000000000001,"#),
        "{text}"
    );
    let body = r#"{"key": "sk-exact-0123456789", "max_budget": 0.000000000001}"#;
    let (_, text) = world
        .rig
        .send("POST /key/generate", Some(MASTER), Some(body))
        .await;
    assert!(text.contains(r#""max_budget":0.000000000001,"#), "{text}");
    for amount in ["0.0000000000001", "1e400", "-0.000000000001", "1e13", "NaN"] {
        let body = format!(r#"{{"max_budget": {amount}}}"#);
        let (status, _) = world.refused("POST /key/generate", &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{amount}");
    }
}

#[tokio::test]
async fn spend_comes_from_the_books() {
    let world = World::new().await;
    // The books of the rig have calls of `team-1`.
    world
        .done("POST /team/new", r#"{"team_id": "team-1"}"#)
        .await;
    let (_, teams) = world
        .rig
        .send("GET /global/spend/teams", Some(MASTER), None)
        .await;
    let teams: Value = serde_json::from_str(&teams).unwrap();
    let team = teams
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["id"] == "team-1")
        .unwrap();
    let info = world.done("GET /team/info?team_id=team-1", "").await;
    assert_eq!(info["team_info"]["spend"], team["spend"]);
    assert_ne!(team["spend"], json!(0.0));
    // The calls are not of the day that the window began on.
    world
        .done(
            "POST /team/update",
            r#"{"team_id": "team-1", "budget_duration": "1d"}"#,
        )
        .await;
    let info = world.done("GET /team/info?team_id=team-1", "").await;
    assert_eq!(info["team_info"]["total_spend"], team["spend"]);
    assert!(info["team_info"]["budget_reset_at"].is_string());
    world
        .done(
            "POST /team/update",
            r#"{"team_id": "team-1", "budget_duration": "1s"}"#,
        )
        .await;
    let info = world.done("GET /team/info?team_id=team-1", "").await;
    assert!(info["team_info"]["spend"].is_null(), "unknown is not 0");
}

#[tokio::test]
async fn users_have_litellms_shape() {
    let world = World::new().await;
    let user = world
        .done(
            "POST /user/new",
            r#"{"user_email": "a@acme.test", "max_budget": 3}"#,
        )
        .await;
    has(
        &user,
        &[
            "user_id",
            "key",
            "token",
            "user_email",
            "user_role",
            "teams",
            "max_budget",
            "spend",
        ],
    );
    let id = user["user_id"].as_str().unwrap();
    let info = world
        .done(&format!("GET /user/info?user_id={id}"), "")
        .await;
    has(&info, &["user_id", "user_info", "keys", "teams"]);
    assert_eq!(info["keys"][0]["token"], user["token"]);
    let list = world.done("GET /user/list?page_size=3", "").await;
    assert_eq!(
        (&list["total"], &list["total_pages"]),
        (&json!(7), &json!(3))
    );
    assert_eq!(list["users"][0]["key_count"], 1);
    let (status, _) = world
        .refused("POST /user/new", r#"{"user_email": "a@acme.test"}"#)
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn teams_have_litellms_shape() {
    let world = World::new().await;
    let team = world.done("GET /team/info?team_id=red", "").await;
    has(&team, &["team_id", "team_info", "keys", "team_memberships"]);
    assert_eq!(
        team["team_info"]["members_with_roles"][1]["user_id"],
        "lead"
    );
    assert_eq!(team["team_memberships"][0]["budget_source"], "none");
    let add = r#"{"team_id": "red", "member": {"user_email": "b@acme.test", "role": "user"}, "max_budget_in_team": 1}"#;
    let added = world.done("POST /team/member_add", add).await;
    has(
        &added,
        &[
            "team_id",
            "members_with_roles",
            "updated_users",
            "updated_team_memberships",
        ],
    );
    assert!(added["updated_team_memberships"][0]["budget_id"].is_string());
    let (status, body) = world
        .rig
        .send("POST /team/member_add", Some(MASTER), Some(add))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("team_member_already_in_team"), "{body}");
}

#[tokio::test]
async fn organizations_customers_budgets_and_tags_have_litellms_shape() {
    let world = World::new().await;
    let organization = world
        .done("GET /organization/info?organization_id=acme", "")
        .await;
    has(
        &organization,
        &[
            "organization_id",
            "organization_alias",
            "budget_id",
            "members",
            "teams",
            "spend",
        ],
    );
    assert_eq!(organization["litellm_budget_table"]["max_budget"], 100.0);
    let customer = world.done("GET /end_user/info?end_user_id=app-1", "").await;
    has(
        &customer,
        &[
            "user_id",
            "blocked",
            "alias",
            "spend",
            "default_model",
            "models",
            "budget_id",
            "litellm_budget_table",
        ],
    );
    let budget = world
        .done("POST /budget/info", r#"{"budgets": ["small"]}"#)
        .await;
    has(
        &budget[0],
        &[
            "budget_id",
            "max_budget",
            "soft_budget",
            "budget_duration",
            "budget_reset_at",
            "created_by",
        ],
    );
    let tags = world
        .done("POST /tag/info", r#"{"names": ["night"]}"#)
        .await;
    has(
        &tags["night"],
        &["name", "description", "litellm_budget_table", "created_at"],
    );
    let settings = world.done("GET /budget/settings?budget_id=small", "").await;
    assert_eq!(
        (&settings[0]["field_name"], &settings[0]["field_value"]),
        (&json!("max_budget"), &json!(5.0))
    );
}

#[tokio::test]
async fn a_shared_budget_is_changed_in_one_place_and_not_taken_away_from_its_users() {
    let world = World::new().await;
    world
        .done(
            "POST /customer/new",
            r#"{"user_id": "app-3", "budget_id": "small"}"#,
        )
        .await;
    let both = r#"{"user_id": "app-4", "budget_id": "small", "max_budget": 1}"#;
    let (status, _) = world.refused("POST /customer/new", both).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, message) = world
        .refused("POST /budget/delete", r#"{"id": "small"}"#)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(message.contains("app-3"), "{message}");
    // Limits of its own: the shared budget stays as it is.
    let own = world
        .done(
            "POST /customer/update",
            r#"{"user_id": "app-3", "max_budget": 9}"#,
        )
        .await;
    assert_ne!(own["budget_id"], "small");
    let small = world
        .done("POST /budget/info", r#"{"budgets": ["small"]}"#)
        .await;
    assert_eq!(small[0]["max_budget"], 5.0);
    // Back to the shared one: its own goes.
    let body = r#"{"user_id": "app-3", "budget_id": "small"}"#;
    world.done("POST /customer/update", body).await;
    let gone = serde_json::json!({"budgets": [own["budget_id"]]}).to_string();
    assert_eq!(world.done("POST /budget/info", &gone).await, json!([]));
    world
        .done("POST /customer/delete", r#"{"user_ids": ["app-3"]}"#)
        .await;
    world
        .done("POST /budget/delete", r#"{"id": "small"}"#)
        .await;
}

#[tokio::test]
async fn what_belonged_to_what_is_gone_goes_too() {
    let world = World::new().await;
    let (status, _) = world
        .refused(
            "DELETE /organization/delete",
            r#"{"organization_ids": ["acme"]}"#,
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    world
        .done("POST /team/delete", r#"{"team_ids": ["red"]}"#)
        .await;
    let (status, _) = world
        .rig
        .send("GET /key/info", Some("sk-red-0123456789"), None)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    world
        .done(
            "DELETE /organization/delete",
            r#"{"organization_ids": ["acme"]}"#,
        )
        .await;
    world
        .done("POST /user/delete", r#"{"user_ids": ["worker"]}"#)
        .await;
    let (status, _) = world
        .rig
        .send("GET /key/info", Some("sk-worker-0123456789"), None)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let tables = world.tables().await;
    for gone in ["\"team_id\":\"red\"", "\"user_id\":\"worker\""] {
        let left = tables
            .iter()
            .find(|row| !row.starts_with("control_audit") && row.contains(gone));
        assert_eq!(left, None);
    }
}

#[test]
fn fields_that_have_no_effect_are_named_in_a_header() {
    let header = |body: &[u8]| {
        let response = Form::parse(body).unwrap().finish().unwrap().json(&());
        let header = response.headers().get("x-tollkeeper-ignored")?;
        Some(header.to_str().unwrap().to_owned())
    };
    let body = br#"{"send_invite_email": true, "prompts": ["a"], "spend": 0}"#;
    assert_eq!(header(body).as_deref(), Some("prompts, send_invite_email"));
    assert_eq!(header(b"{}"), None);
}

#[tokio::test]
async fn a_team_takes_its_keys_along() {
    let world = World::new().await;
    world
        .done(
            "POST /organization/new",
            r#"{"organization_id": "zeta", "organization_alias": "Zeta"}"#,
        )
        .await;
    for organization in ["\"zeta\"", "null", "\"acme\""] {
        let body = format!(r#"{{"team_id": "red", "organization_id": {organization}}}"#);
        world.done("POST /team/update", &body).await;
        let key = world
            .done(
                "POST /key/update",
                r#"{"key": "sk-red-0123456789", "rpm_limit": 1}"#,
            )
            .await;
        assert_eq!(key["organization_id"].to_string(), organization);
    }
}

#[tokio::test]
async fn spend_is_that_of_the_window_where_the_sums_of_days_say_it() {
    const DAY_OF_THE_CALLS: i64 = 20_777;
    let world = World::new().await;
    let of = async |id: &str, since| {
        let asked = [(id.to_owned(), since)];
        let found = spends(&world.rig.books, "team", &asked).await.unwrap();
        found.get(id).copied().unwrap()
    };
    let all = of("team-1", Since::Ever).await;
    assert!(all.total_spend > Usd::ZERO);
    for (since, spend) in [
        (Since::Ever, Some(all.total_spend)),
        (Since::Day(DAY_OF_THE_CALLS), Some(all.total_spend)),
        (Since::Day(DAY_OF_THE_CALLS + 1), Some(Usd::ZERO)),
        (Since::Unknown, None),
    ] {
        let expected = Spend { spend, ..all };
        assert_eq!(of("team-1", since).await, expected, "{since:?}");
    }
    let nothing = Spend {
        spend: Some(Usd::ZERO),
        total_spend: Usd::ZERO,
    };
    assert_eq!(of("' OR 1=1 --", Since::Ever).await, nothing);
}
