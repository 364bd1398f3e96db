//! Settings, and what calls become.

use event::{Origin, Outcome, PricedEvent, StandardLoggingPayload, Timestamp, codec};
use serde_json::{Value, json};

use super::*;

fn config(change: &Value) -> Result<Config, String> {
    let mut config = json!({ "api_key": "0123456789abcdef" });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    serde_json::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn settings_that_cannot_work_are_refused_and_say_why() {
    for (change, said) in [
        (json!({ "api_key": null }), "`api_key` is missing"),
        (
            json!({ "site": "https://datadoghq.com" }),
            "`datadoghq.com`",
        ),
        (json!({ "site": "datadoghq.com/x" }), "`datadoghq.com`"),
        (json!({ "site": "localhost" }), "`datadoghq.com`"),
        (
            json!({ "url": "http://a", "agent": "http://b" }),
            "give one of them",
        ),
        (json!({ "ml_app": "Chat" }), "`ml_app` must be 1 to 193"),
        (json!({ "ml_app": "a__b" }), "`ml_app`"),
        (json!({ "metric_prefix": "1a" }), "`metric_prefix`"),
        (json!({ "env": "" }), "`env` must be 1 to 200"),
        (json!({ "max_age": "0s" }), "longer than nothing"),
        (json!({ "tags": ["colour"] }), "unknown variant"),
        (json!({ "product": "traces" }), "`metrics`"),
    ] {
        let error = config(&change).unwrap_err();
        assert!(error.contains(said), "{change}: {error}");
    }
}

#[test]
fn each_product_goes_to_its_host_or_through_the_agent() {
    for (change, url) in [
        (
            json!({}),
            "https://api.datadoghq.com/api/intake/llm-obs/v1/trace/spans",
        ),
        (
            json!({ "product": "logs", "site": "us5.datadoghq.com" }),
            "https://http-intake.logs.us5.datadoghq.com/api/v2/logs",
        ),
        (
            json!({ "product": "metrics", "site": "datadoghq.eu" }),
            "https://api.datadoghq.eu/api/v1/distribution_points",
        ),
        (
            json!({ "product": "logs", "agent": "http://agent:8126", "api_key": null, "site": "datadoghq.eu" }),
            "http://agent:8126/evp_proxy/v2/api/v2/logs",
        ),
    ] {
        let env = conformance_env();
        let config = config(&change).unwrap();
        let sink = Datadog {
            config,
            http: env.http,
            clock: env.clock,
        };
        let intake = sink.config.product.intake();
        assert_eq!(sink.endpoint(&intake).unwrap().expose(), url);
    }
}

fn conformance_env() -> SinkEnv {
    SinkEnv {
        http: HttpClient::new(sink::http::HttpOptions::default()).unwrap(),
        clock: Clock::new(|| Timestamp::from_micros(1_795_185_960_000_000)),
    }
}

/// A chat with a tool, a picture, a cached prefix and reasoning, as the gateway writes it.
fn call() -> Value {
    json!({
        "id": "chatcmpl-1", "litellm_call_id": "call-1", "trace_id": "task-1",
        "session_id": "session-1", "call_type": "acompletion", "stream": true,
        "status": "success", "custom_llm_provider": "openai",
        "startTime": 1_795_185_950.5, "endTime": 1_795_185_952.75,
        "completionStartTime": 1_795_185_951.0,
        "model": "openai/gpt-4o", "model_group": "smart",
        "prompt_tokens": 57, "completion_tokens": 17, "total_tokens": 74,
        "request_tags": ["Nightly Run", "a,b"],
        "metadata": {
            "user_api_key_alias": "prod-key", "user_api_key_team_id": "t-1",
            "user_api_key_team_alias": "Platform", "user_api_key_user_id": "ann",
            "usage_object": {
                "prompt_tokens": 57, "completion_tokens": 17, "total_tokens": 74,
                "prompt_tokens_details": { "cached_tokens": 32 },
                "completion_tokens_details": { "reasoning_tokens": 5 },
            },
        },
        "model_parameters": { "temperature": 0.1, "max_tokens": 256, "stream": true },
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": [
                { "type": "text", "text": "What is this?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
            ] },
        ],
        "response": { "choices": [{ "message": {
            "role": "assistant", "content": null,
            "tool_calls": [{ "id": "call_1", "type": "function",
                "function": { "name": "look", "arguments": "{\"at\": 1}" } }],
        } }] },
    })
}

/// The call, priced at so much.
fn priced(change: &Value, total: Option<&str>) -> Item {
    let mut call = call();
    for (key, value) in change.as_object().unwrap() {
        call[key] = value.clone();
    }
    let mut payload: StandardLoggingPayload = serde_json::from_value(call).unwrap();
    payload.tollkeeper.get_or_insert_default().outcome = Outcome::Success;
    let cost = match total {
        Some(total) => event::Cost {
            status: event::CostStatus::Priced,
            total: Some(total.parse().unwrap()),
            ..event::Cost::default()
        },
        None => event::Cost::unpriced("map-1", event::Unpriced::NoSuchModel, "none"),
    };
    let origin = Origin {
        source: "journal".to_owned(),
        sequence: 7,
    };
    let event = PricedEvent::new(payload, origin, cost);
    Item::open(&codec::encode_priced(&event)).unwrap()
}

fn span(item: &Item) -> (Value, String) {
    let config = config(&json!({ "env": "prod" })).unwrap();
    let span = span::Span::of(item, item.event().unwrap(), &config);
    let text = serde_json::to_string(&span).unwrap();
    (serde_json::from_str(&text).unwrap(), text)
}

#[test]
fn a_call_is_a_span_with_its_tokens_and_costs_to_the_last_digit() {
    let (span, text) = span(&priced(&json!({}), Some("0.000272500001")));
    assert_eq!(span["name"], "acompletion gpt-4o");
    assert_eq!(span["parent_id"], "undefined");
    assert_eq!(span["start_ns"], 1_795_185_950_500_000_000_i64);
    assert_eq!(span["duration"], 2_250_000_000_i64);
    assert_eq!(
        (&span["status"], &span["session_id"]),
        (&"ok".into(), &"session-1".into())
    );
    let metrics = &span["metrics"];
    for (name, tokens) in [
        ("input_tokens", 57),
        ("non_cached_input_tokens", 25),
        ("cache_read_input_tokens", 32),
        ("cache_write_input_tokens", 0),
        ("output_tokens", 17),
        ("reasoning_output_tokens", 5),
        ("total_tokens", 74),
    ] {
        assert_eq!(metrics[name], tokens, "{name}");
    }
    assert_eq!(metrics["time_to_first_token"], 0.5);
    assert!(text.contains(r#""total_cost":0.000272500001"#), "{text}");
    assert!(text.contains(r#""temperature":0.1"#) && text.contains(r#""max_tokens":256"#));
    let metadata = &span["meta"]["metadata"];
    assert_eq!(metadata["model_name"], "gpt-4o");
    assert_eq!(metadata["model_provider"], "openai");
    assert_eq!(metadata["cost_status"], "priced");
    assert_eq!(
        metadata["cost_tags"],
        json!([
            "provider",
            "model",
            "model_group",
            "status",
            "team",
            "outcome",
            "key_alias"
        ])
    );
    assert_eq!(
        span["tags"],
        json!([
            "env:prod",
            "service:tollkeeper",
            "provider:openai",
            "model:gpt-4o",
            "model_group:smart",
            "status:success",
            "team:platform",
            "outcome:success",
            "key_alias:prod-key",
            "user_id:ann",
            "request_tag:nightly_run",
            "request_tag:a_b",
        ])
    );
}

#[test]
fn what_was_said_is_text_and_calls_of_tools_are_in_datadogs_form() {
    let (span, _) = span(&priced(&json!({}), Some("1")));
    assert_eq!(
        span["meta"]["input"]["messages"],
        json!([
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "What is this?\n[image]" },
        ])
    );
    assert_eq!(
        span["meta"]["output"]["messages"],
        json!([{ "role": "assistant", "content": "", "tool_calls": [
            { "name": "look", "arguments": { "at": 1 }, "tool_id": "call_1", "type": "function" },
        ] }])
    );
}

#[test]
fn responses_completions_and_embeddings_are_read_as_well() {
    for (response, output) in [
        (
            json!({ "output": [
                { "type": "message", "role": "assistant",
                  "content": [{ "type": "output_text", "text": "Hello" }] },
                { "type": "function_call", "name": "f", "arguments": "no", "call_id": "c" },
            ] }),
            json!([
                { "role": "assistant", "content": "Hello" },
                { "role": "assistant", "content": "", "tool_calls": [
                    { "name": "f", "arguments": { "text": "no" }, "tool_id": "c",
                      "type": "function_call" },
                ] },
            ]),
        ),
        (
            json!({ "choices": [{ "text": "once" }] }),
            json!([{ "role": "assistant", "content": "once" }]),
        ),
        (
            json!({ "content": [{ "type": "text", "text": "Bonjour" }] }),
            json!([{ "role": "assistant", "content": "Bonjour" }]),
        ),
    ] {
        let (span, _) = span(&priced(&json!({ "response": response }), Some("1")));
        assert_eq!(span["meta"]["output"]["messages"], output);
    }
    let change = json!({
        "call_type": "aembedding", "messages": ["a", "b"],
        "response": { "data": [{ "embedding": [0.1] }] },
    });
    let (span, _) = span(&priced(&change, Some("1")));
    let meta = &span["meta"];
    assert_eq!(
        (&meta["kind"], &meta["input"]),
        (&"embedding".into(), &json!({ "value": "a\nb" }))
    );
    assert_eq!(meta["output"], Value::Null);
}

#[test]
fn a_cost_that_nobody_knows_is_left_out_and_said() {
    let item = priced(&json!({}), None);
    let (span, text) = span(&item);
    assert!(!text.contains("_cost\":0,\"total") && span["metrics"]["total_cost"].is_null());
    assert_eq!(span["meta"]["metadata"]["cost_status"], "unpriced");
    let config = config(&json!({ "product": "logs" })).unwrap();
    let entry =
        serde_json::to_value(log::Entry::of(&item, item.event().unwrap(), &config)).unwrap();
    assert_eq!(entry["message"], "gpt-4o success: 74 tokens, cost unknown");
    assert_eq!(entry["llm"]["response_cost"], Value::Null);
    let body = metric::body(&[item.event().unwrap()], &config);
    let text = serde_json::to_string(&body).unwrap();
    assert!(text.contains("request.cost_unknown") && !text.contains("request.cost\""));
}

#[test]
fn a_failure_says_why_and_a_long_error_is_cut() {
    let change = json!({
        "status": "failure", "response": {},
        "error_information": { "error_code": "429", "error_class": "RateLimitError",
            "error_message": "é".repeat(20_000) },
    });
    let item = priced(&change, Some("0"));
    let (span, _) = span(&item);
    assert_eq!(span["status"], "error");
    let error = &span["meta"]["error"];
    assert_eq!(error["type"], "RateLimitError");
    assert_eq!(error["message"].as_str().unwrap().len(), 16 << 10);
    assert_eq!(span["metrics"]["total_cost"], 0.0);
    let config = config(&json!({ "product": "logs" })).unwrap();
    let entry =
        serde_json::to_value(log::Entry::of(&item, item.event().unwrap(), &config)).unwrap();
    assert_eq!(
        (&entry["status"], &entry["error"]["code"]),
        (&"error".into(), &"429".into())
    );
}

#[test]
fn what_is_larger_than_datadog_takes_loses_what_was_said_alone() {
    let long = json!({ "messages": [{ "role": "user", "content": "x".repeat(5_000_000) }] });
    let (span, text) = span(&priced(&long, Some("1")));
    assert!(text.len() < 10_000);
    let said = &span["meta"]["input"]["messages"][0]["content"];
    assert_eq!(said, "[left out: larger than Datadog takes]");
    assert!(
        span["tags"]
            .as_array()
            .unwrap()
            .contains(&json!("content:left_out"))
    );
    assert_eq!(span["metrics"]["input_tokens"], 57);
}

#[test]
fn points_of_a_second_with_the_same_tags_stand_together() {
    let config = config(&json!({ "product": "metrics", "metric_prefix": "litellm" })).unwrap();
    let items = [
        priced(&json!({}), Some("0.1")),
        priced(&json!({}), Some("0.000000000002")),
    ];
    let events: Vec<_> = items.iter().map(|item| item.event().unwrap()).collect();
    let text = serde_json::to_string(&metric::body(&events, &config)).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    let series = body["series"].as_array().unwrap();
    let names: Vec<_> = series
        .iter()
        .map(|one| one["metric"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "litellm.llm_api.request_count",
            "litellm.request.cost",
            "litellm.request.input_tokens",
            "litellm.request.output_tokens",
            "litellm.request.time_to_first_token",
            "litellm.request.total_latency",
        ]
    );
    assert!(
        text.contains(r#""points":[[1795185952,[0.1,0.000000000002]]]"#),
        "{text}"
    );
    assert!(text.contains(r#""points":[[1795185952,[2.25,2.25]]]"#));
    assert_eq!(series[0]["type"], "distribution");
    assert_eq!(series[0]["tags"][0], "service:tollkeeper");
}

#[test]
fn a_correction_adds_the_difference_alone() {
    let first = priced(&json!({}), Some("1.25"));
    let cost = event::Cost {
        status: event::CostStatus::Priced,
        total: Some("1.5".parse().unwrap()),
        ..event::Cost::default()
    };
    let at = Timestamp::from_micros(1_795_185_960_000_000);
    let next = first
        .event()
        .unwrap()
        .clone()
        .corrected(cost, at, "a new price");
    let config = config(&json!({ "product": "metrics" })).unwrap();
    let body = serde_json::to_value(metric::body(&[&next], &config)).unwrap();
    assert_eq!(body["series"].as_array().unwrap().len(), 1);
    assert_eq!(
        body["series"][0]["metric"],
        "tollkeeper.request.cost_correction"
    );
    assert_eq!(body["series"][0]["points"][0][1][0], 0.25);
}

#[test]
fn what_datadog_would_drop_in_silence_is_refused_by_name() {
    let env = conformance_env();
    let sink = Datadog {
        config: config(&json!({ "max_age": "1h" })).unwrap(),
        http: env.http,
        clock: env.clock,
    };
    let old = json!({ "startTime": 1_795_180_000.0 });
    let items = [priced(&json!({}), Some("1")), priced(&old, Some("1"))];
    let batch = Batch::new("b", &items).unwrap();
    let (young, receipt) = sink.young_enough(&batch);
    assert_eq!(young.len(), 1);
    let refused = &receipt.refused()[0];
    assert_eq!(refused.index, 1);
    assert!(
        refused.reason.contains("older than 60 minutes"),
        "{}",
        refused.reason
    );
}

#[test]
fn all_three_costs_are_those_of_the_bill() {
    let item = priced(&json!({}), Some("2"));
    let payload = item.event().unwrap().payload();
    let parts = payload.cost_breakdown.as_ref().unwrap();
    let (span, _) = span(&item);
    for (name, cost) in [
        ("input_cost", parts.input_cost),
        ("output_cost", parts.output_cost),
        ("total_cost", parts.total_cost),
    ] {
        assert_eq!(
            span["metrics"][name],
            serde_json::to_value(cost).unwrap(),
            "{name}"
        );
    }
}

#[cfg(feature = "conformance")]
mod with_datadog {
    use conformance::{Fault, env, http::HttpDestination, samples};

    use super::*;

    fn sink(change: &Value) -> Datadog {
        Datadog::open(config(change).unwrap(), &env().unwrap()).unwrap()
    }

    async fn deliver(sink: &Datadog) -> Result<Receipt, SinkError> {
        let items = samples::plain(2);
        sink.deliver(&Batch::new("b", &items).unwrap()).await
    }

    #[tokio::test]
    async fn an_agent_gets_the_host_by_its_name_a_plain_body_and_no_key() {
        let agent = HttpDestination::start().unwrap();
        for (product, subdomain, path) in [
            (
                "llm_observability",
                "api",
                "/evp_proxy/v2/api/intake/llm-obs/v1/trace/spans",
            ),
            ("logs", "http-intake.logs", "/evp_proxy/v2/api/v2/logs"),
            ("metrics", "api", "/evp_proxy/v2/api/v1/distribution_points"),
        ] {
            let change = json!({ "agent": agent.url(), "api_key": null, "product": product, "max_age": "24h" });
            let sink = sink(&change);
            sink.probe().await.unwrap();
            assert_eq!(deliver(&sink).await.unwrap(), Receipt::default());
            let seen = agent.seen();
            let [.., probe, request] = &seen[..] else {
                panic!("a probe and a batch");
            };
            assert_eq!((&*probe.method, &*probe.target), ("GET", "/info"));
            assert_eq!(request.target, path);
            assert_eq!(request.header("x-datadog-evp-subdomain"), Some(subdomain));
            assert_eq!(request.header("dd-api-key"), None);
            assert_eq!(request.header("content-encoding"), None);
            serde_json::from_slice::<Value>(&request.body).unwrap();
        }
    }

    #[tokio::test]
    async fn metrics_are_taken_or_not_as_the_answer_says() {
        let datadog = HttpDestination::start().unwrap();
        let change = json!({ "url": datadog.url(), "product": "metrics", "max_age": "24h" });
        let sink = sink(&change);
        for (status, kind) in [
            (413, SinkErrorKind::TooLarge),
            (403, SinkErrorKind::Unauthorized),
            (429, SinkErrorKind::Throttled),
            (400, SinkErrorKind::Refused),
            (500, SinkErrorKind::Failing),
        ] {
            datadog.suffer(Fault::Answers(status));
            assert_eq!(deliver(&sink).await.unwrap_err().kind(), kind, "{status}");
        }
        datadog.recover();
        assert_eq!(deliver(&sink).await.unwrap(), Receipt::default());
        let taken = datadog.taken();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].header("dd-api-key"), Some("0123456789abcdef"));
    }

    #[tokio::test]
    async fn a_key_that_datadog_does_not_know_is_noticed_by_the_probe() {
        let datadog = HttpDestination::start().unwrap();
        datadog.answer(r#"{"valid":false}"#);
        let error = sink(&json!({ "url": datadog.url() }))
            .probe()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Unauthorized);
        assert_eq!(datadog.seen()[0].target, "/api/v1/validate");
    }

    #[tokio::test]
    async fn what_is_too_much_for_one_request_is_not_sent() {
        let datadog = HttpDestination::start().unwrap();
        let sink = sink(&json!({ "url": datadog.url(), "max_age": "24h" }));
        let items: Vec<_> = (1..=2)
            .map(|number| samples::of_size(3 << 20, number))
            .collect();
        let batch = Batch::new("b", &items).unwrap();
        let error = sink.deliver(&batch).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::TooLarge);
        assert_eq!(datadog.seen(), []);
    }
}
