//! The command line of what is asked of sinks.

use clap::{Args, Subcommand};

use super::Remote;

/// What to do with sinks.
#[derive(Debug, Subcommand)]
pub(crate) enum SinksCommand {
    /// Show how far each sink is: events by their fate, lag, circuit, dead letters
    List(SinksList),
    /// Ask each destination whether it would take something; exits with 1 if one would not
    Check(SinksCheck),
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct SinksList {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What to ask.
#[derive(Debug, Args)]
pub(crate) struct SinksCheck {
    /// The sinks, as the configuration names them [default: all of them]
    #[arg(value_name = "SINK")]
    pub(crate) sinks: Vec<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What to do with dead letters: events that a destination will not take.
#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List the dead letters of a sink
    List(DlqList),
    /// Show one dead letter as JSON, with its event as the sink would have got it
    Show(DlqShow),
    /// Have dead letters delivered once more
    Retry(DlqSome),
    /// Throw dead letters away
    Drop(DlqSome),
}

/// Which letters to list.
#[derive(Debug, Args)]
pub(crate) struct DlqList {
    /// The sink, as the configuration names it
    pub(crate) sink: String,
    /// Only those that failed so: `refused`, `too_large`, `unreadable`
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Leave out so many, the oldest
    #[arg(long, default_value_t = 0)]
    pub(crate) skip: u64,
    /// Show so many
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Which letter to show.
#[derive(Debug, Args)]
pub(crate) struct DlqShow {
    /// The sink, as the configuration names it
    pub(crate) sink: String,
    /// The letter: its position, as `dlq list` shows it
    pub(crate) position: u64,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Which letters are meant.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true)))]
pub(crate) struct DlqSome {
    /// The sink, as the configuration names it
    pub(crate) sink: String,
    /// The letters: their positions, as `dlq list` shows them
    #[arg(value_name = "POSITION", group = "which")]
    pub(crate) positions: Vec<u64>,
    /// Those that failed so: `refused`, `too_large`, `unreadable`
    #[arg(long, group = "which")]
    pub(crate) kind: Option<String>,
    /// All of them
    #[arg(long, group = "which", conflicts_with_all = ["positions", "kind"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What to deliver once more. Dates are `2026-11-20` or RFC 3339.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The sink, as the configuration names it
    pub(crate) sink: String,
    /// Calls that ended then or later
    #[arg(long, value_name = "DATE")]
    pub(crate) since: String,
    /// Calls that ended before then; a day belongs to the range
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<String>,
    /// Only those that fit: `team`, `key`, `model`, `provider`, `tag` (a name, or its beginning and
    /// `*`; may be repeated), `status`, `cost_min`, `cost_max`
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    pub(crate) conditions: Vec<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}
