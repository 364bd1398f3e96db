//! Prices calls, keeps the books, delivers to sinks, and answers questions about spend.
//!
//! [`Collector::start`] runs four things: the pipeline (calls log → price → priced log → books,
//! exactly once: see `pipeline.rs`), one lane for each sink (`deliver/lane.rs`), the price map's
//! keeper, and the HTTP API; and now and then a job that prices old calls again (`reprice.rs`).

mod alerts;
mod api;
pub mod books;
mod clock;
pub mod config;
mod control;
mod deliver;
mod entities;
mod health;
mod ledger;
mod management;
mod metrics;
mod pipeline;
mod price;
pub mod reprice;
mod rfc3339;
mod tap;
mod tasks;

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use event::Secret;
use sink::{Registration, SinkEnv, SinkError};
use tokio::net::TcpListener;

use crate::{
    alerts::{Alerts, forward::Forwarder, watch::Watch},
    deliver::Shared,
    deliver::dead_letters::DeadLetters,
    health::Health,
    metrics::{LaneStats, Metrics},
    pipeline::Pipeline,
    price::{PriceMaps, Pricer, Tools},
    reprice::Repricer,
    tap::Tap,
    tasks::Tasks,
};
pub use crate::{
    books::{Books, BooksError},
    config::{Config, SinkConfig, Sinks},
    control::Directory,
    deliver::{LaneError, SinkStartError},
    metrics::SinkStatus,
    price::PriceMapError,
    reprice::Busy,
};

/// How long [`Collector::stop`] waits for what is in hand.
const PATIENCE: Duration = Duration::from_secs(10);
/// How large the dead letters of the calls log may grow before the pipeline stops.
const BAD_RECORDS_BYTES_MAX: u64 = 256 << 20;

/// What a collector works with and does not make itself.
pub struct Deps {
    /// The calls log, read by the group that is the collector's own.
    pub calls: Box<dyn bus::Reader>,
    /// The priced log, of which this collector is the only writer.
    pub priced: Arc<dyn bus::Log>,
    /// Where the books, the dead letters and the lanes keep their files.
    pub data: PathBuf,
    /// Who knows it may ask everything; without one the API is for this machine only.
    pub master_key: Option<Secret>,
    /// The kinds of sinks there are.
    pub registrations: &'static [Registration],
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// Why a collector does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("data directory `{}` cannot be used", path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The books cannot be opened.
    #[error("books cannot be opened")]
    Books(#[from] BooksError),
    /// The budget over everything makes no sense.
    #[error("`collector.budget` cannot be used")]
    Budget(#[from] event::BudgetError),
    /// The price map cannot be used.
    #[error(transparent)]
    PriceMap(#[from] PriceMapError),
    /// A sink cannot be opened.
    #[error(transparent)]
    Sink(#[from] SinkStartError),
    /// The client that all sinks share cannot be made.
    #[error("HTTP client for sinks cannot be made")]
    HttpClient(#[source] SinkError),
    /// Everybody on the network could read who spends what.
    #[error(
        "without a master key the collector listens on loopback addresses only, not on {0}: set a \
         master key, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The address is taken, or is not one of this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A running collector.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    books: Books,
    lanes: Vec<Arc<LaneStats>>,
    repricer: Repricer,
    tasks: Tasks,
}

impl Collector {
    /// Opens the books, the price map and every sink, then starts to work. What can be refused is
    /// refused before anything runs.
    ///
    /// # Errors
    /// If any of them cannot be used, or the address cannot be listened on.
    pub async fn start(config: Config, sinks: Sinks, deps: Deps) -> Result<Self, StartError> {
        if deps.master_key.is_none() && !config.listen.ip().is_loopback() {
            return Err(StartError::Open(config.listen));
        }
        let tasks = Tasks::default();
        let started = Self::start_tasks(&tasks, config, sinks, deps).await;
        if started.is_err() {
            tasks.stop(PATIENCE).await;
        }
        started
    }

    async fn start_tasks(
        tasks: &Tasks,
        config: Config,
        sinks: Sinks,
        deps: Deps,
    ) -> Result<Self, StartError> {
        let ready = Ready::make(tasks, &config, sinks, &deps).await?;
        let (books, prices, address) = (ready.books, ready.prices, ready.address);
        let (lanes, alerts) = (ready.lanes, ready.alerts);
        let metrics = Metrics::new(config.metrics_series_max, lanes.clone());
        let metrics = Arc::new(metrics.with_prices(prices.clone()));
        let (health, tap) = (Arc::new(Health::default()), Tap::new());
        let shared = Shared {
            log: Arc::clone(&deps.priced),
            alerts: alerts.clone(),
            metrics: Arc::clone(&metrics),
            tasks: tasks.clone(),
            directory: books.directory().clone(),
        };
        let controls = start_lanes(ready.opened, &deps.data, shared, &books).await?;
        let (repricer, corrections) = Repricer::new(reprice::Parts {
            books: books.clone(),
            prices: prices.clone(),
            log: Arc::clone(&deps.priced),
            alerts: alerts.clone(),
            tasks: tasks.clone(),
        });
        let api = api::Api {
            books: books.clone(),
            health: Arc::clone(&health),
            metrics: Arc::clone(&metrics),
            tap: tap.clone(),
            prices: prices.clone(),
            repricer: repricer.clone(),
            sinks: controls,
            master_key: deps.master_key,
            control_key: config.control_key,
            metrics_auth: config.metrics_auth,
            tasks: tasks.clone(),
        };
        tasks.spawn(api::serve(ready.listener, api));
        let pipeline = Pipeline {
            calls: deps.calls,
            priced: deps.priced,
            tail: None,
            books: books.clone(),
            pricer: Pricer::new(prices),
            bad_records: bad_records(&deps.data),
            alerts,
            metrics,
            health,
            tap,
            settle: config.settle,
            corrections,
        };
        tasks.spawn(pipeline.run(tasks.clone()));
        Ok(Self {
            address,
            books,
            lanes,
            repricer,
            tasks: tasks.clone(),
        })
    }

    /// Where the API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The books, for reading.
    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// What gateways are told of keys, users, teams and budgets.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        self.books.directory()
    }

    /// How far each sink is.
    #[must_use]
    pub fn sinks(&self) -> Vec<SinkStatus> {
        self.lanes.iter().map(|lane| lane.status()).collect()
    }

    /// Prices calls of the books again, under the prices that are in force, and waits for the end.
    /// `None` if the collector stops in between.
    ///
    /// # Errors
    /// If another job has not ended.
    pub async fn reprice(&self, order: reprice::Order) -> Result<Option<reprice::Report>, Busy> {
        let mut watched = self.repricer.start(order)?;
        Ok(reprice::ended(&mut watched).await)
    }

    /// Settles what the calls log holds and ends the attempts that are on their way, within ten
    /// seconds. A sink's batch that is not full yet is not delivered any more. What is left is where
    /// it was, in the logs, and the next start goes on with it.
    pub async fn stop(self) {
        if !self.tasks.stop(PATIENCE).await {
            tracing::warn!("collector stopped before everything in hand was done");
        }
        self.books.close().await;
    }
}

/// Where records of the calls log go that cannot be read.
fn bad_records(data: &Path) -> DeadLetters {
    let path = data.join("bad-records").join("calls.jsonl");
    DeadLetters::new(path, BAD_RECORDS_BYTES_MAX)
}

/// Starts the lanes, what looks for reasons for alerts, and what brings alerts into the log that
/// lanes read.
async fn start_lanes(
    opened: Vec<deliver::Opened>,
    data: &Path,
    shared: Shared,
    books: &Books,
) -> Result<Vec<Arc<deliver::Control>>, StartError> {
    let (alerts, log) = (shared.alerts.clone(), Arc::clone(&shared.log));
    let forwarder = Forwarder::new(books.clone(), alerts, log, data);
    shared.tasks.spawn(forwarder.run(shared.tasks.clone()));
    let watch = Watch::new(books.clone());
    shared.tasks.spawn(watch.run(shared.tasks.clone()));
    let mut controls = Vec::with_capacity(opened.len());
    for sink in opened {
        controls.push(sink.start(data, shared.clone()).await?);
    }
    Ok(controls)
}

/// What has been opened and does not run yet.
struct Ready {
    opened: Vec<deliver::Opened>,
    lanes: Vec<Arc<LaneStats>>,
    alerts: Alerts,
    prices: PriceMaps,
    books: Books,
    listener: TcpListener,
    address: SocketAddr,
}

impl Ready {
    async fn make(
        tasks: &Tasks,
        config: &Config,
        sinks: Sinks,
        deps: &Deps,
    ) -> Result<Self, StartError> {
        make_directory(&deps.data).await?;
        let env = environment(config.egress.clone())?;
        let opened = deliver::open(sinks, deps.registrations, &env, &deps.priced)?;
        let lanes = opened.iter().map(deliver::Opened::stats).collect();
        let books = Books::open(&deps.data.join("books.sqlite")).await?;
        let books = books.in_zone(config.budget_timezone.unwrap_or_default().0);
        control::tables::renew(&books).await?;
        let books = books.with_alerting(config.alerting.clone());
        // Before any event is settled: each counts in the budgets of its entities.
        control::tables::take(&books).await?;
        let alerts = Alerts::new(books.clone());
        let tools = Tools::new(env.http, &books, &alerts, &deps.data);
        let prices = PriceMaps::open(config.prices.clone(), tools, tasks).await?;
        let budget = config.budget.terms()?;
        control::tables::refresh(&books, &prices, budget.as_ref()).await?;
        let configured = (prices.clone(), budget);
        let follow = control::tables::follow(books.clone(), configured, tasks.clone());
        tasks.spawn(follow);
        let (listener, address) = listen(config.listen).await?;
        tracing::info!(%address, "collector listening");
        Ok(Self {
            opened,
            lanes,
            alerts,
            prices,
            books,
            listener,
            address,
        })
    }
}

/// Opens every sink without starting anything: what can be refused in a configuration is refused.
///
/// # Errors
/// If a sink is of an unknown kind, its settings cannot be used, or the price map's URL is not
/// allowed.
pub fn check(
    config: &Config,
    sinks: &Sinks,
    registrations: &'static [Registration],
) -> Result<(), StartError> {
    let env = environment(config.egress.clone())?;
    if let Some(url) = &config.prices.url {
        env.http.check(url).map_err(PriceMapError::Forbidden)?;
    }
    let log: Arc<dyn bus::Log> = Arc::new(bus::MemoryLog::new());
    deliver::open(sinks.clone(), registrations, &env, &log)?;
    Ok(())
}

/// What sinks are given.
fn environment(egress: sink::egress::EgressPolicy) -> Result<SinkEnv, StartError> {
    let options = sink::http::HttpOptions {
        egress,
        ..Default::default()
    };
    let http = sink::http::HttpClient::new(options).map_err(StartError::HttpClient)?;
    Ok(SinkEnv {
        http,
        clock: sink::Clock::new(clock::now),
    })
}

async fn make_directory(path: &Path) -> Result<(), StartError> {
    let unusable = |source| StartError::Data {
        path: path.to_owned(),
        source,
    };
    tokio::fs::create_dir_all(path).await.map_err(unusable)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

#[cfg(test)]
mod samples;
