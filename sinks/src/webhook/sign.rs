//! Signatures of Standard Webhooks: HMAC-SHA256 over `{id}.{timestamp}.{body}`.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use event::Secret;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// A key to sign with: the decoded bytes of a secret, not its text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(Vec<u8>);

/// Why a secret cannot be used. Does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Another kind of secret.
    #[error("it does not begin with `whsec_`")]
    Prefix,
    /// Not base64.
    #[error("what follows `whsec_` is not base64")]
    Encoding,
    /// Too short to be safe, or too long for the standard.
    #[error("it has {0} bytes instead of 24 to 64")]
    Length(usize),
}

impl Key {
    pub(super) fn parse(secret: &Secret) -> Result<Self, KeyError> {
        let text = secret
            .expose()
            .strip_prefix("whsec_")
            .ok_or(KeyError::Prefix)?;
        let bytes = BASE64_STANDARD
            .decode(text)
            .map_err(|_error| KeyError::Encoding)?;
        if (24..=64).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(KeyError::Length(bytes.len()))
        }
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The value of `webhook-signature`: one signature for each key.
pub(super) fn signatures(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<_> = keys
        .iter()
        .map(|key| key.sign(id, timestamp, body))
        .collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<Key, KeyError> {
        Key::parse(&Secret::new(text.to_owned()))
    }

    #[test]
    fn the_example_of_the_standard_has_its_signature() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_key_signs() {
        let keys = [key(&whsec(24)).unwrap(), key(&whsec(64)).unwrap()];
        let signatures = signatures(&keys, "id", 1, b"{}");
        assert_eq!(
            signatures
                .split(' ')
                .filter(|one| one.starts_with("v1,"))
                .count(),
            2
        );
    }

    #[test]
    fn a_secret_that_is_not_one_is_refused() {
        assert_eq!(key("secret"), Err(KeyError::Prefix));
        assert_eq!(key("whsec_%"), Err(KeyError::Encoding));
        assert_eq!(key(&whsec(23)), Err(KeyError::Length(23)));
        assert_eq!(key(&whsec(65)), Err(KeyError::Length(65)));
    }

    fn whsec(bytes: usize) -> String {
        format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]))
    }
}
