//! What a request wants of the gateway alone: mocks, redaction, and which of several answers.

use event::Json;
use serde_json::value::RawValue;

use super::{EXTRA_BYTES_MAX, RequestError};
use crate::config::Mocking;

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// What to answer instead of asking a provider, where a request may say that.
    pub mock: Mocking,
    /// Of several models, the first answer will do (`fastest_response`).
    pub fastest: bool,
    /// The call is for the books alone, and its content for nobody (`no-log`).
    pub no_log: bool,
    /// Whether content stays out of the event (`turn_off_message_logging`).
    pub redacts: Option<bool>,
}

impl Wishes {
    /// Reads them from the fields of a body.
    ///
    /// # Errors
    ///
    /// If one is not what it has to be, or is too large.
    pub(super) fn read<'a>(
        find: &impl Fn(&str) -> Option<&'a RawValue>,
    ) -> Result<Self, RequestError> {
        let mut wishes = Self {
            fastest: flag(find, "fastest_response")?.unwrap_or(false),
            no_log: flag(find, "no-log")?.unwrap_or(false),
            redacts: flag(find, "turn_off_message_logging")?,
            ..Self::default()
        };
        for name in Mocking::NAMES {
            let Some(raw) = find(name) else { continue };
            let max = EXTRA_BYTES_MAX;
            if raw.get().len() > max {
                return Err(RequestError::TooLarge { name, max });
            }
            let set = wishes.mock.set(name, Json::from(raw));
            set.map_err(|wanted| RequestError::WrongType { name, wanted })?;
        }
        Ok(wishes)
    }
}

fn flag<'a>(
    find: &impl Fn(&str) -> Option<&'a RawValue>,
    name: &'static str,
) -> Result<Option<bool>, RequestError> {
    let wanted = "`true` or `false`";
    let raw = find(name).map(RawValue::get);
    raw.map_or(Ok(None), serde_json::from_str)
        .map_err(|_error| RequestError::WrongType { name, wanted })
}
