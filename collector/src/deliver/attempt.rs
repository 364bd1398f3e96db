//! What becomes of one sealed batch: attempts, and what each verdict means.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use event::{Severity, Timestamp};
use sha2::{Digest as _, Sha256};
use sink::{Batch, Item, OpenSink, Receipt, SinkError, SinkErrorKind, Verdict};
use tokio::time::Instant;

use super::{
    Shared, burial,
    dead_letters::{self, DeadLetters},
    gather::{Sealed, time},
    pace::{Pace, Pass},
    policy::{Policy, Redactor},
    sealed::Range,
};
use crate::{
    clock,
    metrics::{Fates, LaneStats, Skip},
};

/// Failures in a row after which somebody should know.
const ALARM_AT: u32 = 5;

/// An item and its position in the priced log.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) position: u64,
    pub(super) item: Item,
}

/// What it takes to deliver a batch.
pub(super) struct Delivery {
    pub(super) name: String,
    pub(super) sink: Arc<dyn OpenSink>,
    pub(super) timeout: Duration,
    pub(super) policy: Policy,
    pub(super) pace: Pace,
    pub(super) dead_letters: DeadLetters,
    pub(super) stats: Arc<LaneStats>,
    pub(super) shared: Shared,
}

/// A part of a batch that is delivered on its own.
struct Part {
    name: String,
    positions: Vec<u64>,
    items: Vec<Item>,
}

/// Items that the destination will never take.
pub(super) struct Refusal {
    pub(super) kind: &'static str,
    pub(super) detail: String,
    pub(super) attempts: u32,
}

/// What an attempt has led to, when it is not repeated.
enum Outcome {
    Taken(Receipt),
    Refused(Refusal),
    /// Too old to be tried again.
    Expired,
}

impl Delivery {
    /// Delivers a batch, whole or in parts, and says what became of each of its events; `None` if it
    /// is time to stop: the batch is then delivered again, in whole.
    pub(super) async fn deliver(&self, sealed: Sealed) -> Option<Fates> {
        let mut fates = Fates {
            dead: self.bury_unopenable(&sealed.unopenable).await?,
            skips: sealed.skips,
            ..Fates::default()
        };
        let (positions, items) = sealed
            .given
            .into_iter()
            .map(|given| (given.position, given.item))
            .unzip();
        let whole = Part {
            name: self.batch_name(sealed.range),
            positions,
            items,
        };
        // Parts still to be delivered, the next one last.
        let mut parts = vec![whole];
        while let Some(part) = parts.pop() {
            let Some(batch) = Batch::new(&part.name, &part.items) else {
                continue;
            };
            match self.insist(&batch, sealed.ages).await? {
                Outcome::Taken(receipt) => {
                    let deferred = self.take_receipt(part, &receipt, &mut fates).await?;
                    parts.extend(deferred);
                }
                Outcome::Refused(refusal) if part.items.len() == 1 => {
                    fates.dead += self.bury(&part.items, &part.positions, refusal).await?;
                }
                Outcome::Refused(_) => parts.extend(self.halves(part)),
                Outcome::Expired => {
                    let count = u64::try_from(part.items.len()).unwrap_or(u64::MAX);
                    fates.skips.add(Skip::Expired, count);
                    self.tell_of_expired(count).await;
                }
            }
        }
        Some(fates)
    }

    /// What a receipt says of each item; returns the items that are to be delivered again.
    async fn take_receipt(
        &self,
        part: Part,
        receipt: &Receipt,
        fates: &mut Fates,
    ) -> Option<Option<Part>> {
        let mut deferred = (Vec::new(), Vec::new());
        let all = part.positions.into_iter().zip(part.items).enumerate();
        for (index, (position, item)) in all {
            let refused = receipt.refused().iter().find(|item| item.index == index);
            if let Some(refused) = refused {
                let refusal = Refusal {
                    kind: "refused",
                    detail: scrubbed(&refused.reason),
                    attempts: 1,
                };
                fates.dead += self.bury(&[item], &[position], refusal).await?;
            } else if receipt.deferred().contains(&index) {
                deferred.0.push(position);
                deferred.1.push(item);
            } else {
                fates.delivered += 1;
            }
        }
        let (positions, items) = deferred;
        if items.is_empty() {
            return Some(None);
        }
        // Whoever defers is asked again after a pause.
        let error = SinkError::new(SinkErrorKind::Throttled).with_detail("items were deferred");
        let pass = tokio::select! {
            () = self.shared.tasks.stopping() => return None,
            pass = self.pace.enter() => pass,
        };
        self.failed(pass, &error).await;
        Some(Some(Part {
            name: self.part_name(&positions),
            positions,
            items,
        }))
    }

    /// Tries until the destination has taken the batch or will never take it.
    async fn insist(&self, batch: &Batch<'_>, ages: bool) -> Option<Outcome> {
        let mut attempts: u32 = 0;
        loop {
            let pass = tokio::select! {
                biased;
                () = self.shared.tasks.stopping(), if attempts > 0 => return None,
                pass = self.pace.enter() => pass,
                () = self.shared.tasks.stopping() => return None,
            };
            if ages && attempts > 0 && self.has_expired(batch) {
                return Some(Outcome::Expired);
            }
            if pass.probe
                && let Err(error) = self.probe().await
                && error.kind().verdict() == Verdict::Hold
            {
                self.held(pass, &error).await;
                attempts = attempts.max(1);
                continue;
            }
            // It is no longer the operator who is needed: the batch itself finds out.
            attempts = attempts.saturating_add(1);
            let error = match self.attempt(batch).await {
                Ok(receipt) => {
                    pass.succeeded();
                    self.stats.succeeded(clock::now());
                    self.show();
                    return Some(Outcome::Taken(receipt));
                }
                Err(error) => error,
            };
            match error.kind().verdict() {
                Verdict::Retry => self.failed(pass, &error).await,
                Verdict::Hold => self.held(pass, &error).await,
                Verdict::Split | Verdict::Bury => {
                    pass.answered();
                    self.show();
                    return Some(Outcome::Refused(Refusal {
                        kind: kind(error.kind()),
                        detail: said(&error),
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
        delivered.unwrap_or_else(|elapsed| Err(in_time(elapsed)))
    }

    /// Asks the destination whether it would take something, within the time of an attempt.
    pub(super) async fn probe(&self) -> Result<(), SinkError> {
        let probed = tokio::time::timeout(self.timeout, self.sink.probe()).await;
        probed.unwrap_or_else(|elapsed| Err(in_time(elapsed)))
    }

    /// A failure that will pass.
    async fn failed(&self, pass: Pass<'_>, error: &SinkError) {
        let (pause, failures) = pass.failed(error.retry_after());
        let detail = said(error);
        self.stats.failed(&detail);
        self.show();
        tracing::warn!(
            sink = self.name,
            detail,
            ?pause,
            "delivery failed, will be repeated"
        );
        if failures >= ALARM_AT {
            let message = format!("sink `{}` has failed repeatedly: {detail}", self.name);
            let alerts = &self.shared.alerts;
            alerts
                .sink_failing(&self.name, Severity::Warning, message)
                .await;
        }
    }

    /// A failure that needs an operator.
    async fn held(&self, pass: Pass<'_>, error: &SinkError) {
        pass.held();
        let detail = said(error);
        self.stats.failed(&detail);
        self.show();
        tracing::error!(
            sink = self.name,
            detail,
            "sink needs an operator, its events are kept"
        );
        let message = format!(
            "sink `{}` is on hold, its events are kept: {detail}",
            self.name
        );
        let alerts = &self.shared.alerts;
        alerts
            .sink_failing(&self.name, Severity::Critical, message)
            .await;
    }

    /// Shows where the circuit is.
    pub(super) fn show(&self) {
        self.stats.is(self.pace.shown(), self.pace.limit());
    }

    /// Whether all of it is too old to be delivered.
    fn has_expired(&self, batch: &Batch<'_>) -> bool {
        let newest: Option<Timestamp> = batch.items().last().and_then(time);
        newest.is_some_and(|newest| self.policy.is_expired(newest, clock::now()))
    }

    pub(super) async fn tell_of_expired(&self, count: u64) {
        if count == 0 {
            return;
        }
        tracing::error!(sink = self.name, count, "events became too old");
        let message = format!(
            "{count} events became older than the retention of sink `{}` before it took them, and \
             were skipped: raise `retention`, or replay them",
            self.name
        );
        let alerts = &self.shared.alerts;
        alerts
            .sink_failing(&self.name, Severity::Critical, message)
            .await;
    }

    /// The second half goes below the first, which is delivered next.
    fn halves(&self, mut part: Part) -> [Part; 2] {
        let middle = part.items.len() / 2;
        let items = part.items.split_off(middle);
        let positions = part.positions.split_off(middle);
        let part_of = |positions: Vec<u64>, items| Part {
            name: self.range_name(&positions),
            positions,
            items,
        };
        [
            part_of(positions, items),
            part_of(part.positions, part.items),
        ]
    }

    /// The name of a sealed range: the log's id keeps those of another data directory apart.
    pub(super) fn batch_name(&self, range: Range) -> String {
        let source = self.shared.log.source();
        let id: String = source.chars().filter(char::is_ascii_alphanumeric).collect();
        let id = id.get(id.len().saturating_sub(12)..).unwrap_or_default();
        format!("{id}-{:020}-{:020}", range.first, range.last)
    }

    fn range_name(&self, positions: &[u64]) -> String {
        self.batch_name(Range {
            first: positions.first().copied().unwrap_or_default(),
            last: positions.last().copied().unwrap_or_default(),
        })
    }

    /// The name of items that do not stand side by side.
    pub(super) fn part_name(&self, positions: &[u64]) -> String {
        let mut digest = Sha256::new();
        for position in positions {
            digest.update(position.to_le_bytes());
        }
        let digest = digest.finalize();
        let digits: String = digest
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{}-{digits}", self.range_name(positions))
    }

    async fn bury_unopenable(&self, records: &[super::gather::Unopenable]) -> Option<u64> {
        burial::unopenable(self, records).await
    }

    async fn bury(&self, items: &[Item], positions: &[u64], refusal: Refusal) -> Option<u64> {
        burial::items(self, items, positions, &refusal).await
    }
}

fn in_time(elapsed: tokio::time::error::Elapsed) -> SinkError {
    SinkError::new(SinkErrorKind::Unreachable).with_source(elapsed)
}

/// The error and what caused it, without what must not be shown: a destination may repeat what it
/// was sent.
pub(super) fn said(error: &dyn StdError) -> String {
    scrubbed(&dead_letters::chain(error))
}

fn scrubbed(text: &str) -> String {
    Redactor::ALL
        .redact(text)
        .unwrap_or_else(|| text.to_owned())
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
