//! Every metric of the gateway.

use event::Outcome;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Labels of a finished call. Bounded: the model names of the configuration, and the outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    model_group: String,
    outcome: &'static str,
}

/// What the response cache counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheMetrics {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) kept: Counter,
    pub(crate) errors: Counter,
}

impl CacheMetrics {
    fn new(counter: &mut impl FnMut(&str, &str) -> Counter) -> Self {
        Self {
            hits: counter("gateway_cache_hits", "Answers that had been kept"),
            misses: counter(
                "gateway_cache_misses",
                "Answers that had been looked for in vain",
            ),
            kept: counter("gateway_cache_kept", "Answers that were put into the cache"),
            errors: counter(
                "gateway_cache_errors",
                "Times that the cache was away, slow, full or damaged",
            ),
        }
    }
}

/// What the gateway counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    pub(crate) unauthenticated: Counter,
    pub(crate) journal_errors: Counter,
    pub(crate) events_lost: Counter,
    pub(crate) aborted_at_start: Counter,
    pub(crate) cooldowns: Counter,
    pub(crate) cache: CacheMetrics,
    pub(crate) open_calls: Gauge,
    pub(crate) connections: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let calls = Family::<CallLabels, Counter>::default();
        registry.register("gateway_calls", "Calls that ended, by how", calls.clone());
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let unauthenticated = counter(
            "gateway_unauthenticated_requests",
            "Requests without a known key",
        );
        let journal_errors = counter(
            "gateway_journal_errors",
            "Records that the journal did not take at once",
        );
        let events_lost = counter(
            "gateway_events_lost",
            "Events that could not be kept until it did",
        );
        let aborted_at_start = counter(
            "gateway_aborted_calls",
            "Calls of an earlier run that were closed as aborted",
        );
        let cooldowns = counter(
            "gateway_cooldowns",
            "Times that a deployment was left alone after failures",
        );
        let cache = CacheMetrics::new(&mut counter);
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let open_calls = gauge("gateway_open_calls", "Calls in flight");
        let connections = gauge("gateway_connections", "Connections of clients");
        Self {
            registry,
            calls,
            unauthenticated,
            journal_errors,
            events_lost,
            aborted_at_start,
            cooldowns,
            cache,
            open_calls,
            connections,
        }
    }

    pub(crate) fn call_ended(&self, model_group: &str, outcome: Outcome) {
        let labels = CallLabels {
            model_group: model_group.to_owned(),
            outcome: outcome.as_str(),
        };
        self.calls.get_or_create(&labels).inc();
    }

    /// All of it, as Prometheus reads it.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _written = text::encode(&mut out, &self.registry);
        out
    }
}
