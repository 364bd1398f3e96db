//! Sinks against the programs that they are for, as these come from PyPI: what a sink says is taken
//! by somebody else's reading of the protocol.
//!
//! `make venv` installs rotel, a collector of OTLP, and Langfuse's own types; `make test-phoenix`
//! installs Phoenix, which is large, and runs what needs it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use conformance::{env, http::HttpDestination, samples};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{KeyValue, any_value},
    metrics::v1::{metric::Data, number_data_point},
};
use prost::Message;
use serde_json::{Value, json};
use sink::{Batch, Item, OpenSink, Receipt, SinkErrorKind};
use tokio::time::{Instant, sleep};

/// How long a program may take to start, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

fn venv(name: &str, target: &str) -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target")
        .join(name);
    let shown = venv.display();
    assert!(
        venv.join(".ready").exists(),
        "`{shown}` is missing: run `make {target}`"
    );
    venv
}

/// A program that is killed when this is dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn open(kind: &str, config: Value) -> Box<dyn OpenSink> {
    let known = sinks::ALL.iter().find(|known| known.kind == kind).unwrap();
    known.open(config, &env().unwrap()).unwrap()
}

/// Until the program that the sink is for is there.
async fn ready(sink: &dyn OpenSink) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = sink.probe().await {
        assert!(Instant::now() < deadline, "{error}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn deliver(sink: &dyn OpenSink, name: &str, items: &[Item]) {
    let batch = Batch::new(name, items).unwrap();
    assert_eq!(sink.deliver(&batch).await.unwrap(), Receipt::default());
}

/// The texts among the attributes.
fn texts(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |one: &any_value::Value| match one {
        any_value::Value::StringValue(text) => Some(text.clone()),
        _ => None,
    };
    attributes
        .iter()
        .filter_map(|one| {
            let value = one.value.as_ref()?.value.as_ref()?;
            Some((one.key.as_str(), text(value)?))
        })
        .collect()
}

/// What rotel has passed on.
#[derive(Debug, Default, PartialEq)]
struct PassedOn {
    /// Names of spans, by the call's id.
    spans: Vec<(String, String)>,
    records: Vec<String>,
    /// What each batch adds.
    costs: Vec<String>,
}

fn passed_on(behind: &HttpDestination) -> PassedOn {
    let mut all = PassedOn::default();
    for request in behind.taken() {
        let mut body = Vec::new();
        let mut gzip = flate2::read::GzDecoder::new(&*request.body);
        if request.header("content-encoding") == Some("gzip") {
            gzip.read_to_end(&mut body).unwrap();
        } else {
            body = request.body.clone();
        }
        match request.target.as_str() {
            "/v1/traces" => {
                let request = ExportTraceServiceRequest::decode(&*body).unwrap();
                let scopes = request
                    .resource_spans
                    .iter()
                    .flat_map(|one| &one.scope_spans);
                for span in scopes.flat_map(|scope| &scope.spans) {
                    let said = texts(&span.attributes);
                    assert_eq!(said["tollkeeper.cost.usd"], "1.25");
                    all.spans
                        .push((said["litellm.call_id"].clone(), span.name.clone()));
                }
            }
            "/v1/logs" => {
                let request = ExportLogsServiceRequest::decode(&*body).unwrap();
                let scopes = request.resource_logs.iter().flat_map(|one| &one.scope_logs);
                for record in scopes.flat_map(|scope| &scope.log_records) {
                    let id = &texts(&record.attributes)["litellm.call_id"];
                    all.records.push(id.to_owned());
                }
            }
            "/v1/metrics" => {
                let request = ExportMetricsServiceRequest::decode(&*body).unwrap();
                let scopes = request
                    .resource_metrics
                    .iter()
                    .flat_map(|one| &one.scope_metrics);
                let costs = scopes
                    .flat_map(|scope| &scope.metrics)
                    .filter(|metric| metric.name == "tollkeeper.cost");
                for metric in costs {
                    let Some(Data::Sum(sum)) = &metric.data else {
                        panic!("{metric:?}");
                    };
                    for point in &sum.data_points {
                        let Some(number_data_point::Value::AsDouble(amount)) = point.value else {
                            panic!("{point:?}");
                        };
                        all.costs.push(amount.to_string());
                    }
                }
            }
            other => panic!("`{other}` is not OTLP"),
        }
    }
    all.spans.sort();
    all.records.sort();
    all
}

#[tokio::test]
async fn a_collector_of_otlp_takes_and_passes_on_every_signal_over_both_protocols() {
    let agent = venv("venv-otlp", "venv");
    let agent = std::fs::read_dir(agent.join("lib")).unwrap().flatten();
    let agent = agent
        .map(|python| python.path().join("site-packages/rotel/rotel-agent"))
        .find(|agent| agent.exists())
        .unwrap();
    let behind = HttpDestination::start().unwrap();
    behind.answer("");
    let (grpc, http) = (free_port(), free_port());
    let folder = tempfile::TempDir::new().unwrap();
    let child = Command::new(agent)
        .arg("start")
        .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
        .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
        .args(["--exporter", "otlp", "--otlp-exporter-protocol", "http"])
        .args(["--otlp-exporter-endpoint", &behind.url()])
        .args(["--batch-timeout", "100ms"])
        .arg("--pid-file")
        .arg(folder.path().join("pid"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _rotel = Program(child.unwrap());
    let items = samples::plain(3);
    for (protocol, port) in [("http", http), ("grpc", grpc)] {
        for signal in ["traces", "metrics", "logs"] {
            let sink = open(
                "otel",
                json!({
                    "endpoint": format!("http://127.0.0.1:{port}"), "protocol": protocol,
                    "signal": signal, "content": true,
                }),
            );
            ready(&*sink).await;
            deliver(&*sink, "batch", &items).await;
        }
    }
    // Where no service is, gRPC says so in its own way.
    let nowhere = open(
        "otel",
        json!({ "endpoint": format!("http://127.0.0.1:{grpc}/nowhere"), "protocol": "grpc" }),
    );
    let error = nowhere.probe().await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Misconfigured, "{error}");
    let ids = ["call-1", "call-1", "call-2", "call-2", "call-3", "call-3"];
    let expected = PassedOn {
        spans: ids
            .map(|id| (id.to_owned(), "chat gpt-4o".to_owned()))
            .to_vec(),
        records: ids.map(str::to_owned).to_vec(),
        costs: vec!["3.75".to_owned(); 2],
    };
    let deadline = Instant::now() + PATIENCE;
    while passed_on(&behind) != expected {
        assert!(Instant::now() < deadline, "{:?}", passed_on(&behind));
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_a_destination_rejects_becomes_dead_letters() {
    let http = HttpDestination::start().unwrap();
    http.answer(r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}"#);
    let sink = open("otel", json!({ "endpoint": http.url() }));
    let mut items = samples::plain(3);
    items[1] = samples::unreadable(2);
    let batch = Batch::new("batch", &items).unwrap();
    let receipt = sink.deliver(&batch).await.unwrap();
    let refused: BTreeMap<_, _> = receipt
        .refused()
        .iter()
        .map(|item| (item.index, &*item.reason))
        .collect();
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused[&0].contains("1 of 2") && refused[&2].ends_with("too old"));
    assert_eq!(refused[&1], "it cannot be read");
}

#[tokio::test]
async fn langfuse_can_read_the_batches_of_its_old_servers() {
    let python = venv("venv-langfuse", "venv").join("bin/python");
    let http = HttpDestination::start().unwrap();
    // Whatever was sent, nothing of it is spoken of: it is to be delivered again.
    http.answer(r#"{"successes":[],"errors":[]}"#);
    let config = json!({
        "host": http.url(), "public_key": "pk-lf-1", "secret_key": "sk-lf-1", "api": "ingestion",
        "environment": "test", "release": "r1", "tags": ["gateway"],
    });
    let sink = open("langfuse", config);
    // The correction has the same ids as the call, and other entries.
    let mut items = samples::awkward();
    items.push(samples::corrected(1));
    let batch = Batch::new("batch", &items).unwrap();
    let receipt = sink.deliver(&batch).await.unwrap();
    assert_eq!(receipt.deferred().len(), items.len());
    let posted = http.taken();
    let [request] = &posted[..] else {
        panic!("{} requests", posted.len());
    };
    assert_eq!(request.target, "/api/public/ingestion");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/langfuse_batch.py");
    let mut reader = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = reader.stdin.take().unwrap();
    stdin.write_all(&request.body).unwrap();
    drop(stdin);
    let output = reader.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = format!(
        "{} traces and {} generations are good",
        items.len(),
        items.len()
    );
    assert_eq!(said.trim(), expected);
    assert!(output.status.success());
}

/// Asks Phoenix for its spans.
fn spans_of_phoenix(port: u16, project: &str) -> Vec<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let path = format!("/v1/projects/{project}/spans?limit=100");
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    if !head.contains(" 200 ") {
        return Vec::new();
    }
    let body: Value = serde_json::from_str(body).unwrap();
    body["data"].as_array().unwrap().clone()
}

#[tokio::test]
#[ignore = "Phoenix is large: `make test-phoenix` installs and asks it"]
async fn phoenix_shows_every_call_once() {
    let phoenix = venv("venv-phoenix", "venv-phoenix").join("bin/phoenix");
    let (port, grpc) = (free_port(), free_port());
    let folder = tempfile::TempDir::new().unwrap();
    let child = Command::new(phoenix)
        .arg("serve")
        .env("PHOENIX_WORKING_DIR", folder.path())
        .env("PHOENIX_HOST", "127.0.0.1")
        .env("PHOENIX_PORT", port.to_string())
        .env("PHOENIX_GRPC_PORT", grpc.to_string())
        .env("PHOENIX_TELEMETRY_ENABLED", "false")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _phoenix = Program(child.unwrap());
    for (project, first, more) in [
        (
            "inference",
            0,
            json!({ "endpoint": format!("http://127.0.0.1:{port}") }),
        ),
        (
            "grpc",
            3,
            json!({
                "endpoint": format!("http://127.0.0.1:{grpc}"), "protocol": "grpc",
                "dialect": "current",
            }),
        ),
    ] {
        let mut config = json!({ "preset": "phoenix", "project": project });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let sink = open("otel", config);
        ready(&*sink).await;
        // Phoenix knows spans by their ids, whatever the project.
        let mut items = samples::plain(first + 3);
        let mut items = items.split_off(usize::try_from(first).unwrap());
        items.push(samples::corrected(first + 1));
        deliver(&*sink, "batch", &items).await;
        deliver(&*sink, "batch", &items).await;
        shown(port, project).await;
    }
}

/// Three calls and a correction, once each, with their tokens and costs.
async fn shown(port: u16, project: &str) {
    let deadline = Instant::now() + PATIENCE;
    while spans_of_phoenix(port, project).len() < 4 {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            spans_of_phoenix(port, project)
        );
        sleep(Duration::from_millis(100)).await;
    }
    let spans = spans_of_phoenix(port, project);
    assert_eq!(spans.len(), 4, "{spans:#?}");
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).count();
    assert_eq!(
        (named("chat gpt-4o"), named("cost_correction gpt-4o")),
        (3, 1)
    );
    let call = spans
        .iter()
        .find(|span| span["name"] == "chat gpt-4o")
        .unwrap();
    let said = &call["attributes"];
    let tokens = match project {
        "grpc" => &said["gen_ai.usage.input_tokens"],
        _ => &said["llm.token_count.prompt"],
    };
    assert_eq!(tokens, 12, "{call:#}");
    assert_eq!(said["tollkeeper.cost.usd"], "1.25", "{call:#}");
}
