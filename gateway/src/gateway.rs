//! The gateway as a whole: what all calls share, and its start and stop.

use std::{
    net::SocketAddr,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use bus::{BusError, Log, Position};
use cost_map::PriceMap;
use egress::EgressPolicy;
use event::{Timestamp, control::Known};
use rustls::ClientConfig;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::{Rates, Recent},
    cache::Cache,
    call::StartedRecord,
    clock::{self, Clock},
    config::Config,
    control::Control,
    credentials::Credentials,
    manage::Collector,
    media::MediaClient,
    metrics::Metrics,
    open_calls::{OpenCalls, Recovered, Recovery},
    routing::Groups,
    serve,
    tasks::{self, Tasks},
    turn::Turn,
    unwritten::Unwritten,
    upstream::{self, Upstream},
    workers::Workers,
};

/// Microseconds for which a refusal of the journal makes the gateway not ready. Afterwards it is
/// tried again: calls are the only thing that shows whether the journal takes them.
const REFUSAL_COUNTS: i64 = 5_000_000;

/// How often cursors are moved and unwritten events tried again.
const UPKEEP: Duration = Duration::from_secs(1);

/// What the calls of one worker share.
pub(crate) struct Shared {
    pub(crate) core: Arc<Core>,
    pub(crate) upstream: Upstream,
    pub(crate) tasks: Tasks,
    pub(crate) turn: Turn,
    /// Whether calls that end now end because the gateway does.
    pub(crate) stopping: AtomicBool,
}

impl Deref for Shared {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

/// What all calls share.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) groups: Groups,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) open_calls: OpenCalls,
    pub(crate) unwritten: Unwritten,
    pub(crate) cache: Cache,
    pub(crate) credentials: Credentials,
    pub(crate) media: MediaClient,
    pub(crate) metrics: Metrics,
    pub(crate) control: Arc<Control>,
    /// Where requests about keys and budgets go on to.
    pub(crate) collector: Option<Collector>,
    pub(crate) rates: Rates,
    pub(crate) recent: Recent,
    pub(crate) clock: Clock,
    /// When the journal last refused a record, in microseconds since the epoch.
    pub(crate) refused_at: AtomicI64,
}

impl Core {
    /// Goes on with what the last run left.
    fn took_over(&self, aborted: usize, unwritten: Vec<(Position, Vec<u8>)>) {
        let aborted = u64::try_from(aborted).unwrap_or(u64::MAX);
        self.metrics.aborted_at_start.inc_by(aborted);
        for (position, record) in unwritten {
            let ticket = self.open_calls.reopen(position);
            let started = Some(StartedRecord { position, ticket });
            self.unwritten.keep(started, record);
        }
    }

    /// What whoever calls now is judged by.
    pub(crate) fn who_calls(&self) -> (Arc<Known>, Timestamp) {
        (self.control.known(), (self.clock)())
    }

    /// Notes that the journal refused a record.
    pub(crate) fn journal_refused(&self) {
        self.metrics.journal_errors.inc();
        self.refused_at
            .store((self.clock)().micros(), Ordering::Relaxed);
    }

    /// Whether the journal refused a record in the last seconds.
    pub(crate) fn journal_refuses(&self) -> bool {
        let refused_at = Timestamp::from_micros(self.refused_at.load(Ordering::Relaxed));
        (self.clock)().since(refused_at).micros() < REFUSAL_COUNTS
    }
}

/// A gateway that is serving.
pub struct Gateway {
    core: Arc<Core>,
    address: SocketAddr,
    stop: CancellationToken,
    server: TaskTracker,
    workers: Workers,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Without a key everybody who reaches the port may spend.
    #[error(
        "refusing to listen on `{0}` without `general_settings.master_key`: set one, or listen on \
         127.0.0.1"
    )]
    Open(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system's certificates.
    #[error("cannot read the system's certificates: is `ca-certificates` installed?")]
    Certificates(#[source] std::io::Error),
    /// The response cache.
    #[error(transparent)]
    Cache(Box<dyn std::error::Error + Send + Sync>),
    /// The system has no more threads.
    #[error("cannot start a worker")]
    Worker(#[source] std::io::Error),
    /// The journal.
    #[error("cannot read the calls of the last run from the journal")]
    Journal(#[from] BusError),
}

impl Core {
    fn open(
        config: Config,
        log: Arc<dyn Log>,
        (clock, tls): (Clock, &ClientConfig),
        control: Arc<Control>,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        let cache = Cache::open(config.cache.clone(), metrics.cache.clone());
        Ok(Self {
            groups: Groups::new(&config),
            cache: cache.map_err(|error| StartError::Cache(Box::new(error)))?,
            media: MediaClient::new(tls, egress(&config)),
            collector: Collector::of(&config, tls),
            config,
            log,
            open_calls: OpenCalls::default(),
            unwritten: Unwritten::default(),
            credentials: Credentials::default(),
            metrics,
            control,
            rates: Rates::default(),
            recent: Recent::default(),
            clock,
            refused_at: AtomicI64::new(0),
        })
    }
}

impl Gateway {
    /// Closes what the last run left open, binds `listen`, and serves.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound or the journal cannot be read.
    pub async fn start(
        config: Config,
        listen: SocketAddr,
        log: Arc<dyn Log>,
    ) -> Result<Self, StartError> {
        if config.master_key.is_none() && !listen.ip().is_loopback() {
            return Err(StartError::Open(listen));
        }
        let clock: Clock = clock::system;
        // Read now, and not by the first call that is priced.
        let _prices = PriceMap::bundled();
        let Recovered {
            mut recovery,
            closed,
            unwritten,
        } = Recovery::run(&*log, clock())?;
        let aborted = closed + unwritten.len();
        if aborted > 0 {
            tracing::warn!(calls = aborted, "closed calls that died with the last run");
        }
        let listener = bind(listen).await?;
        let address = listener.local_addr().map_err(|source| StartError::Listen {
            address: listen,
            source,
        })?;
        let tls = upstream::tls().map_err(StartError::Certificates)?;
        let (stop, server) = (CancellationToken::new(), TaskTracker::new());
        let followed = config.control.as_ref();
        let control = Control::start(followed, (&log, clock), &tls, (&server, &stop)).await;
        let core = Arc::new(Core::open(config, log, (clock, &tls), control)?);
        core.took_over(aborted, unwritten);
        recovery.advance(&core.open_calls, &*core.log)?;
        let (workers, hand) = Workers::start(&core, &tls).map_err(StartError::Worker)?;
        let upkeep = keep_up(Arc::clone(&core), recovery, stop.clone());
        tasks::spawn_on(&server, upkeep);
        let accept = serve::accept(Arc::clone(&core), listener, hand, stop.clone());
        tasks::spawn_on(&server, accept);
        Ok(Self {
            core,
            address,
            stop,
            server,
            workers,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more calls, lets those in flight end within `drain_timeout`, and writes the events
    /// of those that did not.
    pub async fn stop(self) {
        self.stop.cancel();
        self.server.close();
        self.server.wait().await;
        self.workers.end().await;
        self.core.unwritten.retry(&self.core);
    }
}

/// Where addresses that clients name may lead.
fn egress(config: &Config) -> EgressPolicy {
    if config.fetches_anywhere {
        EgressPolicy::anywhere()
    } else {
        EgressPolicy::public()
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })
}

/// Moves the cursor in front of the open calls, and tries unwritten events again.
async fn keep_up(core: Arc<Core>, mut recovery: Recovery, stop: CancellationToken) {
    loop {
        let stopped = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(UPKEEP) => false,
        };
        core.unwritten.retry(&core);
        let open = i64::try_from(core.open_calls.count()).unwrap_or(i64::MAX);
        core.metrics.open_calls.set(open);
        if let Err(error) = recovery.advance(&core.open_calls, &*core.log) {
            tracing::warn!(error = &error as &dyn std::error::Error, "cursor not moved");
        }
        if stopped {
            return;
        }
    }
}
