//! Models of providers whose calls fail or take long.

use event::{Alert, AlertFacts, AlertKind, Severity, Timestamp};

use crate::{
    books::{Books, BooksError},
    config::AlertType,
};

/// Calls that are looked at, at most: the newest.
const CALLS_MAX: u32 = 50_000;

/// What calls to one model of a provider came to.
#[derive(sqlx::FromRow)]
struct Found {
    provider: String,
    model: String,
    calls: i64,
    /// Of them, those that timed out or that the provider failed to answer.
    failures: i64,
    slow: i64,
    /// Microseconds.
    longest: i64,
}

/// What is wrong in the calls that started lately.
pub(super) async fn find(books: &Books, now: Timestamp) -> Result<Vec<Alert>, BooksError> {
    let rules = books.alerting();
    let (failing, slow) = (
        rules.raises(AlertType::OUTAGES),
        rules.raises(AlertType::SLOW),
    );
    if !failing && !slow {
        return Ok(Vec::new());
    }
    // A call is in the books when it has ended: what is slow started longer ago.
    let sql = "SELECT provider, model, count(*) AS calls, \
               sum(status = 'failure' AND (error_code = '408' OR error_code >= '500' \
               AND error_code < '600')) AS failures, \
               sum(ended - started > ?1) AS slow, max(ended - started) AS longest FROM \
               (SELECT provider, model, status, error_code, started, ended FROM calls \
               WHERE started >= ?2 AND ended >= ?3 AND provider IS NOT NULL \
               ORDER BY started DESC LIMIT ?4) \
               GROUP BY provider, model ORDER BY provider, model";
    let span = rules.alerting_args.outage_micros();
    let since = now.micros().saturating_sub(span);
    let rows: Vec<Found> = sqlx::query_as(sql)
        .bind(rules.slow_micros())
        .bind(since.saturating_sub(rules.slow_micros().saturating_mul(2)))
        .bind(since)
        .bind(CALLS_MAX)
        .fetch_all(books.readers())
        .await?;
    let mut alerts = Vec::new();
    for row in &rows {
        if failing {
            alerts.extend(row.failing(rules.alerting_args.outage(), span, now));
        }
        if slow && row.slow > 0 {
            alerts.push(row.slow(rules.slow_micros(), now));
        }
    }
    Ok(alerts)
}

impl Found {
    fn failing(
        &self,
        (minor, major, percent): (u64, u64, u64),
        span: i64,
        now: Timestamp,
    ) -> Option<Alert> {
        let (calls, failures) = (natural(self.calls), natural(self.failures));
        if failures < minor || failures.saturating_mul(100) < calls.saturating_mul(percent) {
            return None;
        }
        let (level, severity) = match failures >= major {
            true => ("major", Severity::Critical),
            false => ("minor", Severity::Warning),
        };
        let message = format!(
            "{failures} of {calls} calls to `{}` of provider `{}` failed in the last {} seconds \
             (timeouts and statuses of 500 and above): see the provider's status, and have calls \
             fall back to another deployment",
            self.model,
            self.provider,
            span / 1_000_000
        );
        let what = format!("provider_failing/{level}");
        Some(self.alert((what, AlertKind::ProviderFailing, severity), message, now))
    }

    fn slow(&self, threshold: i64, now: Timestamp) -> Alert {
        let message = format!(
            "{} of {} calls to `{}` of provider `{}` took longer than {} seconds, the longest {}",
            self.slow,
            self.calls,
            self.model,
            self.provider,
            threshold / 1_000_000,
            self.longest / 1_000_000
        );
        let what = "provider_slow".to_owned();
        self.alert(
            (what, AlertKind::ProviderSlow, Severity::Warning),
            message,
            now,
        )
    }

    fn alert(
        &self,
        (what, kind, severity): (String, AlertKind, Severity),
        message: String,
        at: Timestamp,
    ) -> Alert {
        let facts = AlertFacts {
            provider: Some(self.provider.clone()),
            model: Some(self.model.clone()),
            calls: Some(natural(self.calls)),
            failures: Some(natural(self.failures)),
            slow_calls: Some(natural(self.slow)),
            ..AlertFacts::default()
        };
        Alert {
            key: format!("{what}/{}/{}", self.provider, self.model),
            kind,
            severity,
            at,
            message,
            facts: Some(Box::new(facts)),
        }
    }
}

fn natural(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
