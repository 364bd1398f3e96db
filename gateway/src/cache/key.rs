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
