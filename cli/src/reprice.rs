//! Has calls priced again, and shows what came of it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use event::Usd;
use serde::Deserialize;
use serde_json::json;

use crate::{args::Reprice, say};

/// How often to ask how far it is.
const EVERY: Duration = Duration::from_millis(500);

/// The collector's report, as far as it is shown.
#[derive(Deserialize)]
struct Report {
    id: String,
    state: String,
    error: Option<String>,
    dry_run: bool,
    price_map: String,
    scanned: u64,
    unchanged: u64,
    corrected: u64,
    still_unpriced: u64,
    kept: u64,
    without_content: u64,
    increase: Usd,
    decrease: Usd,
    difference: Usd,
    models: Vec<Model>,
    reasons: Vec<Reason>,
}

#[derive(Deserialize)]
struct Model {
    model: String,
    corrected: u64,
    newly_priced: u64,
    difference: Usd,
}

#[derive(Deserialize)]
struct Reason {
    fate: String,
    reason: String,
    calls: u64,
}

/// Orders it, waits for the end, and prints the report.
///
/// # Errors
///
/// If the collector cannot be asked, or does not come to the end.
pub(crate) async fn reprice(options: &Reprice) -> anyhow::Result<()> {
    let order = json!({
        "since": options.since,
        "until": options.until,
        "models": options.models,
        "unpriced": options.unpriced,
        "dry_run": options.dry_run,
    });
    let mut text = options
        .remote
        .send(reqwest::Method::POST, "/reprice", Some(&order))
        .await?
        .text()
        .await?;
    let mut report = read(&text)?;
    let id = report.id.clone();
    while report.state == "running" {
        tokio::time::sleep(EVERY).await;
        text = options.remote.get("/reprice").await?.text().await?;
        report = read(&text)?;
        if report.id != id {
            bail!("the collector has begun another job, and the report of this one is gone");
        }
    }
    say(&if options.json { text } else { table(&report) });
    match report.error {
        Some(error) => bail!("not all calls were priced again: {error}"),
        None => Ok(()),
    }
}

fn read(text: &str) -> anyhow::Result<Report> {
    serde_json::from_str(text)
        .context("the collector's report cannot be read: is it as new as this?")
}

fn table(report: &Report) -> String {
    let dry = if report.dry_run {
        " (a dry run: nothing was changed)"
    } else {
        ""
    };
    let mut lines = vec![
        format!("price map       {}", report.price_map),
        format!("calls           {}", report.scanned),
        format!("corrected       {}{dry}", report.corrected),
        format!("unchanged       {}", report.unchanged),
        format!("still unpriced  {}", report.still_unpriced),
        format!("kept            {}", report.kept),
        format!(
            "difference      {} USD: {} more, {} less",
            report.difference, report.increase, report.decrease
        ),
    ];
    if report.without_content > 0 {
        lines.push(format!(
            "without content {}: it has gone from the log, and sinks got the revision without it",
            report.without_content
        ));
    }
    let models = report.models.iter().map(|sum| {
        [
            sum.corrected.to_string(),
            sum.newly_priced.to_string(),
            sum.difference.to_string(),
            sum.model.clone(),
        ]
    });
    lines.extend(columns(
        ["corrected", "newly priced", "USD", "model"],
        models,
    ));
    let reasons = report.reasons.iter().map(|reason| {
        [
            reason.calls.to_string(),
            reason.fate.replace('_', " "),
            reason.reason.clone(),
        ]
    });
    lines.extend(columns(["calls", "left", "why"], reasons));
    lines.join("\n")
}

/// Rows under their heads, after an empty line; nothing if there are none. All columns but the last
/// are aligned at their right.
fn columns<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Vec<String> {
    let rows: Vec<[String; N]> = [head.map(str::to_owned)].into_iter().chain(rows).collect();
    if rows.len() == 1 {
        return Vec::new();
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cell = |(at, text): (usize, &String)| match at + 1 < N {
            true => format!("  {text:>width$}", width = widths[at]),
            false => format!("  {text}"),
        };
        row.iter().enumerate().map(cell).collect()
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    [String::new()].into_iter().chain(lines).collect()
}
