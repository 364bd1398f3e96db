//! Starts and stops the servers.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use bus::{Journal, JournalReader, Log, Reader};
use collector::{Collector, Deps};
use gateway::Gateway;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    args::{Check, Run},
    config::Config,
    environment, say,
};

/// Which servers to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Both,
    Gateway,
    Collector,
}

/// The cursor of the collector in the calls log.
const COLLECTOR: &str = "collector";

/// Runs until the process is told to stop.
pub(crate) async fn serve(options: &Run, part: Part) -> anyhow::Result<()> {
    let config = Config::load(options.config.as_deref(), &environment)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut stop = Signals::new()?;
    std::fs::create_dir_all(&options.data)
        .with_context(|| format!("cannot make the directory `{}`", options.data.display()))?;
    let calls = Calls::open(options, &config, part)?;
    let collector = match part {
        Part::Gateway => None,
        Part::Both | Part::Collector => Some(start_collector(options, &config, &calls).await?),
    };
    let gateway = match &calls {
        Calls::Written(journal) => Some(start_gateway(options, &config, journal).await?),
        Calls::Read => None,
    };
    if options.config.is_none() && gateway.is_some() {
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
pub(crate) fn check(options: &Check) -> anyhow::Result<()> {
    let config = Config::load(Some(&options.config), &environment)?;
    for warning in &config.warnings {
        say(&format!("warning: {warning}"));
    }
    collector::check_sinks(&config.collector, &config.sinks, sinks::ALL)?;
    let models = config.gateway.deployments.len();
    say(&format!(
        "fine: {models} deployments, {} sinks",
        config.sinks.len()
    ));
    Ok(())
}

/// The calls log, as this process uses it.
enum Calls {
    /// This process runs the gateway, which writes it.
    Written(Arc<Journal>),
    /// Another process does.
    Read,
}

impl Calls {
    fn open(options: &Run, config: &Config, part: Part) -> anyhow::Result<Self> {
        if part == Part::Collector {
            return Ok(Self::Read);
        }
        let folder = options.data.join("bus/calls");
        open_journal(&folder, config).map(|journal| Self::Written(Arc::new(journal)))
    }

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

fn open_journal(folder: &Path, config: &Config) -> anyhow::Result<Journal> {
    Journal::open(folder, config.bus.journal.options())
        .with_context(|| format!("cannot open the journal `{}`", folder.display()))
}

async fn start_gateway(
    options: &Run,
    config: &Config,
    journal: &Arc<Journal>,
) -> anyhow::Result<Gateway> {
    let log: Arc<dyn Log> = Arc::clone(journal) as Arc<dyn Log>;
    let gateway = Gateway::start(config.gateway.clone(), options.listen, log).await?;
    say(&format!(
        "gateway listening on http://{}",
        gateway.address()
    ));
    Ok(gateway)
}

async fn start_collector(
    options: &Run,
    config: &Config,
    calls: &Calls,
) -> anyhow::Result<Collector> {
    let mut settings = config.collector.clone();
    if let Some(listen) = options.collector_listen {
        settings.listen = listen;
    }
    let priced = open_journal(&options.data.join("bus/priced"), config)?;
    let deps = Deps {
        calls: calls.reader(&options.data)?,
        priced: Arc::new(priced),
        data: options.data.clone(),
        master_key: config.gateway.master_key.clone(),
        registrations: sinks::ALL,
    };
    let collector = Collector::start(settings, config.sinks.clone(), deps).await?;
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
