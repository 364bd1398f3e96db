//! What all of AWS's services have in common: credentials, regions, signatures, errors.

pub mod embeddings;
pub mod fault;
mod sigv4;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod trial;

use bytes::Bytes;
use event::{Secret, Timestamp};
use http::{HeaderMap, header};

use self::sigv4::Keys;
use super::{Outgoing, ProviderError, Setting, openai};
use crate::config::{Deployment, Settings};

/// The region where nobody names one, as in LiteLLM.
const REGION: &str = "us-west-2";

/// The settings of every service of AWS.
///
/// What comes from the environment has keys of its own: a session token there belongs to the key
/// beside it, and never to one that the deployment names.
pub const SETTINGS: [Setting; 15] = [
    set("aws_access_key_id", &[]),
    set("aws_secret_access_key", &[]),
    set("aws_session_token", &[]),
    set("aws_region_name", &[]),
    set(ENVIRONMENT_KEY, &["AWS_ACCESS_KEY_ID"]),
    set(ENVIRONMENT_SECRET, &["AWS_SECRET_ACCESS_KEY"]),
    set(ENVIRONMENT_SESSION, &["AWS_SESSION_TOKEN"]),
    set(
        ENVIRONMENT_REGION,
        &["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"],
    ),
    set("model_id", &[]),
    set(OTHER_WAYS[0], &[]),
    set(OTHER_WAYS[1], &[]),
    set(OTHER_WAYS[2], &[]),
    set(OTHER_WAYS[3], &[]),
    set(OTHER_WAYS[4], &[]),
    set(OTHER_WAYS[5], &[]),
];

/// Ways to credentials that this gateway does not go.
const OTHER_WAYS: [&str; 6] = [
    "aws_role_name",
    "aws_session_name",
    "aws_profile_name",
    "aws_web_identity_token",
    "aws_sts_endpoint",
    "aws_external_id",
];

const ENVIRONMENT_KEY: &str = "environment_access_key_id";
const ENVIRONMENT_SECRET: &str = "environment_secret_access_key";
const ENVIRONMENT_SESSION: &str = "environment_session_token";
const ENVIRONMENT_REGION: &str = "environment_region_name";

/// A setting.
#[must_use]
pub const fn set(key: &'static str, variables: &'static [&'static str]) -> Setting {
    Setting { key, variables }
}

/// Refuses settings that name a way to credentials which this gateway does not go: to go on with
/// the keys of the environment would be to act as somebody else.
///
/// # Errors
///
/// If there is one.
pub fn check(settings: &Settings) -> Result<(), ProviderError> {
    let other = OTHER_WAYS
        .into_iter()
        .find(|key| settings.value(key).is_some());
    let wanted = "left out: requests are signed with `aws_access_key_id` and \
                  `aws_secret_access_key`, or sent with a Bedrock API key as `api_key`";
    other.map_or(Ok(()), |key| Err(ProviderError::Setting(key, wanted)))
}

/// Signs requests of one deployment to one service.
#[derive(Clone, Debug)]
pub struct Signer {
    access: Access,
    region: String,
    service: &'static str,
    now: Timestamp,
}

#[derive(Clone, Debug)]
enum Access {
    /// A Bedrock API key.
    Bearer(Secret),
    Keys(Keys),
}

impl Signer {
    /// Signs with what `deployment` says, or else the environment. `region`: what the model's name
    /// tells.
    ///
    /// # Errors
    ///
    /// If there are no credentials, or the region is none.
    pub fn of(
        deployment: &Deployment,
        service: &'static str,
        region: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, ProviderError> {
        let settings = &deployment.settings;
        check(settings)?;
        let access = match &deployment.api_key {
            Some(key) => Access::Bearer(key.clone()),
            None => Access::Keys(keys(settings)?),
        };
        let region = settings
            .text("aws_region_name")
            .or_else(|| region.map(str::to_owned))
            .or_else(|| settings.text(ENVIRONMENT_REGION))
            .unwrap_or_else(|| REGION.to_owned());
        if !is_region(&region) {
            let wanted = "the name of a region, `us-east-1`";
            return Err(ProviderError::Setting("aws_region_name", wanted));
        }
        Ok(Self {
            access,
            region,
            service,
            now,
        })
    }

    /// Where `service` is in the signer's region.
    #[must_use]
    pub fn address(&self, service: &str) -> String {
        let region = &self.region;
        let end = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://{service}.{region}.amazonaws.com{end}")
    }

    /// A JSON request to `uri`, signed.
    ///
    /// # Errors
    ///
    /// If `uri` is no address, or a credential cannot be sent.
    pub fn outgoing(
        &self,
        deployment: &Deployment,
        uri: String,
        body: Bytes,
    ) -> Result<Outgoing, ProviderError> {
        let mut outgoing = openai::outgoing(deployment, uri, HeaderMap::new(), body)?;
        match &self.access {
            Access::Bearer(key) => {
                let value = openai::bearer(key)?;
                outgoing.headers.insert(header::AUTHORIZATION, value);
            }
            Access::Keys(keys) => {
                sigv4::sign(&mut outgoing, keys, (&self.region, self.service), self.now)?;
            }
        }
        Ok(outgoing)
    }
}

fn keys(settings: &Settings) -> Result<Keys, ProviderError> {
    let take = |[id, secret, session]: [&str; 3]| {
        Some(Keys {
            id: settings.text(id)?,
            secret: Secret::new(settings.text(secret)?),
            session: settings.text(session).map(Secret::new),
        })
    };
    let own = [
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
    ];
    let environment = [ENVIRONMENT_KEY, ENVIRONMENT_SECRET, ENVIRONMENT_SESSION];
    let half = own.iter().find(|key| settings.text(key).is_some());
    match (take(own), half) {
        (Some(keys), _) => Ok(keys),
        (None, Some(_half)) if settings.text(own[0]).is_some() => {
            Err(ProviderError::Missing("aws_secret_access_key"))
        }
        (None, Some(_half)) => Err(ProviderError::Missing("aws_access_key_id")),
        (None, None) => take(environment).ok_or(ProviderError::Missing("aws_access_key_id")),
    }
}

fn is_region(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(fits)
}

/// `text` as one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    sigv4::encoded(text.as_bytes(), false)
}
