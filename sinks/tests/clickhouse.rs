//! The `clickhouse` sink and ClickHouse's own engine: what is stored, when it is stored twice, and what
//! the documented questions find.
//!
//! `tests/python/chdb_http.py` is the server; `make venv-clickhouse` installs the engine.
#![cfg(feature = "conformance")]
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use conformance::samples;
use event::{Timestamp, Usd};
use serde_json::{Value, json};
use sink::{
    Batch, Clock, Item, OpenSink, Receipt, SinkEnv, SinkError, SinkErrorKind,
    egress::EgressPolicy,
    http::{Endpoint, HeaderName, HeaderValue, HttpClient, HttpOptions, Outgoing},
};
use tempfile::TempDir;

const PASSWORD: &str = "clickhouse-password";

/// The engine behind HTTP, with a directory that outlives it.
struct Server {
    directory: TempDir,
    child: Child,
    port: String,
}

/// As the collector has it, but that this machine may be asked.
fn env() -> SinkEnv {
    let options = HttpOptions {
        egress: EgressPolicy::with_loopback(),
        ..HttpOptions::default()
    };
    SinkEnv {
        http: HttpClient::new(options).unwrap(),
        clock: Clock::new(Timestamp::default),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn spawn(directory: &Path, port: &str) -> (Child, String) {
    let venv = root().join("target/venv-clickhouse");
    assert!(
        venv.join(".ready").exists(),
        "`{}` is missing or not complete: run `make venv-clickhouse`",
        venv.display()
    );
    let mut child = Command::new(venv.join("bin/python"))
        .arg(root().join("tests/python/chdb_http.py"))
        .args([directory.as_os_str(), port.as_ref()])
        .env("PYTHONPYCACHEPREFIX", venv.join("pycache"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let said = child.stdout.take().unwrap();
    BufReader::new(said).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("ready ").unwrap().to_owned();
    (child, port)
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (child, port) = spawn(directory.path(), "0");
        Self {
            directory,
            child,
            port,
        }
    }

    /// The next insert is the last thing it does.
    fn dies(&self, when: &str) {
        fs::write(self.directory.path().join(when), "").unwrap();
    }

    /// It has died, and comes back with what it had stored.
    fn restart(&mut self) {
        assert!(!self.child.wait().unwrap().success());
        self.child = spawn(self.directory.path(), &self.port).0;
    }

    fn sink(&self, settings: &Value) -> Box<dyn OpenSink> {
        let mut config = json!({
            "url": format!("http://127.0.0.1:{}", self.port),
            "username": "writer", "password": PASSWORD,
        });
        for (name, value) in settings.as_object().unwrap() {
            config[name] = value.clone();
        }
        let kind = sinks::ALL.iter().find(|sink| sink.kind == "clickhouse");
        kind.unwrap().open(config, &env()).unwrap()
    }

    /// The rows of an answer, as lines.
    async fn ask(&self, sql: &str) -> Vec<String> {
        let url = Endpoint::parse(&format!("http://127.0.0.1:{}", self.port)).unwrap();
        let name = HeaderName::from_static;
        let request = Outgoing::post(url, sql.to_owned())
            .header(
                name("x-clickhouse-user"),
                HeaderValue::from_static("writer"),
            )
            .header(name("x-clickhouse-key"), HeaderValue::from_static(PASSWORD));
        let answer = env().http.send(request).await.unwrap();
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    async fn has(&self, sql: &str, line: &str) {
        assert_eq!(self.ask(sql).await, [line], "{sql}");
    }

    /// Events, rows they are stored in, and the sum of what is known of their costs.
    async fn counts(&self, events: usize, rows: usize, cost: Usd) {
        let sql = "SELECT count(), (SELECT count() FROM tollkeeper.events), \
                   sum(cost) = toDecimal128('{}', 12) FROM tollkeeper.calls";
        let sql = sql.replace("{}", &cost.to_string());
        self.has(&sql, &format!("{events}\t{rows}\t1")).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn deliver(sink: &dyn OpenSink, name: &str, items: &[Item]) -> Result<Receipt, SinkError> {
    sink.deliver(&Batch::new(name, items).unwrap()).await
}

/// What the books would say these cost.
fn cost(items: &[Item]) -> Usd {
    let events = items.iter().map(|item| item.event().unwrap());
    events.filter_map(|event| event.cost().total).sum()
}

/// The same item, begun `months` months later.
fn later(item: Item, months: i64) -> Item {
    let mut event: Value = serde_json::from_slice(item.json()).unwrap();
    let at = Timestamp::from_micros(1_600_000_000_000_000 + months * 31 * 86_400_000_000);
    event["startTime"] = serde_json::to_value(at).unwrap();
    item.with_json(event.to_string().into_bytes().into())
}

#[tokio::test]
async fn what_is_stored_is_what_was_sent_to_the_last_digit() {
    let server = Server::start();
    let sink = server.sink(&json!({}));
    sink.probe().await.unwrap();
    let items = samples::awkward();
    let receipt = deliver(&*sink, "first", &items).await.unwrap();
    assert_eq!(receipt, Receipt::default());
    server.counts(items.len(), items.len(), cost(&items)).await;
    for item in &items {
        let event = item.event().unwrap();
        let payload = event.payload();
        // What is too long for a question.
        if payload.messages.text().len() > 10_000 {
            continue;
        }
        let cost = event.cost().total;
        let cost = cost.map_or("unknown".to_owned(), |cost| cost.to_string());
        let texts = [
            &payload.model,
            payload.end_user.as_deref().unwrap_or_default(),
            &payload.request_tags.join(","),
            payload.messages.text(),
        ];
        let sql = format!(
            "SELECT concat(model, '|', end_user, '|', arrayStringConcat(tags, ','), '|', messages) \
             = unhex('{}'), cost IS NOT DISTINCT FROM toDecimal128OrNull('{cost}', 12), \
             total_tokens, cost_status, sequence FROM tollkeeper.calls WHERE event_id = '{}'",
            hex::encode(texts.join("|")),
            item.id(),
        );
        let status = serde_json::to_value(event.cost().status).unwrap();
        let line = format!(
            "1\t1\t{}\t{}\t{}",
            payload.total_tokens,
            status.as_str().unwrap(),
            item.origin().sequence
        );
        server.has(&sql, &line).await;
    }
}

#[tokio::test]
async fn a_correction_takes_the_place_of_what_it_corrects() {
    let server = Server::start();
    let sink = server.sink(&json!({}));
    deliver(&*sink, "first", &samples::plain(3)).await.unwrap();
    deliver(&*sink, "second", &[samples::corrected(1)])
        .await
        .unwrap();
    let cost = cost(&samples::plain(2)) + cost(&[samples::corrected(1)]);
    server.counts(3, 4, cost).await;
    server.ask("OPTIMIZE TABLE tollkeeper.events FINAL").await;
    server.counts(3, 3, cost).await;
}

#[tokio::test]
async fn a_batch_that_is_sent_again_is_stored_once_whatever_died() {
    let mut server = Server::start();
    let sink = server.sink(&json!({}));
    let items = samples::plain(5_000);
    let mut batches = items.chunks(500).enumerate();
    for (at, batch) in batches.by_ref() {
        let name = format!("log-{at}");
        let dying = match at % 3 {
            0 => None,
            1 => Some("die-in-insert"),
            _ => Some("die-after-insert"),
        };
        if let Some(when) = dying {
            server.dies(when);
            let error = deliver(&*sink, &name, batch).await.unwrap_err();
            assert_eq!(error.kind(), SinkErrorKind::Unreachable, "{error}");
            server.restart();
            // What it had stored when it died is there, and what it had not is not.
            let kept = if when == "die-in-insert" { at } else { at + 1 } * 500;
            server.counts(kept, kept, cost(&items[..kept])).await;
        }
        for _again in 0..2 {
            deliver(&*sink, &name, batch).await.unwrap();
        }
        let stored = (at + 1) * 500;
        server.counts(stored, stored, cost(&items[..stored])).await;
    }
    // A batch of the same name with other events is another batch: nothing is lost.
    deliver(&*sink, "log-0", &[samples::corrected(1)])
        .await
        .unwrap();
    server
        .has("SELECT max(revision) FROM tollkeeper.calls", "1")
        .await;
    // Long after its token has been forgotten a batch counts once all the same.
    server.ask("TRUNCATE TABLE tollkeeper.events").await;
    deliver(&*sink, "new-1", &items).await.unwrap();
    deliver(&*sink, "new-2", &items).await.unwrap();
    server.counts(5_000, 10_000, cost(&items)).await;
}

#[tokio::test]
async fn tables_are_made_once_and_only_if_that_is_allowed() {
    let server = Server::start();
    let forbidden = server.sink(&json!({ "create_tables": false }));
    let items = samples::plain(2);
    let error = deliver(&*forbidden, "a", &items).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Misconfigured, "{error}");
    let stranger = server.sink(&json!({ "password": "wrong-password" }));
    for error in [
        deliver(&*stranger, "a", &items).await.unwrap_err(),
        stranger.probe().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{error}");
    }
    // Two collectors at once, and nothing there yet.
    let (one, other) = (server.sink(&json!({})), server.sink(&json!({})));
    let (first, second) = (&items[..1], &items[1..]);
    let (one, other) = tokio::join!(deliver(&*one, "a", first), deliver(&*other, "b", second));
    assert_eq!((one.unwrap(), other.unwrap()), Default::default());
    server.counts(2, 2, cost(&items)).await;
    server
        .has("SELECT max(version) FROM tollkeeper.versions", "1")
        .await;
    // What is dropped is made again.
    server.ask("DROP TABLE tollkeeper.events").await;
    deliver(&*server.sink(&json!({})), "c", &items)
        .await
        .unwrap();
    server.counts(2, 2, cost(&items)).await;
    // Months are partitions, and a batch may have many.
    let many: Vec<_> = samples::plain(150).into_iter().zip(0..).collect();
    let many: Vec<_> = many.into_iter().map(|(item, at)| later(item, at)).collect();
    let prefixed = server.sink(&json!({ "table_prefix": "x_", "keep_days": 3_650 }));
    for _again in 0..2 {
        deliver(&*prefixed, "d", &many).await.unwrap();
    }
    server
        .has("SELECT count() FROM tollkeeper.x_events", "150")
        .await;
    // A column that is not what it was takes nothing, rather than something else.
    server
        .ask("ALTER TABLE tollkeeper.x_events MODIFY COLUMN sequence String")
        .await;
    let error = deliver(&*prefixed, "e", &many).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Misconfigured, "{error}");
}

#[tokio::test]
async fn content_goes_before_the_money_and_rows_when_they_are_told_to() {
    let server = Server::start();
    let items = [later(samples::plain(1).remove(0), 0)];
    for (prefix, keep, left) in [("for_ever_", Value::Null, "1"), ("short_", 900.into(), "0")] {
        let sink = server.sink(&json!({ "table_prefix": prefix, "keep_days": keep }));
        deliver(&*sink, "old", &items).await.unwrap();
        server
            .ask(&format!("OPTIMIZE TABLE tollkeeper.{prefix}events FINAL"))
            .await;
        let sql = format!(
            "SELECT count(), countIf(messages != ''), ifNull(sum(cost), 0) = {left} * \
             toDecimal128('{}', 12) FROM tollkeeper.{prefix}calls",
            cost(&items)
        );
        server.has(&sql, &format!("{left}\t0\t1")).await;
    }
}

#[tokio::test]
async fn the_documented_questions_have_answers() {
    let server = Server::start();
    let sink = server.sink(&json!({}));
    let (plain, awkward) = (samples::plain(10), samples::awkward());
    for (name, items) in [
        ("a", &plain[..]),
        ("b", &awkward[6..]),
        ("c", &[samples::corrected(1)]),
    ] {
        deliver(&*sink, name, items).await.unwrap();
    }
    let sum = cost(&plain[1..]) + cost(&awkward[6..]) + cost(&[samples::corrected(1)]);
    let text = fs::read_to_string(root().join("docs/sinks/clickhouse.md")).unwrap();
    let questions: Vec<_> = text
        .split("```sql\n")
        .skip(1)
        .filter_map(|block| block.split(";\n```").next())
        .collect();
    let answers = [
        format!("2026-11-21\topenai/gpt-4o\t14\t644\t{sum}"),
        format!("team-1\t\t{sum}\t1"),
        format!("production\tkey-of-ann\tann\t{sum}"),
        "openai\topenai/gpt-4o\t0\t[1234,1234,1234]\t[nan,nan]".to_owned(),
        "call-101\t123456789.000000000001\tgpt-4o\t{\"class\":\"output\",\"quantity\":1,\
         \"unit_price\":123456789,\"amount\":123456789,\"key\":\"output_cost_per_token\"}"
            .to_owned(),
        format!("{}\t[(0,1.25),(1,1.5)]", plain[0].id()),
    ];
    assert_eq!(questions.len(), answers.len() + 1);
    for (question, answer) in questions.iter().zip(&answers) {
        // The samples are of one day.
        let question = question.replace("now()", "toDateTime('2026-11-21 23:00:00', 'UTC')");
        let rows = server.ask(&question).await;
        assert_eq!(rows.first(), Some(answer), "{question}");
    }
    // The last one changes the table, which takes rows as before.
    assert_eq!(server.ask(questions[6]).await, [""; 0]);
    let made = server.ask("SHOW CREATE TABLE tollkeeper.events").await;
    assert!(made.concat().contains("toIntervalDay(7)"), "{made:?}");
    deliver(&*sink, "d", &plain[..1]).await.unwrap();
}
