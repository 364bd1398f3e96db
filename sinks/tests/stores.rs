//! Sinks of objects against stores that somebody else wrote.
//!
//! `make venv-stores` installs moto, whose S3 knows buckets and preconditions, and an emulator of Google
//! Cloud Storage, which knows uploads. `make test-s3s` builds `s3s-fs`, which takes no request whose
//! signature is not right, and runs what needs it.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use conformance::{env, http::HttpDestination, samples};
use event::Timestamp;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sink::{Batch, Clock, Item, OpenSink, Receipt, SinkErrorKind};
use tokio::time::{Instant, sleep};

/// How long a program may take to start, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Servers that ask who reads ask no more than this.
const READER: &str = "authorization: AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/s3/aws4_request, \
     SignedHeaders=host, Signature=0\r\n";

/// A program that is killed when this is dropped.
struct Program {
    child: Child,
    port: u16,
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Program {
    /// Starts what listens on the port that is put behind the last argument.
    async fn start(path: &Path, arguments: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let (last, others) = arguments.split_last().unwrap();
        let child = Command::new(path)
            .args(others)
            .arg(format!("{last}{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut program = Self {
            child: child.unwrap(),
            port,
        };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = program.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{path:?}: {ended:?}"
            );
            sleep(Duration::from_millis(50)).await;
        }
        program
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What is answered to a request without a body: the status, and the body.
    fn ask(&self, method: &str, target: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "{method} {target} HTTP/1.0\r\nhost: 127.0.0.1\r\n{READER}content-length: 0\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer[end + 4..].to_vec())
    }
}

/// A program of `make venv-stores`.
fn installed(name: &str) -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv-stores");
    let shown = venv.display();
    assert!(
        venv.join(".ready").exists(),
        "`{shown}` is missing: run `make venv-stores`"
    );
    venv.join("bin").join(name)
}

/// On the time of the day, since servers look at it.
fn open(kind: &str, config: Value) -> Box<dyn OpenSink> {
    let known = sinks::ALL.iter().find(|known| known.kind == kind).unwrap();
    let mut env = env().unwrap();
    env.clock = Clock::new(now);
    known.open(config, &env).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the servers have no other time")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(since.as_micros().try_into().unwrap())
}

/// Twice, as after an answer that got lost.
async fn deliver(sink: &dyn OpenSink, name: &str, items: &[Item]) {
    let batch = Batch::new(name, items).unwrap();
    for _ in 0..2 {
        assert_eq!(sink.deliver(&batch).await.unwrap(), Receipt::default());
    }
}

fn lines(gzip: &[u8]) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(gzip).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn texts(items: &[Item]) -> Vec<String> {
    let text = |item: &Item| String::from_utf8(item.json().to_vec()).unwrap();
    items.iter().map(text).collect()
}

/// Where a batch is put.
fn name(batch: &str, items: &[Item]) -> String {
    let mut lines = texts(items).join("\n");
    lines.push('\n');
    let digest = hex::encode(&Sha256::digest(lines)[..4]);
    format!("logs/dt=2026-11-21/hour=11/{batch}-{digest}.jsonl.gz")
}

fn s3(server: &Program, change: &Value) -> Box<dyn OpenSink> {
    let mut config = json!({
        "bucket": "calls", "endpoint": server.url(), "prefix": "logs", "timeout": "20s",
        "access_key_id": "AKIDTEST", "secret_access_key": "SECRETTEST",
    });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    open("s3", config)
}

#[tokio::test]
async fn motos_s3_has_every_batch_once() {
    let listening = ["--host=127.0.0.1", "--port="];
    let moto = Program::start(&installed("moto_server"), &listening).await;
    let plain = json!({ "storage_class": "STANDARD_IA", "server_side_encryption": "aws:kms" });
    let sink = s3(&moto, &plain);
    let items = samples::awkward();
    let missing = sink.probe().await.unwrap_err();
    assert_eq!(missing.kind(), SinkErrorKind::Misconfigured, "{missing}");
    let missing = sink.deliver(&Batch::new("batch-1", &items).unwrap()).await;
    assert_eq!(missing.unwrap_err().kind(), SinkErrorKind::Misconfigured);

    assert_eq!(moto.ask("PUT", "/calls").0, 200);
    sink.probe().await.unwrap();
    deliver(&*sink, "batch-1", &items).await;
    deliver(
        &*s3(&moto, &json!({ "checksum": true })),
        "batch-2",
        &items[..1],
    )
    .await;
    for (batch, items) in [("batch-1", &items[..]), ("batch-2", &items[..1])] {
        let (status, body) = moto.ask("GET", &format!("/calls/{}", name(batch, items)));
        assert_eq!((status, lines(&body)), (200, texts(items)));
    }
    let calls = samples::plain(3);
    deliver(
        &*s3(&moto, &json!({ "layout": "litellm" })),
        "batch-3",
        &calls,
    )
    .await;
    let (_, list) = moto.ask("GET", "/calls?list-type=2");
    let list = String::from_utf8(list).unwrap();
    assert_eq!(list.matches("<Key>").count(), 5, "{list}");
    assert_eq!(
        list.matches("<Key>logs/2026-11-21/time-11-42-14-").count(),
        3,
        "{list}"
    );
    assert!(
        list.contains("<StorageClass>STANDARD_IA</StorageClass>"),
        "{list}"
    );
}

#[tokio::test]
#[ignore = "`s3s-fs` takes minutes to build: `make test-s3s` builds and asks it"]
async fn s3s_takes_our_signatures_and_no_others() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/s3s/bin/s3s-fs");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("calls")).unwrap();
    let root = folder.path().to_str().unwrap();
    let arguments = [
        root,
        "--access-key",
        "AKIDTEST",
        "--secret-key",
        "SECRETTEST",
        "--host",
        "127.0.0.1",
    ];
    let listening = [&arguments[..], &["--port="]].concat();
    let server = Program::start(&program, &listening).await;
    let items = samples::awkward();
    let wrong = s3(&server, &json!({ "secret_access_key": "OTHER" }));
    for failed in [
        wrong.probe().await.unwrap_err(),
        wrong
            .deliver(&Batch::new("batch-0", &items).unwrap())
            .await
            .unwrap_err(),
    ] {
        assert_eq!(failed.kind(), SinkErrorKind::Unauthorized, "{failed}");
    }
    let sink = s3(&server, &json!({ "checksum": true }));
    sink.probe().await.unwrap();
    deliver(&*sink, "batch-1", &items).await;
    let path = folder.path().join("calls").join(name("batch-1", &items));
    assert_eq!(lines(&fs::read(path).unwrap()), texts(&items));

    // Names that only arrive if they are written in the URL as they are signed.
    let litellm = json!({
        "layout": "litellm", "prefix": "a!b(c)'d*e", "key_prefix": true, "team_prefix": true,
    });
    let mut event: Value = serde_json::from_slice(samples::plain(1)[0].json()).unwrap();
    event["metadata"]["user_api_key_alias"] = "Zoë & co. +100% ~?#".into();
    let odd = samples::plain(1).remove(0);
    let odd = odd.with_json(event.to_string().into_bytes().into());
    deliver(&*s3(&server, &litellm), "batch-2", &[odd]).await;
    let place = folder
        .path()
        .join("calls/a!b(c)'d*e/Zoë & co. +100% ~?#/2026-11-21");
    assert_eq!(fs::read_dir(place).unwrap().count(), 1);
}

/// The key of a service account whose tokens `tokens` gives out.
fn service_account(tokens: &HttpDestination) -> String {
    tokens.answer(r#"{"access_token":"token","expires_in":3599,"token_type":"Bearer"}"#);
    let key = include_str!("../src/google/key.pem");
    json!({ "client_email": "a@b", "private_key": key, "token_uri": tokens.url() }).to_string()
}

#[tokio::test]
async fn an_emulator_of_google_cloud_storage_reads_what_is_uploaded() {
    let arguments = [
        "start",
        "--host=127.0.0.1",
        "--in-memory",
        "--default-bucket=calls",
    ];
    let listening = [&arguments[..], &["--port="]].concat();
    let server = Program::start(&installed("gcp-storage-emulator"), &listening).await;
    let tokens = HttpDestination::start().unwrap();
    let config = json!({
        "bucket": "calls", "endpoint": server.url(), "prefix": "logs", "timeout": "20s",
        "service_account": service_account(&tokens),
    });
    let sink = open("gcs", config);
    let items = samples::awkward();
    // It does not know preconditions, so the second delivery replaces the first by the same.
    deliver(&*sink, "batch-1", &items).await;
    let name = name("batch-1", &items);
    let (_, list) = server.ask("GET", "/storage/v1/b/calls/o");
    let list: Value = serde_json::from_slice(&list).unwrap();
    let objects = list["items"].as_array().unwrap();
    assert_eq!(objects.len(), 1, "{list:#}");
    assert_eq!(objects[0]["name"], *name);
    assert_eq!(objects[0]["contentType"], "application/gzip");
    let in_url = name.replace('/', "%2F").replace('=', "%3D");
    let (status, body) = server.ask("GET", &format!("/storage/v1/b/calls/o/{in_url}?alt=media"));
    assert_eq!((status, lines(&body)), (200, texts(&items)));
    // One token for both.
    assert_eq!(tokens.taken().len(), 1);
}
