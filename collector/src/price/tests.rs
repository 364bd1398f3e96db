//! Maps that come and go at a file and a URL, with books beside them.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use cost_map::PriceMap;
use event::{Origin, PricedEvent, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sink::{
    egress::EgressPolicy,
    http::{HttpClient, HttpOptions},
};
use tempfile::TempDir;

use super::{PriceMapError, PriceMaps, Tools, usage};
use crate::{
    alerts::Alerts,
    books::{Books, Entry, Run},
    clock,
    config::PricesConfig,
    samples,
    tasks::Tasks,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A data directory with a file beside it.
struct Rig {
    folder: TempDir,
    books: Books,
    tasks: Tasks,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let books = Books::open(&folder.path().join("books.sqlite"))
            .await
            .unwrap();
        Self {
            folder,
            books,
            tasks: Tasks::default(),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("mine.json")
    }

    /// Puts a map of one input price for `acme/one` into the file.
    fn price(&self, price: &str) {
        let map = format!(r#"{{"acme/one": {{"input_cost_per_token": {price}}}}}"#);
        self.write(map);
    }

    fn write(&self, bytes: impl AsRef<[u8]>) {
        let draft = self.folder.path().join("draft");
        std::fs::write(&draft, bytes).unwrap();
        std::fs::rename(draft, self.file()).unwrap();
    }

    async fn open(&self, config: Value) -> Result<PriceMaps, PriceMapError> {
        let config: PricesConfig = serde_json::from_value(config).unwrap();
        let egress = EgressPolicy::with_loopback();
        let http = HttpClient::new(HttpOptions {
            egress,
            ..HttpOptions::default()
        })
        .unwrap();
        let alerts = Alerts::new(self.books.clone());
        let tools = Tools::new(http, &self.books, &alerts, self.folder.path());
        PriceMaps::open(config, tools, &self.tasks).await
    }

    /// A collector that follows the file.
    async fn with_file(&self) -> PriceMaps {
        self.open(json!({ "file": self.file() })).await.unwrap()
    }

    /// A collector that has stopped and started.
    async fn restarted(&mut self) {
        self.tasks.stop(PATIENCE).await;
        self.tasks = Tasks::default();
    }

    async fn alerts(&self) -> Vec<String> {
        let alerts = self.books.alerts().await.unwrap();
        alerts.into_iter().map(|alert| alert.message).collect()
    }

    /// Enters a call of `acme/one` that starts now.
    async fn call_acme(&self) {
        let mut payload = samples::call(0);
        payload.model = "acme/one".to_owned();
        payload.custom_llm_provider = Some("acme".to_owned());
        payload.start_time = clock::now();
        let origin = Origin {
            source: "journal".to_owned(),
            sequence: 0,
        };
        let cost = event::Cost::nothing("test");
        let usage = usage(&payload);
        let entry = Entry::with_usage(PricedEvent::new(payload, origin, cost), &usage);
        self.books.follow("log", 0).await.unwrap();
        let marks = [("journal".to_owned(), 0)].into();
        let events = &[entry];
        let run = Run {
            events,
            marks: &marks,
            priced_source: "log",
            from: 0,
            to: 1,
        };
        self.books.settle(run).await.unwrap();
    }
}

fn acme(map: &PriceMap) -> Option<Decimal> {
    map.entry("acme/one")?.price("input_cost_per_token")
}

fn cents(price: u32) -> Option<Decimal> {
    Some(Decimal::new(price.into(), 2))
}

/// The digests of the maps that were refused.
fn confirmed(maps: &PriceMaps) -> BTreeSet<String> {
    let refused = maps.status().refused.into_iter();
    refused.filter_map(|refused| refused.sha256).collect()
}

/// Waits until the map in force has this price.
async fn until(maps: &PriceMaps, price: u32) {
    let reached = async {
        while acme(&maps.current()) != cents(price) || maps.since() > clock::now() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap();
}

#[tokio::test]
async fn a_call_gets_the_map_of_its_time_across_restarts() {
    let mut rig = Rig::new().await;
    rig.price("0.01");
    let long_ago = Timestamp::from_micros(0);
    let maps = rig.with_file().await;
    assert_eq!(acme(&maps.current()), cents(1));
    assert!(
        maps.current().entry("gpt-4o").is_some(),
        "the compiled-in map is below"
    );
    assert_eq!(acme(&maps.at(long_ago).await.unwrap()), cents(1));
    let first = clock::now();

    rig.price("0.02");
    until(&maps, 2).await;
    let second = clock::now();
    assert_eq!(acme(&maps.at(first).await.unwrap()), cents(1));
    assert_eq!(acme(&maps.at(second).await.unwrap()), cents(2));

    rig.restarted().await;
    rig.price("0.03");
    let maps = rig.with_file().await;
    until(&maps, 3).await;
    let third = clock::now();
    for (at, price) in [(long_ago, 1), (first, 1), (second, 2), (third, 3)] {
        let map = maps.at(at).await.unwrap();
        assert_eq!(acme(&map), cents(price));
        let named = maps
            .status()
            .history
            .iter()
            .any(|was| was.version == map.version());
        assert!(named, "{}", map.version());
    }
    rig.restarted().await;
    let maps = rig.with_file().await;
    assert_eq!(maps.status().history.len(), 3, "nothing has changed");
    rig.restarted().await;
}

#[tokio::test]
async fn a_file_that_is_broken_or_doubtful_changes_nothing_until_it_is_right() {
    let mut rig = Rig::new().await;
    rig.price("0.01");
    rig.call_acme().await;
    let maps = rig.with_file().await;
    let before = maps.current();
    for (bytes, reason) in [
        ("{\"acme/one\": {\"input_cost_per_tok", "EOF while parsing"),
        (
            "{\"acme/one\": {\"input_cost_per_token\": -1}}",
            "`input_cost_per_token` of `acme/one` is negative",
        ),
        (
            "{\"acme/one\": {\"input_cost_per_token\": 0.2}}",
            "goes from 0.01 to 0.2 USD",
        ),
        (
            "{\"acme/two\": {}}",
            "`acme/one` (acme) is in use and would have no price",
        ),
    ] {
        rig.write(bytes);
        let outcomes = maps.update(BTreeSet::new()).await.unwrap();
        assert!(outcomes[0].reasons[0].contains(reason), "{outcomes:?}");
        assert_eq!(maps.current().version(), before.version());
        let status = maps.status();
        assert!(
            status.refused[0].reasons[0].contains(reason),
            "{:?}",
            status.refused
        );
        assert!(rig.alerts().await.iter().any(|said| said.contains(reason)));
    }
    maps.update(BTreeSet::new()).await.unwrap();
    assert_eq!(maps.status().refused_count.values().sum::<u64>(), 4);

    // After a restart, too, and although somebody starts it.
    rig.restarted().await;
    let maps = rig.with_file().await;
    assert_eq!(maps.current().version(), before.version());
    assert_eq!(maps.status().refused.len(), 1);
    rig.restarted().await;
    std::fs::remove_file(rig.file()).unwrap();
    let maps = rig.with_file().await;
    assert_eq!(maps.current().version(), before.version());

    rig.price("0.05");
    until(&maps, 5).await;
    assert!(maps.status().refused.is_empty());
    rig.restarted().await;
}

#[tokio::test]
async fn what_a_person_confirms_is_taken_if_it_can_be_read() {
    let mut rig = Rig::new().await;
    rig.price("0.01");
    let maps = rig.with_file().await;
    rig.price("5");
    assert_eq!(
        maps.update(BTreeSet::new()).await.unwrap()[0].reasons.len(),
        1
    );
    assert!(maps.status().refused[0].confirmable);
    let other = BTreeSet::from(["0".repeat(64)]);
    assert_eq!(maps.update(other).await.unwrap()[0].reasons.len(), 1);
    let refused = confirmed(&maps);
    rig.price("6");
    assert_eq!(maps.update(refused).await.unwrap()[0].reasons.len(), 1);
    assert_eq!(
        acme(&maps.current()),
        cents(1),
        "that map was not confirmed"
    );
    rig.price("5");
    assert_eq!(
        maps.update(BTreeSet::new()).await.unwrap()[0].reasons.len(),
        1
    );
    let refused = confirmed(&maps);
    assert_eq!(maps.update(refused).await.unwrap()[0].reasons.len(), 0);
    assert_eq!(acme(&maps.current()), cents(500));
    assert!(maps.status().refused.is_empty());
    rig.write("no map");
    let no_map = BTreeSet::from([super::layer::sha256(b"no map")]);
    assert_eq!(maps.update(no_map).await.unwrap()[0].reasons.len(), 1);
    assert_eq!(acme(&maps.current()), cents(500));
    assert!(!maps.status().refused[0].confirmable);
    rig.restarted().await;
}

#[tokio::test]
async fn the_first_file_must_be_a_map() {
    let rig = Rig::new().await;
    let config = json!({ "file": rig.file() });
    let error = rig.open(config.clone()).await.unwrap_err();
    assert!(
        error.to_string().contains("mine.json` cannot be read"),
        "{error}"
    );
    rig.write("[]");
    let error = rig.open(config).await.unwrap_err();
    assert!(matches!(error, PriceMapError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn only_so_many_maps_are_kept() {
    let mut rig = Rig::new().await;
    rig.price("0.01");
    let config = json!({ "file": rig.file(), "history": 3 });
    let maps = rig.open(config).await.unwrap();
    for price in 2..6 {
        rig.price(&format!("0.0{price}"));
        maps.update(BTreeSet::new()).await.unwrap();
    }
    assert_eq!(maps.status().history.len(), 3);
    let kept = std::fs::read_dir(rig.folder.path().join("prices/maps")).unwrap();
    assert_eq!(kept.count(), 4, "three files and the compiled-in map");
    assert_eq!(
        acme(&maps.at(Timestamp::from_micros(0)).await.unwrap()),
        cents(3)
    );
    rig.restarted().await;
}

#[tokio::test]
async fn an_epoch_from_a_clock_that_was_ahead_does_not_last() {
    let mut rig = Rig::new().await;
    rig.price("0.01");
    drop(rig.with_file().await);
    rig.restarted().await;
    let history = rig.folder.path().join("prices/history.json");
    let text = std::fs::read_to_string(&history).unwrap();
    let mut epochs: Value = serde_json::from_str(&text).unwrap();
    epochs[0]["from"] = json!("2099-01-01T00:00:00Z");
    std::fs::write(&history, epochs.to_string()).unwrap();
    let maps = rig.with_file().await;
    assert!(maps.since() <= clock::now());
    rig.price("0.02");
    maps.update(BTreeSet::new()).await.unwrap();
    let now = clock::now();
    assert_eq!(acme(&maps.at(now).await.unwrap()), cents(2));
    rig.restarted().await;
}

#[tokio::test]
async fn what_starts_while_a_map_is_replaced_has_the_price_that_the_history_says() {
    let mut rig = Rig::new().await;
    rig.price("0.01");
    let maps = rig.with_file().await;
    rig.price("0.02");
    let update = maps.update(BTreeSet::new());
    let calls = async {
        let mut calls = Vec::new();
        for _ in 0..150 {
            let at = clock::now();
            calls.push((at, acme(&maps.at(at).await.unwrap())));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        calls
    };
    let (_, calls) = tokio::join!(update, calls);
    assert_eq!(calls.last().unwrap().1, cents(2));
    rig.restarted().await;
    let maps = rig.with_file().await;
    for (at, price) in calls {
        assert_eq!(acme(&maps.at(at).await.unwrap()), price);
    }
    rig.restarted().await;
}

#[tokio::test]
async fn a_call_of_a_map_that_is_damaged_has_no_price() {
    let mut rig = Rig::new().await;
    rig.price("0.01");
    let maps = rig.with_file().await;
    let first = clock::now();
    rig.price("0.02");
    until(&maps, 2).await;
    rig.restarted().await;
    let maps = rig.with_file().await;
    let digest = super::layer::sha256(br#"{"acme/one": {"input_cost_per_token": 0.01}}"#);
    let kept = rig.folder.path().join(format!("prices/maps/{digest}.json"));
    let bytes = std::fs::read(&kept).unwrap();
    std::fs::write(&kept, "damaged").unwrap();
    let unknown = maps.at(first).await.unwrap_err();
    assert!(
        unknown.reason.contains("is not what was written"),
        "{}",
        unknown.reason
    );
    assert_eq!(acme(&maps.at(clock::now()).await.unwrap()), cents(2));
    std::fs::write(&kept, bytes).unwrap();
    rig.restarted().await;
    let maps = rig.with_file().await;
    assert_eq!(acme(&maps.at(first).await.unwrap()), cents(1));
    rig.restarted().await;
}

/// A server with one map.
#[derive(Clone, Default)]
struct Server {
    answer: Arc<Mutex<(StatusCode, String)>>,
    full: Arc<AtomicUsize>,
}

impl Server {
    /// Serves the map that is compiled in with `acme/one` at this price.
    fn price(&self, price: &str) {
        let bundled = std::str::from_utf8(PriceMap::bundled_json()).unwrap();
        let entry = format!(r#"{{"acme/one": {{"input_cost_per_token": {price}}},"#);
        self.say(StatusCode::OK, &bundled.replacen('{', &entry, 1));
    }

    fn say(&self, status: StatusCode, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    async fn start(&self, tasks: &Tasks) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/map.json?secret", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/map.json", get(serve))
            .with_state(self.clone());
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }
}

async fn serve(State(server): State<Server>, headers: HeaderMap) -> Response {
    let (status, body) = server.answer.lock().unwrap().clone();
    let etag = format!("\"{}\"", super::layer::sha256(body.as_bytes()));
    let known = headers.get(header::IF_NONE_MATCH);
    if status == StatusCode::OK && known.is_some_and(|known| known == etag.as_str()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    server.full.fetch_add(1, Ordering::Relaxed);
    (status, [(header::ETAG, etag)], body).into_response()
}

#[tokio::test]
async fn a_url_is_asked_for_what_is_new_and_outlives_its_server() {
    let mut rig = Rig::new().await;
    let (server, net) = (Server::default(), Tasks::default());
    server.price("0.01");
    let url = server.start(&net).await;
    let config = json!({ "url": url });
    let maps = rig.open(config.clone()).await.unwrap();
    until(&maps, 1).await;
    for _ in 0..3 {
        assert!(
            maps.update(BTreeSet::new()).await.unwrap()[0]
                .reasons
                .is_empty()
        );
    }
    assert_eq!(server.full.load(Ordering::Relaxed), 1);
    server.price("0.02");
    maps.update(BTreeSet::new()).await.unwrap();
    assert_eq!(acme(&maps.current()), cents(2));
    let shown = serde_json::to_string(&maps.status()).unwrap();
    assert!(!shown.contains("secret"), "{shown}");

    server.say(StatusCode::BAD_GATEWAY, "down");
    rig.restarted().await;
    let maps = rig.open(config).await.unwrap();
    assert_eq!(acme(&maps.current()), cents(2), "kept from before");
    let outcomes = maps.update(BTreeSet::new()).await.unwrap();
    assert!(
        outcomes[0].reasons[0].contains("answered 502"),
        "{outcomes:?}"
    );
    assert!(maps.status().url.unwrap().error.is_some());
    assert_eq!(acme(&maps.current()), cents(2));
    rig.restarted().await;
    net.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn what_a_url_may_not_give_is_refused() {
    let mut rig = Rig::new().await;
    let (server, net) = (Server::default(), Tasks::default());
    server.say(
        StatusCode::OK,
        r#"{"acme/one": {"input_cost_per_token": 0.01}}"#,
    );
    let url = server.start(&net).await;
    let config = json!({ "url": url, "max_bytes": "100kB" });
    let maps = rig.open(config).await.unwrap();
    let bundled = maps.current();
    for (status, body, reason) in [
        (
            StatusCode::OK,
            r#"{"acme/one": {}}"#,
            "it has 1 entries, the one in force has 4",
        ),
        (
            StatusCode::OK,
            &*"{".repeat(100_001),
            "has more than 100000 bytes",
        ),
        (StatusCode::FOUND, "", "answered 302"),
        (StatusCode::NO_CONTENT, "", "answered 204"),
        (StatusCode::OK, "<html>", "at line 1 column 1"),
    ] {
        server.say(status, body);
        let outcomes = maps.update(BTreeSet::new()).await.unwrap();
        assert!(outcomes[0].reasons[0].contains(reason), "{outcomes:?}");
        assert_eq!(maps.current().version(), bundled.version());
    }
    rig.restarted().await;
    net.stop(Duration::ZERO).await;
    let error = rig
        .open(json!({ "url": "https://169.254.169.254/map" }))
        .await
        .unwrap_err();
    assert!(matches!(error, PriceMapError::Forbidden(_)), "{error}");
}
