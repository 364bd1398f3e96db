//! What one model costs, and why by this entry.

use anyhow::bail;
use cost_map::{Entry, PriceMap, Resolved};
use rust_decimal::Decimal;

use super::{maps, plain};
use crate::{args::PricesShow, say};

/// Names that are suggested for one that is unknown.
const NEAREST_MAX: usize = 5;
/// Tokens of the unit that people compare prices by.
const MILLION: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// Prints the entry that prices a model.
pub(super) async fn show(options: &PricesShow) -> anyhow::Result<()> {
    let map = maps::chosen(&options.choice).await?;
    let model = &options.model;
    let provider = options.provider.as_deref();
    let found = map.resolve(provider, model);
    let Some(found) = found.or_else(|| map.size_class(provider, model)) else {
        let nearest = map.nearest(model, NEAREST_MAX);
        let nearest: Vec<_> = nearest
            .iter()
            .map(|name| format!("`{}`", plain(name)))
            .collect();
        let advice = match nearest.is_empty() {
            true => "and none has a name like it".to_owned(),
            false => format!("the nearest are {}", nearest.join(", ")),
        };
        bail!(
            "no entry of {} prices `{model}`, {advice}",
            plain(map.version())
        );
    };
    say(&lines(model, &map, &found).join("\n"));
    Ok(())
}

fn lines(model: &str, map: &PriceMap, found: &Resolved<'_>) -> Vec<String> {
    let entry = found.entry;
    let mut lines = vec![
        format!("model       {model}"),
        format!("entry       {} ({})", plain(found.name), found.how),
        format!("provider    {}", plain(entry.provider().unwrap_or("any"))),
        format!("mode        {}", plain(entry.mode().unwrap_or("not said"))),
        format!("price map   {}", plain(map.version())),
    ];
    let limits = [
        ("max input   ", entry.max_input_tokens()),
        (
            "max output  ",
            entry.max_output_tokens().or(entry.max_tokens()),
        ),
    ];
    lines.extend(
        limits
            .iter()
            .filter_map(|(name, tokens)| Some(format!("{name}{} tokens", (*tokens)?))),
    );
    lines.extend(table(entry));
    lines.extend(ranges(entry));
    lines.extend(times(entry));
    lines
}

/// The prices, group by group.
fn table(entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    let rows: Vec<_> = entry
        .prices()
        .map(|(key, amount)| row(key, amount))
        .collect();
    if rows.is_empty() {
        return vec![String::new(), "the entry has no prices".to_owned()];
    }
    let width = |column: fn(&Row) -> &str, head: &str| {
        rows.iter()
            .map(|row| column(row).chars().count())
            .max()
            .unwrap_or(0)
            .max(head.len())
    };
    let key = width(|row| &row.key, "");
    let (amount, million) = (
        width(|row| &row.amount, "USD"),
        width(|row| &row.million, "per 1M tokens"),
    );
    for group in GROUPS {
        let members: Vec<_> = rows.iter().filter(|row| row.group == group).collect();
        if members.is_empty() {
            continue;
        }
        lines.extend([
            String::new(),
            format!(
                "  {:key$}  {:>amount$}  {:>million$}",
                group.name(),
                "USD",
                "per 1M tokens"
            ),
        ]);
        lines.extend(members.iter().map(|row| {
            let line = format!(
                "  {:key$}  {:>amount$}  {:>million$}",
                row.key, row.amount, row.million
            );
            line.trim_end().to_owned()
        }));
    }
    lines
}

/// The lengths of prompts that the brackets are for.
fn ranges(entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, up_to) in entry.brackets_up_to().enumerate() {
        lines.push(format!(
            "  tiered_pricing[{index}] is for prompts of up to {up_to} tokens"
        ));
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

/// When the prices hold that hold at certain times.
fn times(entry: &Entry) -> Vec<String> {
    let line = |(name, when): (String, String)| format!("  {name} holds {}", plain(&when));
    let mut lines: Vec<_> = entry.times().map(line).collect();
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

/// When a price applies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Standard,
    Threshold,
    Tier,
    Bracket,
    Batch,
    Time,
    Other,
}

const GROUPS: [Group; 7] = [
    Group::Standard,
    Group::Threshold,
    Group::Tier,
    Group::Bracket,
    Group::Batch,
    Group::Time,
    Group::Other,
];
const TIERS: [&str; 4] = ["_flex", "_balanced", "_priority", "_ultrafast"];

impl Group {
    const fn name(self) -> &'static str {
        match self {
            Self::Standard => "always",
            Self::Threshold => "for long prompts",
            Self::Tier => "by service tier",
            Self::Bracket => "by length of the prompt",
            Self::Batch => "in batches",
            Self::Time => "at certain times",
            Self::Other => "for what else was used",
        }
    }

    fn of(key: &str) -> Self {
        if key.starts_with("tiered_pricing[") {
            Self::Bracket
        } else if key.starts_with("off_peak_pricing.") || key.starts_with("effective[") {
            Self::Time
        } else if key.contains('.') {
            Self::Other
        } else if key.ends_with("_batches") {
            Self::Batch
        } else if TIERS.iter().any(|tier| key.ends_with(tier)) {
            Self::Tier
        } else if key.ends_with("_tokens") && key.contains("_above_") {
            Self::Threshold
        } else {
            Self::Standard
        }
    }
}

struct Row {
    group: Group,
    key: String,
    amount: String,
    million: String,
}

fn row(key: &str, amount: Decimal) -> Row {
    let base = key.split("_above_").next().unwrap_or(key);
    let million = if base.contains("_1k_tokens") {
        amount.checked_mul(Decimal::ONE_THOUSAND)
    } else if base.contains("token") {
        amount.checked_mul(MILLION)
    } else {
        None
    };
    Row {
        group: Group::of(key),
        key: plain(key),
        amount: amount.to_string(),
        million: million.map_or_else(String::new, |amount| amount.normalize().to_string()),
    }
}
