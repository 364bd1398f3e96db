//! One job: page after page of rows, priced, compared, and corrected where they differ.

use std::{mem, sync::Arc};

use cost_map::PriceMap;
use event::{Cost, PricedEvent, StandardLoggingPayload, Usd, codec};
use tokio::sync::oneshot;

use super::{
    Desk, Order, Report,
    content::Content,
    report::{Fate, Tally},
    stored::{self, Unreadable},
};
use crate::{
    books::{self, BooksError, Entry, Scan, StoredCall},
    clock,
    deliver::dead_letters::chain,
    pipeline::Corrections,
    price::{self, Pricer},
};

/// Rows of a page.
const ROWS: u32 = 512;
/// Rows between two points at which other tasks may run.
const STRETCH: usize = 64;
/// What is handed to the pipeline at once: little enough that calls hardly wait for it.
const HANDED_EVENTS: usize = 256;
const HANDED_BYTES: usize = 1 << 20;

pub(super) struct Job {
    desk: Arc<Desk>,
    order: Order,
    pricer: Pricer,
    map: Arc<PriceMap>,
    tally: Tally,
}

/// A call that costs something else now.
struct Candidate {
    row: StoredCall,
    payload: StandardLoggingPayload,
    cost: Cost,
    total: Usd,
}

/// Corrections on their way to the pipeline, with what is told of them afterwards.
#[derive(Default)]
struct Handed {
    events: Vec<Entry>,
    encoded: Vec<Vec<u8>>,
    told: Vec<Told>,
    bytes: usize,
}

struct Told {
    model: String,
    was: Option<Usd>,
    now: Usd,
    has_content: bool,
}

/// Why a job ends early.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error(transparent)]
    Books(#[from] BooksError),
    #[error("priced log cannot be read")]
    Log(#[from] bus::BusError),
    #[error("the collector stops")]
    Stopping,
    #[error("corrections could not be entered; the collector's log says why")]
    NotEntered,
}

impl Job {
    pub(super) fn new(desk: Arc<Desk>, order: Order) -> Self {
        let pricer = Pricer::new(desk.parts.prices.clone());
        let map = desk.parts.prices.current();
        let tally = Tally::new(clock::now(), &order, map.version());
        Self {
            desk,
            order,
            pricer,
            map,
            tally,
        }
    }

    pub(super) fn report(&self) -> Report {
        self.tally.report()
    }

    /// Runs to the end, and says then how it ended, even if it is dropped.
    pub(super) async fn run(self) {
        let mut job = Ending(self);
        let ended = job.0.go().await;
        let error = ended.err().map(|error| {
            let error = chain(&error);
            format!(
                "{error}; what was corrected until then stands, and the same order does the rest"
            )
        });
        job.0.tally.end(error);
        job.0.tell().await;
        job.0.publish();
    }

    async fn go(&mut self) -> Result<(), JobError> {
        let scan = self.scan();
        let mut content = match self.order.dry_run {
            true => None,
            false => Some(Content::open(&self.desk.parts.log)?),
        };
        let mut after = None;
        loop {
            if self.desk.parts.tasks.is_stopping() {
                return Err(JobError::Stopping);
            }
            let rows = self.desk.parts.books.scan(&scan, after, ROWS).await?;
            let Some(last) = rows.last() else {
                return self.look_for_unknown(&scan).await;
            };
            after = Some(last.spot());
            let mut found = self.price(rows).await;
            // In the order of the log, to read through it once.
            found.sort_by_key(|candidate| candidate.row.position);
            match &mut content {
                Some(content) => self.correct(found, content).await?,
                None => found.iter().for_each(|Candidate { row, total, .. }| {
                    self.tally.corrected(&row.model, row.spend(), *total);
                }),
            }
            self.publish();
        }
    }

    fn scan(&self) -> Scan {
        let latest = event::Timestamp::from_micros(i64::MAX);
        Scan {
            from: self.order.since,
            before: self.order.until.unwrap_or(latest),
            models: self.order.models.clone(),
            all: self.order.all,
        }
    }

    /// Names that no call of the range has are told, whether the calls have a price or not.
    async fn look_for_unknown(&mut self, scan: &Scan) -> Result<(), JobError> {
        for model in &self.order.models {
            if self.desk.parts.tasks.is_stopping() {
                return Err(JobError::Stopping);
            }
            let scan = Scan {
                models: vec![model.clone()],
                all: true,
                ..scan.clone()
            };
            if self.desk.parts.books.scan(&scan, None, 1).await?.is_empty() {
                self.tally.unknown(model);
            }
        }
        Ok(())
    }

    /// The rows of a page that cost something else now; the others are counted.
    async fn price(&mut self, rows: Vec<StoredCall>) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (number, row) in rows.into_iter().enumerate() {
            match self.look_at(row).await {
                Ok(candidate) => found.push(candidate),
                Err(fate) => self.tally.left(fate),
            }
            if number % STRETCH == STRETCH - 1 {
                tokio::task::yield_now().await;
            }
        }
        found
    }

    async fn look_at(&mut self, row: StoredCall) -> Result<Candidate, Fate> {
        if row.position.is_none() {
            let reason = "the row is older than what calls are priced again by";
            return Err(Fate::Kept(reason.to_owned()));
        }
        let kept = |error: Unreadable| Fate::Kept(chain(&error));
        let mut payload = stored::payload(&row).map_err(kept)?;
        self.find_holder(&row, &mut payload)
            .await
            .map_err(|error| Fate::Kept(chain(&error)))?;
        let usage = price::usage(&payload);
        let cost = self.pricer.cost(&self.map, &payload, &usage);
        let was = row.spend();
        let Some(total) = cost.total else {
            let reason = cost.reason.unwrap_or_default();
            return Err(match was {
                None => Fate::StillUnpriced(reason),
                Some(_) => Fate::Kept(reason),
            });
        };
        if was == Some(total) {
            return Err(Fate::Unchanged);
        }
        Ok(Candidate {
            row,
            payload,
            cost,
            total,
        })
    }

    /// Notes with which other event the batch is billed that the call saw, if it saw one.
    async fn find_holder(
        &self,
        row: &StoredCall,
        payload: &mut StandardLoggingPayload,
    ) -> Result<(), BooksError> {
        let account = books::account(payload);
        let ours = payload.tollkeeper.as_deref_mut();
        let Some(batch) = ours.and_then(|ours| ours.batch.as_deref_mut()) else {
            return Ok(());
        };
        let books = &self.desk.parts.books;
        if let Some(holder) = books.batch(&account, &batch.names).await?.holder {
            let holder = books.event_of(holder).await?;
            batch.billed_with = Some(holder).filter(|holder| *holder != row.event_id());
        }
        Ok(())
    }

    /// Has the pipeline enter corrections, a few at a time.
    async fn correct(
        &mut self,
        found: Vec<Candidate>,
        content: &mut Content,
    ) -> Result<(), JobError> {
        let mut handed = Handed::default();
        for candidate in found {
            let position = candidate.row.position.and_then(|at| u64::try_from(at).ok());
            let wanted = (candidate.row.event_id(), candidate.row.revision);
            let whole = match position {
                Some(position) => content.event(position, wanted).await,
                None => None,
            };
            match handed.take(candidate, whole) {
                Ok(()) => {}
                Err(fate) => self.tally.left(fate),
            }
            if handed.events.len() >= HANDED_EVENTS || handed.bytes >= HANDED_BYTES {
                self.hand_over(mem::take(&mut handed)).await?;
            }
        }
        self.hand_over(handed).await
    }

    async fn hand_over(&mut self, handed: Handed) -> Result<(), JobError> {
        if handed.events.is_empty() {
            return Ok(());
        }
        let (entered, answer) = oneshot::channel();
        let corrections = Corrections {
            events: handed.events,
            encoded: handed.encoded,
            entered,
        };
        let sent = self.desk.pipeline.send(corrections).await;
        sent.map_err(|_closed| JobError::NotEntered)?;
        let entered = answer.await.map_err(|_dropped| JobError::NotEntered)?;
        for (told, entered) in handed.told.into_iter().zip(entered) {
            if !entered {
                let reason = "it has been corrected in the meantime".to_owned();
                self.tally.left(Fate::Kept(reason));
                continue;
            }
            self.tally.corrected(&told.model, told.was, told.now);
            if !told.has_content {
                self.tally.without_content();
            }
        }
        Ok(())
    }

    fn publish(&self) {
        self.desk.report.send_replace(Some(self.report()));
    }

    /// Somebody should know when the past has changed.
    async fn tell(&self) {
        let report = self.report();
        tracing::info!(
            scanned = report.scanned,
            corrected = report.corrected,
            difference = %report.difference,
            error = report.error,
            "calls have been priced again"
        );
        if report.corrected == 0 || report.dry_run {
            return;
        }
        let message = format!(
            "{} of {} calls were corrected by {} USD (+{} and -{}) under {}",
            report.corrected,
            report.scanned,
            report.difference,
            report.increase,
            report.decrease,
            report.price_map
        );
        self.desk
            .parts
            .alerts
            .corrected(&report.name(), message)
            .await;
    }
}

impl Handed {
    /// Takes a correction of `whole`, or of what the row knows of the event.
    fn take(&mut self, candidate: Candidate, whole: Option<PricedEvent>) -> Result<(), Fate> {
        let Candidate {
            row,
            payload,
            cost,
            total,
        } = candidate;
        let told = Told {
            model: row.model.clone(),
            was: row.spend(),
            now: total,
            has_content: whole.is_some(),
        };
        let event = match whole {
            Some(event) => event,
            None => stored::event(row, payload).map_err(|error| Fate::Kept(chain(&error)))?,
        };
        let reason = match told.was {
            None => "a price has been found",
            Some(_) => "the prices have changed",
        };
        let event = event.corrected(cost, clock::now(), reason);
        books::fits(&event).map_err(|error| Fate::Kept(chain(&error)))?;
        let record = codec::encode_priced(&event);
        self.bytes = self.bytes.saturating_add(record.len());
        self.encoded.push(record);
        self.events.push(Entry::new(event));
        self.told.push(told);
        Ok(())
    }
}

/// A job that is dropped before its end has failed.
struct Ending(Job);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.desk.report.send_if_modified(|report| {
            let Some(report) = report else { return false };
            if report.state != super::State::Running {
                return false;
            }
            report.state = super::State::Failed;
            report.error = Some("the collector stopped, or the job panicked".to_owned());
            true
        });
    }
}
