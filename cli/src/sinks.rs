//! Asks a collector about its sinks, and gives orders to them.

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    args::{DlqCommand, DlqList, DlqSome, Replay, SinksCheck, SinksCommand, SinksList},
    say,
    text::{columns, plain},
};

/// A sink, as far as it is shown.
#[derive(Deserialize)]
struct Status {
    sink: String,
    kind: String,
    received: u64,
    delivered: u64,
    dead: u64,
    skipped: u64,
    pending: u64,
    lag_seconds: u64,
    breaker: String,
    dead_letters: u64,
    last_success: Option<String>,
    last_error: Option<String>,
}

#[derive(Deserialize)]
struct Checked {
    ok: bool,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    letters: Vec<Letter>,
    total: u64,
}

#[derive(Deserialize)]
struct Letter {
    position: u64,
    at: String,
    kind: String,
    attempts: u64,
    detail: String,
}

#[derive(Deserialize)]
struct Count {
    events: u64,
}

/// Runs a command about sinks.
///
/// # Errors
///
/// If the collector cannot be asked or refuses, or a destination would take nothing.
pub(crate) async fn sinks(command: &SinksCommand) -> anyhow::Result<()> {
    match command {
        SinksCommand::List(options) => list(options).await,
        SinksCommand::Check(options) => check(options).await,
    }
}

async fn list(options: &SinksList) -> anyhow::Result<()> {
    let text = options.remote.get("/sinks").await?.text().await?;
    if options.json {
        say(&text);
        return Ok(());
    }
    let all: Vec<Status> = read(&text)?;
    say(&table(&all));
    Ok(())
}

fn table(all: &[Status]) -> String {
    let rows = all.iter().map(|sink| {
        [
            sink.received.to_string(),
            sink.delivered.to_string(),
            sink.dead.to_string(),
            sink.skipped.to_string(),
            sink.pending.to_string(),
            format!("{} s", sink.lag_seconds),
            sink.dead_letters.to_string(),
            sink.breaker.clone(),
            sink.last_success
                .as_deref()
                .map_or("never", |at| at)
                .to_owned(),
            plain(&format!("{} ({})", sink.sink, sink.kind)),
        ]
    });
    let head = [
        "received",
        "delivered",
        "dead",
        "skipped",
        "pending",
        "lag",
        "letters",
        "circuit",
        "last success",
        "sink",
    ];
    let mut lines = columns(head, rows);
    if lines.is_empty() {
        return "the configuration has no sinks".to_owned();
    }
    lines.remove(0);
    let troubles = all.iter().filter_map(|sink| {
        let error = sink.last_error.as_deref()?;
        Some(format!("{}: {}", plain(&sink.sink), plain(error)))
    });
    lines.extend(troubles);
    lines.join("\n")
}

async fn check(options: &SinksCheck) -> anyhow::Result<()> {
    let mut names = options.sinks.clone();
    if names.is_empty() {
        let text = options.remote.get("/sinks").await?.text().await?;
        let all: Vec<Status> = read(&text)?;
        names = all.into_iter().map(|status| status.sink).collect();
    }
    let mut failed = 0;
    for name in &names {
        let path = format!("/sinks/{}/check", segment(name));
        let text = options.remote.send(Method::POST, &path, None).await?;
        let checked: Checked = read(&text.text().await?)?;
        let said = match (checked.ok, checked.error) {
            (true, _) => "ok".to_owned(),
            (false, error) => plain(&error.unwrap_or_else(|| "failed".to_owned())),
        };
        failed += usize::from(!checked.ok);
        say(&format!("{}: {said}", plain(name)));
    }
    if failed > 0 {
        bail!("{failed} of {} sinks would take nothing now", names.len());
    }
    Ok(())
}

/// Runs a command about dead letters.
///
/// # Errors
///
/// If the collector cannot be asked, or refuses.
pub(crate) async fn dlq(command: &DlqCommand) -> anyhow::Result<()> {
    match command {
        DlqCommand::List(options) => letters(options).await,
        DlqCommand::Show(options) => {
            let path = format!(
                "/sinks/{}/dead-letters?position={}",
                segment(&options.sink),
                options.position
            );
            let text = options.remote.get(&path).await?.text().await?;
            let page: Value = read(&text)?;
            let letter = page.pointer("/letters/0");
            let letter = letter.context("the sink has no dead letter of this position")?;
            say(&serde_json::to_string_pretty(letter)?);
            Ok(())
        }
        DlqCommand::Retry(options) => order(options, "retry", "will be delivered once more").await,
        DlqCommand::Drop(options) => order(options, "drop", "are gone").await,
    }
}

async fn letters(options: &DlqList) -> anyhow::Result<()> {
    let kind = options.kind.as_deref().map(segment);
    let kind = kind.map_or_else(String::new, |kind| format!("&kind={kind}"));
    let path = format!(
        "/sinks/{}/dead-letters?skip={}&limit={}{kind}",
        segment(&options.sink),
        options.skip,
        options.limit
    );
    let text = options.remote.get(&path).await?.text().await?;
    if options.json {
        say(&text);
        return Ok(());
    }
    let page: Page = read(&text)?;
    let shown = page.letters.len();
    let rows = page.letters.into_iter().map(|letter| {
        [
            letter.position.to_string(),
            plain(&letter.at),
            plain(&letter.kind),
            letter.attempts.to_string(),
            plain(&letter.detail),
        ]
    });
    let mut lines = vec![format!("{shown} of {} dead letters", page.total)];
    lines.extend(columns(
        ["position", "given up", "kind", "attempts", "what was said"],
        rows,
    ));
    say(&lines.join("\n"));
    Ok(())
}

async fn order(options: &DlqSome, what: &str, then: &str) -> anyhow::Result<()> {
    let mut selection = Map::new();
    if !options.positions.is_empty() {
        selection.insert("positions".to_owned(), json!(options.positions));
    }
    if let Some(kind) = &options.kind {
        selection.insert("kind".to_owned(), json!(kind));
    }
    let path = format!("/sinks/{}/dead-letters/{what}", segment(&options.sink));
    let body = Value::Object(selection);
    let answer = options
        .remote
        .send(Method::POST, &path, Some(&body))
        .await?;
    let count: Count = read(&answer.text().await?)?;
    say(&format!("{} dead letters {then}", count.events));
    Ok(())
}

/// Has a stretch of the log delivered once more.
///
/// # Errors
///
/// If a condition is none, the collector cannot be asked, or it refuses.
pub(crate) async fn replay(options: &Replay) -> anyhow::Result<()> {
    let body = json!({
        "since": options.since,
        "until": options.until,
        "where": conditions(&options.conditions)?,
    });
    let path = format!("/sinks/{}/replay", segment(&options.sink));
    options
        .remote
        .send(Method::POST, &path, Some(&body))
        .await?;
    say("the replay goes on beside what is new; `tollkeeper sinks list` says how far it is");
    Ok(())
}

/// The filter that conditions such as `team=search` make.
fn conditions(written: &[String]) -> anyhow::Result<Value> {
    let mut filter: Map<String, Value> = Map::new();
    for condition in written {
        let (field, value) = condition
            .split_once('=')
            .with_context(|| format!("`{condition}` is not FIELD=VALUE"))?;
        match field {
            "team" | "key" | "model" | "provider" | "tag" => {
                let list = filter
                    .entry(format!("{field}s"))
                    .or_insert_with(|| json!([]));
                if let Value::Array(list) = list {
                    list.push(json!(value));
                }
            }
            "status" => drop(filter.insert(field.to_owned(), json!(value))),
            "cost_min" | "cost_max" => {
                let amount: serde_json::Number = serde_json::from_str(value)
                    .with_context(|| format!("`{value}` is not an amount in USD"))?;
                filter.insert(field.to_owned(), Value::Number(amount));
            }
            _ => bail!(
                "`{field}` is not one of team, key, model, provider, tag, status, cost_min, cost_max"
            ),
        }
    }
    Ok(Value::Object(filter))
}

/// A name as a part of a path: names of sinks need nothing but this.
fn segment(name: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let escape = |byte: u8| match fits(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(escape).collect()
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> anyhow::Result<T> {
    serde_json::from_str(text)
        .context("the collector's answer cannot be read: is it as new as this?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_become_a_filter() {
        let written = ["team=a", "team=b*", "status=failure", "cost_min=0.10"].map(str::to_owned);
        assert_eq!(
            conditions(&written).unwrap(),
            json!({"teams": ["a", "b*"], "status": "failure", "cost_min": 0.10})
        );
        for wrong in ["team", "user=a", "cost_min=x"] {
            assert!(conditions(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        assert_eq!(segment("a-b_1"), "a-b_1");
        assert_eq!(segment("../x?y"), "%2E%2E%2Fx%3Fy");
    }

    #[test]
    fn what_a_destination_said_gives_a_terminal_no_orders() {
        let status = json!([{
            "sink": "s", "kind": "file", "received": 1, "delivered": 1, "dead": 0, "skipped": 0,
            "pending": 0, "lag_seconds": 0, "breaker": "closed", "dead_letters": 0,
            "last_error": "\u{1b}[2J",
        }])
        .to_string();
        let all: Vec<Status> = read(&status).unwrap();
        let table = table(&all);
        assert!(
            table.contains("s (file)") && !table.contains('\u{1b}'),
            "{table}"
        );
        assert_eq!(super::table(&[]), "the configuration has no sinks");
    }
}
