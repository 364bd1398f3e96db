//! Alerts as Slack's Block Kit, within its limits.

use event::{Severity, Timestamp};
use serde_json::{Value, json};

use crate::alert::{
    read::{cut, utc},
    told::{Figure, Known, Told},
};

/// Alerts of one message: each has up to two blocks of 50.
pub(super) const ALERTS_MAX: usize = 20;
/// Characters of a header.
const HEADER_CHARS_MAX: usize = 150;
/// Characters of a section's text.
const SECTION_CHARS_MAX: usize = 3_000;
/// The same, of one among several, so that a message stays readable.
const SHORT_CHARS_MAX: usize = 600;
/// Characters of a field.
const FIELD_CHARS_MAX: usize = 2_000;
/// Fields of a section.
const FIELDS_MAX: usize = 10;
/// Characters of the text that notifications show.
const TEXT_CHARS_MAX: usize = 4_000;

/// An alert to be told, and by which id.
pub(super) struct Entry<'a> {
    /// The idempotency key of its item; stands in the message as a block's id.
    pub(super) id: String,
    pub(super) told: &'a Told,
    /// How often it was raised.
    pub(super) times: usize,
}

impl Entry<'_> {
    fn title(&self) -> String {
        let title = self.told.title();
        match self.times {
            1 => title,
            times => format!("{title} ({times} times)"),
        }
    }
}

/// The message for these alerts: `text` and `blocks`.
pub(super) fn message(entries: &[Entry<'_>], link: Option<&str>) -> Value {
    let (text, mut blocks) = match entries {
        [entry] => (entry.title(), one(entry)),
        _ => several(entries),
    };
    if let Some(link) = link {
        blocks.push(json!({ "type": "actions", "elements": [{
            "type": "button", "action_id": "open", "url": link,
            "text": { "type": "plain_text", "text": "Open Tollkeeper" },
        }] }));
    }
    json!({ "text": mrkdwn(&text, TEXT_CHARS_MAX), "blocks": blocks })
}

fn one(entry: &Entry<'_>) -> Vec<Value> {
    let told = entry.told;
    let title = format!("{} {}", sign(told.severity), entry.title());
    let mut blocks = vec![header(&title)];
    if !told.message.is_empty() {
        blocks.push(section(&mrkdwn(&told.message, SECTION_CHARS_MAX)));
    }
    let figures = fields(&told.figures());
    if !figures.is_empty() {
        blocks.push(json!({ "type": "section", "fields": figures }));
    }
    for list in told.lists() {
        let text = format!(
            "*{}*\n{}",
            list.heading,
            mrkdwn(&list.lines.join("\n"), 2_900)
        );
        blocks.push(section(&text));
    }
    blocks.push(context(entry));
    blocks
}

fn several(entries: &[Entry<'_>]) -> (String, Vec<Value>) {
    let worst = entries.iter().map(|entry| entry.told.severity).max();
    let title = format!("{} alerts", entries.len());
    let mut blocks = vec![header(&format!(
        "{} {title}",
        sign(worst.unwrap_or(Severity::Info))
    ))];
    for entry in entries {
        let told = entry.told;
        let head = mrkdwn(&entry.title(), HEADER_CHARS_MAX);
        let message = mrkdwn(&told.message, SHORT_CHARS_MAX);
        let mut block = section(&format!("{} *{head}*\n{message}", sign(told.severity)));
        let figures = fields(&told.figures());
        if let (Value::Object(block), false) = (&mut block, figures.is_empty()) {
            block.insert("fields".to_owned(), figures.into());
        }
        blocks.extend([block, context(entry)]);
    }
    let titles: Vec<_> = entries.iter().map(Entry::title).collect();
    (format!("{title}: {}", titles.join("; ")), blocks)
}

fn header(text: &str) -> Value {
    let text = cut(text, HEADER_CHARS_MAX);
    json!({ "type": "header", "text": { "type": "plain_text", "text": text } })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// Which alert it is, how bad and since when.
fn context(entry: &Entry<'_>) -> Value {
    let told = entry.told;
    let severity = match told.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    };
    let key = code(&told.key);
    let text = format!("{severity} · {} · {key}", time(told.at));
    json!({
        "type": "context", "block_id": entry.id,
        "elements": [{ "type": "mrkdwn", "text": text }],
    })
}

fn fields(figures: &[Figure]) -> Vec<Value> {
    let field = |figure: &Figure| {
        let value = match &figure.value {
            Known::Text(text) => mrkdwn(text, FIELD_CHARS_MAX - 100),
            Known::Time(at) => time(*at),
        };
        json!({ "type": "mrkdwn", "text": format!("*{}*\n{value}", figure.name) })
    };
    figures.iter().take(FIELDS_MAX).map(field).collect()
}

/// In the reader's own zone; where that is not known, in UTC.
fn time(at: Timestamp) -> String {
    let seconds = at.micros().div_euclid(1_000_000);
    let utc = utc(at);
    format!("<!date^{seconds}^{{date_short_pretty}} {{time}}|{utc}>")
}

const fn sign(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "ℹ️",
        Severity::Warning => "⚠️",
        Severity::Critical => "🚨",
    }
}

/// A name among code, where nothing is markup.
fn code(text: &str) -> String {
    format!("`{}`", mrkdwn(&text.replace('`', "'"), 300))
}

/// Text in which nothing is a link or a mention, at most so many characters as it is sent.
fn mrkdwn(text: &str, chars_max: usize) -> String {
    let mut written = String::new();
    let mut left = chars_max;
    for char in text.chars() {
        let mut one = [0; 4];
        let piece = match char {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            other => other.encode_utf8(&mut one),
        };
        let length = piece.chars().count();
        // One is kept for the mark of a cut.
        if length + 1 > left {
            written.push('…');
            break;
        }
        left -= length;
        written.push_str(piece);
    }
    written
}
