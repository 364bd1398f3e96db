//! Alerts that can be followed, and sums by day that know whose key it was.

/// Alerts get numbers, rounds and facts. The sums by model are made anew from the rows, because
/// what is summed up does not say whose it was.
pub(super) const V7: &str = "
ALTER TABLE alerts RENAME TO alerts_before;
CREATE TABLE alerts (
    -- Rises, and is never used twice: who follows alerts remembers the last one.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    -- 0, and one more for each time it was noticed again after a long silence.
    round INTEGER NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    message TEXT NOT NULL,
    -- JSON of `event::AlertFacts`.
    facts TEXT,
    -- When the window ends that it is of; long after that it may go.
    ends INTEGER,
    UNIQUE (key, round)
) STRICT;
INSERT INTO alerts (key, round, kind, severity, first_at, last_at, count, message)
    SELECT key, 0, kind, severity, first_at, last_at, count, message
    FROM alerts_before ORDER BY first_at, key;
DROP TABLE alerts_before;
CREATE INDEX alerts_by_last ON alerts (last_at);
CREATE INDEX alerts_by_end ON alerts (ends) WHERE ends IS NOT NULL;

-- How far alerts have been made of other tables.
CREATE TABLE alert_cursors (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_by_expiry ON keys (fields ->> 'expires') WHERE fields ->> 'expires' IS NOT NULL;

-- What end users are said to have spent elsewhere, and when their costs were set back to nothing.
CREATE TABLE reported_costs (
    number INTEGER PRIMARY KEY,
    end_user TEXT NOT NULL,
    budget TEXT NOT NULL,
    window TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- The SHA-256 of the key that said so, or `master key`.
    actor TEXT NOT NULL,
    -- NULL where the costs were set back.
    model TEXT,
    -- The id of the completion, if it has one: it is counted once.
    completion TEXT,
    cost_micros INTEGER NOT NULL,
    cost_picos INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX reported_once ON reported_costs (end_user, completion)
    WHERE completion IS NOT NULL;
CREATE INDEX reported_by_window ON reported_costs (end_user, window, number);

DROP TABLE daily_models;
-- A key mostly has one user, team and organization, so there are hardly more rows for them.
CREATE TABLE daily_models (
    day INTEGER NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    api_key TEXT NOT NULL,
    model_group TEXT NOT NULL,
    user_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    successes INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost_micros INTEGER NOT NULL,
    cost_picos INTEGER NOT NULL,
    PRIMARY KEY (day, model, provider, api_key, model_group, user_id, team_id, organization_id)
) STRICT, WITHOUT ROWID;
INSERT INTO daily_models
SELECT started / 86400000000, model, coalesce(provider, ''), coalesce(api_key, ''),
    coalesce(model_group, ''), coalesce(user_id, ''), coalesce(team_id, ''), coalesce(org_id, ''),
    sum(status = 'success'), sum(status <> 'success'), sum(cost_status = 'unpriced'),
    sum(prompt_tokens), sum(completion_tokens), sum(total_tokens),
    sum(cast(coalesce(metadata ->> '$.usage_object.prompt_tokens_details.cached_tokens',
        metadata ->> '$.usage_object.cache_read_input_tokens',
        metadata ->> '$.usage_object.prompt_cache_hit_tokens', 0) AS INTEGER)),
    sum(cast(coalesce(metadata ->> '$.usage_object.prompt_tokens_details.cache_write_tokens',
        metadata ->> '$.usage_object.cache_creation_input_tokens', 0) AS INTEGER)),
    sum(cast(coalesce(metadata ->> '$.usage_object.completion_tokens_details.reasoning_tokens', 0)
        AS INTEGER)),
    sum(coalesce(cost, 0) / 1000000) + sum(coalesce(cost, 0) % 1000000) / 1000000,
    sum(coalesce(cost, 0) % 1000000) % 1000000
FROM calls GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
";

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteRow};

    use super::{
        super::{MIGRATIONS, migrate},
        V7,
    };
    use crate::api::tests::rig;

    #[tokio::test]
    async fn sums_made_from_the_rows_are_those_that_were_kept() {
        let rig = rig(None).await;
        let mut writer = rig.books.writer().await;
        let all = "SELECT * FROM daily_models";
        let text = |rows: Vec<SqliteRow>| {
            let row = |row: &SqliteRow| {
                let label = |at| row.get::<String, _>(at);
                let count = |at| row.get::<i64, _>(at);
                let labels: Vec<_> = (1..8).map(label).collect();
                let counts: Vec<_> = (8..19).map(count).collect();
                (count(0), labels, counts)
            };
            rows.iter().map(row).collect::<Vec<_>>()
        };
        let kept = text(sqlx::query(all).fetch_all(&mut *writer).await.unwrap());
        assert_eq!(kept.len(), 6);
        let sql = "DELETE FROM daily_models";
        sqlx::query(sql).execute(&mut *writer).await.unwrap();
        let insert = V7.find("INSERT INTO daily_models").unwrap();
        sqlx::raw_sql(&V7[insert..])
            .execute(&mut *writer)
            .await
            .unwrap();
        let made = text(sqlx::query(all).fetch_all(&mut *writer).await.unwrap());
        assert_eq!(made, kept);
    }

    #[tokio::test]
    async fn alerts_of_before_get_numbers() {
        let mut books = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let create = "CREATE TABLE migrations (version INTEGER PRIMARY KEY) STRICT";
        sqlx::raw_sql(create).execute(&mut books).await.unwrap();
        for (version, script) in (1_i64..).zip(&MIGRATIONS[..6]) {
            sqlx::raw_sql(*script).execute(&mut books).await.unwrap();
            let sql = "INSERT INTO migrations VALUES (?)";
            let query = sqlx::query(sql).bind(version);
            query.execute(&mut books).await.unwrap();
        }
        let sql = "INSERT INTO alerts VALUES ('b', 'k', 's', 5, 9, 2, 'm'), \
                   ('a', 'k', 's', 7, 8, 1, 'm')";
        sqlx::raw_sql(sql).execute(&mut books).await.unwrap();
        migrate(&mut books).await.unwrap();
        let sql = "SELECT id, key, round, count FROM alerts ORDER BY id";
        type Found = (i64, String, i64, i64);
        let found: Vec<Found> = sqlx::query_as(sql).fetch_all(&mut books).await.unwrap();
        let expected = [(1, "b".to_owned(), 0, 2), (2, "a".to_owned(), 0, 1)];
        assert_eq!(found, expected);
    }
}
