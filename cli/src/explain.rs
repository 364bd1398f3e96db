//! Explains what a call cost.

use anyhow::bail;
use event::{Cost, CostStatus, Usd};
use serde::Deserialize;

use crate::{args::Explain, say};

/// A row of the spend logs, as far as it is shown.
#[derive(Deserialize)]
struct Row {
    litellm_call_id: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    model_group: Option<String>,
    #[serde(default)]
    custom_llm_provider: Option<String>,
    spend: Option<Usd>,
    tollkeeper: Ours,
}

#[derive(Deserialize)]
struct Ours {
    event_id: String,
    source: String,
    sequence: u64,
    outcome: String,
    usage_source: String,
    #[serde(default)]
    revision: u32,
    cost: Cost,
}

/// What is known of a call beyond its row.
#[derive(Deserialize)]
struct Explanation {
    corrections: Vec<Step>,
}

/// A correction of the cost.
#[derive(Deserialize)]
struct Step {
    revision: u32,
    at: String,
    reason: String,
    was: Option<Usd>,
    now: Option<Usd>,
}

/// Prints the bill of one call.
pub(crate) async fn explain(options: &Explain) -> anyhow::Result<()> {
    let id: String = encode(&options.call);
    let text = options
        .remote
        .get(&format!("/spend/logs?request_id={id}"))
        .await?
        .text()
        .await?;
    if options.json {
        say(&text);
        return Ok(());
    }
    let rows: Vec<Row> = serde_json::from_str(&text)?;
    if rows.is_empty() {
        bail!(
            "no call `{}` in the books: the id is in the header `x-litellm-call-id` of its answer, \
             and a call stands in the books a moment after it has ended",
            options.call
        );
    }
    for row in &rows {
        say(&bill(row));
        if row.tollkeeper.revision > 0 {
            let path = format!("/spend/logs/{}/explain", encode(&row.litellm_call_id));
            let explained = options.remote.get(&path).await?.text().await?;
            let explained: Explanation = serde_json::from_str(&explained)?;
            explained
                .corrections
                .iter()
                .for_each(|step| say(&line(step)));
        }
    }
    Ok(())
}

/// A correction as text.
fn line(step: &Step) -> String {
    let amount = |cost: Option<Usd>| cost.map_or("unknown".to_owned(), |usd| format!("{usd} USD"));
    let (was, now) = (amount(step.was), amount(step.now));
    let Step {
        revision,
        at,
        reason,
        ..
    } = step;
    format!("revision {revision}  {at}: {was} became {now}: {reason}")
}

/// The bill as text.
fn bill(row: &Row) -> String {
    let ours = &row.tollkeeper;
    let cost = &ours.cost;
    let provider = row.custom_llm_provider.as_deref().unwrap_or("no provider");
    let asked = row.model_group.as_deref().unwrap_or("no model");
    let mut lines = vec![
        format!("call        {}", row.litellm_call_id),
        format!(
            "event       {} ({}/{})",
            ours.event_id, ours.source, ours.sequence
        ),
        format!("model       {asked}, served by {} ({provider})", row.model),
        format!("outcome     {}; usage: {}", ours.outcome, ours.usage_source),
        format!("price map   {}", cost.price_map),
    ];
    if let Some(entry) = &cost.entry {
        lines.push(format!("entry       {entry}"));
    }
    if let Some(reason) = &cost.reason {
        lines.push(format!("reason      {reason}"));
    }
    lines.push(String::new());
    lines.extend(table(cost));
    lines.push(match (cost.status, row.spend) {
        (CostStatus::Unpriced, _) | (_, None) => match cost.unpriced {
            Some(kind) => format!("the cost is not known ({})", kind.as_str()),
            None => "the cost is not known".to_owned(),
        },
        (CostStatus::NothingConsumed, Some(_)) => "nothing was consumed: 0.0 USD".to_owned(),
        (CostStatus::Priced, Some(total)) => format!("total       {total} USD"),
    });
    lines.join("\n")
}

/// Quantity × unit price, a line each.
fn table(cost: &Cost) -> Vec<String> {
    if cost.items.is_empty() {
        return Vec::new();
    }
    let rows = cost.items.iter().map(|item| {
        let class = serde_json::to_value(item.class).unwrap_or_default();
        [
            class.as_str().unwrap_or_default().to_owned(),
            item.quantity.to_string(),
            item.unit_price.to_string(),
            item.amount.to_string(),
            item.key.clone(),
        ]
    });
    let head = ["class", "quantity", "unit price", "amount", "key"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let [class, quantity, price, amount] = [0, 1, 2, 3].map(width);
    rows.iter()
        .map(|row| {
            format!(
                "  {:class$}  {:>quantity$}  {:>price$}  {:>amount$}  {}",
                row[0], row[1], row[2], row[3], row[4]
            )
        })
        .chain([String::new()])
        .collect()
}

/// Percent-encodes what a query cannot carry.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
