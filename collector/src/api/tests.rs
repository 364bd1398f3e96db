//! Requests through the router, over books with a few calls in them.

use std::collections::BTreeMap;

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use bus::{Log as _, MemoryLog};
use cost_map::PriceMap;
use event::{Origin, PricedEvent, Usd};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::*;
use crate::{
    alerts::Alerts,
    books::{Entry, Run},
    price::{PriceMaps, Pricer},
    reprice, samples,
};

pub(crate) struct Rig {
    router: Router,
    pub(crate) books: Books,
    health: Arc<Health>,
    spend: Usd,
    _data: TempDir,
}

pub(crate) async fn rig(master_key: Option<&str>) -> Rig {
    let data = tempfile::tempdir().unwrap();
    let books = Books::open(&data.path().join("books.sqlite"))
        .await
        .unwrap();
    let events = events().await;
    let log = MemoryLog::new();
    books.follow(log.source(), 0).await.unwrap();
    let marks = BTreeMap::from([("journal".to_owned(), 5)]);
    let run = Run {
        events: &events,
        marks: &marks,
        priced_source: log.source(),
        from: 0,
        to: 6,
    };
    books.settle(run).await.unwrap();
    let health = Arc::new(Health::default());
    health.works();
    let tasks = Tasks::default();
    // Nobody takes what it sends: a job that has something to correct fails.
    let (repricer, _nobody) = Repricer::new(reprice::Parts {
        books: books.clone(),
        prices: PriceMaps::bundled(),
        log: Arc::new(log),
        alerts: Alerts::new(books.clone()),
        tasks: tasks.clone(),
    });
    let api = Api {
        books: books.clone(),
        repricer,
        health: Arc::clone(&health),
        metrics: Arc::new(Metrics::new(10, Vec::new())),
        tap: Tap::new(),
        prices: PriceMaps::bundled(),
        sinks: Vec::new(),
        master_key: master_key.map(|key| Secret::new(key.to_owned())),
        control_key: None,
        metrics_auth: true,
        tasks,
    };
    let spend = events
        .iter()
        .filter_map(|entry| entry.event.cost().total)
        .sum();
    Rig {
        router: router(api),
        books,
        health,
        spend,
        _data: data,
    }
}

/// Five calls with a price, the first with a key whose text is known, and one without.
async fn events() -> Vec<Entry> {
    let maps = PriceMaps::bundled();
    let map = maps.current();
    let mut pricer = Pricer::new(maps);
    let mut priced = |(sequence, mut payload): (u64, event::StandardLoggingPayload)| {
        if sequence == 0 {
            let digest = Sha256::digest("sk-one");
            let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            payload.metadata.user_api_key_hash = Some(hash);
        }
        let cost = pricer.cost(&map, &payload, &crate::price::usage(&payload));
        let origin = Origin {
            source: "journal".to_owned(),
            sequence,
        };
        Entry::new(PricedEvent::new(payload, origin, cost)).at(sequence)
    };
    let payloads = (0..5).map(samples::call).chain([samples::unpriced(5)]);
    (0..).zip(payloads).map(&mut priced).collect()
}

impl Rig {
    async fn ask(&self, path: &str, key: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// Sends `METHOD path` with a key and a body, and reads the answer's text.
    pub(crate) async fn send(
        &self,
        route: &str,
        key: Option<&str>,
        body: Option<&str>,
    ) -> (StatusCode, String) {
        let (method, path) = route.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 8 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

#[tokio::test]
async fn an_order_to_price_again_is_answered_with_a_report() {
    let rig = rig(None).await;
    assert_eq!(rig.ask("/reprice", None).await.0, StatusCode::NOT_FOUND);
    let order = r#"{"since":"2026-11-20","all":true,"dry_run":true}"#;
    let (status, report) = rig.post("/reprice", order).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(report["state"], "done");
    assert_eq!(fates(&report), [6, 5, 0, 1, 0], "{report:#}");
    assert_eq!(report["all"], true);
    assert_eq!(report["reasons"][0]["fate"], "still_unpriced");
    assert_eq!(rig.get("/reprice").await, report);
    let order =
        r#"{"since":"2026-11-20","until":"2026-11-20T12:00:02Z","models":["chat"],"all":true}"#;
    let (_, report) = rig.post("/reprice", order).await;
    assert_eq!(fates(&report), [2, 2, 0, 0, 0], "{report:#}");
}

fn fates(report: &Value) -> [i64; 5] {
    let counts = [
        "scanned",
        "unchanged",
        "corrected",
        "still_unpriced",
        "kept",
    ];
    counts.map(|name| report[name].as_i64().unwrap())
}

#[tokio::test]
async fn an_order_is_for_calls_without_a_price_unless_it_says_all() {
    let rig = rig(None).await;
    let (_, report) = rig.post("/reprice", r#"{"since":"2026-11-20"}"#).await;
    assert_eq!(fates(&report), [1, 0, 0, 1, 0], "{report:#}");
    assert_eq!(report["all"], false);
}

#[tokio::test]
async fn a_model_is_named_with_or_without_its_provider_and_a_name_of_no_call_is_told() {
    let rig = rig(None).await;
    for (models, scanned, unknown) in [
        (r#""gpt-4o""#, 3, "[]"),
        (r#""openai/gpt-4o""#, 3, "[]"),
        (r#""openai/acme/unheard-of""#, 1, "[]"),
        (r#""gpt-4", "chat""#, 6, r#"["gpt-4"]"#),
        (r#""azure/gpt-4o""#, 0, r#"["azure/gpt-4o"]"#),
    ] {
        let order = format!(r#"{{"since":"2026-11-20","all":true,"models":[{models}]}}"#);
        let (_, report) = rig.post("/reprice", &order).await;
        assert_eq!(report["scanned"], scanned, "{models}: {report:#}");
        assert_eq!(report["unknown_models"].to_string(), unknown, "{models}");
    }
}

#[tokio::test]
async fn an_order_that_cannot_be_understood_is_refused() {
    let rig = rig(None).await;
    for order in [
        "{}",
        "nothing",
        r#"{"since":"yesterday"}"#,
        r#"{"since":"2026-11-20","until":"1"}"#,
        r#"{"since":"2026-11-20","until":"2026-11-19"}"#,
        r#"{"since":"2026-11-20","until":"2026-11-20T00:00:00Z"}"#,
        r#"{"since":"2026-11-20","modles":[]}"#,
        r#"{"since":"2026-11-20","unpriced":true}"#,
    ] {
        let (status, said) = rig.post("/reprice", order).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{order}: {said}");
    }
}

fn ids(rows: &Value) -> Vec<&str> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["litellm_call_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn without_paging_rows_are_a_plain_list_newest_first() {
    let rig = rig(None).await;
    let rows = rig.get("/spend/logs").await;
    assert_eq!(
        ids(&rows),
        ["call-5", "call-4", "call-3", "call-2", "call-1", "call-0"]
    );
    assert_eq!(rows[0]["spend"], Value::Null);
    let row = &rows[5];
    assert_eq!(row["request_id"], "chatcmpl-0");
    assert_eq!(row["startTime"], "2026-11-20T12:00:00.000000Z");
    assert_eq!(row["metadata"]["usage_object"]["prompt_tokens"], 1000);
    assert_eq!(row["tollkeeper"]["cost"]["status"], "priced");
    assert_eq!(
        row["metadata"]["cost_breakdown"]["total_cost"],
        row["spend"]
    );
    assert_eq!(row["tollkeeper"]["outcome"], "success");
}

#[tokio::test]
async fn filters_say_which_rows() {
    let rig = rig(None).await;
    for (query, expected) in [
        ("request_id=call-2", vec!["call-2"]),
        ("request_id=chatcmpl-3", vec!["call-3"]),
        ("api_key=hash-1", vec!["call-4", "call-1"]),
        ("api_key=sk-one", vec!["call-0"]),
        ("user_id=user-0", vec!["call-5", "call-0"]),
        ("model=openai/gpt-4o-mini", vec!["call-3", "call-1"]),
        ("model=acme/unheard-of", vec!["call-5"]),
        ("status=failure", vec![]),
        ("start_date=2026-11-21", vec![]),
        ("end_date=2026-11-20T12:00:02Z", vec!["call-1", "call-0"]),
        (
            "start_date=2026-11-20&end_date=2026-11-20&summarize=false&model=chat&user_id=user-1",
            vec!["call-1"],
        ),
    ] {
        assert_eq!(
            ids(&rig.get(&format!("/spend/logs?{query}")).await),
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn pages_have_totals() {
    let rig = rig(None).await;
    for path in [
        "/spend/logs?page=2&page_size=4",
        "/spend/logs/v2?page=2&page_size=4",
    ] {
        let page = rig.get(path).await;
        assert_eq!(ids(&page["data"]), ["call-1", "call-0"]);
        assert_eq!(
            (&page["total"], &page["total_pages"]),
            (&Value::from(6), &Value::from(2))
        );
    }
    for path in [
        "/spend/logs?page=0",
        "/spend/logs?page_size=1001",
        "/spend/logs?min_spent=1",
    ] {
        let (status, body) = rig.ask(path, None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(body.contains("invalid_request_error"), "{body}");
    }
}

#[tokio::test]
async fn dates_summarise_every_day_of_the_range() {
    let rig = rig(None).await;
    let (_, body) = rig
        .ask(
            "/spend/logs?start_date=2026-11-19&end_date=2026-11-20",
            None,
        )
        .await;
    let days: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(days[0]["startTime"], "2026-11-19");
    assert_eq!(days[1]["startTime"], "2026-11-20");
    assert!(
        body.contains(&format!(r#""spend":{},"#, rig.spend)),
        "{body}"
    );
    assert_eq!(days[1]["models"].as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn totals_are_exact_and_the_audit_agrees() {
    let rig = rig(None).await;
    let (_, total) = rig.ask("/global/spend", None).await;
    assert!(
        total.contains(&format!(r#""spend":{},"#, rig.spend)),
        "{total}"
    );
    let total: Value = serde_json::from_str(&total).unwrap();
    assert_eq!(
        (&total["calls"], &total["unpriced_requests"]),
        (&Value::from(6), &Value::from(1))
    );
    assert_eq!(rig.get("/global/spend/teams").await[0]["id"], "team-1");
    assert_eq!(rig.get("/audit").await["balanced"], true);
    assert_eq!(
        rig.ask("/global/spend/planets", None).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_call_is_explained_line_by_line() {
    let rig = rig(None).await;
    let explained = rig.get("/spend/logs/call-0/explain").await;
    let cost = &explained["tollkeeper"]["cost"];
    assert_eq!(cost["items"][0]["class"], "input");
    assert_eq!(cost["items"][0]["quantity"], 1000);
    assert_eq!(explained["usage"]["prompt_tokens"], 1000);
    assert_eq!(
        rig.ask("/spend/logs/nobody/explain", None).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn only_who_knows_the_key_may_ask() {
    let rig = rig(Some("sk-master")).await;
    for path in [
        "/spend/logs",
        "/global/spend",
        "/audit",
        "/alerts",
        "/metrics",
        "/tap",
        "/sinks",
    ] {
        for key in [None, Some("sk-wrong"), Some("")] {
            let (status, body) = rig.ask(path, key).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
            let body: Value = serde_json::from_str(&body).unwrap();
            // A key of an admin or an owner would do, so this one was looked for.
            let kind = match key {
                Some(_) => "token_not_found_in_db",
                None => "auth_error",
            };
            assert_eq!(
                (&body["error"]["type"], &body["error"]["code"]),
                (&kind.into(), &"401".into())
            );
        }
        if path != "/tap" {
            assert_eq!(
                rig.ask(path, Some("sk-master")).await.0,
                StatusCode::OK,
                "{path}"
            );
        }
    }
    assert_eq!(
        rig.ask("/health/liveliness", None).await,
        (StatusCode::OK, "\"I'm alive!\"".into())
    );
}

#[tokio::test]
async fn readiness_says_what_is_wrong() {
    let rig = rig(None).await;
    assert_eq!(rig.ask("/health/readiness", None).await.0, StatusCode::OK);
    rig.health.broke(&bus::BusError::Full { stored: None });
    let (status, body) = rig.ask("/health/readiness", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("log is full"), "{body}");
}

#[tokio::test]
async fn the_metrics_are_shown() {
    let rig = rig(None).await;
    let (status, body) = rig.ask("/metrics", None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("collector_events_ingested_total 0"), "{body}");
}

#[tokio::test]
async fn the_price_map_and_its_layers_are_shown() {
    let rig = rig(None).await;
    let prices = rig.get("/prices").await;
    assert_eq!(prices["version"], PriceMap::bundled().version());
    let layer = &prices["layers"][0];
    assert_eq!(layer["layer"], "bundled");
    let path = format!("/prices/layers/{}", layer["sha256"].as_str().unwrap());
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = rig.router.clone().oneshot(request).await.unwrap();
    let bytes = to_bytes(response.into_body(), 64 << 20).await.unwrap();
    assert_eq!(bytes, PriceMap::bundled_json());
    assert_eq!(
        rig.ask("/prices/layers/00", None).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_call_is_calculated_as_litellm_asks_and_as_we_do() {
    let rig = rig(None).await;
    let usage = r#"{"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}"#;
    let ours = format!(r#"{{"model": "gpt-4o", "usage": {usage}}}"#);
    let (status, answer) = rig.post("/spend/calculate", &ours).await;
    assert_eq!(
        (status, &answer["cost"]),
        (StatusCode::OK, &Value::from("0.0035"))
    );
    assert_eq!(answer["map_version"], PriceMap::bundled().version());

    let theirs =
        format!(r#"{{"completion_response": {{"id": "x", "model": "gpt-4o", "usage": {usage}}}}}"#);
    let (status, answer) = rig.post("/spend/calculate", &theirs).await;
    assert_eq!(
        (status, &answer["cost"]),
        (StatusCode::OK, &Value::from(0.0035))
    );

    let messages = r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "12345678"},
        {"role": "user", "content": [{"type": "text", "text": "1234"}, {"type": "image_url"}]}]}"#;
    let (status, answer) = rig.post("/spend/calculate", messages).await;
    assert_eq!(
        (status, &answer["cost"]),
        (StatusCode::OK, &Value::from(0.000_007_5))
    );
    assert_eq!(answer["line_items"][0]["quantity"], "3");
}

#[tokio::test]
async fn what_cannot_be_calculated_is_a_bad_request() {
    let rig = rig(None).await;
    for (body, words) in [
        ("", "JSON"),
        (r#"{"messages": []}"#, "`model` is missing"),
        (
            r#"{"model": "gpt-4o", "usege": {}}"#,
            "`usege` is not a field",
        ),
        (
            r#"{"completion_response": {"model": "gpt-4o"}}"#,
            "has no `usage`",
        ),
        (
            r#"{"model": "acme/unheard-of", "messages": [{"content": "hello"}]}"#,
            "acme/unheard-of",
        ),
    ] {
        let (status, answer) = rig.post("/spend/calculate", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer["error"]["type"], "invalid_request_error");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}
