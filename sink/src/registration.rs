//! Sinks by name: how a configuration becomes a running sink without an `enum` of all of them.

use std::{fmt, future::Future, pin::Pin};

use serde_json::Value;

use crate::{
    Batch, BatchLimits, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind, Takes,
};

/// One line in the list of known sinks.
#[derive(Clone, Copy, Debug)]
pub struct Registration {
    /// See [`Sink::KIND`].
    pub kind: &'static str,
    variables: Variables,
    open: Open,
}

type Variables = fn(&Settings) -> &'static [(&'static str, &'static str)];

type Open = fn(Value, &SinkEnv) -> Result<Box<dyn OpenSink>, SinkError>;

impl Registration {
    /// Registers `S` under its [`Sink::KIND`].
    #[must_use]
    pub const fn of<S: Sink>() -> Self {
        Self {
            kind: S::KIND,
            variables: S::variables,
            open: open::<S>,
        }
    }

    /// Fills in from the environment what is not written: see [`Sink::variables`].
    pub fn fill(&self, settings: &mut Settings, look_up: &dyn Fn(&str) -> Option<String>) {
        for (setting, variable) in (self.variables)(settings) {
            if settings.get(*setting).is_some_and(|value| !value.is_null()) {
                continue;
            }
            if let Some(value) = look_up(variable).filter(|value| !value.is_empty()) {
                settings.insert((*setting).to_owned(), value.into());
            }
        }
    }

    /// Makes a sink of this kind.
    ///
    /// # Errors
    ///
    /// If `config` is not one for this kind, or [`Sink::open`] refuses it.
    pub fn open(&self, config: Value, env: &SinkEnv) -> Result<Box<dyn OpenSink>, SinkError> {
        (self.open)(config, env)
    }
}

/// [`Sink`] without the parts a trait object cannot have. Implemented for every `Sink`, by no one
/// else.
pub trait OpenSink: fmt::Debug + Send + Sync {
    /// See [`Sink::KIND`].
    fn kind(&self) -> &'static str;
    /// See [`Sink::takes`].
    fn takes(&self) -> Takes;
    /// See [`Sink::limits`].
    fn limits(&self) -> BatchLimits;
    /// See [`Sink::probe`].
    fn probe(&self) -> BoxFuture<'_, Result<(), SinkError>>;
    /// See [`Sink::deliver`].
    fn deliver<'a>(&'a self, batch: &'a Batch<'_>) -> BoxFuture<'a, Result<Receipt, SinkError>>;
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<S: Sink> OpenSink for S {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn takes(&self) -> Takes {
        Sink::takes(self)
    }

    fn limits(&self) -> BatchLimits {
        Sink::limits(self)
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(Sink::probe(self))
    }

    fn deliver<'a>(&'a self, batch: &'a Batch<'_>) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        Box::pin(Sink::deliver(self, batch))
    }
}

fn open<S: Sink>(config: Value, env: &SinkEnv) -> Result<Box<dyn OpenSink>, SinkError> {
    let written = config.clone();
    let read = serde_path_to_error::deserialize(config);
    let config = read.map_err(|error| {
        let detail = without_values(error.to_string(), &written);
        SinkError::new(SinkErrorKind::Misconfigured).with_detail(&detail)
    })?;
    Ok(Box::new(S::open(config, env)?))
}

/// Takes the values out of what serde says about them (`invalid type: string "…"`, ``unknown variant
/// `…` ``): a secret that stands where something else is expected must not be shown.
fn without_values(message: String, config: &Value) -> String {
    match config {
        Value::String(text) => message
            .replace(&format!("string {text:?}"), "a string")
            .replace(&format!("unknown variant `{text}`"), "unknown variant"),
        Value::Array(values) => values.iter().fold(message, without_values),
        Value::Object(values) => values.values().fold(message, without_values),
        Value::Null | Value::Bool(_) | Value::Number(_) => message,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        _nested: Option<Box<Config>>,
        _number: Option<u32>,
    }

    fn message(config: &Value) -> String {
        let read: Result<Config, _> = serde_path_to_error::deserialize(config);
        without_values(read.unwrap_err().to_string(), config)
    }

    #[test]
    fn what_is_wrong_with_a_configuration_is_said_with_its_place() {
        let message = message(&json!({ "_nested": { "colour": 1 } }));
        assert!(
            message.contains("_nested") && message.contains("`colour`"),
            "{message}"
        );
    }

    #[test]
    fn a_value_in_the_wrong_place_is_not_shown() {
        let message = message(&json!({ "_nested": { "_number": "whsec_\"1\"" } }));
        assert_eq!(
            message,
            "_nested._number: invalid type: a string, expected u32"
        );
    }
}
