//! Alerts over real books, by a clock that is set by hand: each once, whoever looks, and however
//! often.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use event::{
    Cost, CostStatus, Metadata, Origin, PricedEvent, StandardLoggingPayload, Status, Usd,
    control::Snapshot,
};

use super::*;
use crate::books::{Entry, Run, StoredAlert};

const DAY: i64 = 86_400_000_000;
const MINUTE: i64 = 60_000_000;
/// 2026-11-20 12:00 UTC, a Friday.
const NOON: i64 = crate::samples::NOON;

/// Books on a disk, and a clock.
struct Site {
    folder: tempfile::TempDir,
    now: Arc<AtomicI64>,
    rules: &'static str,
    /// Events in the priced log.
    settled: u64,
}

/// A call: how long before now it started and how long it took, whose, and what it cost.
struct Call {
    ago: i64,
    took: i64,
    cost: Option<&'static str>,
    error: &'static str,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            ago: MINUTE / 2,
            took: 1_000_000,
            cost: Some("1"),
            error: "",
        }
    }
}

impl Site {
    async fn new(rules: &'static str) -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            now: Arc::new(AtomicI64::new(NOON)),
            rules,
            settled: 0,
        };
        site.open().await.follow("priced", 0).await.unwrap();
        site
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("books.sqlite")
    }

    /// A collector's books, with a monthly budget of ten dollars for a key.
    async fn open(&self) -> Books {
        let books = Books::open(&self.path()).await.unwrap();
        let books = books.with_alerting(serde_json::from_str(self.rules).unwrap());
        Self::limit(&books, 1, "10");
        books
    }

    fn limit(books: &Books, version: u64, limit: &str) {
        let json = format!(
            r#"{{"version":{version},"budgets":{{"b":{{"id":"b","entity":"key:h",
                "terms":{{"limit":{limit},"soft":6,"rule":{{"duration":"1mo"}}}}}}}}}}"#
        );
        let snapshot: Snapshot = serde_json::from_str(&json).unwrap();
        books.directory().put(snapshot);
    }

    fn watch(&self, books: &Books) -> Watch {
        let now = Arc::clone(&self.now);
        let clock = Clock::new(move || Timestamp::from_micros(now.load(Ordering::Relaxed)));
        Watch::with_clock(books.clone(), clock)
    }

    fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    fn pass(&self, micros: i64) {
        self.now.fetch_add(micros, Ordering::Relaxed);
    }

    async fn settle(&mut self, books: &Books, calls: &[Call]) {
        let entries: Vec<Entry> = (self.settled..)
            .zip(calls)
            .map(|(sequence, call)| self.entry(sequence, call))
            .collect();
        let to = self.settled + u64::try_from(calls.len()).unwrap();
        let marks = BTreeMap::from([("journal".to_owned(), to)]);
        let run = Run {
            events: &entries,
            marks: &marks,
            priced_source: "priced",
            from: self.settled,
            to,
        };
        books.settle(run).await.unwrap();
        self.settled = to;
    }

    fn entry(&self, sequence: u64, call: &Call) -> Entry {
        let started = self.now() - call.ago;
        let at = Timestamp::from_micros;
        let mut payload = StandardLoggingPayload {
            start_time: at(started),
            end_time: at(started + call.took),
            model: "gpt-4o".to_owned(),
            custom_llm_provider: Some("openai".to_owned()),
            metadata: Metadata {
                user_api_key_hash: Some("h".to_owned()),
                user_api_key_team_id: Some("red".to_owned()),
                ..Metadata::default()
            },
            ..StandardLoggingPayload::default()
        };
        if !call.error.is_empty() {
            payload.status = Status::Failure;
            payload.error_information.error_code = call.error.to_owned();
        }
        let cost = Cost {
            status: call
                .cost
                .map_or(CostStatus::Unpriced, |_| CostStatus::Priced),
            total: call.cost.map(|text| text.parse().unwrap()),
            ..Cost::default()
        };
        let source = "journal".to_owned();
        Entry::new(PricedEvent::new(payload, Origin { source, sequence }, cost)).at(sequence)
    }
}

fn cost(cost: &'static str) -> Call {
    Call {
        cost: Some(cost),
        ..Call::default()
    }
}

/// The kinds and the ends of the keys of all alerts, in the order they were raised.
async fn raised(books: &Books) -> Vec<String> {
    let alerts = books.alerts_after(0, 1000).await.unwrap();
    let ids: Vec<i64> = alerts.iter().map(|alert| alert.id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    let name = |alert: StoredAlert| {
        let what = alert.key.rsplit('/').next().unwrap().to_owned();
        assert_eq!(alert.alert().unwrap().key, alert.key);
        format!("{} {what}", alert.kind)
    };
    alerts.into_iter().map(name).collect()
}

const BUDGETS: &str = r#"{"alert_types": ["budget_alerts"]}"#;

#[tokio::test]
async fn a_threshold_is_raised_with_the_call_that_crosses_it_and_never_again() {
    let mut site = Site::new(BUDGETS).await;
    let books = site.open().await;
    site.settle(&books, &[cost("4.9")]).await;
    assert!(raised(&books).await.is_empty());
    site.settle(&books, &[cost("0.1"), cost("1")]).await;
    let first = ["soft_budget_crossed soft", "threshold_crossed 50"];
    assert_eq!(raised(&books).await, first);
    books.close().await;
    drop(books);

    // Restarted, and a second collector beside it: both look, and look again.
    let (one, two) = (site.open().await, site.open().await);
    let (mut here, mut there) = (site.watch(&one), site.watch(&two));
    for _ in 0..2 {
        here.look().await.unwrap();
        there.look().await.unwrap();
    }
    assert_eq!(raised(&two).await, first);
    site.settle(&two, &[cost("5")]).await;
    here.look().await.unwrap();
    let all = [
        "soft_budget_crossed soft",
        "threshold_crossed 50",
        "threshold_crossed 80",
        "threshold_crossed 95",
        "budget_crossed 100",
    ];
    assert_eq!(raised(&one).await, all);

    // The next month begins anew.
    site.pass(15 * DAY);
    site.settle(&one, &[cost("5")]).await;
    assert_eq!(raised(&one).await[5..], ["threshold_crossed 50"]);
}

#[tokio::test]
async fn a_limit_that_is_lowered_is_noticed_without_a_call() {
    let mut site = Site::new(BUDGETS).await;
    let books = site.open().await;
    site.settle(&books, &[cost("4")]).await;
    let mut watch = site.watch(&books);
    watch.look().await.unwrap();
    assert!(raised(&books).await.is_empty());
    Site::limit(&books, 2, "8");
    watch.look().await.unwrap();
    site.watch(&books).look().await.unwrap();
    assert_eq!(raised(&books).await, ["threshold_crossed 50"]);
}

#[tokio::test]
async fn a_rate_that_will_not_do_is_forecast_once() {
    let mut site = Site::new(BUDGETS).await;
    let books = site.open().await;
    // Nineteen and a half of thirty days are over.
    site.settle(&books, &[cost("8.5")]).await;
    site.watch(&books).look().await.unwrap();
    site.pass(DAY);
    let mut other = site.watch(&site.open().await);
    other.look().await.unwrap();
    let alerts = books.alerts_after(0, 10).await.unwrap();
    let forecast: Vec<_> = alerts
        .iter()
        .filter(|alert| alert.kind == "projected_limit_exceeded")
        .collect();
    let [alert] = *forecast else {
        panic!("{alerts:?}");
    };
    let facts = alert.alert().unwrap().facts.unwrap();
    assert_eq!(facts.projected_exceeded_date.unwrap(), "2026-11-23");
    assert_eq!(facts.event_group.unwrap(), "key");
}

#[tokio::test]
async fn a_key_that_spends_many_times_as_much_as_usual_is_told_once_a_day() {
    let mut site = Site::new(r#"{"alert_types": ["key_spend_anomalies"]}"#).await;
    let books = site.open().await;
    let on_day = |ago: i64, cost| Call {
        ago: ago * DAY,
        cost: Some(cost),
        ..Call::default()
    };
    // Seven dollars in seven days, and twenty on the day before those.
    site.settle(&books, &[on_day(8, "20"), on_day(7, "3"), on_day(1, "4")])
        .await;
    site.settle(&books, &[cost("9.99")]).await;
    site.watch(&books).look().await.unwrap();
    assert!(raised(&books).await.is_empty(), "not ten dollars yet");
    site.settle(&books, &[cost("0.01")]).await;
    for _ in 0..2 {
        site.watch(&site.open().await).look().await.unwrap();
        site.pass(MINUTE);
    }
    assert_eq!(raised(&books).await, ["spend_anomaly 2026-11-20"]);
    let alert = books.alerts().await.unwrap().remove(0).alert().unwrap();
    assert_eq!(alert.facts.unwrap().usual_spend, Some(usd("1")));
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_key_that_expires_soon_is_told_once_for_each_expiry() {
    let site = Site::new(r#"{"alert_types": ["key_expiring"]}"#).await;
    let books = site.open().await;
    let put = async |id: &str, expires: &str, blocked: bool| {
        let fields = format!(
            r#"{{"token":"{id}","hash":"{id}","key_alias":"{id}","expires":"{expires}","blocked":{blocked}}}"#
        );
        let sql = "INSERT INTO keys (id, fields) VALUES (?, ?) \
                   ON CONFLICT (id) DO UPDATE SET fields = excluded.fields";
        let query = sqlx::query(sql).bind(id).bind(fields);
        query.execute(&mut *books.writer().await).await.unwrap();
    };
    put("soon", "2026-11-27T12:00:00.000000Z", false).await;
    put("later", "2026-11-27T12:00:00.000001Z", false).await;
    put("gone", "2026-11-20T12:00:00.000000Z", false).await;
    put("blocked", "2026-11-21T12:00:00.000000Z", true).await;
    let mut watch = site.watch(&books);
    watch.look().await.unwrap();
    site.watch(&site.open().await).look().await.unwrap();
    let of = |expires: &str| format!("key_expiring {expires}");
    assert_eq!(raised(&books).await, [of("2026-11-27T12:00:00.000000Z")]);
    put("soon", "2026-11-26T12:00:00.000000Z", false).await;
    watch.look().await.unwrap();
    assert_eq!(
        raised(&books).await[1..],
        [of("2026-11-26T12:00:00.000000Z")]
    );
    let facts = books
        .alerts()
        .await
        .unwrap()
        .remove(0)
        .alert()
        .unwrap()
        .facts;
    assert_eq!(facts.unwrap().key_alias.unwrap(), "soon");
}

#[tokio::test]
async fn a_model_that_fails_is_an_outage_until_it_has_been_quiet() {
    let mut site = Site::new(r#"{"alert_types": ["outage_alerts", "llm_too_slow"]}"#).await;
    let books = site.open().await;
    let failed = |error| Call {
        error,
        cost: None,
        ..Call::default()
    };
    let four = [failed("500"), failed("503"), failed("408"), failed("529")];
    site.settle(&books, &four).await;
    site.settle(&books, &[failed("429"), failed("400")]).await;
    site.watch(&books).look().await.unwrap();
    assert!(
        raised(&books).await.is_empty(),
        "clients' errors do not count"
    );
    site.settle(&books, &[failed("502")]).await;
    site.watch(&books).look().await.unwrap();
    site.watch(&site.open().await).look().await.unwrap();
    let alerts = books.alerts_after(0, 10).await.unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].key, "provider_failing/minor/openai/gpt-4o");
    assert_eq!(alerts[0].count, 2);
    // An hour later it is another one, and a worse one.
    site.pass(60 * MINUTE);
    let ten: Vec<Call> = (0..10).map(|_| failed("500")).collect();
    site.settle(&books, &ten[..5]).await;
    site.watch(&books).look().await.unwrap();
    site.settle(&books, &ten[5..]).await;
    site.watch(&books).look().await.unwrap();
    let alerts = books.alerts_after(1, 10).await.unwrap();
    let found: Vec<_> = alerts
        .iter()
        .map(|alert| (&*alert.key, &*alert.severity))
        .collect();
    assert_eq!(
        found,
        [
            ("provider_failing/minor/openai/gpt-4o", "warning"),
            ("provider_failing/major/openai/gpt-4o", "critical")
        ]
    );
}

#[tokio::test]
async fn slow_calls_are_told_and_a_few_failures_among_many_are_not() {
    let mut site = Site::new(r#"{"alert_types": ["outage_alerts", "llm_too_slow"]}"#).await;
    let books = site.open().await;
    let slow = Call {
        ago: 5 * MINUTE + 10_000_000,
        took: 5 * MINUTE + 1,
        ..Call::default()
    };
    let failed = (0..6).map(|_| Call {
        error: "500",
        ..Call::default()
    });
    let calls: Vec<Call> = (0..10).map(|_| cost("0")).chain(failed).collect();
    site.settle(&books, &calls).await;
    site.settle(&books, &[slow]).await;
    site.watch(&books).look().await.unwrap();
    let alerts = books.alerts().await.unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0].kind, "provider_slow");
    assert_eq!(
        alerts[0].alert().unwrap().facts.unwrap().slow_calls,
        Some(1)
    );
}

#[tokio::test]
async fn a_day_a_week_and_a_month_are_reported_once_each() {
    let mut site = Site::new(r#"{"alert_types": ["daily_reports", "spend_reports"]}"#).await;
    let books = site.open().await;
    site.settle(&books, &[cost("1.5"), cost("0.25")]).await;
    // Midnight is twelve hours away; the report comes a quarter of an hour later.
    site.pass(12 * 60 * MINUTE + 14 * MINUTE);
    site.watch(&books).look().await.unwrap();
    assert!(raised(&books).await.is_empty());
    site.pass(MINUTE);
    site.watch(&books).look().await.unwrap();
    site.watch(&site.open().await).look().await.unwrap();
    assert_eq!(raised(&books).await, ["spend_report 2026-11-20"]);
    site.pass(11 * DAY);
    site.watch(&books).look().await.unwrap();
    // The Monday after the week of the calls, and December: only the month has calls.
    assert_eq!(raised(&books).await[1..], ["spend_report 2026-11-01"]);
    let report = books.alerts().await.unwrap().remove(0).alert().unwrap();
    let report = report.facts.unwrap().report.unwrap();
    assert_eq!((report.spend, report.calls), (usd("1.75"), 2));
    assert_eq!(report.to, "2026-11-30");
    assert_eq!(report.teams[0].id, "red");
}

#[tokio::test]
async fn changes_are_told_where_they_are_wanted_each_once() {
    let site =
        Site::new(r#"{"alert_types": ["new_virtual_key_created", "virtual_key_updated"]}"#).await;
    let books = site.open().await;
    let audit = async |action: &str, was: &str, became: &str| {
        let sql = "INSERT INTO control_audit (version, at, actor, actor_role, action, entity, id, \
                   was, became) VALUES (1, 1795176000000000, 'master key', 'proxy_admin', ?, 'keys', 'k1', ?, ?)";
        let query = sqlx::query(sql).bind(action).bind(was).bind(became);
        query.execute(&mut *books.writer().await).await.unwrap();
    };
    audit("created", "", r#"{"hash":"a"}"#).await;
    let mut watch = site.watch(&books);
    watch.look().await.unwrap();
    assert!(
        raised(&books).await.is_empty(),
        "what was before the first look is no news"
    );
    audit(
        "created",
        "",
        r#"{"hash":"a","key_alias":"x","max_budget":0.1}"#,
    )
    .await;
    audit("updated", r#"{"hash":"a"}"#, r#"{"hash":"b"}"#).await;
    audit("deleted", r#"{"hash":"b"}"#, "").await;
    let mut other = site.watch(&site.open().await);
    watch.look().await.unwrap();
    other.look().await.unwrap();
    assert_eq!(raised(&books).await, ["key_created 2", "key_rotated 3"]);
    let alerts = books.alerts_after(0, 1).await.unwrap();
    let facts = alerts[0].alert().unwrap().facts.unwrap();
    assert_eq!(facts.max_budget, Some(usd("0.1")));
    assert_eq!(facts.token.unwrap(), "k1");
}

#[tokio::test]
async fn what_is_still_wrong_after_a_day_or_again_is_a_new_alert() {
    let site = Site::new("{}").await;
    let books = site.open().await;
    let alert = |at| event::Alert {
        key: "sink_failing/x".to_owned(),
        kind: event::AlertKind::SinkFailing,
        severity: event::Severity::Warning,
        at: Timestamp::from_micros(at),
        message: "m".to_owned(),
        facts: None,
    };
    for minutes in [0, 1, 59, 118, 24 * 60, 24 * 60 + 59, 26 * 60] {
        let times = (60 * MINUTE, DAY);
        books
            .raise(&alert(NOON + minutes * MINUTE), times)
            .await
            .unwrap();
    }
    let rows = books.alerts_after(0, 10).await.unwrap();
    let minute = |row: &StoredAlert| (row.first_at - NOON) / MINUTE;
    let counts: Vec<_> = rows.iter().map(|row| (row.count, minute(row))).collect();
    // Silent for longer than an hour at 24:00 and at 26:00.
    assert_eq!(counts, [(4, 0), (2, 24 * 60), (1, 26 * 60)]);
    for hours in 26..51 {
        let times = (60 * MINUTE + 1, DAY);
        books
            .raise(&alert(NOON + hours * 60 * MINUTE), times)
            .await
            .unwrap();
    }
    let rows = books.alerts_after(0, 10).await.unwrap();
    let counts: Vec<_> = rows.iter().map(|row| (row.count, minute(row))).collect();
    assert_eq!(counts[2..], [(25, 26 * 60), (1, 50 * 60)], "a day of it");
    assert_eq!(books.alerts_after(rows[0].id, 10).await.unwrap(), rows[1..]);
    books
        .forget_alerts(Timestamp::from_micros(i64::MAX))
        .await
        .unwrap();
    assert_eq!(books.alerts_after(0, 10).await.unwrap().len(), 4);
}
