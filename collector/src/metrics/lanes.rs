//! What the lanes are doing, read in one go at each scrape.
//!
//! Whatever moment a lane is looked at, `received = delivered + dead + pending + skipped`: each
//! event of the priced log from where the lane started in this process up to the head is exactly
//! one of the four. An event gets its fate when the cursor moves past it. Positions that the log
//! jumped over are no events, and are none of the four.

use std::{
    collections::BTreeMap,
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

use super::fates::{Fates, LaneState, Skips};

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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    sink: String,
    r#type: String,
    reason: &'static str,
}

/// What one lane is doing.
pub(crate) struct LaneStats {
    labels: SinkLabels,
    log: Arc<dyn Log>,
    counts: Mutex<Counts>,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    /// Where the lane stands; known once it runs.
    cursor: Option<u64>,
    /// Events that are delivered once more, by order of an operator, and have no fate yet.
    again: u64,
    delivered: u64,
    dead: u64,
    skips: Skips,
    retries: u64,
    state: LaneState,
    concurrency: usize,
    letters: u64,
    oldest: Option<Timestamp>,
    last_success: Option<Timestamp>,
    last_error: Option<String>,
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
    /// Events that do not go to the sink: lost from the log before it got to them, or not for it.
    pub skipped: u64,
    /// The same by reason, those that are not 0.
    pub skips: BTreeMap<&'static str, u64>,
    /// Events that have not got their fate yet.
    pub pending: u64,
    /// Attempts that will be or were repeated.
    pub retries: u64,
    /// 0 while it delivers, 1 while one attempt at a time tries whether it takes something, 2 while
    /// nothing is sent: it has failed repeatedly, or needs an operator.
    pub circuit_state: u8,
    /// The same in a word: `closed`, `half_open`, `open`.
    pub breaker: &'static str,
    /// Age of the oldest event that has not got its fate, in seconds.
    pub lag_seconds: u64,
    /// Batches that may be on their way at once.
    pub concurrency: usize,
    /// Letters in its file of dead letters.
    pub dead_letters: u64,
    /// When it last took something, in this process.
    #[serde(serialize_with = "moment", skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// What went wrong last, since its last success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

fn moment<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => crate::rfc3339::serialize(at, serializer),
        None => serializer.serialize_none(),
    }
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
    pub(crate) fn moved(&self, next: u64, fates: Fates) {
        let mut counts = self.counts();
        counts.cursor = counts.cursor.max(Some(next));
        counts.add(fates);
    }

    /// Events are to be delivered once more.
    pub(crate) fn again(&self, events: u64) {
        self.counts().again += events;
    }

    /// Events that were to be delivered once more got their fates.
    pub(crate) fn done_again(&self, fates: Fates) {
        let mut counts = self.counts();
        let events = fates.delivered + fates.dead + fates.skips.total();
        counts.again = counts.again.saturating_sub(events);
        counts.add(fates);
    }

    /// The destination took something.
    pub(crate) fn succeeded(&self, now: Timestamp) {
        let mut counts = self.counts();
        counts.last_success = Some(now);
        counts.last_error = None;
    }

    /// An attempt failed, and will be repeated.
    pub(crate) fn failed(&self, error: &str) {
        let mut counts = self.counts();
        counts.retries += 1;
        counts.last_error = Some(error.to_owned());
    }

    /// It cannot go on until somebody does something.
    pub(crate) fn blocked(&self, error: &str) {
        let mut counts = self.counts();
        counts.state = LaneState::Open;
        counts.last_error = Some(error.to_owned());
    }

    /// How it is shown, and how many batches may be on their way at once.
    pub(crate) fn is(&self, state: LaneState, concurrency: usize) {
        let mut counts = self.counts();
        counts.state = state;
        counts.concurrency = concurrency;
    }

    /// Letters that are in its file.
    pub(crate) fn letters(&self, letters: u64) {
        self.counts().letters = letters;
    }

    /// The time of the oldest event in hand.
    pub(crate) fn oldest(&self, oldest: Option<Timestamp>) {
        self.counts().oldest = oldest;
    }

    /// The lane now.
    pub(crate) fn status(&self) -> SinkStatus {
        let counts = self.counts().clone();
        let in_log = counts.cursor.map_or(0, |offset| {
            let partition = 0;
            self.log.records_from(Position { partition, offset })
        });
        let pending = in_log + counts.again;
        let skipped = counts.skips.total();
        let oldest = counts.oldest.filter(|_| pending > 0);
        SinkStatus {
            sink: self.labels.sink.clone(),
            kind: self.labels.r#type.clone(),
            received: counts.delivered + counts.dead + skipped + pending,
            delivered: counts.delivered,
            dead: counts.dead,
            skipped,
            skips: counts
                .skips
                .each()
                .filter(|(_, count)| *count > 0)
                .collect(),
            pending,
            retries: counts.retries,
            circuit_state: match counts.state {
                LaneState::Closed => 0,
                LaneState::HalfOpen => 1,
                LaneState::Open => 2,
            },
            breaker: counts.state.name(),
            lag_seconds: oldest.map_or(0, |oldest| {
                let micros = crate::clock::now().micros().saturating_sub(oldest.micros());
                u64::try_from(micros / 1_000_000).unwrap_or_default()
            }),
            concurrency: counts.concurrency,
            dead_letters: counts.letters,
            last_success: counts.last_success,
            last_error: counts.last_error,
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, fates: Fates) {
        let mut sum = Fates {
            delivered: self.delivered,
            dead: self.dead,
            skips: self.skips,
        };
        sum += fates;
        (self.delivered, self.dead, self.skips) = (sum.delivered, sum.dead, sum.skips);
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

const GAUGES: [(&str, &str, Read); 7] = [
    (
        "collector_sink_lag_events",
        "Events that have not got their fate yet",
        |status| status.pending,
    ),
    (
        "collector_sink_lag_seconds",
        "Age of the oldest event that has not got its fate",
        |status| status.lag_seconds,
    ),
    (
        "collector_sink_concurrency",
        "Batches that may be on their way at once",
        |status| u64::try_from(status.concurrency).unwrap_or(u64::MAX),
    ),
    (
        "collector_sink_dlq_events",
        "Events that were given up by this process",
        |status| status.dead,
    ),
    (
        "collector_sink_dead_letters",
        "Letters that wait in the sink's file",
        |status| status.dead_letters,
    ),
    (
        "collector_sink_circuit_state",
        "0 closed, 1 half open: one attempt at a time, 2 open: nothing is sent for now",
        |status| u64::from(status.circuit_state),
    ),
    (
        "collector_sink_last_success_timestamp_seconds",
        "When the sink last took something",
        |status| {
            let seconds = status.last_success.unwrap_or_default().micros() / 1_000_000;
            u64::try_from(seconds).unwrap_or_default()
        },
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
        let help = "Events that do not go to the sink, by the reason";
        let name = "collector_sink_skipped_events";
        let mut family = encoder.encode_descriptor(name, help, None, counter)?;
        for (labels, status) in &all {
            for (result, count) in &status.skips {
                let SinkLabels { sink, r#type } = (*labels).clone();
                let labels = ReasonLabels {
                    sink,
                    r#type,
                    reason: result,
                };
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
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
