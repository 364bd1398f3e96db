//! Sums by day: for each entity a call counts for, and for each model with its provider,
//! key, user, team and organization.

use std::{collections::HashMap, sync::LazyLock};

use event::{PricedEvent, StandardLoggingPayload};
use sqlx::{Arguments as _, AssertSqlSafe, SqliteConnection, sqlite::SqliteArguments};

use super::counts::{self, Counts, add_to};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Whom spend is counted for, as it stands in `daily_entities.kind`. Persisted.
pub(super) const KINDS: [&str; 8] = [
    "key",
    "user",
    "team",
    "organization",
    "end_user",
    "tag",
    "provider",
    "model",
];

/// What tells the sums of a day apart, in the order of `daily_models`. Persisted.
const LABELS: [&str; 7] = [
    "model",
    "provider",
    "api_key",
    "model_group",
    "user_id",
    "team_id",
    "organization_id",
];

/// The team a call counts for: the request's own where it names one.
pub(super) fn team(payload: &StandardLoggingPayload) -> Option<&str> {
    let metadata = &payload.metadata;
    metadata
        .team_id
        .as_deref()
        .or(metadata.user_api_key_team_id.as_deref())
}

/// The application's own user.
pub(super) fn end_user(payload: &StandardLoggingPayload) -> Option<&str> {
    let end_user = payload.end_user.as_deref();
    end_user
        .or(payload.metadata.user_api_key_end_user_id.as_deref())
        .filter(|id| !id.is_empty())
}

/// The sums of one batch.
#[derive(Debug, Default)]
pub(super) struct Rollups<'a> {
    entities: HashMap<(i64, &'static str, &'a str), Counts>,
    models: HashMap<(i64, [&'a str; LABELS.len()]), Counts>,
    total: Counts,
}

impl<'a> Rollups<'a> {
    pub(super) fn add(&mut self, event: &'a PricedEvent, counts: &Counts) {
        let payload = event.payload();
        let metadata = &payload.metadata;
        let day = payload.start_time.micros().div_euclid(MICROS_PER_DAY);
        let key = metadata.user_api_key_hash.as_deref();
        let provider = payload.custom_llm_provider.as_deref();
        let entities = [
            ("key", key),
            ("user", metadata.user_api_key_user_id.as_deref()),
            ("team", team(payload)),
            ("organization", metadata.user_api_key_org_id.as_deref()),
            ("end_user", end_user(payload)),
            ("provider", provider),
            ("model", Some(payload.model.as_str())),
        ];
        for (kind, id) in entities {
            if let Some(id) = id {
                add_to(&mut self.entities, (day, kind, id), counts);
            }
        }
        for (at, tag) in payload.request_tags.iter().enumerate() {
            // A tag that is given twice counts once.
            if payload.request_tags.iter().position(|other| other == tag) == Some(at) {
                add_to(&mut self.entities, (day, "tag", tag), counts);
            }
        }
        let labels = [
            Some(&*payload.model),
            provider,
            key,
            payload.model_group.as_deref(),
            metadata.user_api_key_user_id.as_deref(),
            team(payload),
            metadata.user_api_key_org_id.as_deref(),
        ];
        let model = (day, labels.map(Option::unwrap_or_default));
        add_to(&mut self.models, model, counts);
        self.total.add(counts);
    }

    /// Adds them to what stands in the books.
    pub(super) async fn write(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let mut entities: Vec<_> = self.entities.into_iter().collect();
        // In the order of the table, so that neighbours share their pages.
        entities.sort_unstable_by_key(|(key, _)| *key);
        let rows = entities
            .into_iter()
            .map(|((day, kind, id), counts)| (day, [kind, id], counts));
        ENTITIES.write(connection, rows.collect()).await?;
        let mut models: Vec<_> = self.models.into_iter().collect();
        models.sort_unstable_by_key(|(key, _)| *key);
        let rows = models
            .into_iter()
            .map(|((day, labels), counts)| (day, labels, counts));
        MODELS.write(connection, rows.collect()).await?;
        write_total(connection, &self.total).await
    }
}

/// Rows in one statement.
const ROWS: usize = 32;

/// The statements that add to a table whose key is a day and `N` texts.
struct Table {
    many: String,
    one: String,
}

static ENTITIES: LazyLock<Table> =
    LazyLock::new(|| Table::new("daily_entities", &["day", "kind", "id"]));
static MODELS: LazyLock<Table> = LazyLock::new(|| {
    let key: Vec<_> = ["day"].into_iter().chain(LABELS).collect();
    Table::new("daily_models", &key)
});
static TOTALS: LazyLock<Table> = LazyLock::new(|| Table::new("totals", &["only_row"]));

impl Table {
    fn new(table: &str, key: &[&'static str]) -> Self {
        let columns: Vec<&str> = key.iter().copied().chain(counts::COLUMNS).collect();
        let upsert = |rows| {
            let insert = super::insert(table, &columns, rows);
            format!(
                "{insert} ON CONFLICT ({}) DO UPDATE SET {}",
                key.join(", "),
                additions()
            )
        };
        Self {
            many: upsert(ROWS),
            one: upsert(1),
        }
    }

    async fn write<const N: usize>(
        &'static self,
        connection: &mut SqliteConnection,
        rows: Vec<(i64, [&str; N], Counts)>,
    ) -> Result<(), sqlx::Error> {
        let (many, rest) = rows.as_chunks::<ROWS>();
        let many = many
            .iter()
            .map(|chunk| (self.many.as_str(), chunk.as_slice()));
        let rest = rest.chunks(1).map(|chunk| (self.one.as_str(), chunk));
        for (statement, chunk) in many.chain(rest) {
            let mut values = SqliteArguments::default();
            for (day, texts, counts) in chunk {
                push(&mut values, *day, texts, counts).map_err(sqlx::Error::Encode)?;
            }
            sqlx::query_with(AssertSqlSafe(statement), values)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

async fn write_total(
    connection: &mut SqliteConnection,
    counts: &Counts,
) -> Result<(), sqlx::Error> {
    TOTALS.write(connection, vec![(1, [], *counts)]).await
}

fn push(
    values: &mut SqliteArguments,
    first: i64,
    texts: &[&str],
    counts: &Counts,
) -> Result<(), sqlx::error::BoxDynError> {
    values.add(first)?;
    for text in texts {
        values.add(*text)?;
    }
    for count in counts.columns() {
        values.add(count)?;
    }
    Ok(())
}

/// `column = column + excluded.column` for each count, the picos of money carried over.
fn additions() -> String {
    let plain = counts::COLUMNS
        .iter()
        .filter(|column| !column.starts_with("cost_"))
        .map(|column| format!("{column} = {column} + excluded.{column}"));
    let money = [
        "cost_micros = cost_micros + excluded.cost_micros \
         + (cost_picos + excluded.cost_picos) / 1000000",
        "cost_picos = (cost_picos + excluded.cost_picos) % 1000000",
    ];
    plain
        .chain(money.map(str::to_owned))
        .collect::<Vec<_>>()
        .join(", ")
}
