//! Instants as people and other programs read them: `2026-11-20T12:00:00.000000Z`.

use chrono::{DateTime, SecondsFormat, Utc};
use event::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn text(at: Timestamp) -> String {
    at.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Reads what [`text`] writes.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    Some(Timestamp::from(at.with_timezone(&Utc)))
}

pub(crate) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*at))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Timestamp, D::Error> {
    read(&String::deserialize(deserializer)?)
}

fn read<E: serde::de::Error>(text: &str) -> Result<Timestamp, E> {
    let at = DateTime::parse_from_rfc3339(text).map_err(E::custom)?;
    Ok(Timestamp::from(at.with_timezone(&Utc)))
}

/// The same for what may be missing.
pub(super) mod option {
    use super::{Deserialize as _, Deserializer, Serializer, Timestamp};

    #[expect(clippy::ref_option, reason = "the form that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| super::read(&text)).transpose()
    }
}
