//! The tables of the SQLite books, version by version.
//!
//! Money in sums is two columns: `cost_micros`, whole micro-USD, and `cost_picos`, the rest in
//! pico-USD, always from 0 to 999 999. So no sum overflows below nine trillion dollars, and no
//! digit is lost. The cost of one call is a single column in pico-USD; what does not fit there
//! is refused before it reaches the books.

mod v4;
mod v7;

use sqlx::{Connection as _, SqliteConnection};

use self::{v4::V4, v7::V7};

/// Each entry leads from the version before it to the next. Written once, never edited.
const MIGRATIONS: [&str; 8] = [V1, V2, V3, V4, V5, BATCHES, V7, CONTROL];

const V1: &str = "
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL UNIQUE,
    -- Everything up to and including this sequence is settled.
    mark INTEGER NOT NULL
) STRICT;

CREATE TABLE priced (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    source TEXT NOT NULL,
    -- The position in the priced log of the first event that is not in the books.
    next INTEGER NOT NULL
) STRICT;

CREATE TABLE calls (
    -- Made of source and sequence: unique without an index of its own, and rows that come in the
    -- order of their log are added at the end.
    number INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES sources (id),
    sequence INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    response_id TEXT,
    started INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    completion_started INTEGER NOT NULL,
    status TEXT NOT NULL,
    outcome TEXT NOT NULL,
    usage_source TEXT NOT NULL,
    call_type TEXT NOT NULL,
    model TEXT NOT NULL,
    model_group TEXT,
    model_id TEXT,
    provider TEXT,
    api_base TEXT,
    api_key TEXT,
    key_alias TEXT,
    user_id TEXT,
    team_id TEXT,
    org_id TEXT,
    end_user TEXT,
    tags TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cost_status TEXT NOT NULL,
    -- Pico-USD; NULL while it is not known.
    cost INTEGER,
    cost_detail TEXT NOT NULL,
    error_code TEXT,
    error_class TEXT,
    error_message TEXT,
    cache_hit INTEGER,
    stream INTEGER,
    requester_ip TEXT,
    session_id TEXT,
    trace_id TEXT,
    metadata TEXT NOT NULL
) STRICT;
CREATE INDEX calls_by_call ON calls (call_id);
CREATE INDEX calls_by_response ON calls (response_id) WHERE response_id IS NOT NULL;
-- In the order of time, so that new entries are neighbours. An index that began with the key would
-- change a page for every key in a batch.
CREATE INDEX calls_by_start ON calls (started, api_key);

CREATE TABLE daily_entities (
    -- Days since 1970-01-01, UTC, of the call's start.
    day INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
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
    PRIMARY KEY (day, kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE daily_models (
    day INTEGER NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    api_key TEXT NOT NULL,
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
    PRIMARY KEY (day, model, provider, api_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE totals (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
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
    cost_picos INTEGER NOT NULL
) STRICT;

CREATE TABLE alerts (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;
";

const V2: &str = "
-- A bill without its quantities: JSON, the same for many calls.
CREATE TABLE cards (
    id INTEGER PRIMARY KEY,
    card TEXT NOT NULL UNIQUE
) STRICT;
-- With a card, `cost_detail` holds the quantities of its lines, and without one the whole cost.
ALTER TABLE calls ADD COLUMN card INTEGER REFERENCES cards (id);
";

const V3: &str = "
-- How often the cost was corrected; the columns of the cost are those of the newest revision.
ALTER TABLE calls ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
-- Where the newest revision stands in the priced log. NULL in rows that are older than this column:
-- they lack what a call has to be priced again with.
ALTER TABLE calls ADD COLUMN position INTEGER;

-- Every step from one revision of a row to the next. What it was is kept whole, as in `calls`.
CREATE TABLE corrections (
    number INTEGER NOT NULL REFERENCES calls (number),
    -- The revision that this step led to.
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    was_status TEXT NOT NULL,
    was_cost INTEGER,
    was_detail TEXT NOT NULL,
    was_card INTEGER REFERENCES cards (id),
    cost_status TEXT NOT NULL,
    cost INTEGER,
    PRIMARY KEY (number, revision)
) STRICT, WITHOUT ROWID;
";

/// The ledger: what budgets have settled and lent out. `state` and `lent` are JSON of
/// `event::ledger`.
const V5: &str = "
CREATE TABLE ledger_windows (
    budget TEXT NOT NULL,
    window TEXT NOT NULL,
    -- What its calls have cost, with corrections.
    cost_micros INTEGER NOT NULL,
    cost_picos INTEGER NOT NULL,
    PRIMARY KEY (budget, window)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_lent (
    budget TEXT NOT NULL,
    window TEXT NOT NULL,
    -- The generation of a gateway: its journal, and where in it the generation began.
    source TEXT NOT NULL,
    start INTEGER NOT NULL,
    lent TEXT NOT NULL,
    PRIMARY KEY (budget, window, source, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_lent_by_generation ON ledger_lent (source, start);

CREATE TABLE ledger_generations (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    state TEXT NOT NULL
) STRICT;

CREATE TABLE ledger_steps (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- Rises with each change of the ledger.
    step INTEGER NOT NULL
) STRICT;
";

/// Batches at providers, by every name that one goes by at an account.
const BATCHES: &str = "
CREATE TABLE batches (
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Numbers of rows of `calls`: who created it, and with what it is billed.
    creator INTEGER,
    holder INTEGER,
    -- What that one knew of what it consumed: 0 nothing, 1 sums, 2 all that its price depends on.
    -- One that knows more takes its place.
    knew INTEGER NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;
";

const CONTROL: &str = "
-- What gateways were told last of the configuration.
CREATE TABLE control_configured (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    told TEXT NOT NULL
) STRICT;

-- What calls hold that were seen to start and not to end.
CREATE TABLE ledger_open (
    source TEXT NOT NULL,
    -- Where the started record stands.
    position INTEGER NOT NULL,
    budget TEXT NOT NULL,
    window TEXT NOT NULL,
    -- US dollars.
    amount TEXT NOT NULL,
    PRIMARY KEY (source, position, budget, window)
) STRICT, WITHOUT ROWID;
";

/// Brings the books to the newest version.
///
/// # Errors
/// If the database refuses, or was written by a newer version of this program.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    let create = "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY) STRICT";
    sqlx::raw_sql(create).execute(&mut *connection).await?;
    let done: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM migrations")
        .fetch_one(&mut *connection)
        .await?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if done > known {
        return Err(MigrateError::Newer { found: done, known });
    }
    for (version, script) in (1_i64..)
        .zip(MIGRATIONS)
        .filter(|(version, _)| *version > done)
    {
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(script).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO migrations (version) VALUES (?)")
            .bind(version)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Why the books cannot be brought to the newest version.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database refused.
    #[error("books cannot be brought to the newest version")]
    Database(#[from] sqlx::Error),
    /// An older program on newer books would miss what it does not know.
    #[error("books have version {found}, this program knows up to {known}: upgrade the program")]
    Newer {
        /// The version of the books.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
}
