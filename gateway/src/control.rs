//! The way back: what the collector knows of keys and budgets, and what it lends.
//!
//! Two tasks follow it over HTTP. `follow.rs` keeps the snapshot: whole at first, then change by
//! change, and on disk, so that a start needs no collector; and the prices that it names. `lease.rs` says hello, asks for what
//! calls need, and passes on what was lent.

mod client;
mod follow;
mod lease;
mod stored;
mod tariff;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bus::Log;
use event::{
    Timestamp,
    control::{Known, Snapshot},
};
use rustls::ClientConfig;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::tariff::Tariff;
use self::{client::Client, tariff::Tariffs};
use crate::{admission::Purse, clock::Clock, config::ControlSettings, tasks};

/// How long a start waits for the collector before it goes on with what is on disk.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pauses after a failure, doubling from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LAST: Duration = Duration::from_secs(2);

/// What is known of whoever may call, and what they may spend.
#[derive(Default)]
pub(crate) struct Control {
    known: RwLock<Arc<Known>>,
    tariffs: RwLock<Arc<Tariffs>>,
    pub(crate) purse: Arc<Purse>,
}

/// What the tasks work with.
struct Follower {
    control: Arc<Control>,
    client: Client,
    settings: ControlSettings,
    log: Arc<dyn Log>,
    clock: Clock,
    stop: CancellationToken,
}

impl Control {
    /// What is known now.
    pub(crate) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a call is priced by that starts at `start`, as far as is known.
    pub(crate) fn tariff(&self, start: Timestamp) -> Arc<Tariff> {
        Arc::clone(self.tariffs().at(start))
    }

    /// The same, if the collector is known to settle by it.
    pub(crate) fn sure_tariff(&self, start: Timestamp) -> Option<Arc<Tariff>> {
        let tariffs = self.tariffs();
        let is_sure = tariffs.are(&self.known().snapshot().prices);
        is_sure.then(|| Arc::clone(tariffs.at(start)))
    }

    fn tariffs(&self) -> Arc<Tariffs> {
        Arc::clone(&self.tariffs.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn learn_prices(&self, tariffs: Tariffs) {
        *self.tariffs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tariffs);
    }

    fn learn(&self, snapshot: Snapshot) {
        let known = Arc::new(Known::new(snapshot));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Reads what was known last, asks the collector for what is known now, and follows it from
    /// then on. The journal holds the events of all earlier calls by now: what comes after its
    /// head is this generation's.
    pub(crate) async fn start(
        settings: Option<&ControlSettings>,
        (log, clock): (&Arc<dyn Log>, Clock),
        tls: &ClientConfig,
        (tracker, stop): (&TaskTracker, &CancellationToken),
    ) -> Arc<Self> {
        let control = Arc::new(Self::default());
        let Some(settings) = settings else {
            return control;
        };
        if let Some(snapshot) = stored::read(&settings.file) {
            control.learn(snapshot);
        }
        let told = stored::read(&stored::prices(&settings.file));
        if let Some(Ok(tariffs)) = told.map(|told| control.tariffs().followed_by(told)) {
            control.learn_prices(tariffs);
        }
        let follower = Arc::new(Follower {
            control: Arc::clone(&control),
            client: Client::new(settings, tls),
            settings: settings.clone(),
            log: Arc::clone(log),
            clock,
            stop: stop.clone(),
        });
        if timeout(PATIENCE, follow::take(&follower)).await.is_err() {
            tracing::warn!("the collector does not answer: going on with what it said last");
        }
        tasks::spawn_on(tracker, follow::run(Arc::clone(&follower)));
        tasks::spawn_on(tracker, lease::run(follower));
        control
    }
}

impl Follower {
    /// Waits a little longer after each failure. Whether to stop.
    async fn pause(&self, pause: &mut Duration) -> bool {
        let over = tokio::select! {
            () = self.stop.cancelled() => true,
            () = tokio::time::sleep(*pause) => false,
        };
        *pause = pause.saturating_mul(2).min(PAUSE_LAST);
        over
    }
}
