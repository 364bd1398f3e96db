//! What becomes of one sealed batch: attempts, and what each verdict means.

use std::{ops, time::Duration};

use bus::Record;
use event::Severity;
use serde_json::value::RawValue;
use sink::{Batch, Item, OpenSink, Receipt, SinkError, SinkErrorKind, Verdict};
use tokio::time::Instant;

use super::{
    Shared,
    backoff::Backoff,
    dead_letters::{DeadLetters, Letter, chain},
    sealed::Range,
};
use crate::{
    clock,
    metrics::{LaneState, LaneStats},
};

/// How long a lane waits for its dead letters to be dealt with before it looks again.
const FULL_PAUSE: Duration = Duration::from_secs(30);

/// An item and its position in the priced log.
pub(super) struct Given {
    pub(super) position: u64,
    pub(super) item: Item,
}

/// What it takes to deliver a batch.
pub(super) struct Delivery<'a> {
    pub(super) name: &'a str,
    pub(super) sink: &'a dyn OpenSink,
    pub(super) timeout: Duration,
    pub(super) dead_letters: &'a DeadLetters,
    pub(super) stats: &'a LaneStats,
    pub(super) shared: &'a Shared,
}

/// Items that the destination will never take.
struct Refusal {
    kind: &'static str,
    detail: String,
    attempts: u32,
}

impl Delivery<'_> {
    /// Delivers a batch, whole or in parts. Returns how many items went to the dead letters, or
    /// `None` if it is time to stop; the batch is then delivered again, in whole.
    pub(super) async fn deliver(
        &self,
        range: Range,
        given: Vec<Given>,
        pauses: &mut Backoff,
    ) -> Option<u64> {
        let mut positions = Vec::with_capacity(given.len());
        let mut items = Vec::with_capacity(given.len());
        for Given { position, item } in given {
            positions.push(position);
            items.push(item);
        }
        let mut dead = 0;
        // Parts still to be delivered, the next one last.
        let all = 0..items.len();
        let mut parts = vec![all.clone()];
        while let Some(part) = parts.pop() {
            let (Some(first), Some(last)) = (
                positions.get(part.start),
                part.end.checked_sub(1).and_then(|at| positions.get(at)),
            ) else {
                continue;
            };
            // The whole batch has the name of its sealed range, parts that of their own.
            let whole = part == all;
            let range = if whole {
                range
            } else {
                Range {
                    first: *first,
                    last: *last,
                }
            };
            let name = format!("{:020}-{:020}", range.first, range.last);
            let Some(batch) = items
                .get(part.clone())
                .and_then(|part| Batch::new(&name, part))
            else {
                continue;
            };
            match self.insist(&batch, pauses).await? {
                Ok(receipt) => {
                    for refused in receipt.refused() {
                        let at = part.start.saturating_add(refused.index);
                        let refusal = Refusal::by_receipt(&refused.reason);
                        dead += self.bury(&items, &positions, &[at], refusal).await?;
                    }
                    let deferred = receipt.deferred().iter();
                    let deferred = deferred.map(|at| part.start.saturating_add(*at));
                    parts.extend(deferred.map(|at| at..at.saturating_add(1)));
                }
                Err(refusal) if part.len() == 1 => {
                    dead += self
                        .bury(&items, &positions, &[part.start], refusal)
                        .await?;
                }
                Err(_) => parts.extend(halves(part)),
            }
        }
        Some(dead)
    }

    /// Tries until the destination has taken the batch or will never take it.
    async fn insist(
        &self,
        batch: &Batch<'_>,
        pauses: &mut Backoff,
    ) -> Option<Result<Receipt, Refusal>> {
        let mut attempts: u32 = 0;
        loop {
            attempts = attempts.saturating_add(1);
            let error = match self.attempt(batch).await {
                Ok(receipt) => {
                    pauses.succeeded();
                    self.stats.is(LaneState::Closed);
                    return Some(Ok(receipt));
                }
                Err(error) => error,
            };
            let detail = chain(&error);
            match error.kind().verdict() {
                Verdict::Retry => self.wait(&error, &detail, pauses).await?,
                Verdict::Hold => self.hold(&detail, pauses).await?,
                Verdict::Split | Verdict::Bury => {
                    let kind = kind(error.kind());
                    return Some(Err(Refusal {
                        kind,
                        detail,
                        attempts,
                    }));
                }
            }
        }
    }

    /// One attempt within its time.
    async fn attempt(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let begun = Instant::now();
        let delivered = tokio::time::timeout(self.timeout, self.sink.deliver(batch)).await;
        let took = begun.elapsed().as_secs_f64();
        self.shared
            .metrics
            .attempts
            .get_or_create(self.stats.labels())
            .observe(took);
        match delivered {
            Ok(delivered) => delivered,
            Err(elapsed) => Err(SinkError::new(SinkErrorKind::Unreachable).with_source(elapsed)),
        }
    }

    /// The pause before the same batch is tried again; it holds the whole lane.
    async fn wait(&self, error: &SinkError, detail: &str, pauses: &mut Backoff) -> Option<()> {
        const ALARM_AT: u32 = 5;
        let pause = pauses.after_failure(error.retry_after());
        self.stats.retried();
        self.stats.is(LaneState::HalfOpen);
        tracing::warn!(
            sink = self.name,
            detail,
            ?pause,
            "delivery failed, will be repeated"
        );
        if pauses.failures() >= ALARM_AT {
            let message = format!("sink `{}` has failed repeatedly: {detail}", self.name);
            self.shared
                .alerts
                .sink_failing(self.name, Severity::Warning, message)
                .await;
        }
        self.pause(pause).await
    }

    /// Waits for an operator: asks the destination now and then whether it would take a batch.
    async fn hold(&self, detail: &str, pauses: &mut Backoff) -> Option<()> {
        self.stats.is(LaneState::Open);
        tracing::error!(
            sink = self.name,
            detail,
            "sink needs an operator, its events are kept"
        );
        let message = format!(
            "sink `{}` is on hold, its events are kept: {detail}",
            self.name
        );
        self.shared
            .alerts
            .sink_failing(self.name, Severity::Critical, message)
            .await;
        loop {
            self.pause(pauses.before_probe()).await?;
            self.stats.retried();
            match tokio::time::timeout(self.timeout, self.sink.probe()).await {
                Ok(Ok(())) => return Some(()),
                Ok(Err(error)) if error.kind().verdict() == Verdict::Hold => {}
                // It is no longer the operator who is needed: let the batch itself find out.
                Ok(Err(_)) | Err(_) => return Some(()),
            }
        }
    }

    /// Writes items to the dead letters; returns how many.
    async fn bury(
        &self,
        items: &[Item],
        positions: &[u64],
        which: &[usize],
        refusal: Refusal,
    ) -> Option<u64> {
        if which.is_empty() {
            return Some(0);
        }
        let mut letters = Vec::with_capacity(which.len());
        for at in which {
            let (Some(item), Some(position)) = (items.get(*at), positions.get(*at)) else {
                continue;
            };
            let event: Option<&RawValue> = serde_json::from_slice(item.json()).ok();
            letters.push(Letter {
                event_id: Some(item.id().to_string()),
                record_hex: event.is_none().then(|| hex(item.json())),
                event,
                ..self.letter(*position, &refusal)
            });
        }
        self.write(&letters).await
    }

    /// Writes records that are no events to the dead letters; returns how many.
    pub(super) async fn bury_unopenable(&self, records: &[(Record, String)]) -> Option<u64> {
        if records.is_empty() {
            return Some(0);
        }
        let unreadable = Refusal {
            kind: "unreadable",
            detail: String::new(),
            attempts: 0,
        };
        let letter = |(record, detail): &(Record, String)| Letter {
            record_hex: Some(hex(&record.bytes)),
            detail: detail.clone(),
            ..self.letter(record.position.offset, &unreadable)
        };
        let letters: Vec<_> = records.iter().map(letter).collect();
        self.write(&letters).await
    }

    /// Writes letters, however long it takes: what is not on disk must not be passed.
    async fn write(&self, letters: &[Letter<'_>]) -> Option<u64> {
        while let Err(error) = self.dead_letters.write(letters).await {
            self.stats.is(LaneState::Open);
            let detail = chain(&error);
            tracing::error!(sink = self.name, detail, "lane waits for its dead letters");
            let message = format!("sink `{}` is on hold: {detail}", self.name);
            self.shared
                .alerts
                .sink_failing(self.name, Severity::Critical, message)
                .await;
            self.pause(FULL_PAUSE).await?;
        }
        let detail = letters.first().map_or("", |letter| &letter.detail);
        let message = format!(
            "{} events of sink `{}` went to its dead letters: {detail}",
            letters.len(),
            self.name
        );
        tracing::warn!(
            sink = self.name,
            count = letters.len(),
            detail,
            "events became dead letters"
        );
        self.shared.alerts.dead_letters(self.name, message).await;
        Some(u64::try_from(letters.len()).unwrap_or(u64::MAX))
    }

    fn letter<'a>(&'a self, position: u64, refusal: &'a Refusal) -> Letter<'a> {
        Letter {
            at: clock::now(),
            by: self.name,
            source: self.shared.log.source(),
            position,
            kind: refusal.kind,
            detail: refusal.detail.clone(),
            attempts: refusal.attempts,
            event_id: None,
            event: None,
            record_hex: None,
        }
    }

    /// `None` if it is time to stop.
    async fn pause(&self, pause: Duration) -> Option<()> {
        tokio::select! {
            () = self.shared.tasks.stopping() => None,
            () = tokio::time::sleep(pause) => Some(()),
        }
    }
}

impl Refusal {
    fn by_receipt(reason: &str) -> Self {
        Self {
            kind: "refused",
            detail: reason.to_owned(),
            attempts: 1,
        }
    }
}

/// The second half goes below the first, which is delivered next.
fn halves(part: ops::Range<usize>) -> [ops::Range<usize>; 2] {
    let middle = part.start + part.len() / 2;
    [middle..part.end, part.start..middle]
}

const fn kind(kind: SinkErrorKind) -> &'static str {
    match kind {
        SinkErrorKind::Unreachable => "unreachable",
        SinkErrorKind::Failing => "failing",
        SinkErrorKind::Throttled => "throttled",
        SinkErrorKind::Unauthorized => "unauthorized",
        SinkErrorKind::Misconfigured => "misconfigured",
        SinkErrorKind::TooLarge => "too_large",
        SinkErrorKind::Refused => "refused",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
