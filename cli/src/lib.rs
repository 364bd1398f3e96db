//! The `tollkeeper` program, to be run with sinks of one's own: see [`main_with`].

mod args;
mod config;
mod explain;
mod files;
mod prices;
mod remote;
mod reprice;
mod run;
mod sinks;
mod tap;
mod text;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser as _;
use sink::Registration;
use tracing_subscriber::EnvFilter;

use crate::args::{Arguments, Command};

/// Runs the program with the sinks that come with it and `more`, kinds that somebody else wrote:
/// all of its commands, the gateway and the collector.
#[must_use]
pub fn main_with(more: &'static [Registration]) -> ExitCode {
    run_with(more)
}

#[tokio::main]
async fn run_with(more: &'static [Registration]) -> ExitCode {
    let arguments = Arguments::parse();
    let all = [::sinks::ALL, more].concat();
    // Once, and for as long as the program runs.
    match execute(arguments, all.leak()).await {
        Ok(code) => code,
        Err(error) => {
            say_error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn execute(arguments: Arguments, kinds: &'static [Registration]) -> anyhow::Result<ExitCode> {
    log(&arguments)?;
    // The one implementation of cryptography in this program; the second time is refused, and is
    // the same.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    match arguments.command {
        Command::Up(options) => run::up(&options, kinds).await?,
        Command::Gateway(options) => run::gateway(&options).await?,
        Command::Collector(options) => run::collector(&options, kinds).await?,
        Command::Check(check) => run::check(&check, kinds)?,
        Command::Explain(options) => explain::explain(&options).await?,
        Command::Reprice(options) => reprice::reprice(&options).await?,
        Command::Tap(options) => tap::tap(&options).await?,
        Command::Prices(command) => return prices::prices(&command).await,
        Command::Sinks(command) => sinks::sinks(&command).await?,
        Command::Dlq(command) => sinks::dlq(&command).await?,
        Command::Replay(options) => sinks::replay(&options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn log(arguments: &Arguments) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&arguments.log)
        .with_context(|| format!("`--log {}` is not such as `info,bus=debug`", arguments.log))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    if arguments.log_json {
        builder.json().init();
    } else {
        builder.init();
    }
    Ok(())
}

/// The process's environment; everything else is given what it needs of it.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Prints a line; a server goes on when nobody reads what it prints.
fn say(text: &str) {
    drop(print(text));
}

/// Prints a line.
fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

#[expect(clippy::print_stderr, reason = "what went wrong, for whoever ran it")]
fn say_error(error: &anyhow::Error) {
    eprintln!("tollkeeper: {error:#}");
}
