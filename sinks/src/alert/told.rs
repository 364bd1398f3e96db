//! An alert as people are told it: a title, figures with names, lists. No markup, no limits.
//!
//! Read from the alert's JSON rather than through its type, so that an alert of a newer program is
//! told as well, by its message.

use event::{Json, Severity, Timestamp, Usd};
use serde::{Deserialize, Deserializer};
use sink::Item;

/// An alert.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) severity: Severity,
    pub(crate) at: Timestamp,
    pub(crate) message: String,
    #[serde(default, deserialize_with = "read")]
    facts: Facts,
}

/// Facts of another form are none: the message has them too.
fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Facts, D::Error> {
    Ok(Json::deserialize(from)?.read().unwrap_or_default())
}

/// A figure and what it is of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: Known,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Text(String),
    /// An instant, which a reader's program may show in the reader's zone.
    Time(Timestamp),
}

/// Some lines under a heading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) heading: &'static str,
    pub(crate) lines: Vec<String>,
}

/// What is known of it; the names are those of an alert's `facts`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Facts {
    event_group: Option<String>,
    spend: Option<Usd>,
    max_budget: Option<Usd>,
    soft_budget: Option<Usd>,
    token: Option<String>,
    customer_id: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    team_alias: Option<String>,
    organization_id: Option<String>,
    key_alias: Option<String>,
    projected_exceeded_date: Option<String>,
    projected_spend: Option<Usd>,
    budget: Option<String>,
    window: Option<Window>,
    time_zone: Option<String>,
    threshold_percent: Option<u32>,
    tag: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    expires: Option<Timestamp>,
    usual_spend: Option<Usd>,
    calls: Option<u64>,
    failures: Option<u64>,
    slow_calls: Option<u64>,
    report: Option<Report>,
}

#[derive(Debug, Deserialize)]
struct Window {
    end: Option<Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report {
    from: String,
    to: String,
    spend: Usd,
    calls: u64,
    failures: u64,
    unpriced: u64,
    teams: Vec<Line>,
    keys: Vec<Line>,
    tags: Vec<Line>,
    models: Vec<Line>,
    providers: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    spend: Usd,
    calls: u64,
}

/// Lines of a report's list; the rest is in the books.
const LINES_MAX: usize = 5;
/// Characters of an id that tell it apart.
const ID_CHARS: usize = 12;

impl Told {
    /// `None` if it is no alert.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        serde_json::from_slice(item.json()).ok()
    }

    /// What groups alerts: those of one budget and window, of one sink, differ in the end of their
    /// keys alone.
    pub(crate) fn thread(&self) -> &str {
        match self.key.matches('/').count() {
            // Two parts: what happened, and to what.
            0 | 1 => &self.key,
            _ => self
                .key
                .rsplit_once('/')
                .map_or(&self.key, |(start, _)| start),
        }
    }

    /// What happened, and to whom.
    pub(crate) fn title(&self) -> String {
        let facts = &self.facts;
        let what = match self.kind.as_str() {
            "budget_crossed" => "Budget spent",
            "threshold_crossed" => match facts.threshold_percent {
                Some(percent) => return self.about(&format!("{percent} % of budget spent")),
                None => "Much of budget spent",
            },
            "soft_budget_crossed" => "Soft budget spent",
            "projected_limit_exceeded" => "Budget will not last",
            "spend_anomaly" => "Unusual spend",
            "key_expiring" => "Key expires soon",
            "provider_failing" => "Provider failing",
            "provider_slow" => "Provider slow",
            "model_unpriced" => "Model without a price",
            "sink_failing" => "Sink failing",
            "dead_letters" => "Events given up",
            "bad_record" => "Record cannot be read",
            "price_map_refused" => "Price map refused",
            "log_gap" => "Records missing",
            "costs_corrected" => "Costs corrected",
            "spend_report" => match &facts.report {
                Some(report) if report.from == report.to => {
                    return format!("{} spent on {}", dollars(report.spend), report.from);
                }
                Some(Report {
                    spend, from, to, ..
                }) => {
                    return format!("{} spent from {from} to {to}", dollars(*spend));
                }
                None => "Spend report",
            },
            other => return self.about(&sentence(other)),
        };
        self.about(what)
    }

    fn about(&self, what: &str) -> String {
        match self.whom() {
            Some(whom) => format!("{what}: {whom}"),
            None => what.to_owned(),
        }
    }

    /// Whom it is about, by what people call it.
    fn whom(&self) -> Option<String> {
        let facts = &self.facts;
        let short = |id: &String| id.chars().take(ID_CHARS).collect::<String>();
        let named = |kind: &str, name: &Option<String>| Some(format!("{kind} {}", name.as_ref()?));
        match facts.event_group.as_deref() {
            Some("proxy") => Some("everything together".to_owned()),
            Some("key") => named("key", &facts.key_alias)
                .or_else(|| named("key", &facts.token.as_ref().map(short))),
            Some("team") => {
                named("team", &facts.team_alias).or_else(|| named("team", &facts.team_id))
            }
            Some("team_member") => named("team member", &facts.user_id),
            Some("user" | "internal_user") => named("user", &facts.user_id),
            Some("end_user" | "customer") => named("customer", &facts.customer_id),
            Some("organization") => named("organization", &facts.organization_id),
            Some("tag") => named("tag", &facts.tag),
            _ => None,
        }
        .or_else(|| match (&facts.provider, &facts.model) {
            (Some(provider), Some(model)) => Some(format!("{provider}, {model}")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        })
    }

    /// Figures, the most telling first.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let facts = &self.facts;
        let text = |name, value: Option<String>| {
            let value = Known::Text(value?);
            Some(Figure { name, value })
        };
        let time = |name, value: Option<Timestamp>| {
            let value = Known::Time(value?);
            Some(Figure { name, value })
        };
        let limit = facts.max_budget.or(facts.soft_budget);
        let spend = facts.spend.map(|spend| match limit {
            Some(limit) => format!(
                "{} of {}{}",
                dollars(spend),
                dollars(limit),
                part(spend, limit)
            ),
            None => dollars(spend),
        });
        let report = facts.report.as_ref();
        let calls = facts.calls.or(report.map(|report| report.calls));
        let failures = facts.failures.or(report.map(|report| report.failures));
        let some = |count: u64| (count > 0).then(|| count.to_string());
        [
            text("Spend", spend),
            text("Usual spend", facts.usual_spend.map(dollars)),
            text("Will be spent on", facts.projected_exceeded_date.clone()),
            text("Expected at the end", facts.projected_spend.map(dollars)),
            time(
                "Resets",
                facts.window.as_ref().and_then(|window| window.end),
            ),
            text("Time zone", facts.time_zone.clone()),
            time("Expires", facts.expires),
            text("Calls", calls.map(|calls| calls.to_string())),
            text("Failed", failures.and_then(some)),
            text("Slow", facts.slow_calls.and_then(some)),
            text(
                "Cost unknown",
                report.and_then(|report| some(report.unpriced)),
            ),
            text("Budget", facts.budget.clone()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Who spent most.
    pub(crate) fn lists(&self) -> Vec<List> {
        let Some(report) = &self.facts.report else {
            return Vec::new();
        };
        let lists = [
            ("Teams", &report.teams),
            ("Keys", &report.keys),
            ("Models", &report.models),
            ("Providers", &report.providers),
            ("Tags", &report.tags),
        ];
        let lines = |lines: &[Line]| {
            let lines = lines.iter().take(LINES_MAX);
            let line = |line: &Line| {
                let (spend, calls) = (dollars(line.spend), line.calls);
                format!("{}: {spend} ({calls} calls)", line.id)
            };
            lines.map(line).collect::<Vec<_>>()
        };
        let filled = lists.into_iter().filter(|(_, lines)| !lines.is_empty());
        filled
            .map(|(heading, all)| List {
                heading,
                lines: lines(all),
            })
            .collect()
    }
}

/// `key_created` as `Key created`.
fn sentence(kind: &str) -> String {
    let mut chars = kind.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    let rest = chars.map(|char| if char == '_' { ' ' } else { char });
    first.into_iter().chain(rest).collect()
}

/// An amount with every digit, and at least two behind the point: `$1,234.50`, `$0.0002725`.
pub(crate) fn dollars(amount: Usd) -> String {
    let text = amount.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}${grouped}.{fraction:0<2}")
}

/// ` (81 %)`, rounded down, so that a limit that is not reached does not look reached.
fn part(spend: Usd, limit: Usd) -> String {
    let percent = spend.picos().saturating_mul(100).checked_div(limit.picos());
    percent.map_or_else(String::new, |percent| format!(" ({percent} %)"))
}
