//! The `tollkeeper` program.

mod args;
mod config;
mod explain;
mod remote;
mod run;
mod tap;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::args::{Arguments, Command};

/// A call makes some two hundred small allocations; this allocator takes half the time that the
/// system's takes for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn execute(arguments: Arguments) -> anyhow::Result<()> {
    log(&arguments)?;
    // The one implementation of cryptography in this program; the second time is refused, and is
    // the same.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    match arguments.command {
        Command::Up(options) => run::serve(&options, run::Part::Both).await,
        Command::Gateway(options) => run::serve(&options, run::Part::Gateway).await,
        Command::Collector(options) => run::serve(&options, run::Part::Collector).await,
        Command::Check(check) => run::check(&check),
        Command::Explain(options) => explain::explain(&options).await,
        Command::Tap(options) => tap::tap(&options).await,
    }
}

fn log(arguments: &Arguments) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&arguments.log)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
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

#[expect(
    clippy::print_stdout,
    reason = "what the program says to whoever ran it"
)]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "what went wrong, for whoever ran it")]
fn say_error(error: &anyhow::Error) {
    eprintln!("tollkeeper: {error:#}");
}
