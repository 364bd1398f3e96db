//! The tables: their names, and the statements that make them.

use super::Config;

/// The version that the statements below lead to.
///
/// An insert names every column, so that it shows by itself whether the tables are behind: a new
/// version adds a column.
pub(super) const VERSION: u32 = 1;

const SQL: &str = include_str!("schema.sql");

impl Config {
    /// A table's full name.
    pub(super) fn table(&self, name: &str) -> String {
        format!("{}.{}{name}", self.database, self.table_prefix)
    }

    /// The statements that lead from version `from` to [`VERSION`], in order.
    pub(super) fn statements(&self, from: u32) -> Vec<String> {
        let versions = SQL.split("-- version ").skip(1);
        let newer = versions.filter(|text| {
            let number = text.lines().next().and_then(|line| line.parse().ok());
            number.is_some_and(|number: u32| number > from)
        });
        let statements = newer.flat_map(|text| {
            let text = text.split_once('\n').map_or("", |(_number, text)| text);
            text.split(";\n").map(without_comments)
        });
        let written = statements.filter(|statement| !statement.is_empty());
        written.map(|statement| self.fill(&statement)).collect()
    }

    fn fill(&self, statement: &str) -> String {
        let cluster = self.cluster.as_ref();
        let on_cluster = cluster.map_or_else(String::new, |name| format!(" ON CLUSTER {name}"));
        let replicated = if cluster.is_some() { "Replicated" } else { "" };
        let window = if cluster.is_some() {
            "replicated_deduplication_window"
        } else {
            "non_replicated_deduplication_window"
        };
        let rows_ttl = self.keep_days.map_or_else(String::new, |days| {
            format!("TTL toDateTime(start_time) + INTERVAL {days} DAY\n")
        });
        let content_days = self.keep_content_days.to_string();
        [
            ("{database}", &*self.database),
            ("{events}", &self.table("events")),
            ("{calls}", &self.table("calls")),
            ("{versions}", &self.table("versions")),
            ("{on_cluster}", &on_cluster),
            ("{replicated}", replicated),
            ("{window}", window),
            ("{rows_ttl}", &rows_ttl),
            ("{content_days}", &content_days),
        ]
        .iter()
        .fold(statement.to_owned(), |statement, (name, value)| {
            statement.replace(name, value)
        })
    }
}

fn without_comments(statement: &str) -> String {
    let lines = statement
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
