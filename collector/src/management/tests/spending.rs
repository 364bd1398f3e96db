//! The routes of spend: sums to the last digit, to each who asks as far as they see.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use event::{Cost, CostStatus, Metadata, Origin, PricedEvent, StandardLoggingPayload, Timestamp};
use serde_json::{Value, json};

use super::{MASTER, World, key_of};
use crate::{
    books::{Entry, Run},
    control::tables,
    management::secret,
    samples::NOON,
};

const DAY: i64 = 86_400_000_000;
/// The sums of the collector's calls are of the same days; these begin the day after.
const DAYS: &str = "start_date=2026-11-21&end_date=2026-11-22";

/// Every route with a query that succeeds for the master, and who else may ask it.
const ROUTES: [(&str, &[&str]); 18] = [
    ("/spend/logs", &ALL),
    ("/spend/logs/v2", &ALL),
    ("/spend/logs/ui", &ALL),
    ("/spend/tags", &["watcher"]),
    ("/global/spend", &ALL),
    ("/global/spend/keys", &ALL),
    ("/global/spend/tags", &["watcher"]),
    ("/global/spend/end_users", &["watcher"]),
    ("/global/spend/logs", &ALL),
    ("/global/spend/all_tag_names", &["watcher"]),
    ("/provider/budgets", &["watcher"]),
    ("/global/spend/report?DAYS", &ALL),
    ("/global/activity?DAYS", &ALL),
    ("/user/daily/activity?DAYS", &ALL),
    (
        "/team/daily/activity?DAYS&team_ids=red",
        &["watcher", "lead", "chief", "reader"],
    ),
    (
        "/organization/daily/activity?DAYS&organization_ids=acme",
        &["watcher", "chief"],
    ),
    ("/tag/daily/activity?DAYS", &["watcher"]),
    ("/customer/daily/activity?DAYS", &["watcher"]),
];

const ALL: [&str; 6] = ["watcher", "worker", "reader", "lead", "chief", "nobody"];

/// A world in which people have spent something.
struct Spent {
    world: World,
}

/// When, whose, what it cost.
struct Call {
    day: i64,
    key: &'static str,
    team: Option<&'static str>,
    model: &'static str,
    cost: &'static str,
}

const CALLS: [Call; 5] = [
    call(1, "worker", None, "gpt-4o", "0.1"),
    call(1, "worker", None, "o3", "0.000000000001"),
    call(2, "worker", None, "gpt-4o", "0.2"),
    call(2, "lead", Some("red"), "gpt-4o", "1"),
    call(2, "reader", Some("red"), "o3", "3"),
];

const fn call(
    day: i64,
    key: &'static str,
    team: Option<&'static str>,
    model: &'static str,
    cost: &'static str,
) -> Call {
    Call {
        day,
        key,
        team,
        model,
        cost,
    }
}

impl Call {
    fn entry(&self, sequence: u64) -> Entry {
        let user = (self.key != "nobody").then(|| self.key.to_owned());
        let payload = StandardLoggingPayload {
            start_time: Timestamp::from_micros(NOON + self.day * DAY),
            end_time: Timestamp::from_micros(NOON + self.day * DAY + 1),
            model: self.model.to_owned(),
            custom_llm_provider: Some("openai".to_owned()),
            end_user: Some("app-1".to_owned()),
            request_tags: vec!["night".to_owned()],
            total_tokens: 10,
            metadata: Metadata {
                user_api_key_hash: Some(secret::digest(&key_of(self.key))),
                user_api_key_user_id: user,
                user_api_key_team_id: self.team.map(str::to_owned),
                user_api_key_org_id: self.team.map(|_| "acme".to_owned()),
                ..Metadata::default()
            },
            ..StandardLoggingPayload::default()
        };
        let cost = Cost {
            status: CostStatus::Priced,
            total: Some(self.cost.parse().unwrap()),
            ..Cost::default()
        };
        let source = "journal".to_owned();
        Entry::new(PricedEvent::new(payload, Origin { source, sequence }, cost))
    }
}

impl Spent {
    async fn new() -> Self {
        let world = World::new().await;
        let books = &world.rig.books;
        let standing = books.standing().await.unwrap();
        let calls = CALLS.iter().chain(&[NOBODYS]);
        let entries: Vec<Entry> = (100..)
            .zip(calls)
            .map(|(at, call)| call.entry(at))
            .collect();
        let marks = BTreeMap::from([("journal".to_owned(), 200)]);
        let run = Run {
            events: &entries,
            marks: &marks,
            priced_source: standing.priced_source.as_deref().unwrap(),
            from: standing.priced_next,
            to: standing.priced_next + 10,
        };
        books.settle(run).await.unwrap();
        Self { world }
    }

    /// What somebody gets, by their key, as it is written.
    async fn text(&self, who: &str, path: &str) -> String {
        let key = match who {
            "master" => MASTER.to_owned(),
            who => key_of(who),
        };
        let path = format!("GET {}", path.replace("DAYS", DAYS));
        let (status, text) = self.world.rig.send(&path, Some(&key), None).await;
        assert_eq!(status, StatusCode::OK, "{path} by {who}: {text}");
        text
    }

    async fn get(&self, who: &str, path: &str) -> Value {
        serde_json::from_str(&self.text(who, path).await).unwrap()
    }
}

const NOBODYS: Call = call(1, "nobody", None, "gpt-4o", "0.5");

#[tokio::test]
async fn each_route_is_answered_to_those_it_is_for_and_to_nobody_else() {
    let spent = Spent::new().await;
    for (path, open_to) in ROUTES {
        let route = format!("GET {}", path.replace("DAYS", DAYS));
        for key in [None, Some("sk-wrong-0123456789"), Some("' OR 1=1 --")] {
            let (status, _) = spent.world.refused_to(key, &route, "").await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{route} {key:?}");
        }
        for who in ALL {
            if open_to.contains(&who) {
                spent.get(who, path).await;
            } else {
                let (status, _) = spent.world.refused_to(Some(&key_of(who)), &route, "").await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{route} by {who}");
            }
        }
        spent.get("master", path).await;
        spent.get("boss", path).await;
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_a_word_on_what() {
    let spent = Spent::new().await;
    for (path, _) in ROUTES {
        let and = if path.contains('?') { "&" } else { "?" };
        let path = path.replace("DAYS", DAYS);
        for wrong in ["drop_table=1", "start_date=2026-11-21", "' OR 1=1=1"] {
            if wrong.starts_with("start") && (path.contains("start_date") || !dated(&path)) {
                continue;
            }
            let route = format!("GET {path}{and}{}", wrong.replace(' ', "%20"));
            let (status, text) = spent.world.rig.send(&route, Some(MASTER), None).await;
            assert!(status.is_client_error(), "{route}: {status} {text}");
        }
    }
    for route in [
        "/global/activity",
        "/user/daily/activity?start_date=2026-11-21",
        "/user/daily/activity?start_date=2026-11-21&end_date=2026-11-20",
        "/user/daily/activity?start_date=0001-01-01&end_date=9999-12-31",
        "/user/daily/activity?start_date=yesterday&end_date=2026-11-20",
        "/user/daily/activity?DAYS&page=0",
        "/user/daily/activity?DAYS&page=4294967296",
        "/user/daily/activity?DAYS&page_size=1001",
        "/user/daily/activity?DAYS&user_id=%00",
        "/team/daily/activity?DAYS&team_ids=",
        "/global/spend/report?DAYS&group_by=planet",
        "/global/spend/report?DAYS&group_by=team&customer_id=app-1",
        "/global/spend/keys?limit=1001",
        "/global/spend/planets",
        "/spend/team_members",
        "/spend/logs?min_spend=-1",
        "/spend/logs?max_spend=1e99",
        "/spend/logs?min_spend=NaN",
        "/spend/logs?user_id=a&user_id=b",
    ] {
        let route = format!("GET {}", route.replace("DAYS", DAYS));
        let (status, message) = spent.world.refused(&route, "").await;
        assert!(status.is_client_error(), "{route}: {message}");
    }
}

/// Whether days may be named.
fn dated(path: &str) -> bool {
    [
        "/spend/tags",
        "/global/spend/keys",
        "/global/spend/tags",
        "/global/spend/logs",
    ]
    .contains(&path)
}

#[tokio::test]
async fn an_owner_sees_their_own_and_nothing_else() {
    let spent = Spent::new().await;
    let day = json!([{"date": "Nov 21", "api_requests": 2, "total_tokens": 20},
        {"date": "Nov 22", "api_requests": 1, "total_tokens": 10}]);
    let active = spent.get("worker", "/global/activity?DAYS").await;
    assert_eq!(active["daily_data"], day);
    let text = spent.text("worker", "/global/spend").await;
    assert!(text.contains(r#""spend":0.300000000001,"#), "{text}");
    assert!(
        spent
            .text("nobody", "/global/spend")
            .await
            .contains(r#""spend":0.5,"#)
    );
    assert!(
        spent
            .text("chief", "/global/spend")
            .await
            .contains(r#""spend":0.0,"#)
    );
    let rows = spent.get("worker", "/spend/logs").await;
    let users: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["user"])
        .collect();
    assert_eq!(users, ["worker"; 3]);
    let rows = spent
        .get(
            "worker",
            "/spend/logs?user_id=worker&min_spend=0.1&max_spend=0.1",
        )
        .await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(spent.get("nobody", "/spend/logs/v2").await["total"], 1);
    for path in [
        "/spend/logs?user_id=lead",
        "/spend/logs/v2?user_id=lead",
        "/user/daily/activity?DAYS&user_id=lead",
        "/team/daily/activity?DAYS&team_ids=red",
        "/team/daily/activity?DAYS&team_ids=no-such-team",
        "/organization/daily/activity?DAYS",
    ] {
        let route = format!("GET {}", path.replace("DAYS", DAYS));
        let (status, _) = spent
            .world
            .refused_to(Some(&key_of("worker")), &route, "")
            .await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    }
    let summary = spent.text(
        "worker",
        "/spend/logs?start_date=2026-11-21&end_date=2026-11-22",
    );
    let summary = summary.await;
    let first = r#"{"startTime":"2026-11-21","spend":0.100000000001,"users":{"worker":0.100000000001},"models":{"gpt-4o":0.1,"o3":0.000000000001}}"#;
    assert!(summary.starts_with(&format!("[{first},")), "{summary}");
}

#[tokio::test]
async fn a_members_part_of_a_team_is_their_own_and_its_admin_sees_all() {
    let spent = Spent::new().await;
    let path = "/team/daily/activity?DAYS&team_ids=red";
    for (who, total) in [
        ("lead", "4.0"),
        ("chief", "4.0"),
        ("master", "4.0"),
        ("reader", "3.0"),
    ] {
        let text = spent.text(who, path).await;
        assert!(
            text.contains(&format!(r#""total_spend":{total},"#)),
            "{who}: {text}"
        );
    }
    let members = spent.get("lead", "/spend/team_members?team_id=red").await;
    let member = |at: usize| (members[at]["user_id"].clone(), members[at]["spend"].clone());
    assert_eq!(member(0), (json!("lead"), json!(1.0)));
    assert_eq!(member(1), (json!("reader"), json!(3.0)));
    let members = spent.get("worker", "/spend/team_members?team_id=red").await;
    assert_eq!(members, json!([]));
}

#[tokio::test]
async fn days_are_taken_apart_in_several_ways_and_each_way_adds_up() {
    let spent = Spent::new().await;
    let path = "/user/daily/activity?DAYS";
    let text = spent.text("master", path).await;
    assert!(text.contains(r#""total_spend":4.800000000001,"#), "{text}");
    let answer = spent.get("master", path).await;
    assert_eq!(answer["results"][0]["date"], "2026-11-22");
    let first = &answer["results"][1];
    assert_eq!(first["metrics"]["api_requests"], 3);
    let model = &first["breakdown"]["models"]["gpt-4o"];
    assert_eq!(model["metrics"]["spend"], 0.6);
    let key = secret::digest(&key_of("worker"));
    assert_eq!(model["api_key_breakdown"][&key]["metrics"]["spend"], 0.1);
    assert_eq!(
        first["breakdown"]["entities"]["worker"]["metrics"]["api_requests"],
        2
    );
    let page = spent
        .get("master", &format!("{path}&page=2&page_size=1"))
        .await;
    assert_eq!(page["results"][0]["date"], "2026-11-21");
    assert_eq!(page["metadata"]["has_more"], false);
    assert_eq!(page["metadata"]["total_pages"], 2);
    let page = spent.get("master", &format!("{path}&page_size=1")).await;
    assert_eq!(page["metadata"]["has_more"], true);
    let whole = spent
        .get("master", "/user/daily/activity/aggregated?DAYS")
        .await;
    assert_eq!(whole["results"], answer["results"]);
    let tags = spent
        .text("master", "/tag/daily/activity?DAYS&tags=night")
        .await;
    assert!(tags.contains(r#""total_spend":4.800000000001,"#), "{tags}");
    let nobody = spent
        .text("master", "/customer/daily/activity?DAYS&end_user_ids=app-2")
        .await;
    assert!(nobody.contains(r#""total_spend":0.0,"#), "{nobody}");
}

#[tokio::test]
async fn reports_are_by_team_by_customer_and_by_key() {
    let spent = Spent::new().await;
    let teams = spent.get("master", "/global/spend/report?DAYS").await;
    assert_eq!(teams[1]["group_by_day"], "2026-11-22");
    let red = teams[1]["teams"]
        .as_array()
        .unwrap()
        .iter()
        .find(|team| team["team_id"] == "red");
    let red = red.unwrap();
    assert_eq!(
        (&red["total_spend"], &red["metadata"][1]["model"]),
        (&json!(4.0), &json!("o3"))
    );
    let path = "/global/spend/report?DAYS&group_by=customer&customer_id=app-1";
    let text = spent.text("master", path).await;
    assert!(text.contains(r#""customers":[{"customer":"app-1","total_spend":0.600000000001"#));
    let keys = spent
        .text("worker", "/global/spend/report?DAYS&group_by=api_key")
        .await;
    assert!(keys.contains(r#""total_cost":0.300000000001,"#), "{keys}");
    let keys: Value = serde_json::from_str(&keys).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 1);
    assert_eq!(keys[0]["model_details"][1]["model"], "o3");
    let lines = spent
        .get("master", "/global/spend/users?DAYS&limit=2")
        .await;
    let ids: Vec<_> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["id"])
        .collect();
    assert_eq!(ids, ["reader", "lead"]);
    let tags = spent.get("watcher", "/spend/tags?DAYS").await;
    assert_eq!(tags[0]["individual_request_tag"], "night");
    assert_eq!(tags[0]["log_count"], 6);
}

#[tokio::test]
async fn spend_in_a_window_of_hours_is_what_its_budget_says() {
    let world = World::new().await;
    for (limit, expected) in [(r#""max_budget": 1, "#, json!(0.0)), ("", Value::Null)] {
        let body = format!(r#"{{{limit}"budget_duration": "1h"}}"#);
        let made = world.done("POST /key/generate", &body).await;
        tables::take(&world.rig.books).await.unwrap();
        let route = format!("GET /key/info?key={}", made["key"].as_str().unwrap());
        assert_eq!(world.done(&route, "").await["info"]["spend"], expected);
    }
}
