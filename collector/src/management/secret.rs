//! Makes keys, and knows them by their digest.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use event::Secret;
use sha2::{Digest as _, Sha256};

use crate::api::answer::Refusal;

/// What every key begins with.
const PREFIX: &str = "sk-";
/// How short a key may be that somebody chose.
const CHOSEN_MIN: usize = 16;
/// How long.
const CHOSEN_MAX: usize = 256;

/// A new key: 128 bits from the operating system, in LiteLLM's form.
pub(super) fn generate() -> Result<Secret, Refusal> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| {
        tracing::error!(%error, "operating system gives no randomness");
        Refusal::unavailable("no key can be made: the operating system gives no randomness")
    })?;
    Ok(Secret::new(format!(
        "{PREFIX}{}",
        URL_SAFE_NO_PAD.encode(bits)
    )))
}

/// A key that somebody chose.
pub(super) fn chosen(field: &'static str, text: String) -> Result<Secret, Refusal> {
    let fits = (CHOSEN_MIN..=CHOSEN_MAX).contains(&text.len());
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !text.starts_with(PREFIX) || !fits || !plain {
        let message = format!(
            "`{field}` has to begin with `{PREFIX}` and have {CHOSEN_MIN} to {CHOSEN_MAX} ASCII \
             characters without spaces"
        );
        return Err(Refusal::bad_request(field, &message));
    }
    Ok(Secret::new(text))
}

/// What a key is known by: SHA-256 in hexadecimal digits.
pub(super) fn digest(key: &str) -> String {
    let digest = Sha256::digest(key);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of what names a key in a request: the key, or its digest already.
pub(super) fn digest_of(named: &str) -> String {
    match named.starts_with(PREFIX) {
        true => digest(named),
        false => named.to_owned(),
    }
}

/// What is shown of a key for ever: `sk-...` and its last four characters.
pub(super) fn name(key: &Secret) -> String {
    let text = key.expose();
    let last = text.len().saturating_sub(4);
    format!("{PREFIX}...{}", text.get(last..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_new_and_has_128_bits() {
        let keys: std::collections::BTreeSet<_> = (0..1000)
            .map(|_| generate().unwrap().expose().to_owned())
            .collect();
        assert_eq!(keys.len(), 1000);
        for key in &keys {
            assert_eq!(URL_SAFE_NO_PAD.decode(&key[3..]).unwrap().len(), 16);
        }
    }

    #[test]
    fn a_key_is_known_by_the_digest_that_litellm_uses() {
        let hash = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";
        assert_eq!(digest("sk-1234"), hash);
        assert_eq!(digest_of("sk-1234"), hash);
        assert_eq!(digest_of(hash), hash);
        assert_eq!(name(&Secret::new("sk-abcdefgh".to_owned())), "sk-...efgh");
    }

    #[test]
    fn a_chosen_key_is_long_enough_and_plain() {
        assert!(chosen("key", "sk-0123456789abcdef".to_owned()).is_ok());
        for text in [
            "sk-short",
            "pk-0123456789abcdef",
            "sk-0123456789 abcdef",
            "sk-0123456789äbcdef",
        ] {
            assert!(chosen("key", text.to_owned()).is_err(), "{text}");
        }
    }
}
