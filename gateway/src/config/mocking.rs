//! `mock_response` and its like: what is answered without asking a provider.

use std::time::Duration;

use event::Json;
use serde_json::{Map, Value};

use super::ConfigError;

/// What is answered instead of asking a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mocking {
    /// A text, a whole answer, a vector, or the name of an error (`mock_response`).
    pub response: Option<Json>,
    /// What the answer calls (`mock_tool_calls`).
    pub tool_calls: Option<Json>,
    /// Nothing until the time is up (`mock_timeout`).
    pub timeout: bool,
    /// How long the answer takes (`mock_delay`).
    pub delay: Option<Duration>,
}

impl Mocking {
    /// The fields that say it.
    pub const NAMES: [&'static str; 4] = [
        "mock_response",
        "mock_tool_calls",
        "mock_timeout",
        "mock_delay",
    ];

    /// Whether a provider is not asked. A delay alone delays nothing, as with LiteLLM.
    #[must_use]
    pub const fn answers(&self) -> bool {
        self.response.is_some() || self.tool_calls.is_some() || self.timeout
    }

    /// Whether anything of it is said.
    #[must_use]
    pub const fn is_said(&self) -> bool {
        self.answers() || self.delay.is_some()
    }

    /// Takes one of the fields.
    ///
    /// # Errors
    ///
    /// What the field has to be.
    pub fn set(&mut self, name: &str, value: Json) -> Result<(), &'static str> {
        let first = value.text().bytes().next();
        match name {
            _ if value.is_null() => {}
            "mock_response" if matches!(first, Some(b'"' | b'{' | b'[')) => {
                self.response = Some(value);
            }
            "mock_response" => return Err("a text, a whole answer, or a vector"),
            "mock_tool_calls" if first == Some(b'[') => self.tool_calls = Some(value),
            "mock_tool_calls" => return Err("a list of tool calls"),
            "mock_timeout" => self.timeout = value.read().ok_or("`true` or `false`")?,
            _ => {
                let wanted = "a number of seconds";
                let seconds: f64 = value.read().ok_or(wanted)?;
                let delay = Duration::try_from_secs_f64(seconds);
                self.delay = Some(delay.map_err(|_error| wanted)?);
            }
        }
        Ok(())
    }

    /// Reads it from `litellm_params`.
    pub(super) fn of_params(params: &Map<String, Value>, path: &str) -> Result<Self, ConfigError> {
        let mut mocking = Self::default();
        for name in Self::NAMES {
            if let Some(value) = params.get(name) {
                mocking.set(name, Json::of(value)).map_err(|wanted| {
                    ConfigError::at(format!("{path}.{name}"), format!("must be {wanted}"))
                })?;
            }
        }
        Ok(mocking)
    }
}
