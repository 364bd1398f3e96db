//! Keys that expire soon, once for each key and expiry.

use event::{Alert, AlertFacts, AlertKind, Severity, Timestamp};

use super::whom;
use crate::{
    books::{Books, BooksError, Once},
    config::AlertType,
    rfc3339,
};

/// Keys that are told of in one look, at most: those that expire first.
const KEYS_MAX: u32 = 10_000;

/// Keys that expire within the time of notice, and still open something.
pub(super) async fn find(books: &Books, now: Timestamp) -> Result<Vec<Once>, BooksError> {
    if !books.alerting().raises(AlertType::KEY_EXPIRING) {
        return Ok(Vec::new());
    }
    // Instants are written in one form, so their texts are in the order of time.
    let sql = "SELECT id, fields ->> 'expires', key_alias, user_id, team_id FROM keys \
               WHERE fields ->> 'expires' > ? AND fields ->> 'expires' <= ? \
               AND NOT coalesce(fields ->> 'blocked', 0) ORDER BY fields ->> 'expires' LIMIT ?";
    let notice = books.alerting().alerting_args.expiry_notice_micros();
    let until = Timestamp::from_micros(now.micros().saturating_add(notice));
    type Row = (
        String,
        String,
        Option<String>,
        Option<String>,
        Option<String>,
    );
    let rows: Vec<Row> = sqlx::query_as(sql)
        .bind(rfc3339::text(now))
        .bind(rfc3339::text(until))
        .bind(KEYS_MAX)
        .fetch_all(books.readers())
        .await?;
    let known = books.directory().known();
    let mut found = Vec::with_capacity(rows.len());
    for (id, text, key_alias, user_id, team_id) in rows {
        let Some(expires) = rfc3339::parse(&text) else {
            continue;
        };
        let facts = AlertFacts {
            event_group: Some("key".to_owned()),
            token: Some(id.clone()),
            key_alias,
            user_id,
            team_id,
            expires: Some(expires),
            time_zone: Some("UTC".to_owned()),
            ..AlertFacts::default()
        };
        let facts = whom::complete(facts, &known);
        let message = format!(
            "{} expires at {text}: prolong it with `POST /key/update` (`duration`), or have its \
             users take another one",
            whom::key(&facts)
        );
        found.push(Once {
            alert: Alert {
                key: format!("key_expiring/{id}/{text}"),
                kind: AlertKind::KeyExpiring,
                severity: Severity::Warning,
                at: now,
                message,
                facts: Some(Box::new(facts)),
            },
            ends: Some(expires),
        });
    }
    Ok(found)
}
