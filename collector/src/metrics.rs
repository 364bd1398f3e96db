//! Every metric name, once.
//!
//! Calls are counted when they have been settled, a batch at a time: the calls of a batch are added
//! up by their labels first. No label is a user, a key or an id; a metric has a limited number of
//! label sets, those that came first, and counts the rest as `other`.

mod fates;
mod labels;
mod lanes;
mod prices;

use std::sync::{Mutex, PoisonError};

use event::{CostStatus, PricedEvent, Usd};
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet, text},
    metrics::{
        MetricType, TypedMetric, counter::Counter, family::Family, gauge::Gauge,
        histogram::Histogram,
    },
    registry::Registry,
};

pub(crate) use self::fates::{Fates, LaneState, Skip, Skips};
use self::labels::{
    Admission, Batch, ModelLabels, RequestLabels, SignLabels, TimeLabels, TokenLabels,
    UnknownLabels,
};
pub use self::lanes::SinkStatus;
pub(crate) use self::lanes::{LaneStats, SinkLabels};
use crate::books::Entry;

const DURATIONS: [f64; 13] = [
    0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];
const FIRST_TOKEN: [f64; 13] = [
    0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0,
];
const SETTLE: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Everything `/metrics` shows.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    admission: Mutex<Admission>,
    requests: Family<RequestLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<ModelLabels, UsdCounter>,
    cost_unknown: Family<UnknownLabels, Counter>,
    duration: Family<TimeLabels, Histogram, fn() -> Histogram>,
    first_token: Family<TimeLabels, Histogram, fn() -> Histogram>,
    /// Events that were settled by this process.
    pub(crate) ingested: Counter,
    /// Calls that were seen to start.
    pub(crate) started: Counter,
    /// Records that could not be read, or not be entered into the books.
    pub(crate) bad_records: Counter,
    /// Positions of the calls log that were lost.
    pub(crate) gaps: Counter,
    corrections: Counter,
    corrected: Family<SignLabels, UsdCounter>,
    /// Records of the calls log that wait to be settled.
    pub(crate) lag: Gauge,
    /// The head of the priced log.
    pub(crate) head: Gauge,
    /// How long the transactions took.
    pub(crate) settle: Histogram,
    /// How long the attempts took.
    pub(crate) attempts: Family<SinkLabels, Histogram, fn() -> Histogram>,
}

/// A counter of money: exact, and rounded once when it is shown.
#[derive(Debug, Default)]
pub(crate) struct UsdCounter(Mutex<Usd>);

impl UsdCounter {
    fn add(&self, amount: Usd) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += amount;
    }
}

impl TypedMetric for UsdCounter {
    const TYPE: MetricType = MetricType::Counter;
}

impl EncodeMetric for UsdCounter {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let amount = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown: f64 = amount
            .to_string()
            .parse()
            .map_err(|_error| std::fmt::Error)?;
        encoder.encode_counter::<NoLabelSet, _, f64>(&shown, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl Metrics {
    /// All metrics at zero, with the lanes as they will be at each scrape.
    pub(crate) fn new(series_max: usize, lanes: Vec<std::sync::Arc<LaneStats>>) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            admission: Mutex::new(Admission::new(series_max)),
            requests: Family::default(),
            tokens: Family::default(),
            cost: Family::default(),
            cost_unknown: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            first_token: Family::new_with_constructor(|| Histogram::new(FIRST_TOKEN)),
            ingested: Counter::default(),
            started: Counter::default(),
            bad_records: Counter::default(),
            gaps: Counter::default(),
            corrections: Counter::default(),
            corrected: Family::default(),
            lag: Gauge::default(),
            head: Gauge::default(),
            settle: Histogram::new(SETTLE),
            attempts: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
        };
        metrics.register_calls();
        metrics.register_collector();
        metrics
            .registry
            .register_collector(Box::new(lanes::Lanes(lanes)));
        metrics
    }

    /// The same with the price map as it will be at each scrape.
    #[must_use]
    pub(crate) fn with_prices(mut self, maps: crate::price::PriceMaps) -> Self {
        self.registry
            .register_collector(Box::new(prices::Prices(maps)));
        self
    }

    fn register_calls(&mut self) {
        let registry = &mut self.registry;
        registry.register("llm_requests", "Calls that ended", self.requests.clone());
        registry.register("llm_tokens", "Tokens, by type", self.tokens.clone());
        registry.register(
            "llm_cost_usd",
            "What calls cost, where it is known",
            self.cost.clone(),
        );
        let help = "Calls whose cost nobody knows, by the kind of reason";
        registry.register("llm_cost_unknown_requests", help, self.cost_unknown.clone());
        let help = "From the request to the last byte";
        registry.register("llm_request_duration_seconds", help, self.duration.clone());
        let help = "From the request to the first token of a stream";
        registry.register(
            "llm_time_to_first_token_seconds",
            help,
            self.first_token.clone(),
        );
    }

    fn register_collector(&mut self) {
        let registry = &mut self.registry;
        let help = "Events entered into the books";
        registry.register("collector_events_ingested", help, self.ingested.clone());
        let help = "Calls that were seen to start";
        registry.register("collector_calls_started", help, self.started.clone());
        let help = "Records of the calls log that went to the dead letters";
        registry.register("collector_bad_records", help, self.bad_records.clone());
        let help = "Positions of the calls log that were lost before they were read";
        registry.register("collector_log_gap_records", help, self.gaps.clone());
        let help = "Costs that were corrected";
        registry.register("collector_corrections", help, self.corrections.clone());
        let help = "By how much corrections raised and lowered costs";
        registry.register("collector_corrected_usd", help, self.corrected.clone());
        let help = "Records of the calls log that wait to be settled";
        registry.register("collector_calls_lag_records", help, self.lag.clone());
        let help = "The position that the next priced event gets";
        registry.register("collector_log_head_seq", help, self.head.clone());
        let help = "Time of one settling transaction";
        registry.register(
            "collector_settle_duration_seconds",
            help,
            self.settle.clone(),
        );
        let help = "Time of one delivery attempt";
        registry.register(
            "collector_sink_batch_duration_seconds",
            help,
            self.attempts.clone(),
        );
    }

    /// Counts events and corrections that have been settled.
    pub(crate) fn count(&self, entries: &[Entry]) {
        let mut batch = Batch::default();
        let mut calls = 0;
        for entry in entries {
            if let Some(previous) = &entry.event.settlement().previous {
                self.count_correction(previous.difference);
            } else {
                calls += 1;
                batch.add(entry);
            }
        }
        let mut admission = self
            .admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (call, sums) in batch.into_sums() {
            let (request, model) = admission.admit(&call);
            self.requests.get_or_create(&request).inc_by(sums.calls);
            for (kind, count) in sums.tokens() {
                let labels = TokenLabels::of(&model, kind);
                self.tokens.get_or_create(&labels).inc_by(count);
            }
            self.cost.get_or_create(&model).add(sums.cost);
            for (reason, count) in &sums.unpriced {
                let labels = UnknownLabels::of(&model, *reason);
                self.cost_unknown.get_or_create(&labels).inc_by(*count);
            }
            let times = TimeLabels::of(&request);
            let duration = self.duration.get_or_create(&times);
            sums.durations
                .iter()
                .for_each(|time| duration.observe(time.as_secs_f64()));
            if !sums.first_tokens.is_empty() {
                let first = self.first_token.get_or_create(&times);
                sums.first_tokens
                    .iter()
                    .for_each(|time| first.observe(time.as_secs_f64()));
            }
        }
        self.ingested.inc_by(calls);
    }

    fn count_correction(&self, difference: Usd) {
        self.corrections.inc();
        let (sign, amount) = if difference < Usd::ZERO {
            ("down", -difference)
        } else {
            ("up", difference)
        };
        self.corrected
            .get_or_create(&SignLabels { sign })
            .add(amount);
    }

    /// All of it in the text format.
    pub(crate) fn text(&self) -> String {
        let mut shown = String::new();
        let written = text::encode(&mut shown, &self.registry);
        debug_assert!(written.is_ok(), "a string takes everything");
        shown
    }
}

/// Whether nobody knows what the event cost.
pub(crate) fn is_unpriced(event: &PricedEvent) -> bool {
    event.cost().status == CostStatus::Unpriced
}
