//! What the lanes are doing, read in one go at each scrape.
//!
//! Whatever moment a lane is looked at, `received = delivered + dead + pending + skipped`: each
//! event of the priced log from where the lane started in this process up to the head is exactly
//! one of the four. An event gets its fate when the cursor moves past it. Positions that the log
//! jumped over are no events, and are none of the four.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bus::{Log, Position};
use event::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Names a sink.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct SinkLabels {
    sink: String,
    r#type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    sink: String,
    r#type: String,
    result: &'static str,
}

/// What one lane is doing.
pub(crate) struct LaneStats {
    labels: SinkLabels,
    log: Arc<dyn Log>,
    counts: Mutex<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Where the lane stands; known once it runs.
    cursor: Option<u64>,
    delivered: u64,
    dead: u64,
    skipped: u64,
    retries: u64,
    state: LaneState,
    last_success: Timestamp,
}

/// What became of the events that a cursor moves past.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fates {
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) skipped: u64,
}

/// What a lane is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LaneState {
    /// Delivering, or waiting for events.
    #[default]
    Closed,
    /// Waiting before the next attempt.
    HalfOpen,
    /// Waiting for an operator.
    Open,
}

/// A sink at one moment. Always `received = delivered + dead + skipped + pending`, counted from
/// where the sink stood when this process began.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SinkStatus {
    /// The user's name for it.
    pub sink: String,
    /// Its kind.
    pub kind: String,
    /// Events that stand in the priced log for it.
    pub received: u64,
    /// Events that the destination has.
    pub delivered: u64,
    /// Events that are in its dead letters.
    pub dead: u64,
    /// Events that were lost from the log before the sink got to them.
    pub skipped: u64,
    /// Events that have not got their fate yet.
    pub pending: u64,
    /// Attempts that will be or were repeated.
    pub retries: u64,
    /// 0 while it delivers, 1 while it waits to try again, 2 while it waits for an operator.
    pub circuit_state: u8,
    #[serde(skip)]
    last_success: Timestamp,
}

impl fmt::Debug for LaneStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneStats")
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

impl LaneStats {
    pub(crate) fn new(sink: &str, kind: &str, log: Arc<dyn Log>) -> Self {
        let labels = SinkLabels {
            sink: sink.to_owned(),
            r#type: kind.to_owned(),
        };
        Self {
            labels,
            log,
            counts: Mutex::default(),
        }
    }

    pub(crate) const fn labels(&self) -> &SinkLabels {
        &self.labels
    }

    /// The lane stands before `position`. The first time, it starts there.
    pub(crate) fn stands_at(&self, position: u64) {
        let mut counts = self.counts();
        counts.cursor = counts.cursor.max(Some(position));
    }

    /// The cursor moves to `next`, past events of these fates.
    pub(crate) fn moved(&self, next: u64, fates: Fates, now: Timestamp) {
        let mut counts = self.counts();
        counts.cursor = counts.cursor.max(Some(next));
        counts.delivered += fates.delivered;
        counts.dead += fates.dead;
        counts.skipped += fates.skipped;
        if fates.delivered > 0 {
            counts.last_success = now;
        }
    }

    pub(crate) fn retried(&self) {
        self.counts().retries += 1;
    }

    pub(crate) fn is(&self, state: LaneState) {
        self.counts().state = state;
    }

    /// The lane now.
    pub(crate) fn status(&self) -> SinkStatus {
        let counts = *self.counts();
        let pending = counts.cursor.map_or(0, |offset| {
            let partition = 0;
            self.log.records_from(Position { partition, offset })
        });
        SinkStatus {
            sink: self.labels.sink.clone(),
            kind: self.labels.r#type.clone(),
            received: counts.delivered + counts.dead + counts.skipped + pending,
            delivered: counts.delivered,
            dead: counts.dead,
            skipped: counts.skipped,
            pending,
            retries: counts.retries,
            circuit_state: match counts.state {
                LaneState::Closed => 0,
                LaneState::HalfOpen => 1,
                LaneState::Open => 2,
            },
            last_success: counts.last_success,
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows the lanes at each scrape.
#[derive(Debug)]
pub(super) struct Lanes(pub(super) Vec<Arc<LaneStats>>);

type Read = fn(&SinkStatus) -> u64;

const COUNTERS: [(&str, &str, Read); 2] = [
    (
        "collector_sink_received_events",
        "Events for the sink",
        |status| status.received,
    ),
    (
        "collector_sink_retries",
        "Attempts that will be repeated",
        |status| status.retries,
    ),
];

const GAUGES: [(&str, &str, Read); 4] = [
    (
        "collector_sink_lag_events",
        "Events that have not got their fate yet",
        |status| status.pending,
    ),
    (
        "collector_sink_dlq_events",
        "Events that were given up by this process",
        |status| status.dead,
    ),
    (
        "collector_sink_circuit_state",
        "0 delivering, 1 retrying, 2 waiting for an operator",
        |status| u64::from(status.circuit_state),
    ),
    (
        "collector_sink_last_success_timestamp_seconds",
        "When the sink last took something",
        |status| u64::try_from(status.last_success.micros() / 1_000_000).unwrap_or_default(),
    ),
];

impl Collector for Lanes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all: Vec<_> = self
            .0
            .iter()
            .map(|lane| (lane.labels(), lane.status()))
            .collect();
        let help = "Events by their fate";
        let counter = MetricType::Counter;
        let mut family = encoder.encode_descriptor("collector_sink_events", help, None, counter)?;
        for (labels, status) in &all {
            let fates = [
                ("delivered", status.delivered),
                ("dead", status.dead),
                ("skipped", status.skipped),
            ];
            for (result, count) in fates {
                let SinkLabels { sink, r#type } = (*labels).clone();
                let labels = ResultLabels {
                    sink,
                    r#type,
                    result,
                };
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        for (name, help, read) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (labels, status) in &all {
                ConstCounter::new(read(status)).encode(family.encode_family(*labels)?)?;
            }
        }
        for (name, help, read) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, status) in &all {
                let value = i64::try_from(read(status)).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(*labels)?)?;
            }
        }
        Ok(())
    }
}
