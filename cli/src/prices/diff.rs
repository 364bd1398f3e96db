//! What would change from one map to another, for a person.

use anyhow::Context as _;
use cost_map::{
    PriceMap,
    change::{Change, Changed, Moved},
};
use rust_decimal::Decimal;
use std::{io, sync::Arc};

use super::{maps, plain};
use crate::{args::PricesDiff, environment, print};

/// Where LiteLLM publishes its map.
const PUBLISHED: &str =
    "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json";
/// Models of a group that are shown, unless all are.
const MODELS_MAX: usize = 20;
/// Figures of a model that are shown, unless all are.
const FIGURES_MAX: usize = 8;

/// Whether the maps differ.
pub(super) enum Found {
    Same,
    Different,
}

/// Prints what leads from one map to the other.
pub(super) async fn diff(options: &PricesDiff) -> anyhow::Result<Found> {
    let old = match &options.against {
        Some(place) if options.alone => Arc::new(maps::read(place).await?),
        Some(place) => Arc::new(maps::read(place).await?.over(PriceMap::bundled())),
        None if options.running => maps::running(&options.remote).await?,
        None => Arc::clone(PriceMap::bundled()),
    };
    let published = || {
        let configured = environment("LITELLM_MODEL_COST_MAP_URL");
        configured.unwrap_or_else(|| PUBLISHED.to_owned())
    };
    let place = options.new.clone().unwrap_or_else(published);
    let read = maps::read(&place).await?;
    let new = if options.alone {
        read
    } else {
        read.over(PriceMap::bundled())
    };
    let change = Change::between(&old, &new);
    let most = if options.all { usize::MAX } else { MODELS_MAX };
    let mut lines = vec![
        format!("old  {} ({} models)", plain(old.version()), old.len()),
        format!("new  {} ({} models)", plain(new.version()), new.len()),
    ];
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| vec![format!("  {}", plain(name))])
            .collect()
    };
    group("new", names(&change.new), most, &mut lines);
    group("vanished", names(&change.vanished), most, &mut lines);
    let figures_max = if options.all { usize::MAX } else { FIGURES_MAX };
    let changed = change
        .changed
        .iter()
        .map(|changed| entry(changed, figures_max));
    group("changed", changed.collect(), most, &mut lines);
    if change.is_empty() {
        lines.push("no entry differs".to_owned());
    }
    match print(&lines.join("\n")) {
        // As when `head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed.context("cannot be printed")?,
    }
    Ok(if change.is_empty() {
        Found::Same
    } else {
        Found::Different
    })
}

/// A heading and its models, each of which takes some lines.
fn group(kind: &str, models: Vec<Vec<String>>, most: usize, lines: &mut Vec<String>) {
    if models.is_empty() {
        return;
    }
    let count = models.len();
    let noun = if count == 1 { "model" } else { "models" };
    lines.extend([String::new(), format!("{count} {kind} {noun}")]);
    lines.extend(models.into_iter().take(most).flatten());
    if let Some(rest @ 1..) = count.checked_sub(most) {
        lines.push(format!("  … and {rest} more (--all shows them)"));
    }
}

fn entry(changed: &Changed<'_>, most: usize) -> Vec<String> {
    let mut lines = vec![format!("  {}", plain(changed.model))];
    if changed.figures.is_empty() {
        lines.push("    limits, ranges, mode or provider differ".to_owned());
    }
    let shown = changed.figures.iter().take(most);
    let width = shown
        .clone()
        .map(|figure| figure.key.chars().count())
        .max()
        .unwrap_or(0);
    lines
        .extend(shown.map(|figure| format!("    {:width$}  {}", plain(figure.key), moved(figure))));
    if let Some(rest @ 1..) = changed.figures.len().checked_sub(most) {
        lines.push(format!("    … and {rest} more"));
    }
    lines
}

/// `0.0000025 → 0.000003  +20%`
fn moved(figure: &Moved<'_>) -> String {
    let amount = |amount: Option<Decimal>| amount.map_or("none".to_owned(), |a| a.to_string());
    let percent = figure.percent().map_or_else(String::new, |percent| {
        let sign = if percent.is_sign_negative() { "" } else { "+" };
        format!("  {sign}{percent}%")
    });
    format!(
        "{} → {}{percent}",
        amount(figure.before),
        amount(figure.after)
    )
}
