//! Google Cloud's credentials: a service account's key signs a claim, which is taken for a token;
//! a user's refresh token is taken for one as it is.

use std::time::Duration;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use event::{Secret, Timestamp};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::{Outgoing, ProviderError, Token, TokenRequest, TokenSource};

/// Where tokens are given, if the credentials do not say.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Seconds for which a claim is good, the most that Google takes.
const CLAIM_LIVES: i64 = 3600;
/// The longest life of a token that is believed.
const LIFE_MAX: u64 = 24 * 60 * 60;

/// Credentials as Google writes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Credentials {
    /// A service account with its key.
    ServiceAccount {
        client_email: String,
        private_key: Secret,
        private_key_id: Option<String>,
        project_id: Option<String>,
        token_uri: Option<String>,
    },
    /// A user who has signed in.
    AuthorizedUser {
        client_id: String,
        client_secret: Secret,
        refresh_token: Secret,
        quota_project_id: Option<String>,
        token_uri: Option<String>,
    },
}

impl Credentials {
    /// Reads `setting`: the JSON as text, or as an object.
    ///
    /// # Errors
    ///
    /// If it is neither, or not of a kind that is known.
    pub(super) fn read(setting: &Value) -> Result<Self, ProviderError> {
        let read = match setting {
            Value::String(text) => serde_json::from_str(text),
            object => Self::deserialize(object),
        };
        // What is wrong in there may be a secret.
        read.map_err(|_error| {
            ProviderError::Setting(
                "vertex_credentials",
                "the key of a service account, or of a user, as JSON or the path of its file",
            )
        })
    }

    /// The project that the account belongs to.
    pub(super) fn project(&self) -> Option<&str> {
        match self {
            Self::ServiceAccount { project_id, .. } => project_id.as_deref(),
            Self::AuthorizedUser {
                quota_project_id, ..
            } => quota_project_id.as_deref(),
        }
    }

    /// Asks for a token at `now`.
    pub(super) fn token(self, now: Timestamp) -> Source {
        Source {
            credentials: self,
            now,
        }
    }
}

/// How a token is come by; the claim is signed only if there is none.
#[derive(Debug)]
pub(super) struct Source {
    credentials: Credentials,
    now: Timestamp,
}

impl TokenSource for Source {
    fn name(&self) -> String {
        let parts = match &self.credentials {
            Credentials::ServiceAccount {
                client_email,
                private_key,
                token_uri,
                ..
            } => [
                Some(client_email.as_str()),
                Some(private_key.expose()),
                token_uri.as_deref(),
            ],
            Credentials::AuthorizedUser {
                client_id,
                refresh_token,
                token_uri,
                ..
            } => [
                Some(client_id.as_str()),
                Some(refresh_token.expose()),
                token_uri.as_deref(),
            ],
        };
        let mut hash = Sha256::new();
        for part in parts.into_iter().flatten() {
            hash.update(part);
            hash.update([0]);
        }
        format!("google:{}", hex::encode(hash.finalize()))
    }

    fn request(&self) -> Result<TokenRequest, ProviderError> {
        let (form, uri) = match &self.credentials {
            Credentials::ServiceAccount { token_uri, .. } => {
                let uri = token_uri.as_deref().unwrap_or(TOKEN_URI);
                let claim = self.claim(uri)?;
                let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
                (format!("grant_type={grant}&assertion={claim}"), uri)
            }
            Credentials::AuthorizedUser {
                client_id,
                client_secret,
                refresh_token,
                token_uri,
                ..
            } => {
                let form = format!(
                    "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
                    escaped(client_id),
                    escaped(client_secret.expose()),
                    escaped(refresh_token.expose()),
                );
                (form, token_uri.as_deref().unwrap_or(TOKEN_URI))
            }
        };
        let mut headers = HeaderMap::with_capacity(2);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        let outgoing = Outgoing {
            method: Method::POST,
            uri: Uri::try_from(uri).map_err(|_error| ProviderError::BadAddress(uri.to_owned()))?,
            headers,
            body: form.into(),
        };
        Ok(TokenRequest {
            name: self.name(),
            outgoing,
            read,
        })
    }
}

impl Source {
    /// The claim that stands for the account, signed: a JSON Web Token.
    fn claim(&self, audience: &str) -> Result<String, ProviderError> {
        let Credentials::ServiceAccount {
            client_email,
            private_key,
            private_key_id,
            ..
        } = &self.credentials
        else {
            return Err(no_key());
        };
        let issued = self.now.to_utc().timestamp();
        let head = json!({ "alg": "RS256", "typ": "JWT", "kid": private_key_id });
        let claims = json!({
            "iss": client_email,
            "scope": SCOPE,
            "aud": audience,
            "iat": issued,
            "exp": issued.saturating_add(CLAIM_LIVES),
        });
        let encoded = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encoded(&head), encoded(&claims));
        let key = pair(private_key)?;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .map_err(|_error| no_key())?;
        Ok(format!(
            "{signed}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }
}

/// The key in a PEM text, in PKCS #8 or the older form.
fn pair(pem: &Secret) -> Result<RsaKeyPair, ProviderError> {
    let body: String = pem
        .expose()
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = BASE64_STANDARD.decode(body).map_err(|_error| no_key())?;
    RsaKeyPair::from_pkcs8(&der)
        .or_else(|_error| RsaKeyPair::from_der(&der))
        .map_err(|_error| no_key())
}

fn no_key() -> ProviderError {
    ProviderError::Setting(
        "vertex_credentials",
        "JSON whose `private_key` is an RSA key in PEM",
    )
}

/// Percent-encoded for a form.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn read(answer: &[u8]) -> Option<Token> {
    #[derive(Deserialize)]
    struct Given {
        access_token: Secret,
        expires_in: Option<u64>,
    }
    let given: Given = serde_json::from_slice(answer).ok()?;
    let lives = given.expires_in.unwrap_or(3600).min(LIFE_MAX);
    Some(Token {
        secret: given.access_token,
        lives: Duration::from_secs(lives),
    })
}
