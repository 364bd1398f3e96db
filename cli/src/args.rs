//! The command line.

mod sinks;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

pub(crate) use self::sinks::{
    DlqCommand, DlqList, DlqSome, Replay, SinksCheck, SinksCommand, SinksList,
};

/// A gateway for LLM calls that writes every call down and keeps the books.
///
/// `tollkeeper up` runs everything in one process; without a configuration it serves a demo model.
#[derive(Debug, Parser)]
#[command(name = "tollkeeper", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What to log: `error`, `warn`, `info`, `debug`, or by module: `info,bus=debug`
    #[arg(
        long,
        global = true,
        default_value = "info",
        env = "TOLLKEEPER_LOG",
        value_name = "FILTER"
    )]
    pub(crate) log: String,
    /// Log one JSON object a line
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run gateway and collector in one process
    Up(Up),
    /// Run a gateway alone: it writes calls to the journal in the data directory
    Gateway(Gateway),
    /// Run a collector alone: it reads the journal that a gateway writes
    Collector(Collector),
    /// Read the configuration, open its sinks, and say what is wrong; connects nowhere
    Check(Check),
    /// Explain what a call cost: its line items, unit prices, and the price-map entry
    Explain(Explain),
    /// Price calls of the books that have no price, or all, by the prices in force now
    Reprice(Reprice),
    /// Show calls as they are settled, one JSON object a line
    Tap(Tap),
    /// Show, compare and update the prices of models
    #[command(subcommand)]
    Prices(PricesCommand),
    /// Show how far sinks are, and whether their destinations answer
    #[command(subcommand)]
    Sinks(SinksCommand),
    /// Look through dead letters: events that a destination will not take; retry or drop them
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Deliver a stretch of the log to a sink once more
    Replay(Replay),
}

/// Both servers.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) gateway: GatewayAddress,
    #[command(flatten)]
    pub(crate) collector: CollectorAddress,
}

/// A gateway alone.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) address: GatewayAddress,
}

/// A collector alone.
#[derive(Debug, Args)]
pub(crate) struct Collector {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) address: CollectorAddress,
}

/// Where a server finds its things.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The configuration: LiteLLM's `config.yaml`, with our sections beside theirs
    #[arg(long, short, env = "TOLLKEEPER_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The directory of the journals and the books
    #[arg(
        long,
        env = "TOLLKEEPER_DATA",
        default_value = "data",
        value_name = "DIR"
    )]
    pub(crate) data: PathBuf,
}

/// Where a gateway listens.
#[derive(Debug, Args)]
pub(crate) struct GatewayAddress {
    /// Where the gateway listens; beyond this machine only with a master key
    #[arg(long, default_value = "127.0.0.1:4000", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
}

/// Where a collector listens.
#[derive(Debug, Args)]
pub(crate) struct CollectorAddress {
    /// Where the collector listens [default: `collector.listen` of the configuration, 127.0.0.1:4001]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) collector_listen: Option<SocketAddr>,
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The configuration
    #[arg(long, short, env = "TOLLKEEPER_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// How to reach a collector.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The collector's address
    #[arg(
        long,
        env = "TOLLKEEPER_COLLECTOR",
        default_value = "http://127.0.0.1:4001",
        value_name = "URL"
    )]
    pub(crate) collector: String,
    /// The master key
    #[arg(
        long,
        env = "LITELLM_MASTER_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub(crate) key: Option<String>,
}

/// Which call to explain.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The call: the header `x-litellm-call-id` of its answer
    #[arg(value_name = "CALL_ID")]
    pub(crate) call: String,
    /// Print the record as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Which calls to price again. Dates are `2026-11-20` or RFC 3339.
#[derive(Debug, Args)]
pub(crate) struct Reprice {
    /// Calls that started then or later
    #[arg(long, value_name = "DATE")]
    pub(crate) since: String,
    /// Calls that started before then; a day belongs to the range
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<String>,
    /// Only calls of this model, as the provider or the client names it (`openai/gpt-4o`, `gpt-4o`);
    /// may be repeated
    #[arg(long = "model", value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    /// Correct calls that have a price as well: after a map that was wrong. What they cost becomes
    /// what they would cost under the map in force now
    #[arg(long)]
    pub(crate) all: bool,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct Tap {
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What to do with prices.
#[derive(Debug, Subcommand)]
pub(crate) enum PricesCommand {
    /// Show what a model costs, and by which entry of the price map
    Show(PricesShow),
    /// Show what changes from one price map to another; exits with 1 if anything does
    Diff(PricesDiff),
    /// Have the collector look for new prices now
    Update(PricesUpdate),
    /// Price calls: one JSON object a line from stdin, one answer a line to stdout
    Calculate(PricesCalculate),
}

/// Which price map.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// A price map over the one that is compiled in
    #[arg(long, value_name = "FILE|URL", conflicts_with = "running")]
    pub(crate) map: Option<String>,
    /// The price map that the collector prices by; for a call of an earlier time, the one of then
    #[arg(long)]
    pub(crate) running: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What to price calls by.
#[derive(Debug, Args)]
pub(crate) struct PricesCalculate {
    /// A configuration: its discounts and margins are applied
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) choice: Choice,
}

/// Which model to show.
#[derive(Debug, Args)]
pub(crate) struct PricesShow {
    /// The model, as a call names it
    pub(crate) model: String,
    /// Its provider, by LiteLLM's name
    #[arg(long)]
    pub(crate) provider: Option<String>,
    #[command(flatten)]
    pub(crate) choice: Choice,
}

/// Which price maps to compare.
#[derive(Debug, Args)]
pub(crate) struct PricesDiff {
    /// The new price map [default: $LITELLM_MODEL_COST_MAP_URL, or what LiteLLM publishes]
    #[arg(value_name = "FILE|URL")]
    pub(crate) new: Option<String>,
    /// The old price map [default: the one that is compiled in]
    #[arg(long, value_name = "FILE|URL", conflicts_with = "running")]
    pub(crate) against: Option<String>,
    /// The old price map is the one that the collector prices by
    #[arg(long)]
    pub(crate) running: bool,
    /// Compare the new price map as it is, not laid over the one that is compiled in
    #[arg(long)]
    pub(crate) alone: bool,
    /// Show everything, not only the beginning of each group
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// How to update.
#[derive(Debug, Args)]
pub(crate) struct PricesUpdate {
    /// Take the maps that were refused, as `GET /prices` names them, whatever speaks against them;
    /// not those that have taken their place since
    #[arg(long)]
    pub(crate) confirm: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}
