//! Keys and users that spend many times as much as usual in a day. Days are UTC, as the sums are.

use event::{Alert, AlertFacts, AlertKind, EntityKind, Severity, Timestamp};

use super::{budgets::entity, reports::date, whom};
use crate::{
    books::{Books, BooksError, Once, Split},
    config::AlertType,
};

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Keys or users that are looked at, at most: those that spent most.
const LOOKED_AT_MAX: u32 = 10_000;

/// The anomalies of the day of `now`, once for each key or user.
pub(super) async fn find(books: &Books, now: Timestamp) -> Result<Vec<Once>, BooksError> {
    let mut found = Vec::new();
    for (which, kind) in [
        (AlertType::KEY_ANOMALIES, EntityKind::Key),
        (AlertType::USER_ANOMALIES, EntityKind::User),
    ] {
        if books.alerting().raises(which) {
            found.extend(of_kind(books, kind, now).await?);
        }
    }
    Ok(found)
}

async fn of_kind(books: &Books, kind: EntityKind, now: Timestamp) -> Result<Vec<Once>, BooksError> {
    let sql = "SELECT t.id, t.cost_micros, t.cost_picos, \
               coalesce(sum(b.cost_micros), 0), coalesce(sum(b.cost_picos), 0) \
               FROM daily_entities AS t LEFT JOIN daily_entities AS b \
               ON b.kind = t.kind AND b.id = t.id AND b.day >= ? AND b.day < t.day \
               WHERE t.day = ? AND t.kind = ? AND t.cost_micros >= ? \
               GROUP BY t.id ORDER BY t.cost_micros DESC LIMIT ?";
    let args = &books.alerting().alerting_args;
    let (days, least) = args.baseline();
    let today = now.micros().div_euclid(MICROS_PER_DAY);
    type Row = (String, i64, i64, i64, i64);
    let rows: Vec<Row> = sqlx::query_as(sql)
        .bind(today.saturating_sub(days))
        .bind(today)
        .bind(kind.as_str())
        .bind(Split::of(least).micros)
        .bind(LOOKED_AT_MAX)
        .fetch_all(books.readers())
        .await?;
    let known = books.directory().known();
    let mut found = Vec::new();
    for (id, micros, picos, base_micros, base_picos) in rows {
        let spend = Split { micros, picos }.usd();
        let baseline = Split {
            micros: base_micros,
            picos: base_picos,
        };
        let baseline = baseline.usd();
        let Some(entity) = entity(kind, &id).filter(|_| args.is_anomaly(spend, baseline)) else {
            continue;
        };
        let usual = event::Usd::from_picos(baseline.picos() / i128::from(days));
        let facts = AlertFacts {
            spend: Some(spend),
            usual_spend: Some(usual),
            time_zone: Some("UTC".to_owned()),
            ..whom::facts(&entity, &known)
        };
        let day = date(today);
        let message = format!(
            "{} has spent {spend} USD on {day} (UTC), and {usual} USD a day in the {days} days \
             before: look at its calls with `GET /spend/logs`, and block it if they are not wanted",
            whom::name(&entity, &facts)
        );
        found.push(Once {
            alert: Alert {
                key: format!("spend_anomaly/{entity}/{day}"),
                kind: AlertKind::SpendAnomaly,
                severity: Severity::Warning,
                at: now,
                message,
                facts: Some(Box::new(facts)),
            },
            ends: Some(Timestamp::from_micros(
                (today + 1).saturating_mul(MICROS_PER_DAY),
            )),
        });
    }
    Ok(found)
}
