//! Prices calls again that are in the books, under the prices that are in force now.
//!
//! By default those whose cost is not known. To price the others again as well would put the prices
//! of today on calls of the past: that is for maps that were wrong, and has to be ordered (`all`).
//!
//! One job at a time reads the rows of a range, page by page, and asks what each call costs under the
//! map that was in force when the job began; with the deployment's own prices and the call's own time.
//! What differs becomes a *correction*: the whole event once more, with its next revision, which the
//! pipeline appends to the priced log and settles between two batches of calls. So whatever a job
//! has done when its process dies stands, and the next job finds the rest.
//!
//! What a call is priced by is rebuilt from its row (`stored.rs`). What was said in it is not in
//! the row, and is read back from the priced log; when it is gone from there, the correction settles
//! all the same, and sinks get the revision without content.
//!
//! - A row whose cost stays the same is left alone, whatever the map is called now.
//! - A cost that is known stays when the map no longer has a price: unknown takes the place of nothing.

mod content;
mod job;
mod report;
pub(crate) mod stored;

use std::{fmt, sync::Arc};

use bus::Log;
use event::Timestamp;
use tokio::sync::{mpsc, watch};

pub use self::report::{ModelSum, Reason, Report, State};
use crate::{alerts::Alerts, books::Books, pipeline::Corrections, price::PriceMaps, tasks::Tasks};

/// Which calls are to be priced again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Calls that started then or later.
    pub since: Timestamp,
    /// Calls that started before then; without it all that are in the books when the job gets there.
    pub until: Option<Timestamp>,
    /// Of these models, as the provider names them, with or without the provider in front, or as
    /// the client does; of all models if there is none.
    pub models: Vec<String>,
    /// Calls whose cost is known as well, not only those whose cost is not.
    pub all: bool,
    /// Say what would change, and change nothing.
    pub dry_run: bool,
}

/// Another job has not ended yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("calls are being priced again already; wait until that has ended")]
pub struct Busy;

/// Takes orders, one at a time.
#[derive(Clone)]
pub(crate) struct Repricer(Arc<Desk>);

struct Desk {
    parts: Parts,
    pipeline: mpsc::Sender<Corrections>,
    /// The last job's report, as far as it is.
    report: watch::Sender<Option<Report>>,
}

impl fmt::Debug for Repricer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repricer").field(&self.last()).finish()
    }
}

/// What a job works with.
pub(crate) struct Parts {
    pub(crate) books: Books,
    pub(crate) prices: PriceMaps,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) alerts: Alerts,
    pub(crate) tasks: Tasks,
}

impl Repricer {
    /// Clears away what a job has left that died with its process.
    /// The receiver is for the pipeline.
    pub(crate) fn new(parts: Parts) -> (Self, mpsc::Receiver<Corrections>) {
        content::forget(&*parts.log);
        let (pipeline, corrections) = mpsc::channel(1);
        let desk = Desk {
            parts,
            pipeline,
            report: watch::Sender::new(None),
        };
        (Self(Arc::new(desk)), corrections)
    }

    /// Starts a job. What it finds can be watched.
    ///
    /// # Errors
    /// If another job has not ended.
    pub(crate) fn start(&self, order: Order) -> Result<watch::Receiver<Option<Report>>, Busy> {
        let job = job::Job::new(Arc::clone(&self.0), order);
        let is_free = self.0.report.send_if_modified(|last| {
            let is_free = last
                .as_ref()
                .is_none_or(|last| last.state != State::Running);
            if is_free {
                *last = Some(job.report());
            }
            is_free
        });
        if !is_free {
            return Err(Busy);
        }
        let watched = self.0.report.subscribe();
        self.0.parts.tasks.spawn(job.run());
        Ok(watched)
    }

    /// The last job's report, as far as it is; `None` if there was none since the collector began.
    pub(crate) fn last(&self) -> Option<Report> {
        self.0.report.borrow().clone()
    }
}

/// Waits until the job is no longer running.
pub(crate) async fn ended(watched: &mut watch::Receiver<Option<Report>>) -> Option<Report> {
    let ended = |report: &Option<Report>| {
        report
            .as_ref()
            .is_none_or(|report| report.state != State::Running)
    };
    watched.wait_for(ended).await.ok()?.clone()
}

#[cfg(test)]
mod tests;
