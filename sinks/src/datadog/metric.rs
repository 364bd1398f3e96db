//! Calls as points of distributions.
//!
//! Of counts and gauges Datadog keeps the last value that it got for an instant, so who sends them
//! has to add up first, and has to remember what it has sent. Points of a distribution are added up
//! there, so every call can be sent as it comes; `sum:` and `count:` of one are exact.

use std::collections::BTreeMap;

use event::{PricedEvent, Seconds, Usd};
use serde::Serialize;

use super::{config::Config, first_token, tags};

/// The whole body.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    series: Vec<Series<'a>>,
}

/// What happened to one metric, with one set of tags.
#[derive(Serialize)]
struct Series<'a> {
    metric: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    tags: Vec<String>,
    /// Seconds since 1970, and what was seen in that second.
    points: Vec<(i64, Vec<Value>)>,
}

/// A number with all its digits.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Value {
    Usd(Usd),
    Tokens(u64),
    Time(Seconds),
}

/// Values by the second.
type Points = BTreeMap<i64, Vec<Value>>;

/// The points of these calls.
pub(super) fn body<'a>(events: &[&PricedEvent], config: &'a Config) -> Body<'a> {
    let mut series: BTreeMap<(&str, Vec<String>), Points> = BTreeMap::new();
    for event in events {
        let tags = tags::of(event, config);
        let second = event.payload().end_time.micros().div_euclid(1_000_000);
        for (metric, value) in values(event) {
            let points = series.entry((metric, tags.clone())).or_default();
            points.entry(second).or_default().push(value);
        }
    }
    let series = series.into_iter().map(|((metric, tags), points)| Series {
        metric: format!("{}.{metric}", config.metric_prefix),
        r#type: "distribution",
        host: config.hostname.as_deref(),
        tags,
        points: points.into_iter().collect(),
    });
    Body {
        series: series.collect(),
    }
}

/// What one call adds. A correction adds what its cost has changed by, and nothing else.
fn values(event: &PricedEvent) -> Vec<(&'static str, Value)> {
    let payload = event.payload();
    if let Some(before) = &event.settlement().previous {
        return vec![("request.cost_correction", Value::Usd(before.difference))];
    }
    let time = payload.end_time.since(payload.start_time);
    let mut values = vec![
        ("llm_api.request_count", Value::Tokens(1)),
        ("request.total_latency", Value::Time(time)),
        ("request.input_tokens", Value::Tokens(payload.prompt_tokens)),
        (
            "request.output_tokens",
            Value::Tokens(payload.completion_tokens),
        ),
    ];
    if let Some(first) = first_token(payload) {
        values.push(("request.time_to_first_token", Value::Time(first)));
    }
    values.push(match payload.response_cost {
        Some(cost) => ("request.cost", Value::Usd(cost)),
        None => ("request.cost_unknown", Value::Tokens(1)),
    });
    values
}
