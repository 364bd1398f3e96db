//! Looks now and then for what no call tells of by itself.
//!
//! Every alert is made of what stands in the books, and has a key that names what it is about and
//! when: a look that fails, or dies halfway, is made up for by the next one, at whichever collector.

use std::{collections::HashSet, error::Error as StdError};

use event::Timestamp;
use sink::Clock;

use super::{anomalies, budgets, budgets::Moved, changes, keys, providers, reports};
use crate::{
    books::{Books, BooksError, Once},
    clock, ledger,
    tasks::Tasks,
};

/// Keys of alerts that are remembered; beyond that all are forgotten, and the books know.
const SEEN_MAX: usize = 100_000;
/// Budgets that are looked at before others have their turn.
const IN_ONE_GO: usize = 1000;
/// Looks without a finding after which an outage is over.
const QUIET_LOOKS: i64 = 10;

/// Who looks.
pub(crate) struct Watch {
    books: Books,
    clock: Clock,
    /// What has been entered, so that it need not be tried again.
    seen: HashSet<String>,
}

impl Watch {
    /// Looks by the system's clock.
    pub(crate) fn new(books: Books) -> Self {
        Self::with_clock(books, Clock::new(clock::now))
    }

    /// Looks by another clock.
    pub(crate) fn with_clock(books: Books, clock: Clock) -> Self {
        Self {
            books,
            clock,
            seen: HashSet::new(),
        }
    }

    /// Looks until told to stop.
    pub(crate) async fn run(mut self, tasks: Tasks) {
        let every = self.books.alerting().alerting_args.check_interval();
        loop {
            tokio::select! {
                () = tasks.stopping() => return,
                () = tokio::time::sleep(every) => {}
            }
            if let Err(error) = self.look().await {
                let error = &error as &dyn StdError;
                tracing::warn!(error, ?every, "alerts not looked for: tried again soon");
            }
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// If the books cannot be used; what was found before that is entered.
    pub(crate) async fn look(&mut self) -> Result<(), BooksError> {
        let now = self.clock.now();
        let found = self.budgets(now).await?;
        self.enter(found).await?;
        let found = anomalies::find(&self.books, now).await?;
        self.enter(found).await?;
        let found = keys::find(&self.books, now).await?;
        self.enter(found).await?;
        let found = reports::due(&self.books, now).await?;
        self.enter(found).await?;
        changes::follow(&self.books).await?;
        for alert in providers::find(&self.books, now).await? {
            let args = &self.books.alerting().alerting_args;
            let quiet = args.outage_micros().saturating_mul(QUIET_LOOKS);
            let times = (quiet, args.repeat_micros());
            self.books.raise(&alert, times).await?;
        }
        self.books.forget_alerts(now).await
    }

    /// Thresholds and forecasts of the windows of now.
    async fn budgets(&self, now: Timestamp) -> Result<Vec<Once>, BooksError> {
        let known = self.books.directory().known();
        let rules = self.books.alerting();
        let mut found = Vec::new();
        let spent = ledger::spent(&self.books, &known, now).await?;
        for (at, spent) in spent.into_iter().enumerate() {
            if at.is_multiple_of(IN_ONE_GO) {
                tokio::task::yield_now().await;
            }
            let Some(budget) = known.budget(&spent.budget) else {
                continue;
            };
            let moved = Moved {
                window: budget.terms.window(now),
                budget,
                before: event::Usd::ZERO,
                spent: spent.settled,
            };
            found.extend(budgets::crossed(rules, &known, &moved, now));
            found.extend(budgets::projected(rules, &known, &moved, now));
        }
        Ok(found)
    }

    async fn enter(&mut self, mut found: Vec<Once>) -> Result<(), BooksError> {
        found.retain(|once| !self.seen.contains(&once.alert.key));
        self.books.raise_once(&found).await?;
        if self.seen.len().saturating_add(found.len()) > SEEN_MAX {
            self.seen.clear();
        }
        self.seen
            .extend(found.into_iter().map(|once| once.alert.key));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
