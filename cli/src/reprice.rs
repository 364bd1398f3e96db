//! Has calls priced again, and shows what came of it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use event::Usd;
use serde::Deserialize;
use serde_json::json;

use crate::{
    args::Reprice,
    say,
    text::{columns, plain},
};

/// How often to ask how far it is.
const EVERY: Duration = Duration::from_millis(500);

/// The collector's report, as far as it is shown.
#[derive(Deserialize)]
struct Report {
    id: String,
    state: String,
    error: Option<String>,
    dry_run: bool,
    all: bool,
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
    unknown_models: Vec<String>,
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
        "all": options.all,
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
        Some(error) => bail!("not all calls were priced again: {}", plain(&error)),
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
    let which = if report.all {
        "with and without a price"
    } else {
        "without a price (--all: those that have one as well)"
    };
    let mut lines = vec![
        format!("price map       {}, in force now", plain(&report.price_map)),
        format!("calls           {} {which}", report.scanned),
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
    let unknown = report.unknown_models.iter();
    lines.extend(
        unknown.map(|model| format!("no call in the range has the model `{}`", plain(model))),
    );
    let models = report.models.iter().map(|sum| {
        [
            sum.corrected.to_string(),
            sum.newly_priced.to_string(),
            sum.difference.to_string(),
            plain(&sum.model),
        ]
    });
    lines.extend(columns(
        ["corrected", "newly priced", "USD", "model"],
        models,
    ));
    let reasons = report.reasons.iter().map(|reason| {
        [
            reason.calls.to_string(),
            plain(&reason.fate).replace('_', " "),
            plain(&reason.reason),
        ]
    });
    lines.extend(columns(["calls", "left", "why"], reasons));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(more: &serde_json::Value) -> Report {
        let mut report = json!({
            "id": "2026-11-20T12:00:00.000000Z", "state": "done", "error": null,
            "dry_run": false, "all": false, "price_map": "file", "scanned": 0, "unchanged": 0,
            "corrected": 0, "still_unpriced": 0, "kept": 0, "without_content": 0, "increase": 0.0,
            "decrease": 0.0, "difference": 0.0, "models": [], "reasons": [], "unknown_models": [],
        });
        for (key, value) in more.as_object().unwrap() {
            report[key] = value.clone();
        }
        read(&report.to_string()).unwrap()
    }

    #[test]
    fn what_a_stranger_wrote_gives_a_terminal_no_orders() {
        let hostile = "\u{1b}[2Jm\n\u{202e}";
        let model = json!({"model": hostile, "corrected": 1, "newly_priced": 1, "difference": 0.5});
        let reason = json!({"fate": hostile, "reason": hostile, "calls": 1});
        let report = report(&json!({
            "price_map": hostile, "models": [model], "reasons": [reason],
            "unknown_models": [hostile],
        }));
        let table = table(&report);
        assert!(!table.contains(['\u{1b}', '\u{202e}']), "{table:?}");
        assert_eq!(table.matches("\u{fffd}[2Jm\u{fffd}\u{fffd}").count(), 5);
    }

    #[test]
    fn it_says_which_calls_were_looked_at_and_which_model_has_none() {
        let table = |more: serde_json::Value| super::table(&report(&more));
        let default = table(json!({"unknown_models": ["gpt-4oo"]}));
        assert!(default.contains("calls           0 without a price"));
        assert!(default.contains("no call in the range has the model `gpt-4oo`"));
        let all = table(json!({"all": true, "scanned": 3}));
        assert!(all.contains("calls           3 with and without a price"));
        assert!(!all.contains("--all"));
    }
}
