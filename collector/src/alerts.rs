//! What somebody should know, entered into the books once per key.
//!
//! What crosses a budget's threshold is raised in the transaction that settles it ([`crossed`]);
//! what a call does not tell of by itself is looked for now and then (`watch.rs`), in what stands in
//! the books. What goes wrong in the collector itself is raised by who notices it ([`Alerts`]).

mod anomalies;
mod budgets;
mod changes;
mod keys;
mod providers;
mod reports;
pub(crate) mod watch;
mod whom;

pub(crate) mod forward;

use std::{
    collections::{HashMap, HashSet},
    error::Error as StdError,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bus::Gap;
use event::{
    Alert, AlertFacts, AlertKind, PricedEvent, Severity, Timestamp, Unpriced, Window,
    control::Known,
};
use sink::Clock;
use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::Instant,
};

use self::budgets::Moved;
use crate::{
    books::{Books, Once, Run},
    clock,
    config::AlertingConfig,
    deliver::dead_letters::Letter,
    ledger::Spent,
    price::Refused,
};

/// How often one key is written again, at most.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Keys whose last time is remembered; beyond that all are forgotten.
const KEYS_MAX: usize = 10_000;

/// Raises alerts. It never fails: an alert that cannot be stored is in the log of the program.
#[derive(Clone, Debug)]
pub(crate) struct Alerts {
    books: Books,
    clock: Clock,
    raised: Arc<Mutex<HashMap<String, Instant>>>,
    /// Tells whoever waits for alerts that there is one.
    news: Arc<Notify>,
}

/// The alerts of budgets that a run of events has spent from; they are of the instant at which the
/// last of its calls ended.
pub(crate) fn crossed(
    rules: &AlertingConfig,
    known: &Known,
    spent: &[Spent],
    run: &Run<'_>,
) -> Vec<Once> {
    let ends = run
        .events
        .iter()
        .map(|entry| entry.event.payload().end_time);
    match ends.max() {
        Some(at) => self::spent(rules, known, spent, at),
        None => Vec::new(),
    }
}

/// The alerts of budgets that have been spent from.
pub(crate) fn spent(
    rules: &AlertingConfig,
    known: &Known,
    spent: &[Spent],
    at: Timestamp,
) -> Vec<Once> {
    let moved = spent.iter().filter_map(|spent| {
        let budget = known.budget(&spent.budget)?;
        // Mostly none: windows are asked for where one is.
        if !budgets::crosses(rules, &budget, (spent.before, spent.settled)) {
            return None;
        }
        // Mostly the window of now, or the one before it.
        let mut window = budget.terms.window(at);
        if let Some(start) = window.start.filter(|_| window.id != spent.window) {
            window = budget
                .terms
                .window(Timestamp::from_micros(start.micros().saturating_sub(1)));
        }
        if window.id != spent.window {
            window = Window {
                id: spent.window.clone(),
                start: None,
                end: None,
            };
        }
        Some(Moved {
            budget,
            window,
            before: spent.before,
            spent: spent.settled,
        })
    });
    moved
        .flat_map(|moved| budgets::crossed(rules, known, &moved, at))
        .collect()
}

impl Alerts {
    pub(crate) fn new(books: Books) -> Self {
        Self {
            books,
            clock: Clock::new(clock::now),
            raised: Arc::default(),
            news: Arc::default(),
        }
    }

    /// Resolves when an alert has been raised after this was called.
    pub(crate) fn raised(&self) -> OwnedNotified {
        Arc::clone(&self.news).notified_owned()
    }

    /// Calls whose cost nobody knows, once for each model and kind of reason.
    pub(crate) async fn unpriced(&self, events: impl Iterator<Item = &PricedEvent>) {
        let mut seen = HashSet::new();
        for event in events {
            let model = event.payload().model.as_str();
            let cost = event.cost();
            let kind = cost.unpriced.unwrap_or(Unpriced::Other);
            if seen.insert((model, kind)) {
                let reason = cost.reason.as_deref().unwrap_or("there is no price");
                let remedy = match kind {
                    Unpriced::NoUsage => "have its usage reported",
                    _ => "give it a price",
                };
                let message = format!(
                    "calls of `{model}` are not priced: {reason}; {remedy}, then settle them with \
                     `tollkeeper reprice`"
                );
                let key = format!("model_unpriced/{}/{model}", kind.as_str());
                let facts = AlertFacts {
                    model: Some(model.to_owned()),
                    provider: event.payload().custom_llm_provider.clone(),
                    ..AlertFacts::default()
                };
                self.enter(Alert {
                    key,
                    kind: AlertKind::ModelUnpriced,
                    severity: Severity::Warning,
                    at: self.clock.now(),
                    message,
                    facts: Some(Box::new(facts)),
                })
                .await;
            }
        }
    }

    /// A price map that does not come into force.
    pub(crate) async fn price_map_refused(&self, refused: &Refused) {
        let layer = refused.layer.name();
        let which = refused
            .sha256
            .as_deref()
            .and_then(|digest| digest.get(..12));
        let first = refused.reasons.first().map_or("", |reason| reason);
        let more = refused.reasons.len().saturating_sub(1) + refused.reasons_left_out;
        let more = match more {
            0 => String::new(),
            more => format!(" (and {more} more reasons: see `GET /prices`)"),
        };
        let advice = if refused.confirmable {
            "; `tollkeeper prices update --confirm` takes it all the same"
        } else {
            ""
        };
        let message = format!(
            "the price map of `{}` was refused, the one in force stays: {first}{more}{advice}",
            refused.source
        );
        let key = format!("price_map_refused/{layer}/{}", which.unwrap_or("unread"));
        let kind = AlertKind::PriceMapRefused;
        self.raise(key, kind, Severity::Warning, message).await;
    }

    /// Records that were put aside.
    pub(crate) async fn bad_records(&self, source: &str, letters: &[Letter]) {
        let Some(first) = letters.first() else { return };
        let message = format!(
            "{} records of the calls log were put aside, the first at {}: {}",
            letters.len(),
            first.position,
            first.detail
        );
        let key = format!("bad_record/{source}");
        self.raise(key, AlertKind::BadRecord, Severity::Critical, message)
            .await;
    }

    /// Records that are gone.
    pub(crate) async fn gap(&self, log: &str, gap: &Gap) {
        let message = format!(
            "records {} up to {} of the log are lost ({:?})",
            gap.from, gap.to, gap.reason
        );
        let key = format!("log_gap/{log}/{}", gap.from);
        self.raise(key, AlertKind::LogGap, Severity::Critical, message)
            .await;
    }

    /// The priced log has another id than the books know, or ends before where they stand.
    pub(crate) async fn priced_log_replaced(&self, log: &str, from: u64, to: u64) {
        let message = format!(
            "the priced log is not the one the books were made from: they stood at {from}, it ends \
             at {to}; the books are complete, but sinks may miss events"
        );
        let key = format!("priced_log_replaced/{log}/{from}");
        self.raise(key, AlertKind::LogGap, Severity::Critical, message)
            .await;
    }

    /// A sink that does not take what it is sent.
    pub(crate) async fn sink_failing(&self, sink: &str, severity: Severity, message: String) {
        let key = format!("sink_failing/{sink}");
        self.raise(key, AlertKind::SinkFailing, severity, message)
            .await;
    }

    /// Events that one sink will not get.
    pub(crate) async fn dead_letters(&self, sink: &str, message: String) {
        let key = format!("dead_letters/{sink}");
        self.raise(key, AlertKind::DeadLetters, Severity::Warning, message)
            .await;
    }

    /// Costs that are not what they were.
    pub(crate) async fn corrected(&self, job: &str, message: String) {
        let key = format!("costs_corrected/{job}");
        self.raise(key, AlertKind::CostsCorrected, Severity::Info, message)
            .await;
    }

    async fn raise(&self, key: String, kind: AlertKind, severity: Severity, message: String) {
        self.enter(Alert {
            key,
            kind,
            severity,
            at: self.clock.now(),
            message,
            facts: None,
        })
        .await;
    }

    async fn enter(&self, alert: Alert) {
        if !self.is_due(&alert.key) {
            return;
        }
        let again = self.books.alerting().alerting_args.repeat_micros();
        if let Err(error) = self.books.raise(&alert, (again, again)).await {
            tracing::error!(
                error = &error as &dyn StdError,
                key = alert.key,
                message = alert.message,
                "alert cannot be stored"
            );
        }
        self.news.notify_waiters();
    }

    fn is_due(&self, key: &str) -> bool {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if raised.len() > KEYS_MAX {
            raised.clear();
        }
        if raised
            .get(key)
            .is_some_and(|last| last.elapsed() < AGAIN_AFTER)
        {
            return false;
        }
        raised.insert(key.to_owned(), Instant::now());
        true
    }
}
