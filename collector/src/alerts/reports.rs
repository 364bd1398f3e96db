//! Reports of what was spent in a day, a week and a month, once each. Days are UTC, as the sums are.

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use event::{
    Alert, AlertFacts, AlertKind, ReportLine, Severity, SpendReport, Timestamp, Usd, WindowRule,
};

use crate::books::{Books, BooksError, Once, Split};

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// How long after a span its report is made, in microseconds: the last calls have to end.
const GRACE_MICROS: i64 = 900_000_000;
/// Lines of a list.
const TOP: usize = 5;

/// A day as it is written.
pub(super) fn date(day: i64) -> String {
    let seconds = day.saturating_mul(86_400);
    let date = DateTime::from_timestamp(seconds, 0).map_or(NaiveDate::MAX, |at| at.date_naive());
    date.to_string()
}

/// The reports of the last spans that are over. A span without calls has none.
pub(super) async fn due(books: &Books, now: Timestamp) -> Result<Vec<Once>, BooksError> {
    let mut found = Vec::new();
    for period in books.alerting().report_periods() {
        let rule = WindowRule::new(period, Tz::UTC);
        let settled = Timestamp::from_micros(now.micros().saturating_sub(GRACE_MICROS));
        let Some(end) = rule.window(settled).start else {
            continue;
        };
        let within = Timestamp::from_micros(end.micros().saturating_sub(1));
        let Some(start) = rule.window(within).start else {
            continue;
        };
        let first = start.micros().div_euclid(MICROS_PER_DAY);
        let last = within.micros().div_euclid(MICROS_PER_DAY);
        let report = report(books, (first, last)).await?;
        if report.calls > 0 {
            let period = period.to_string();
            let report = SpendReport { period, ..report };
            found.push(told(report, end, now));
        }
    }
    Ok(found)
}

/// What was spent from one day to another, both within.
async fn report(books: &Books, days: (i64, i64)) -> Result<SpendReport, BooksError> {
    let mut report = SpendReport {
        from: date(days.0),
        to: date(days.1),
        ..SpendReport::default()
    };
    // Every call has a model, so these are all of them.
    let models = lines(books, "model", days).await?;
    report.spend = models.iter().map(|line| line.0.spend).sum();
    report.calls = models.iter().map(|line| line.0.calls).sum();
    report.failures = models.iter().map(|line| line.0.failures).sum();
    report.unpriced = models.iter().map(|line| line.1).sum();
    report.models = top(models);
    report.teams = top(lines(books, "team", days).await?);
    report.keys = top(lines(books, "key", days).await?);
    report.tags = top(lines(books, "tag", days).await?);
    report.providers = top(lines(books, "provider", days).await?);
    Ok(report)
}

fn top(lines: Vec<(ReportLine, u64)>) -> Vec<ReportLine> {
    lines.into_iter().take(TOP).map(|(line, _)| line).collect()
}

/// What each entity of a kind spent, dearest first, with its calls of unknown cost.
async fn lines(
    books: &Books,
    kind: &str,
    (first, last): (i64, i64),
) -> Result<Vec<(ReportLine, u64)>, BooksError> {
    let sql = "SELECT id, sum(cost_micros), sum(cost_picos), sum(successes + failures), \
               sum(failures), sum(unpriced) FROM daily_entities \
               WHERE day BETWEEN ? AND ? AND kind = ? GROUP BY id ORDER BY 2 DESC, id";
    type Row = (String, i64, i64, i64, i64, i64);
    let query = sqlx::query_as::<_, Row>(sql).bind(first).bind(last);
    let rows = query.bind(kind).fetch_all(books.readers()).await?;
    let count = |column: i64| u64::try_from(column).unwrap_or_default();
    let line = |(id, micros, picos, calls, failures, unpriced): Row| {
        let line = ReportLine {
            id,
            spend: Split { micros, picos }.usd(),
            calls: count(calls),
            failures: count(failures),
        };
        (line, count(unpriced))
    };
    Ok(rows.into_iter().map(line).collect())
}

fn told(report: SpendReport, end: Timestamp, now: Timestamp) -> Once {
    let list = |what: &str, lines: &[ReportLine]| {
        let lines: Vec<String> = lines
            .iter()
            .filter(|line| line.spend > Usd::ZERO)
            .map(|line| format!("`{}` {}", line.id, line.spend))
            .collect();
        match lines.is_empty() {
            true => String::new(),
            false => format!("; {what}: {}", lines.join(", ")),
        }
    };
    let SpendReport {
        period, from, to, ..
    } = &report;
    let span = if from == to {
        from.clone()
    } else {
        format!("{from} to {to}")
    };
    let message = format!(
        "{span} (UTC): {} USD for {} calls, {} of them failed, {} without a known cost{}{}{}",
        report.spend,
        report.calls,
        report.failures,
        report.unpriced,
        list("teams", &report.teams),
        list("models", &report.models),
        list("tags", &report.tags),
    );
    let alert = Alert {
        key: format!("spend_report/{period}/{from}"),
        kind: AlertKind::SpendReport,
        severity: Severity::Info,
        at: now,
        message,
        facts: Some(Box::new(AlertFacts {
            event_group: Some("proxy".to_owned()),
            spend: Some(report.spend),
            time_zone: Some("UTC".to_owned()),
            report: Some(report),
            ..AlertFacts::default()
        })),
    };
    Once {
        alert,
        ends: Some(end),
    }
}
