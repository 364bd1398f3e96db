//! Calls as metrics: what a batch adds, so that a destination sums up batches.

use std::collections::BTreeMap;

use event::Usd;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::KeyValue,
    metrics::v1::{
        AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
    },
};

use super::{
    call::{Call, nanos, provider_name},
    wire::{self, Attributes, double},
};

/// Upper bounds of token counts, as the conventions have them.
const TOKEN_BOUNDS: &[u64] = &[
    1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
    67_108_864,
];
/// Upper bounds of times in microseconds, as the conventions have them.
const TIME_BOUNDS: &[u64] = &[
    10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 5_120_000,
    10_240_000, 20_480_000, 40_960_000, 81_920_000,
];

/// What measurements have in common: whose they are.
type Labels = Vec<(&'static str, String)>;

/// Whole units, counted in buckets.
#[derive(Clone, Debug, Default)]
struct Buckets {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

/// What the units of a histogram are, and how they are written.
#[derive(Clone, Copy, Debug)]
struct Scale {
    bounds: &'static [u64],
    unit: &'static str,
    /// Digits behind the point.
    decimals: u32,
}

const TOKENS: Scale = Scale {
    bounds: TOKEN_BOUNDS,
    unit: "{token}",
    decimals: 0,
};
const SECONDS: Scale = Scale {
    bounds: TIME_BOUNDS,
    unit: "s",
    decimals: 6,
};

/// What a batch adds.
#[derive(Debug, Default)]
struct Measured {
    tokens: BTreeMap<Labels, Buckets>,
    durations: BTreeMap<Labels, Buckets>,
    first_tokens: BTreeMap<Labels, Buckets>,
    costs: BTreeMap<Labels, Usd>,
    corrections: BTreeMap<Labels, Usd>,
    unpriced: BTreeMap<Labels, u64>,
}

/// The metrics of `calls`; `None` if they add nothing.
pub(crate) fn request<'a>(
    resource: &[KeyValue],
    calls: &'a [Call<'a>],
) -> Option<ExportMetricsServiceRequest> {
    let mut measured = Measured::default();
    calls.iter().for_each(|call| measured.add(call));
    let times = calls.iter().map(Call::payload);
    let start = times.clone().map(|payload| payload.end_time).min()?;
    let end = times.map(|payload| payload.end_time).max()?;
    let metrics = measured.metrics(nanos(start), nanos(end));
    if metrics.is_empty() {
        return None;
    }
    Some(ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(wire::resource(resource.to_vec())),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(wire::scope()),
                metrics,
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    })
}

impl Measured {
    fn add(&mut self, call: &Call<'_>) {
        let labels = labels(call);
        if call.is_correction() {
            if let Some(previous) = &call.event.settlement().previous {
                *self.corrections.entry(labels).or_default() += previous.difference;
            }
            return;
        }
        let tokens = call.tokens;
        for (kind, count) in [("input", tokens.input), ("output", tokens.output)] {
            if count > 0 {
                let labels = with(&labels, "gen_ai.token.type", kind);
                self.tokens.entry(labels).or_default().add(count, TOKENS);
            }
        }
        let timed = match call.error_type() {
            Some(error) => with(&labels, "error.type", error),
            None => labels.clone(),
        };
        let micros = |micros: i64| u64::try_from(micros).unwrap_or(0);
        let duration = micros(call.duration_micros());
        self.durations
            .entry(timed)
            .or_default()
            .add(duration, SECONDS);
        if let Some(first) = call.first_token_micros() {
            let place = self.first_tokens.entry(labels.clone()).or_default();
            place.add(micros(first), SECONDS);
        }
        match call.event.cost().total {
            Some(total) => *self.costs.entry(labels).or_default() += total,
            None => *self.unpriced.entry(labels).or_default() += 1,
        }
    }

    fn metrics(self, start: u64, end: u64) -> Vec<Metric> {
        let span = (start, end);
        let all = [
            histogram("gen_ai.client.token.usage", TOKENS, self.tokens, span),
            histogram(
                "gen_ai.client.operation.duration",
                SECONDS,
                self.durations,
                span,
            ),
            histogram(
                "gen_ai.client.operation.time_to_first_chunk",
                SECONDS,
                self.first_tokens,
                span,
            ),
            sum("tollkeeper.cost", "USD", true, money(self.costs), span),
            sum(
                "tollkeeper.cost.corrections",
                "USD",
                false,
                money(self.corrections),
                span,
            ),
            sum(
                "tollkeeper.calls.unpriced",
                "{call}",
                true,
                counts(self.unpriced),
                span,
            ),
        ];
        all.into_iter().flatten().collect()
    }
}

impl Buckets {
    fn add(&mut self, units: u64, scale: Scale) {
        self.counts.resize(scale.bounds.len() + 1, 0);
        // A bound is part of the bucket below it.
        let index = scale.bounds.partition_point(|bound| *bound < units);
        if let Some(count) = self.counts.get_mut(index) {
            *count += 1;
        }
        self.min = if self.count == 0 {
            units
        } else {
            self.min.min(units)
        };
        self.max = self.max.max(units);
        self.count += 1;
        self.sum += u128::from(units);
    }
}

/// Who was asked for what, and for which team: few enough to be kept apart.
fn labels(call: &Call<'_>) -> Labels {
    let payload = call.payload();
    let slug = payload.custom_llm_provider.as_deref().unwrap_or_default();
    let mut labels = vec![
        ("gen_ai.operation.name", call.operation().to_owned()),
        ("gen_ai.provider.name", provider_name(slug).to_owned()),
    ];
    // What nobody was asked for is a name that a client has made up.
    if !slug.is_empty() {
        labels.push(("gen_ai.request.model", call.model().to_owned()));
    }
    let team = payload.metadata.user_api_key_team_id.clone();
    labels.extend(team.map(|team| ("litellm.team.id", team)));
    labels
}

fn with(labels: &Labels, key: &'static str, value: &str) -> Labels {
    let mut labels = labels.clone();
    labels.push((key, value.to_owned()));
    labels
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    let mut attributes = Attributes::default();
    for (key, value) in labels {
        attributes.text(key, &value);
    }
    attributes.into_inner()
}

fn histogram(
    name: &str,
    scale: Scale,
    series: BTreeMap<Labels, Buckets>,
    (start, end): (u64, u64),
) -> Option<Metric> {
    let written = |units: u128| double(decimal(units, scale.decimals));
    let bounds = scale.bounds.iter();
    let bounds: Vec<f64> = bounds
        .filter_map(|bound| written(u128::from(*bound)))
        .collect();
    let data_points: Vec<_> = series
        .into_iter()
        .map(|(labels, buckets)| HistogramDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: start,
            time_unix_nano: end,
            count: buckets.count,
            sum: written(buckets.sum),
            bucket_counts: buckets.counts,
            explicit_bounds: bounds.clone(),
            min: written(buckets.min.into()),
            max: written(buckets.max.into()),
            ..HistogramDataPoint::default()
        })
        .collect();
    metric(
        name,
        scale.unit,
        data_points.is_empty(),
        Data::Histogram(Histogram {
            data_points,
            aggregation_temporality: AggregationTemporality::Delta.into(),
        }),
    )
}

fn sum(
    name: &str,
    unit: &str,
    is_monotonic: bool,
    series: Vec<(Labels, number_data_point::Value)>,
    (start, end): (u64, u64),
) -> Option<Metric> {
    let data_points: Vec<_> = series
        .into_iter()
        .map(|(labels, value)| NumberDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: start,
            time_unix_nano: end,
            value: Some(value),
            ..NumberDataPoint::default()
        })
        .collect();
    metric(
        name,
        unit,
        data_points.is_empty(),
        Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Delta.into(),
            is_monotonic,
        }),
    )
}

fn metric(name: &str, unit: &str, empty: bool, data: Data) -> Option<Metric> {
    (!empty).then(|| Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

/// Added up exactly, and only then written as the nearest double.
fn money(series: BTreeMap<Labels, Usd>) -> Vec<(Labels, number_data_point::Value)> {
    let written = series
        .into_iter()
        .filter_map(|(labels, amount)| Some((labels, double(amount)?)));
    written
        .map(|(labels, amount)| (labels, number_data_point::Value::AsDouble(amount)))
        .collect()
}

fn counts(series: BTreeMap<Labels, u64>) -> Vec<(Labels, number_data_point::Value)> {
    let counts = series.into_iter().map(|(labels, count)| {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        (labels, number_data_point::Value::AsInt(count))
    });
    counts.collect()
}

/// Whole units with a point before the last digits.
fn decimal(units: u128, decimals: u32) -> String {
    let per = 10_u128.pow(decimals);
    let width = usize::try_from(decimals).unwrap_or(0);
    match decimals {
        0 => units.to_string(),
        _ => format!("{}.{:0width$}", units / per, units % per),
    }
}
