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
    #[serde(default)]
    reasons_left_out: usize,
    #[serde(default)]
    confirmable: bool,
}

/// What `GET /prices` says of maps that were refused.
#[derive(Deserialize)]
struct Status {
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    sha256: Option<String>,
    confirmable: bool,
}

/// Has the collector look for new prices now.
async fn update(options: &PricesUpdate) -> anyhow::Result<()> {
    let remote = &options.remote;
    let mut confirm = Vec::new();
    if options.confirm {
        let answer = remote.get("/prices").await?.bytes().await?;
        let status: Status = serde_json::from_slice(&answer)?;
        let confirmable = status.refused.into_iter().filter(|map| map.confirmable);
        confirm.extend(confirmable.filter_map(|map| map.sha256));
    }
    let body = serde_json::json!({ "confirm": confirm });
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
        if source.reasons_left_out > 0 {
            say(&format!("  … and {} more", source.reasons_left_out));
        }
    }
    say(&format!("in force: {}", plain(&updated.version)));
    let mut refused = updated
        .sources
        .iter()
        .filter(|map| map.verdict == "refused");
    let Some(first) = refused.next() else {
        return Ok(());
    };
    if first.confirmable || refused.any(|map| map.confirmable) {
        bail!("a price map was refused; if it is right, `prices update --confirm` takes it");
    }
    bail!("a price map was refused")
}
