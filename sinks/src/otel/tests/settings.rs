//! What may be written, and where it leads.

use event::Secret;
use sink::http::HeaderMap;

use super::*;

fn config(written: &Value) -> Result<Config, String> {
    serde_json::from_value(written.clone()).map_err(|error| error.to_string())
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = &headers[name];
    assert!(value.is_sensitive(), "{name}");
    value.to_str().unwrap().to_owned()
}

#[test]
fn a_bare_address_is_enough() {
    let config = config(&json!({ "endpoint": "https://otlp.example/base" })).unwrap();
    assert_eq!(
        config.endpoint.expose(),
        "https://otlp.example/base/v1/traces"
    );
    assert_eq!(
        (config.protocol, config.signal, config.dialect),
        (Protocol::Http, Signal::Traces, Dialect::Current)
    );
    assert_eq!(
        (config.compression, config.content),
        (Compression::Gzip, None)
    );
    assert_eq!(config.timeout, std::time::Duration::from_secs(20));
    assert_eq!(attributes(&config.resource)["service.name"], "tollkeeper");
}

#[test]
fn requests_go_where_their_signal_and_protocol_say() {
    for (written, address) in [
        (json!({ "signal": "metrics" }), "https://a/v1/metrics"),
        (json!({ "signal": "logs" }), "https://a/v1/logs"),
        (
            json!({ "endpoint": "https://a/x/v1/traces/" }),
            "https://a/x/v1/traces/",
        ),
        (
            json!({ "endpoint": "https://a/v1/traces?k=v" }),
            "https://a/v1/traces?k=v",
        ),
        (
            json!({ "protocol": "grpc" }),
            "https://a/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        ),
        (
            json!({ "protocol": "grpc", "signal": "metrics" }),
            "https://a/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        ),
        (
            json!({ "protocol": "grpc", "signal": "logs" }),
            "https://a/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        ),
        (
            json!({ "preset": "posthog", "endpoint": "https://a/otel", "api_key": "k" }),
            "https://a/otel",
        ),
    ] {
        let mut whole = json!({ "endpoint": "https://a" });
        merge(&mut whole, &written);
        let config = config(&whole).unwrap();
        assert_eq!(config.endpoint.expose(), address, "{written}");
    }
}

/// Preset, region, its address, its headers, its attributes.
type Known<'a> = (
    &'a str,
    Option<&'a str>,
    &'a str,
    &'a [(&'a str, &'a str)],
    &'a [&'a str],
);

/// `S0VZ` and `YXBpOktFWQ==` are base64 of `KEY` and `api:KEY`.
const KNOWN: &[Known<'_>] = &[
    (
        "arize",
        None,
        "https://otlp.arize.com/v1/traces",
        &[("api_key", "KEY"), ("space_id", "space")],
        &["model_id"],
    ),
    (
        "braintrust",
        None,
        "https://api.braintrust.dev/otel/v1/traces",
        &[
            ("authorization", "Bearer KEY"),
            ("x-bt-parent", "project_name:proj"),
        ],
        &[],
    ),
    (
        "grafana",
        None,
        "https://own/v1/traces",
        &[("authorization", "Basic S0VZ")],
        &[],
    ),
    (
        "honeycomb",
        Some("eu"),
        "https://api.eu1.honeycomb.io/v1/traces",
        &[("x-honeycomb-team", "KEY")],
        &[],
    ),
    (
        "langfuse",
        Some("us"),
        "https://us.cloud.langfuse.com/api/public/otel/v1/traces",
        &[
            ("authorization", "Basic S0VZ"),
            ("x-langfuse-ingestion-version", "4"),
        ],
        &[],
    ),
    (
        "langsmith",
        None,
        "https://api.smith.langchain.com/otel/v1/traces",
        &[("x-api-key", "KEY"), ("langsmith-project", "proj")],
        &[],
    ),
    (
        "logfire",
        Some("eu"),
        "https://logfire-eu.pydantic.dev/v1/traces",
        &[("authorization", "KEY")],
        &[],
    ),
    (
        "mlflow",
        None,
        "https://own/v1/traces",
        &[("x-mlflow-experiment-id", "proj")],
        &[],
    ),
    (
        "newrelic",
        Some("eu"),
        "https://otlp.eu01.nr-data.net/v1/traces",
        &[("api-key", "KEY")],
        &[],
    ),
    (
        "phoenix",
        None,
        "http://localhost:6006/v1/traces",
        &[("authorization", "Bearer KEY")],
        &["openinference.project.name"],
    ),
    (
        "posthog",
        Some("eu"),
        "https://eu.i.posthog.com/i/v0/ai/otel",
        &[("authorization", "Bearer KEY")],
        &[],
    ),
    (
        "sentry",
        None,
        "https://own/v1/traces",
        &[("x-sentry-auth", "sentry sentry_key=KEY")],
        &[],
    ),
    (
        "signoz",
        Some("in"),
        "https://ingest.in.signoz.cloud/v1/traces",
        &[("signoz-ingestion-key", "KEY")],
        &[],
    ),
    (
        "weave",
        None,
        "https://trace.wandb.ai/otel/v1/traces",
        &[
            ("authorization", "Basic YXBpOktFWQ=="),
            ("project_id", "proj"),
        ],
        &[],
    ),
];

#[test]
fn presets_know_addresses_headers_and_dialects() {
    assert_eq!(KNOWN.len(), preset::ALL.len());
    for (preset, (name, region, address, headers, resource)) in preset::ALL.iter().zip(KNOWN) {
        assert_eq!(preset.name, *name);
        let mut written = json!({ "preset": name, "api_key": "KEY", "region": region });
        let reads = |source| {
            preset.headers.iter().any(|(_, _, from)| *from == source)
                || preset.resource.iter().any(|(_, from)| *from == source)
        };
        if reads(preset::Source::Project) {
            written["project"] = json!("proj");
        }
        if reads(preset::Source::Space) {
            written["space"] = json!("space");
        }
        if preset.regions.is_empty() {
            let error = config(&written).unwrap_err();
            assert!(error.contains("`endpoint` is missing"), "{name}: {error}");
            written["endpoint"] = json!("https://own");
        }
        let config = config(&written).unwrap();
        assert_eq!(config.endpoint.expose(), *address);
        assert_eq!(config.content.is_some(), preset.content, "{name}");
        for (header, value) in *headers {
            assert_eq!(text(&config.headers, header), *value, "{name}");
        }
        let said = attributes(&config.resource);
        assert!(resource.iter().all(|key| said[*key] == "proj"), "{name}");
    }
}

#[test]
fn the_variables_of_otlp_are_read_as_they_are_written() {
    let config = config(&json!({
        "endpoint": "http://otel:4317", "protocol": "otlp_grpc",
        "headers": "authorization=Basic%20abc==, x-scope=a",
    }))
    .unwrap();
    assert_eq!(config.protocol, Protocol::Grpc);
    assert_eq!(text(&config.headers, "authorization"), "Basic abc==");
    assert_eq!(text(&config.headers, "x-scope"), "a");
    let names = |preset: Value| {
        let written = json!({ "preset": preset });
        let pairs = Otel::variables(written.as_object().unwrap());
        pairs.iter().map(|(_, name)| *name).collect::<Vec<_>>()
    };
    assert!(names(Value::Null).contains(&"OTEL_EXPORTER_OTLP_ENDPOINT"));
    assert!(names(json!("phoenix")).contains(&"PHOENIX_API_KEY"));
    assert!(names(json!("honeycomb")).is_empty());
}

#[test]
fn a_preset_yields_to_what_is_written() {
    let config = config(&json!({
        "preset": "phoenix", "dialect": "current", "content": false, "protocol": "grpc",
        "endpoint": "http://phoenix:4317", "headers": { "Authorization": "Basic x" },
        "resource": { "team": "a" }, "environment": "test", "service_name": "gateway",
    }))
    .unwrap();
    assert_eq!((config.dialect, config.content), (Dialect::Current, None));
    assert_eq!(text(&config.headers, "authorization"), "Basic x");
    let said = attributes(&config.resource);
    assert_eq!(said["team"], "a");
    assert_eq!(said["deployment.environment.name"], "test");
    assert_eq!(said["service.name"], "gateway");
}

/// Settings that cannot work, and what is said of them.
const WRONG: &[(&str, &str)] = &[
    (r#"{}"#, "`endpoint` is missing"),
    (
        r#"{ "preset": "canary" }"#,
        "`preset` is none of arize, braintrust,",
    ),
    (
        r#"{ "preset": "logfire", "api_key": "k", "region": "canary" }"#,
        "`region` is none of us, eu",
    ),
    (
        r#"{ "preset": "logfire" }"#,
        "`api_key` is missing: logfire needs it",
    ),
    (
        r#"{ "preset": "weave", "api_key": "k" }"#,
        "`project` is missing: weave",
    ),
    (
        r#"{ "endpoint": "https://a", "project": "canary" }"#,
        "`project` has no effect",
    ),
    (
        r#"{ "endpoint": "https://a", "headers": { "Content-Type": "x" } }"#,
        "must not set `Content-Type`",
    ),
    (
        r#"{ "endpoint": "https://a", "headers": { "grpc-timeout": "x" } }"#,
        "must not set",
    ),
    (
        r#"{ "endpoint": "https://a", "headers": { "a b": "canary" } }"#,
        "not the name of a header",
    ),
    (
        r#"{ "endpoint": "https://a", "headers": { "a": "canary\r\nx" } }"#,
        "not the name of a header",
    ),
    (
        r#"{ "endpoint": "https://a", "timeout": "0s" }"#,
        "longer than nothing",
    ),
    (
        r#"{ "endpoint": "https://a", "content_bytes_max": 10 }"#,
        "1024 to 4194304",
    ),
    (
        r#"{ "endpoint": "https://a", "signal": "profiles" }"#,
        "`traces`",
    ),
    (r#"{ "endpoint": "https://a", "colour": 1 }"#, "`colour`"),
    (
        r#"{ "preset": "posthog", "api_key": "k", "signal": "logs" }"#,
        "traces over HTTP",
    ),
    (
        r#"{ "endpoint": "https://a", "headers": "canary" }"#,
        "`name=value,name=value`",
    ),
    (
        r#"{ "endpoint": "https://a", "headers": "can ary=x" }"#,
        "`name=value,name=value`",
    ),
];

#[test]
fn settings_that_cannot_work_are_refused_and_say_why() {
    for (written, said) in WRONG {
        let error = config(&serde_json::from_str(written).unwrap()).unwrap_err();
        assert!(error.contains(said), "{written}: {error}");
        assert!(
            !error.contains("canary") && !error.contains("can ary"),
            "{error}"
        );
    }
    // What is shown of settings has no secret in it.
    let key = Secret::new("canary".to_owned());
    let config = config(&json!({ "endpoint": "https://a", "api_key": key.expose() })).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
}
