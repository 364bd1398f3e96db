//! Which sinks keys and teams name for their calls, as LiteLLM has it: `logging` in their metadata
//! is a list of `{"callback_name": …, "callback_type": "success" | "failure" |
//! "success_and_failure"}`, and `callback_settings` an object with `success_callback` and
//! `failure_callback`. A name leads to a sink of the configuration, or nowhere: no setting of a key
//! or a team brings an address or a credential of its own.

use event::{EntityId, Json, StandardLoggingPayload, Status};
use serde::Deserialize;

use crate::control::Directory;

/// Finds whether a call is for one sink.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    sink: String,
    directory: Directory,
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    logging: Option<Vec<Logging>>,
    #[serde(default)]
    callback_settings: Option<Callbacks>,
}

#[derive(Deserialize)]
struct Logging {
    callback_name: String,
    #[serde(default)]
    callback_type: CallbackType,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CallbackType {
    Success,
    Failure,
    #[default]
    SuccessAndFailure,
}

#[derive(Deserialize)]
struct Callbacks {
    #[serde(default)]
    success_callback: Option<Vec<String>>,
    #[serde(default)]
    failure_callback: Option<Vec<String>>,
}

impl Routes {
    pub(crate) fn new(sink: &str, directory: Directory) -> Self {
        Self {
            sink: sink.to_owned(),
            directory,
        }
    }

    /// Whether the call's key names the sink; if the key says nothing of logging, whether its team
    /// does.
    pub(super) fn lead_here(&self, payload: &StandardLoggingPayload) -> bool {
        let known = self.directory.known();
        let (metadata, snapshot) = (&payload.metadata, known.snapshot());
        let id = |text: &Option<String>| -> Option<EntityId> { text.as_deref()?.parse().ok() };
        let key = id(&metadata.user_api_key_hash).and_then(|id| snapshot.keys.get(&id));
        let team = id(&metadata.user_api_key_team_id).and_then(|id| snapshot.teams.get(&id));
        let of_key = key.and_then(|key| self.names(&key.metadata, payload.status));
        let of_team = || team.and_then(|team| self.names(&team.metadata, payload.status));
        of_key.or_else(of_team).unwrap_or(false)
    }

    /// Whether the settings name the sink for calls that end so; `None` if they say nothing.
    fn names(&self, metadata: &Json, status: Status) -> Option<bool> {
        let settings: Settings = metadata.read()?;
        if let Some(logging) = settings.logging {
            let named = logging.iter().any(|entry| {
                let fits = match entry.callback_type {
                    CallbackType::Success => status == Status::Success,
                    CallbackType::Failure => status == Status::Failure,
                    CallbackType::SuccessAndFailure => true,
                };
                fits && entry.callback_name == self.sink
            });
            return Some(named);
        }
        let callbacks = settings.callback_settings?;
        let names = match status {
            Status::Success => callbacks.success_callback,
            Status::Failure => callbacks.failure_callback,
        };
        Some(names.is_some_and(|names| names.contains(&self.sink)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use event::control::{Key, Snapshot, Team};
    use serde_json::json;

    use super::*;

    fn routes(key: &serde_json::Value, team: &serde_json::Value) -> Routes {
        let directory = Directory::default();
        let key = Key {
            metadata: Json::of(key),
            ..Key::default()
        };
        let team = Team {
            metadata: Json::of(team),
            ..Team::default()
        };
        directory.put(Snapshot {
            version: 1,
            keys: BTreeMap::from([("k".parse().unwrap(), key)]),
            teams: BTreeMap::from([("t".parse().unwrap(), team)]),
            ..Snapshot::default()
        });
        Routes::new("theirs", directory)
    }

    fn payload(status: Status) -> StandardLoggingPayload {
        let mut payload = StandardLoggingPayload {
            status,
            ..StandardLoggingPayload::default()
        };
        payload.metadata.user_api_key_hash = Some("k".to_owned());
        payload.metadata.user_api_key_team_id = Some("t".to_owned());
        payload
    }

    #[test]
    fn a_key_comes_before_its_team_and_other_names_lead_nowhere() {
        let here = json!({"logging": [{"callback_name": "theirs", "callback_vars": {"x": "y"}}]});
        let failures =
            json!({"logging": [{"callback_name": "theirs", "callback_type": "failure"}]});
        let other = json!({"logging": [{"callback_name": "langfuse"}]});
        let team = json!({"callback_settings": {"success_callback": ["theirs"]}});
        for (key, team, success, failure) in [
            (&json!(null), &json!(null), false, false),
            (&here, &json!(null), true, true),
            (&json!({}), &here, true, true),
            (&failures, &json!(null), false, true),
            (&other, &here, false, false),
            (&json!(null), &team, true, false),
            (
                &json!({"logging": 7}),
                &json!({"logging": "x"}),
                false,
                false,
            ),
        ] {
            let routes = routes(key, team);
            let leads = |status| routes.lead_here(&payload(status));
            assert_eq!(
                (leads(Status::Success), leads(Status::Failure)),
                (success, failure),
                "{key} {team}"
            );
        }
        assert!(!routes(&here, &here).lead_here(&StandardLoggingPayload::default()));
    }
}
