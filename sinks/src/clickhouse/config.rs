//! What a user may write for `ClickHouse`.

use event::Secret;
use serde::Deserialize;
use sink::http::Endpoint;

/// The longest name of a database, prefix or cluster, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// A hundred years.
const DAYS_MAX: u32 = 36_500;
/// Unless rows are kept for less.
const CONTENT_DAYS: u32 = 30;

/// Settings of `ClickHouse`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// The HTTP interface.
    pub url: Endpoint,
    /// Who inserts.
    pub username: String,
    /// Their password.
    pub password: Secret,
    /// Where the tables are.
    pub database: String,
    /// What the names of the tables begin with.
    pub table_prefix: String,
    /// The cluster on whose every replica the tables are.
    pub cluster: Option<String>,
    /// Whether the sink makes the tables.
    pub create_tables: bool,
    /// How many days a row is kept; for ever if there is none.
    pub keep_days: Option<u32>,
    /// How many days content is kept.
    pub keep_content_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: Endpoint,
    #[serde(default = "username")]
    username: String,
    #[serde(default = "no_password")]
    password: Secret,
    #[serde(default = "database")]
    database: String,
    #[serde(default = "table_prefix")]
    table_prefix: String,
    cluster: Option<String>,
    #[serde(default = "create_tables")]
    create_tables: bool,
    keep_days: Option<u32>,
    keep_content_days: Option<u32>,
}

fn username() -> String {
    "default".to_owned()
}

const fn no_password() -> Secret {
    Secret::new(String::new())
}

fn database() -> String {
    "tollkeeper".to_owned()
}

const fn table_prefix() -> String {
    String::new()
}

const fn create_tables() -> bool {
    true
}

/// Settings that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name that would have to be quoted.
    #[error("`{0}` must have at most 64 letters, digits and `_`, and not begin with a digit")]
    NotAName(&'static str),
    /// A name that cannot stand in a header.
    #[error("`username` must have 1 to 256 characters that are printable ASCII")]
    NotAUser,
    /// No time, or more than there is.
    #[error("`{0}` must be 1 to 36500")]
    NotDays(&'static str),
    /// Rows go with their content.
    #[error("`keep_content_days` must not be more than `keep_days`")]
    ContentOutlives,
}

impl TryFrom<Written> for Config {
    type Error = ConfigError;

    fn try_from(written: Written) -> Result<Self, ConfigError> {
        if !is_name(&written.database) {
            return Err(ConfigError::NotAName("database"));
        }
        if !written.table_prefix.is_empty() && !is_name(&written.table_prefix) {
            return Err(ConfigError::NotAName("table_prefix"));
        }
        if written
            .cluster
            .as_deref()
            .is_some_and(|name| !is_name(name))
        {
            return Err(ConfigError::NotAName("cluster"));
        }
        let user = &written.username;
        if !(1..=256).contains(&user.len())
            || !user.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        {
            return Err(ConfigError::NotAUser);
        }
        let keep_content_days = content_days(written.keep_days, written.keep_content_days)?;
        Ok(Self {
            url: written.url,
            username: written.username,
            password: written.password,
            database: written.database,
            table_prefix: written.table_prefix,
            cluster: written.cluster,
            create_tables: written.create_tables,
            keep_days: written.keep_days,
            keep_content_days,
        })
    }
}

fn content_days(rows: Option<u32>, content: Option<u32>) -> Result<u32, ConfigError> {
    let days = 1..=DAYS_MAX;
    if rows.is_some_and(|rows| !days.contains(&rows)) {
        return Err(ConfigError::NotDays("keep_days"));
    }
    if content.is_some_and(|content| !days.contains(&content)) {
        return Err(ConfigError::NotDays("keep_content_days"));
    }
    let rows = rows.unwrap_or(DAYS_MAX);
    let content = content.unwrap_or_else(|| rows.min(CONTENT_DAYS));
    if content > rows {
        return Err(ConfigError::ContentOutlives);
    }
    Ok(content)
}

/// Whether it is a name that stands in SQL as it is.
fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
