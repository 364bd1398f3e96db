//! What models cost: shows, compares and updates price maps, and prices calls without a gateway.

mod calculate;
mod diff;
mod maps;
mod show;

use std::process::ExitCode;

use anyhow::bail;
use reqwest::Method;
use serde::Deserialize;

use crate::{
    args::{PricesCommand, PricesUpdate},
    say, say_error,
    text::plain,
};

/// Exit codes of `prices diff`, as those of `diff`.
const DIFFERENT: u8 = 1;
const TROUBLE: u8 = 2;

/// Does what is asked.
///
/// # Errors
///
/// If a map cannot be read, a model has no entry, or an update was refused.
pub(crate) async fn prices(command: &PricesCommand) -> anyhow::Result<ExitCode> {
    match command {
        PricesCommand::Show(options) => show::show(options).await?,
        PricesCommand::Update(options) => update(options).await?,
        PricesCommand::Calculate(options) => calculate::calculate(options).await?,
        PricesCommand::Diff(options) => {
            return Ok(match diff::diff(options).await {
                Ok(diff::Found::Same) => ExitCode::SUCCESS,
                Ok(diff::Found::Different) => ExitCode::from(DIFFERENT),
                Err(error) => {
                    say_error(&error);
                    ExitCode::from(TROUBLE)
                }
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the collector answers to an update.
#[derive(Deserialize)]
struct Updated {
    version: String,
    sources: Vec<Source>,
}

#[derive(Deserialize)]
struct Source {
    layer: String,
    verdict: String,
    #[serde(default)]
    reasons: Vec<String>,
}

/// Has the collector look for new prices now.
async fn update(options: &PricesUpdate) -> anyhow::Result<()> {
    let body = serde_json::json!({ "confirm": options.confirm });
    let remote = &options.remote;
    let answer = remote
        .send(Method::POST, "/prices/update", Some(&body))
        .await?;
    let updated: Updated = serde_json::from_slice(&answer.bytes().await?)?;
    if updated.sources.is_empty() {
        say(
            "neither `collector.prices.file` nor `collector.prices.url` is set: the prices are those of the program",
        );
    }
    for source in &updated.sources {
        say(&format!("{}: {}", source.layer, source.verdict));
        for reason in &source.reasons {
            say(&format!("  {}", plain(reason)));
        }
    }
    say(&format!("in force: {}", plain(&updated.version)));
    if updated
        .sources
        .iter()
        .any(|source| source.verdict == "refused")
    {
        bail!("a price map was refused; --confirm takes one that is only doubtful");
    }
    Ok(())
}
