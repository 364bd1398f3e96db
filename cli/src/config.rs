//! One file for everything: LiteLLM's `config.yaml` with our sections beside theirs.
//!
//! The YAML becomes a tree, `os.environ/NAME` is resolved on the tree (never in the text), and each
//! crate reads its own sections. Every error names the file, the line and the key.

mod yaml;

use std::{fmt, path::Path, time::Duration};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value};

use self::yaml::Document;

/// Looks a variable of the environment up.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything the program is told.
pub(crate) struct Config {
    pub(crate) gateway: gateway::Config,
    pub(crate) collector: collector::Config,
    pub(crate) sinks: collector::Sinks,
    pub(crate) bus: BusConfig,
    /// What was read and has no effect.
    pub(crate) warnings: Vec<String>,
    name: String,
    document: Document,
}

/// The section `bus`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BusConfig {
    /// Limits of each journal.
    pub(crate) journal: JournalConfig,
}

/// The section `bus.journal`; what is left out is as the journal likes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JournalConfig {
    /// Bytes of one file.
    segment_bytes: Option<u64>,
    /// Bytes of all files.
    bytes_max: Option<u64>,
    /// What happens at `bytes_max`.
    at_limit: Option<AtLimit>,
    /// Milliseconds between two syncs to disk.
    sync_every_ms: Option<u64>,
    /// Hours that records stay after every reader has passed them.
    keep_for_hours: Option<u64>,
}

/// What happens when a journal is full.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AtLimit {
    /// New records are refused.
    Refuse,
    /// The oldest records go, loudly.
    DropOldest,
}

impl JournalConfig {
    pub(crate) fn options(&self) -> bus::JournalOptions {
        let mut options = bus::JournalOptions::default();
        if let Some(bytes) = self.segment_bytes {
            options.segment_bytes = bytes;
        }
        if let Some(bytes) = self.bytes_max {
            options.bytes_max = Some(bytes);
        }
        match self.at_limit {
            Some(AtLimit::Refuse) => options.at_limit = bus::AtLimit::Refuse,
            Some(AtLimit::DropOldest) => options.at_limit = bus::AtLimit::DropOldest,
            None => {}
        }
        if let Some(millis) = self.sync_every_ms {
            options.sync_every = Duration::from_millis(millis);
        }
        if let Some(hours) = self.keep_for_hours {
            options.keep_for = Duration::from_secs(hours.saturating_mul(3600));
        }
        options
    }
}

/// The configuration of a first run: a model that answers without any provider account.
const DEMO: &str = include_str!("demo.yaml");

impl Config {
    /// Reads `path`, or the demo if there is none.
    ///
    /// # Errors
    ///
    /// At the first thing that cannot be used; the message says where it stands.
    pub(crate) fn load(path: Option<&Path>, environment: Environment<'_>) -> anyhow::Result<Self> {
        let (name, text) = match path {
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration `{name}`"))?;
                (name, text)
            }
            None => ("the built-in demo".to_owned(), DEMO.to_owned()),
        };
        Self::parse(&name, &text, environment).map_err(|error| anyhow::anyhow!("{name}{error}"))
    }

    /// Where `path` stands: `config.yaml:3`.
    pub(crate) fn place(&self, path: &str) -> String {
        match self.document.line(path) {
            Some(line) => format!("{}:{line}", self.name),
            None => self.name.clone(),
        }
    }

    fn parse(name: &str, text: &str, environment: Environment<'_>) -> Result<Self, Misconfigured> {
        let document = Document::parse(text)?;
        let mut warnings = Vec::new();
        let mut tree = resolve(&document, environment, &mut warnings)?;
        let bus = section(&mut tree, "bus", &document)?;
        let mut collector: collector::Config = section(&mut tree, "collector", &document)?;
        prices_from_environment(&mut collector.prices, environment, &mut warnings)?;
        adjustments(&mut collector.prices, &tree, &document, &mut warnings)?;
        let sinks = sinks(&mut tree, &document, environment)?;
        let misconfigured = |error: gateway::ConfigError| Misconfigured {
            line: document.line(&error.path),
            message: error.to_string(),
        };
        let (mut gateway, theirs) = gateway::Config::from_tree(&tree).map_err(misconfigured)?;
        gateway.fill(environment).map_err(misconfigured)?;
        let read = |path: &str| std::fs::read_to_string(path);
        gateway.read_files(&read).map_err(misconfigured)?;
        if gateway.master_key.is_none() {
            gateway.master_key = environment("LITELLM_MASTER_KEY").map(event::Secret::new);
        }
        warnings.extend(theirs.into_iter().map(|warning| {
            let at = document
                .line(&warning.path)
                .map(|line| format!("line {line}: "));
            let path = warning.path;
            format!(
                "{}`{path}` is not supported here and has no effect",
                at.unwrap_or_default()
            )
        }));
        Ok(Self {
            gateway,
            collector,
            sinks,
            bus,
            warnings,
            name: name.to_owned(),
            document,
        })
    }
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misconfigured {
    line: Option<usize>,
    message: String,
}

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, ":{line}: {}", self.message),
            None => write!(f, ": {}", self.message),
        }
    }
}

/// Takes out a section and reads it; one that is not there has its defaults.
fn section<T: serde::de::DeserializeOwned + Default>(
    tree: &mut Map<String, Value>,
    name: &str,
    document: &Document,
) -> Result<T, Misconfigured> {
    match tree.remove(name) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => read(value, name, document),
    }
}

fn sinks(
    tree: &mut Map<String, Value>,
    document: &Document,
    environment: Environment<'_>,
) -> Result<collector::Sinks, Misconfigured> {
    let entries: Map<String, Value> = section(tree, "sinks", document)?;
    entries
        .into_iter()
        .map(|(name, value)| {
            let mut sink: collector::config::SinkConfig =
                read(value, &format!("sinks.{name}"), document)?;
            if let Some(known) = ::sinks::ALL.iter().find(|known| known.kind == sink.kind) {
                known.fill(&mut sink.rest, environment);
            }
            Ok((name, sink))
        })
        .collect()
}

fn read<T: serde::de::DeserializeOwned>(
    value: Value,
    path: &str,
    document: &Document,
) -> Result<T, Misconfigured> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.path().to_string();
        let path = if inner == "." {
            path.to_owned()
        } else {
            format!("{path}.{inner}")
        };
        let message = format!("`{path}`: {}", error.into_inner());
        Misconfigured {
            line: document.line(&path),
            message,
        }
    })
}

/// Replaces `os.environ/NAME` by the variable's value, and exports `environment_variables` to what
/// is looked up.
fn resolve(
    document: &Document,
    environment: Environment<'_>,
    warnings: &mut Vec<String>,
) -> Result<Map<String, Value>, Misconfigured> {
    let Value::Object(mut tree) = document.tree.clone() else {
        let message = "the file must be a mapping of sections".to_owned();
        return Err(Misconfigured {
            line: Some(1),
            message,
        });
    };
    let own: Map<String, Value> = section(&mut tree, "environment_variables", document)?;
    let look_up = |name: &str| match own.get(name) {
        Some(Value::String(value)) if !value.starts_with(PREFIX) => Some(value.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
        _ => environment(name),
    };
    for (name, value) in &mut tree {
        substitute(value, name, &mut |path, variable| {
            let value = look_up(variable);
            if value.is_none() {
                let at = document.line(path).map(|line| format!("line {line}: "));
                let at = at.unwrap_or_default();
                warnings.push(format!(
                    "{at}`{path}`: the variable `{variable}` is not set"
                ));
            }
            value
        });
    }
    Ok(tree)
}

const PREFIX: &str = "os.environ/";

fn substitute(
    value: &mut Value,
    path: &str,
    look_up: &mut impl FnMut(&str, &str) -> Option<String>,
) {
    match value {
        Value::String(text) => {
            if let Some(variable) = text.strip_prefix(PREFIX) {
                *value = look_up(path, variable).map_or(Value::Null, Value::String);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                substitute(item, &format!("{path}[{index}]"), look_up);
            }
        }
        Value::Object(entries) => {
            for (key, entry) in entries {
                substitute(entry, &format!("{path}.{key}"), look_up);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// LiteLLM's discounts and margins, where the collector's own section has none.
fn adjustments(
    prices: &mut collector::config::PricesConfig,
    tree: &Map<String, Value>,
    document: &Document,
    warnings: &mut Vec<String>,
) -> Result<(), Misconfigured> {
    fn take<T: serde::de::DeserializeOwned>(
        ours: &mut Option<T>,
        name: &str,
        (tree, document): (&Map<String, Value>, &Document),
    ) -> Result<Option<String>, Misconfigured> {
        let theirs = tree
            .get("litellm_settings")
            .and_then(|section| section.get(name));
        let Some(value) = theirs.filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let path = format!("litellm_settings.{name}");
        let theirs = read(value.clone(), &path, document)?;
        if ours.is_none() {
            *ours = Some(theirs);
            return Ok(None);
        }
        let at = document.line(&path).map(|line| format!("line {line}: "));
        let at = at.unwrap_or_default();
        Ok(Some(format!(
            "{at}`{path}` has no effect: `collector.prices.{name}` is set"
        )))
    }
    let discounts = &mut prices.cost_discount_config;
    warnings.extend(take(discounts, "cost_discount_config", (tree, document))?);
    let margins = &mut prices.cost_margin_config;
    warnings.extend(take(margins, "cost_margin_config", (tree, document))?);
    Ok(())
}

/// LiteLLM's variables for its price map: the URL where none is set here, and a word against URLs.
fn prices_from_environment(
    prices: &mut collector::config::PricesConfig,
    environment: Environment<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), Misconfigured> {
    const LOCAL: &str = "LITELLM_LOCAL_MODEL_COST_MAP";
    const URL: &str = "LITELLM_MODEL_COST_MAP_URL";
    if environment(LOCAL).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        if prices.url.take().is_some() {
            let warning = format!("`collector.prices.url` has no effect: `{LOCAL}` is set");
            warnings.push(warning);
        }
    } else if let (None, Some(url)) = (&prices.url, environment(URL)) {
        let url = sink::http::Endpoint::parse(&url).map_err(|error| Misconfigured {
            line: None,
            message: format!("the variable `{URL}`: {error}"),
        })?;
        prices.url = Some(url);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
