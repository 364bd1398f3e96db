//! Who is calling.

use std::sync::Arc;

use event::{EntityId, Json, Secret, Timestamp, control::Known};
use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{ApiError, ErrorClass};

/// Headers that a key may come in, in the order they are looked at.
const KEY_HEADERS: &[&str] = &["x-litellm-api-key", "authorization", "api-key", "x-api-key"];

/// Whom a call is counted for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// What the key's calls are counted under: the SHA-256 of the key as it was made, in
    /// hexadecimal digits, or the name LiteLLM gives the master key.
    pub key_hash: Option<String>,
    /// The SHA-256 of the virtual key that was presented.
    pub opened_by: Option<String>,
    /// The key's name.
    pub key_alias: Option<String>,
    /// The key's user.
    pub user_id: Option<String>,
    /// The user's address.
    pub user_email: Option<String>,
    /// The key's team.
    pub team_id: Option<String>,
    /// The team's name.
    pub team_alias: Option<String>,
    /// The key's organization.
    pub org_id: Option<String>,
    /// The organization's name.
    pub org_alias: Option<String>,
    /// Tags that each call of the key gets.
    pub tags: Vec<String>,
    /// What the key's owner put there.
    pub metadata: Json,
    /// What was known when the call came: all of its admission goes by that.
    pub known: Arc<Known>,
}

impl Identity {
    /// With whom answers are shared that are kept: with the key's team, or with the same key where
    /// it has none. Beside it what kind of name that is, so that no name of one kind is taken for
    /// one of another.
    pub(crate) fn shares_with(&self) -> (&'static str, &str) {
        match (&self.team_id, &self.key_hash) {
            (Some(team), _) => ("team", team),
            (None, Some(key)) => ("key", key),
            (None, None) => ("", ""),
        }
    }
}

/// Finds out who is calling. Without a master key everybody is let in, as nobody in particular.
///
/// # Errors
///
/// If the request brings neither the master key nor a virtual key that may be used now.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    master_key: Option<&Secret>,
    (known, now): (Arc<Known>, Timestamp),
) -> Result<Identity, ApiError> {
    let given = presented(headers);
    if let Some(key) = given
        && let Some(identity) = virtual_key(key, &known, now)?
    {
        return Ok(identity);
    }
    let Some(master_key) = master_key else {
        return Ok(Identity {
            known,
            ..Identity::default()
        });
    };
    let Some(key) = given else {
        return Err(refused("no key: send `Authorization: Bearer sk-…`"));
    };
    // The comparison takes the same time wherever the keys differ.
    if !bool::from(key.as_bytes().ct_eq(master_key.expose().as_bytes())) {
        let message = "Invalid proxy server token passed: this key is not known here";
        return Err(refused(message).of_kind("token_not_found_in_db"));
    }
    Ok(Identity {
        key_hash: Some("litellm_proxy_master_key".to_owned()),
        user_id: Some("default_user_id".to_owned()),
        known,
        ..Identity::default()
    })
}

/// Whether a request brings a key where keys are looked for.
pub(crate) fn has_key(headers: &HeaderMap) -> bool {
    KEY_HEADERS.iter().any(|name| headers.contains_key(*name))
}

/// Whose a virtual key is; `None` if it is none. Keys are looked up by their SHA-256, so that the
/// time it takes says nothing about any key.
///
/// # Errors
///
/// If the key is blocked or has expired.
fn virtual_key(
    key: &str,
    known: &Arc<Known>,
    now: Timestamp,
) -> Result<Option<Identity>, ApiError> {
    let snapshot = known.snapshot();
    if snapshot.keys.is_empty() {
        return Ok(None);
    }
    let hash = hex::encode(Sha256::digest(key));
    let Some(found) = snapshot.keys.get(hash.as_str()) else {
        return Ok(None);
    };
    if found.blocked {
        let message = "Key is blocked. Update via `/key/unblock` if you're an admin.";
        return Err(refused(message));
    }
    if let Some(expires) = found.expires.filter(|expires| *expires <= now) {
        let message = format!(
            "Expired Key. Key Expiry time {} and current time {}",
            expires.to_utc(),
            now.to_utc()
        );
        return Err(refused(&message).of_kind("expired_key"));
    }
    let text = |id: &Option<EntityId>| id.as_ref().map(EntityId::to_string);
    let user = found
        .user
        .as_ref()
        .and_then(|user| snapshot.users.get(user));
    let team = found
        .team
        .as_ref()
        .and_then(|team| snapshot.teams.get(team));
    let of_team = team.and_then(|team| team.organization.clone());
    let organization = found.organization.clone().or(of_team);
    let named = organization.as_ref();
    let named = named.and_then(|organization| snapshot.organizations.get(organization));
    Ok(Some(Identity {
        key_hash: text(&found.id).or_else(|| Some(hash.clone())),
        opened_by: Some(hash),
        key_alias: text(&found.alias),
        user_id: text(&found.user),
        user_email: user.and_then(|user| text(&user.email)),
        team_id: text(&found.team),
        team_alias: team.and_then(|team| text(&team.alias)),
        org_id: text(&organization),
        org_alias: named.and_then(|named| text(&named.alias)),
        tags: found.tags.iter().map(EntityId::to_string).collect(),
        metadata: found.metadata.clone(),
        known: Arc::clone(known),
    }))
}

/// The key that a request brings, wherever its client puts it.
pub(crate) fn presented(headers: &HeaderMap) -> Option<&str> {
    let value = KEY_HEADERS
        .iter()
        .find_map(|name| headers.get(*name))?
        .to_str()
        .ok()?;
    let scheme = value
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    Some(if scheme.is_some() {
        value[7..].trim()
    } else {
        value.trim()
    })
}

fn refused(message: &str) -> ApiError {
    ApiError::new(
        ErrorClass::Authentication,
        format!("Authentication Error, {message}"),
    )
}

/// Whether a request header carries a credential, and so stays out of events.
#[must_use]
pub(crate) fn is_credential(name: &header::HeaderName) -> bool {
    let name = name.as_str();
    KEY_HEADERS.contains(&name)
        || [
            "cookie",
            "proxy-authorization",
            "x-goog-api-key",
            "ocp-apim-subscription-key",
        ]
        .contains(&name)
        || [
            "auth",
            "cookie",
            "credential",
            "key",
            "password",
            "secret",
            "signature",
            "token",
        ]
        .iter()
        .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> (Arc<Known>, Timestamp) {
        (Arc::default(), Timestamp::default())
    }

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn the_master_key_is_taken_from_every_header_that_clients_use() {
        let key = Secret::new("sk-1".to_owned());
        for (name, value) in [
            ("authorization", "Bearer sk-1"),
            ("authorization", "bearer sk-1"),
            ("authorization", "sk-1"),
            ("x-litellm-api-key", "sk-1"),
            ("api-key", "sk-1"),
            ("x-api-key", "Bearer sk-1"),
        ] {
            assert!(
                authenticate(&with(name, value), Some(&key), nobody()).is_ok(),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn no_key_and_a_wrong_key_are_refused() {
        let key = Secret::new("sk-1".to_owned());
        for headers in [
            HeaderMap::new(),
            with("authorization", "Bearer sk-2"),
            with("api-key", ""),
        ] {
            let error = authenticate(&headers, Some(&key), nobody()).unwrap_err();
            assert_eq!(error.class, ErrorClass::Authentication);
        }
        let identity = authenticate(&HeaderMap::new(), None, nobody()).unwrap();
        assert_eq!(identity.key_hash, None);
    }

    #[test]
    fn a_virtual_key_says_whose_the_call_is_until_it_is_blocked_or_expires() {
        let hash = hex::encode(Sha256::digest("sk-virtual"));
        let state = |more: &str| {
            let json = format!(
                r#"{{"keys":{{"{hash}":{{"alias":"a","user":"u","team":"t"{more}}}}},
                    "users":{{"u":{{"email":"u@x"}}}},
                    "teams":{{"t":{{"alias":"T","organization":"o"}}}}}}"#
            );
            let snapshot = serde_json::from_str(&json).unwrap();
            (Arc::new(Known::new(snapshot)), Timestamp::from_micros(1000))
        };
        let headers = with("authorization", "Bearer sk-virtual");
        let master = Secret::new("sk-1".to_owned());
        let asked = |more| authenticate(&headers, Some(&master), state(more));
        let identity = asked("").unwrap();
        assert_eq!(identity.key_hash.as_deref(), Some(&*hash));
        assert_eq!(identity.team_alias.as_deref(), Some("T"));
        assert_eq!(identity.org_id.as_deref(), Some("o"));
        assert_eq!(identity.user_email.as_deref(), Some("u@x"));
        let regenerated = asked(r#","id":"first""#).unwrap();
        assert_eq!(regenerated.key_hash.as_deref(), Some("first"));
        assert!(
            asked(r#","blocked":true"#)
                .unwrap_err()
                .message
                .contains("blocked")
        );
        let expires = serde_json::to_string(&Timestamp::from_micros(1000)).unwrap();
        let expired = asked(&format!(r#","expires":{expires}"#)).unwrap_err();
        assert_eq!(expired.more.unwrap().kind, Some("expired_key"));
    }
}
