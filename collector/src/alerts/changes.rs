//! Keys, users and teams that were made, changed or deleted: an alert for each row of the audit of
//! changes, made in the same transaction as the cursor moves.

use std::collections::BTreeMap;

use event::{Alert, AlertFacts, AlertKind, Severity, Timestamp};
use serde_json::value::RawValue;
use sqlx::{Connection as _, SqliteConnection};

use crate::{
    books::{Books, BooksError, Once, enter},
    config::{AlertType, AlertingConfig},
};

/// Rows of one transaction.
const ROWS: u32 = 1000;
/// How far the audit has been followed.
const CURSOR: &str = "control_audit";

/// A row of the audit.
#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    at: i64,
    actor: String,
    action: String,
    entity: String,
    id: String,
    was: Option<String>,
    became: Option<String>,
}

/// Makes alerts of what has changed since the last time. The first time begins with now.
pub(super) async fn follow(books: &Books) -> Result<(), BooksError> {
    loop {
        let mut connection = books.writer().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let after = cursor(&mut transaction).await?;
        let sql = "SELECT number, at, actor, action, entity, id, was, became \
                   FROM control_audit WHERE number > ? ORDER BY number LIMIT ?";
        let query = sqlx::query_as::<_, Row>(sql).bind(after).bind(ROWS);
        let rows = query.fetch_all(&mut *transaction).await?;
        let Some(last) = rows.last().map(|row| row.number) else {
            // The cursor may be new.
            transaction.commit().await?;
            return Ok(());
        };
        let alerts = rows.iter().filter_map(|row| row.alert(books.alerting()));
        enter(&mut transaction, &alerts.collect::<Vec<_>>()).await?;
        sqlx::query("UPDATE alert_cursors SET number = ? WHERE name = ?")
            .bind(last)
            .bind(CURSOR)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
}

async fn cursor(connection: &mut SqliteConnection) -> Result<i64, BooksError> {
    let sql = "INSERT INTO alert_cursors (name, number) \
               VALUES (?, (SELECT coalesce(max(number), 0) FROM control_audit)) \
               ON CONFLICT DO NOTHING";
    let query = sqlx::query(sql).bind(CURSOR);
    query.execute(&mut *connection).await?;
    let sql = "SELECT number FROM alert_cursors WHERE name = ?";
    let query = sqlx::query_scalar(sql).bind(CURSOR);
    Ok(query.fetch_one(connection).await?)
}

impl Row {
    /// What happened, and the type that switches its alert.
    fn kind(&self) -> Option<(AlertKind, AlertType)> {
        let hash = |state: &Option<String>| field(state.as_deref(), "hash");
        let rotated = || hash(&self.was) != hash(&self.became);
        Some(match (&*self.entity, &*self.action) {
            ("keys", "created") => (AlertKind::KeyCreated, AlertType::KEY_CREATED),
            ("keys", "updated") if rotated() => (AlertKind::KeyRotated, AlertType::KEY_UPDATED),
            ("keys", "updated") => (AlertKind::KeyUpdated, AlertType::KEY_UPDATED),
            ("keys", "deleted") => (AlertKind::KeyDeleted, AlertType::KEY_DELETED),
            ("teams", "created") => (AlertKind::TeamCreated, AlertType::TEAM_CREATED),
            ("teams", "updated") => (AlertKind::TeamUpdated, AlertType::TEAM_UPDATED),
            ("teams", "deleted") => (AlertKind::TeamDeleted, AlertType::TEAM_DELETED),
            ("users", "created") => (AlertKind::InternalUserCreated, AlertType::USER_CREATED),
            ("users", "updated") => (AlertKind::InternalUserUpdated, AlertType::USER_UPDATED),
            ("users", "deleted") => (AlertKind::InternalUserDeleted, AlertType::USER_DELETED),
            _ => return None,
        })
    }

    fn alert(&self, rules: &AlertingConfig) -> Option<Once> {
        let (kind, _) = self.kind().filter(|(_, which)| rules.raises(*which))?;
        let state = self.became.as_deref().or(self.was.as_deref());
        let text = |name| serde_json::from_str(&field(state, name)?).ok();
        let group = self.entity.trim_end_matches('s');
        let money = |name| field(state, name)?.parse().ok();
        let facts = AlertFacts {
            event_group: Some(group.to_owned()),
            token: (group == "key").then(|| self.id.clone()),
            key_alias: text("key_alias"),
            user_id: text("user_id"),
            user_email: text("user_email"),
            team_id: text("team_id"),
            team_alias: text("team_alias"),
            organization_id: text("organization_id"),
            max_budget: money("max_budget"),
            changed_by: Some(self.actor.clone()),
            ..AlertFacts::default()
        };
        let did = match kind {
            AlertKind::KeyRotated => "given a new text",
            _ => &self.action,
        };
        let short: String = self.id.chars().take(64).collect();
        let who: String = self.actor.chars().take(12).collect();
        let at = Timestamp::from_micros(self.at);
        let alert = Alert {
            key: format!("change/{}", self.number),
            kind,
            severity: Severity::Info,
            at,
            message: format!("{group} `{short}` was {did} by {who}: see `GET /audit/entities`"),
            facts: Some(Box::new(facts)),
        };
        let ends = Some(at);
        Some(Once { alert, ends })
    }
}

/// A field of an entity's JSON, as it is written there.
fn field(state: Option<&str>, name: &str) -> Option<String> {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(state?).ok()?;
    fields.get(name).map(|value| value.get().to_owned())
}
