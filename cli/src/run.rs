//! Starts and stops the servers.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use bus::{BusError, Journal, JournalReader, Log, Reader};
use collector::{Collector, Deps, PriceMapError, SinkStartError, StartError};
use gateway::{Gateway, config::ControlSettings};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    args::{self, Check, CollectorAddress, GatewayAddress, Place, Up},
    config::Config,
    environment, files, say,
};

/// The cursor of the collector in the calls log.
const COLLECTOR: &str = "collector";

/// The kinds of sinks there are.
type Kinds = &'static [sink::Registration];

/// Runs gateway and collector until the process is told to stop.
pub(crate) async fn up(options: &Up, kinds: Kinds) -> anyhow::Result<()> {
    let gateway = Some(&options.gateway);
    let collector = Some((&options.collector, kinds));
    serve(&options.place, gateway, collector).await
}

/// Runs a gateway until the process is told to stop.
pub(crate) async fn gateway(options: &args::Gateway) -> anyhow::Result<()> {
    serve(&options.place, Some(&options.address), None).await
}

/// Runs a collector until the process is told to stop.
pub(crate) async fn collector(options: &args::Collector, kinds: Kinds) -> anyhow::Result<()> {
    serve(&options.place, None, Some((&options.address, kinds))).await
}

/// Runs the servers that have an address.
async fn serve(
    place: &Place,
    gateway: Option<&GatewayAddress>,
    collector: Option<(&CollectorAddress, Kinds)>,
) -> anyhow::Result<()> {
    let config = Config::load(place.config.as_deref(), &environment)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut stop = Signals::new()?;
    std::fs::create_dir_all(&place.data)
        .with_context(|| format!("cannot make the directory `{}`", place.data.display()))?;
    let calls = match gateway {
        Some(_) => {
            let journal = open_journal(place, "bus/calls", &config)?;
            // From the first call on, so that nothing goes before a collector has read it.
            drop(journal.reader(COLLECTOR)?);
            Calls::Written(Arc::new(journal))
        }
        None => Calls::Read,
    };
    let collector = match collector {
        Some(collector) => Some(start_collector(place, collector, &config, &calls).await?),
        None => None,
    };
    let gateway = match (gateway, &calls) {
        (Some(address), Calls::Written(journal)) => {
            let here = collector
                .as_ref()
                .map(|collector| format!("http://{}", collector.address()));
            let control = control(place, &config, here);
            Some(start_gateway(place, address, &config, (journal, control)).await?)
        }
        _ => None,
    };
    if place.config.is_none() && gateway.is_some() {
        say("no --config: serving the demo model `demo`, which needs no provider account");
    }
    stop.wait().await;
    tracing::info!("stopping");
    // The gateway first, so that the collector still settles its last calls.
    if let Some(gateway) = gateway {
        gateway.stop().await;
    }
    if let Some(collector) = collector {
        collector.stop().await;
    }
    Ok(())
}

/// Reads the configuration and says what is wrong with it.
pub(crate) fn check(options: &Check, kinds: Kinds) -> anyhow::Result<()> {
    let config = Config::load(Some(&options.config), &environment)?;
    for warning in &config.warnings {
        say(&format!("warning: {warning}"));
    }
    if let Some(path) = &config.collector.prices.file {
        check_price_map(path).with_context(|| config.place("collector.prices.file"))?;
    }
    collector::check(&config.collector, &config.sinks, kinds)
        .map_err(|error| not_started(error, &config))?;
    say(&format!(
        "fine: {}, {}",
        count(config.gateway.deployments.len(), "deployment"),
        count(config.sinks.len(), "sink"),
    ));
    Ok(())
}

fn check_price_map(path: &Path) -> anyhow::Result<()> {
    let shown = path.display().to_string();
    let bytes =
        std::fs::read(path).with_context(|| format!("price map `{shown}` cannot be read"))?;
    cost_map::PriceMap::parse(&bytes, &shown)
        .with_context(|| format!("price map `{shown}` cannot be used"))?;
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// A collector that does not start, with what to do about it.
fn not_started(error: StartError, config: &Config) -> anyhow::Error {
    let place = match &error {
        StartError::Listen { .. } => {
            return with_advice(error, "choose another address with --collector-listen");
        }
        StartError::PriceMap(PriceMapError::Forbidden(_)) => {
            Some(config.place("collector.prices.url"))
        }
        StartError::PriceMap(PriceMapError::Store { .. }) => None,
        StartError::PriceMap(_) => Some(config.place("collector.prices.file")),
        StartError::Sink(sink) => {
            sink_name(sink).map(|name| config.place(&format!("sinks.{name}")))
        }
        _ => None,
    };
    match place {
        Some(place) => anyhow::Error::from(error).context(place),
        None => error.into(),
    }
}

/// The user's name for a sink that cannot be opened.
fn sink_name(error: &SinkStartError) -> Option<&str> {
    match error {
        SinkStartError::Name(name)
        | SinkStartError::UnknownKind { name, .. }
        | SinkStartError::Open { name, .. }
        | SinkStartError::Send { name, .. }
        | SinkStartError::Begin { name, .. } => Some(name),
        _ => None,
    }
}

/// What went wrong, and then what to do.
fn with_advice(error: impl Into<anyhow::Error>, advice: &str) -> anyhow::Error {
    anyhow::anyhow!("{:#}; {advice}", error.into())
}

/// The calls log, as this process uses it.
enum Calls {
    /// This process runs the gateway, which writes it.
    Written(Arc<Journal>),
    /// Another process does.
    Read,
}

impl Calls {
    fn reader(&self, data: &Path) -> anyhow::Result<Box<dyn Reader>> {
        match self {
            Self::Written(journal) => Ok(journal.reader(COLLECTOR)?),
            Self::Read => {
                let reader = JournalReader::open(&data.join("bus/calls"), COLLECTOR)?;
                Ok(Box::new(reader))
            }
        }
    }
}

fn open_journal(place: &Place, name: &str, config: &Config) -> anyhow::Result<Journal> {
    let folder = place.data.join(name);
    Journal::open(&folder, config.bus.journal.options()).map_err(|error| match error {
        BusError::Locked { .. } => anyhow::anyhow!(
            "another process uses the data directory `{}`; stop it, or choose another directory \
             with --data",
            place.data.display()
        ),
        error => anyhow::Error::from(error)
            .context(format!("cannot open the journal `{}`", folder.display())),
    })
}

/// The collector that a gateway follows: the one of this process, else the one that the
/// configuration names.
fn control(place: &Place, config: &Config, here: Option<String>) -> Option<ControlSettings> {
    let url = here.or_else(|| config.gateway.settings.collector.clone())?;
    Some(ControlSettings {
        url,
        secret: config
            .collector
            .control_key
            .clone()
            .or_else(|| config.gateway.master_key.clone()),
        file: place.data.join("control.json"),
    })
}

async fn start_gateway(
    place: &Place,
    address: &GatewayAddress,
    config: &Config,
    (journal, control): (&Arc<Journal>, Option<ControlSettings>),
) -> anyhow::Result<Gateway> {
    let log: Arc<dyn Log> = Arc::clone(journal) as Arc<dyn Log>;
    let mut settings = config.gateway.clone();
    settings.cache.place_under(&place.data);
    settings.control = control;
    let clients_max = files::clients_max();
    if settings.settings.connections_max > clients_max {
        tracing::warn!(
            clients_max,
            "`gateway.connections_max` is lowered to the limit of open files"
        );
        settings.settings.connections_max = clients_max;
    }
    let gateway = Gateway::start(settings, address.listen, log)
        .await
        .map_err(|error| match error {
            gateway::StartError::Listen { .. } => {
                with_advice(error, "choose another address with --listen")
            }
            error => error.into(),
        })?;
    say(&format!(
        "gateway listening on http://{}",
        gateway.address()
    ));
    Ok(gateway)
}

async fn start_collector(
    place: &Place,
    (address, kinds): (&CollectorAddress, Kinds),
    config: &Config,
    calls: &Calls,
) -> anyhow::Result<Collector> {
    let mut settings = config.collector.clone();
    if let Some(listen) = address.collector_listen {
        settings.listen = listen;
    }
    let deps = Deps {
        calls: calls.reader(&place.data)?,
        priced: Arc::new(open_journal(place, "bus/priced", config)?),
        data: place.data.clone(),
        master_key: config.gateway.master_key.clone(),
        registrations: kinds,
    };
    let collector = Collector::start(settings, config.sinks.clone(), deps)
        .await
        .map_err(|error| not_started(error, config))?;
    say(&format!(
        "collector listening on http://{}",
        collector.address()
    ));
    Ok(collector)
}

/// What tells the program to stop.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self {
            terminate,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
