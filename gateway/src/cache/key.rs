//! What two requests have to share to get one answer.

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{config::Deployment, request::ClientRequest};

/// Fields that change how an answer is given and not what it says.
const MANNERS: [&str; 4] = ["stream", "stream_options", "user", "safety_identifier"];

/// The SHA-256 of what goes upstream.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// The key of a request for a group, of which `deployment` is a member: the deployment's
    /// defaults are part of what is asked.
    pub(crate) fn of(request: &ClientRequest, group: &str, deployment: &Deployment) -> Self {
        let mut object = request.object(&deployment.defaults, &deployment.dropped);
        for name in MANNERS {
            object.remove(name);
        }
        let mut hash = Sha256::new();
        let namespace = request.cache.namespace.as_deref().unwrap_or_default();
        for part in [request.operation.path(), group, namespace] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(sorted(object).to_string());
        Self(hash.finalize().into())
    }

    #[cfg(test)]
    pub(super) fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
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
