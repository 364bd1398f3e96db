//! What two requests have to share to get one answer.

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{
    auth::Identity,
    config::{CacheSettings, Deployment, SharedBy},
    request::ClientRequest,
};

/// Fields that change how an answer is given and not what it says.
const MANNERS: [&str; 4] = ["stream", "stream_options", "user", "safety_identifier"];

/// The SHA-256 of what goes upstream and of who may share the answer, in a namespace.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    namespace: Option<Box<str>>,
    hash: [u8; 32],
}

/// What is asked: a request for a group, of which `deployment` is a member.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) request: &'a ClientRequest,
    pub(crate) group: &'a str,
    pub(crate) deployment: &'a Deployment,
    pub(crate) identity: &'a Identity,
}

impl Key {
    /// The key of a question. The deployment's defaults are part of what is asked. Who asks is part
    /// of it too, unless `shared_by: everyone` says otherwise: nobody reads what another team was
    /// answered, whatever namespace a request names.
    pub(crate) fn of(question: Question<'_>, settings: &CacheSettings) -> Self {
        let Question {
            request,
            group,
            deployment,
            identity,
        } = question;
        let mut object = request.object(&deployment.defaults, &deployment.dropped);
        for name in MANNERS {
            object.remove(name);
        }
        let own = request.cache.namespace.as_deref();
        let namespace = own.or(settings.namespace.as_deref());
        let mut hash = Sha256::new();
        let asker = match settings.shared_by {
            SharedBy::Everyone => ("", ""),
            SharedBy::Team => identity.shares_with(),
        };
        for part in [
            request.operation.path(),
            group,
            namespace.unwrap_or_default(),
            asker.0,
            asker.1,
        ] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(sorted(object).to_string());
        Self {
            namespace: namespace.map(Into::into),
            hash: hash.finalize().into(),
        }
    }

    /// The digest alone, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        hex::encode(self.hash)
    }

    #[cfg(test)]
    pub(super) fn of_text(text: &str) -> Self {
        Self {
            namespace: None,
            hash: Sha256::digest(text).into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}:")?;
        }
        f.write_str(&self.digest())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// The same object with its fields sorted, at every depth: their order says nothing.
fn sorted(object: Map<String, Value>) -> Value {
    fn sort(value: Value) -> Value {
        match value {
            Value::Object(object) => sorted(object),
            Value::Array(list) => Value::Array(list.into_iter().map(sort).collect()),
            other => other,
        }
    }
    let mut fields: Vec<(String, Value)> = object.into_iter().collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    Value::Object(
        fields
            .into_iter()
            .map(|(name, value)| (name, sort(value)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{config::Config, operation::Operation};

    fn deployment() -> Deployment {
        let params = json!({"model": "openai/gpt-4o", "api_key": "k", "temperature": 0.5});
        let tree = json!({"model_list": [{"model_name": "m", "litellm_params": params}]});
        let (mut config, _warnings) = Config::from_tree(tree.as_object().unwrap()).unwrap();
        config.deployments.remove(0)
    }

    fn of_key(key: Option<&str>) -> Identity {
        Identity {
            key_hash: key.map(str::to_owned),
            ..Identity::default()
        }
    }

    fn key(text: &str, identity: &Identity, settings: &CacheSettings) -> Key {
        let mut body = json!({"model": "m", "messages": []});
        let more: Map<String, Value> = serde_json::from_str(text).unwrap();
        for (name, value) in more {
            body[name] = value;
        }
        let body = body.to_string().into();
        let request = ClientRequest::parse(Operation::Chat, body, 1000).unwrap();
        let deployment = deployment();
        let question = Question {
            request: &request,
            group: "m",
            deployment: &deployment,
            identity,
        };
        Key::of(question, settings)
    }

    #[test]
    fn the_same_question_has_one_key_however_it_is_put() {
        let (settings, me) = (CacheSettings::default(), of_key(Some("k")));
        let same = [
            "{}",
            r#"{"stream": true, "stream_options": {"include_usage": true}}"#,
            r#"{"user": "somebody", "metadata": {"tags": ["t"]}, "cache": {"ttl": 5}}"#,
            r#"{"temperature": 0.5}"#,
        ];
        let keys = same.map(|text| key(text, &me, &settings));
        assert!(keys.iter().all(|one| *one == keys[0]), "{keys:?}");
        let other = [
            r#"{"temperature": 0.6}"#,
            r#"{"cache": {"namespace": "n"}}"#,
            r#"{"messages": [{"role": "user", "content": "x"}]}"#,
        ];
        for text in other {
            assert_ne!(key(text, &me, &settings), keys[0], "{text}");
        }
        let one = key(r#"{"logit_bias": {"1": 2, "3": 4}}"#, &me, &settings);
        let other = key(r#"{"logit_bias": {"3": 4, "1": 2}}"#, &me, &settings);
        assert_eq!(one, other, "the order of fields says nothing");
    }

    #[test]
    fn nobody_reads_what_another_was_answered_unless_that_is_configured() {
        let askers = [of_key(None), of_key(Some("one")), of_key(Some("other"))];
        let apart = CacheSettings::default();
        let shared = CacheSettings {
            shared_by: SharedBy::Everyone,
            ..CacheSettings::default()
        };
        // A namespace that a request names lets nobody in.
        for text in ["{}", r#"{"cache": {"namespace": "one"}}"#] {
            for (number, asker) in askers.iter().enumerate() {
                for other in &askers[number + 1..] {
                    assert_ne!(key(text, asker, &apart), key(text, other, &apart), "{text}");
                    assert_eq!(key(text, asker, &shared), key(text, other, &shared));
                }
            }
        }
    }

    #[test]
    fn a_namespace_stands_in_front() {
        let settings = CacheSettings {
            namespace: Some("ours".to_owned()),
            ..CacheSettings::default()
        };
        let me = of_key(None);
        let shown = |text| key(text, &me, &settings).to_string();
        assert!(shown("{}").starts_with("ours:"));
        assert!(shown(r#"{"cache": {"namespace": "mine"}}"#).starts_with("mine:"));
        let bare = key("{}", &me, &CacheSettings::default()).to_string();
        assert_eq!(bare.len(), 64);
    }
}
