//! Access tokens of Google, for the key of a service account.
//!
//! There are none from a machine's metadata server: no sink may connect to one (see `egress`).

use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use event::{Secret, Timestamp};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde::Deserialize;
use serde_json::json;
use sink::{
    Settings, SinkEnv, SinkError, SinkErrorKind,
    http::{Answer, Endpoint, HeaderValue, Outgoing, header, meaning},
};

/// What tokens are good for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a signed request for a token holds, in seconds; Google takes no more.
const ASSERTION_SECONDS: i64 = 3600;
/// The longest key file that is read, in bytes.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// Where tokens come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The key of a service account, as the JSON that Google gives out.
    Key(Secret),
    /// A file with such a key. It is read anew for every token, so that it may be replaced.
    File(PathBuf),
}

/// Gets tokens and keeps the last one while it holds.
pub(crate) struct Tokens {
    source: Source,
    env: SinkEnv,
    last: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: Secret,
    /// From when on it is not used any more.
    stale: Timestamp,
}

/// What is needed of a service account's key.
#[derive(Deserialize)]
struct Key {
    client_email: String,
    private_key: Secret,
    private_key_id: Option<String>,
    token_uri: Endpoint,
}

#[derive(Deserialize)]
struct Given {
    access_token: Secret,
    expires_in: u32,
}

impl Tokens {
    pub(crate) fn new(source: Source, env: &SinkEnv) -> Result<Self, SinkError> {
        match &source {
            Source::Key(key) => env
                .http
                .check(&Key::parse(key.expose().as_bytes())?.token_uri)?,
            Source::File(_) => {}
        }
        Ok(Self {
            source,
            env: env.clone(),
            last: Mutex::default(),
        })
    }

    /// Sends what `make` makes, with a token. If a token is refused that was good before, once more
    /// with a new one.
    pub(crate) async fn send(
        &self,
        make: impl Fn() -> Outgoing + Send + Sync,
    ) -> Result<Answer, SinkError> {
        let (token, kept) = self.token().await?;
        match self.send_with(&token, make()).await {
            Err(error) if kept && error.kind() == SinkErrorKind::Unauthorized => {
                *self.last() = None;
                let (token, _) = self.token().await?;
                self.send_with(&token, make()).await
            }
            done => done,
        }
    }

    async fn send_with(&self, token: &Secret, request: Outgoing) -> Result<Answer, SinkError> {
        let request = request.secret_header(header::AUTHORIZATION, "Bearer ", token)?;
        self.env.http.send(request).await
    }

    /// A token, and whether it was at hand.
    async fn token(&self) -> Result<(Secret, bool), SinkError> {
        let now = self.env.clock.now();
        let last = self.last().clone();
        if let Some(token) = last.filter(|token| now < token.stale) {
            return Ok((token.text, true));
        }
        let request = self.request(now).await?.judge(judge);
        let given: Given = self.env.http.send(request).await?.json()?;
        // At three quarters of its life, so that none ends on the way.
        let life = i64::from(given.expires_in) * 750_000;
        let token = Token {
            text: given.access_token.clone(),
            stale: Timestamp::from_micros(now.micros().saturating_add(life)),
        };
        *self.last() = Some(token);
        Ok((given.access_token, false))
    }

    async fn request(&self, now: Timestamp) -> Result<Outgoing, SinkError> {
        let key = match &self.source {
            Source::Key(key) => Key::parse(key.expose().as_bytes())?,
            Source::File(path) => Key::parse(&read(path.clone()).await?)?,
        };
        let assertion = key.assertion(now.micros() / 1_000_000)?;
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let body = format!("grant_type={grant}&assertion={assertion}");
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        Ok(Outgoing::post(key.token_uri, body).header(header::CONTENT_TYPE, form))
    }

    fn last(&self) -> MutexGuard<'_, Option<Token>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Key {
    fn parse(text: &[u8]) -> Result<Self, SinkError> {
        let key: Self = serde_json::from_slice(text).map_err(|error| {
            // The place is enough: a message of serde's may quote the key.
            let (line, column) = (error.line(), error.column());
            wrong(&format!(
                "it is not the JSON that Google gives out, at line {line}, column {column}"
            ))
        })?;
        key.pair()?;
        Ok(key)
    }

    fn pair(&self) -> Result<RsaKeyPair, SinkError> {
        let pem = self.private_key.expose().trim();
        let inner = pem
            .strip_prefix("-----BEGIN PRIVATE KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"));
        let inner = inner.ok_or_else(|| wrong("its `private_key` is not PKCS #8 in PEM"))?;
        let letters: String = inner.split_ascii_whitespace().collect();
        let der = BASE64_STANDARD.decode(letters).ok();
        der.and_then(|der| RsaKeyPair::from_pkcs8(&der).ok())
            .ok_or_else(|| wrong("its `private_key` is not an RSA key of 2048 to 4096 bits"))
    }

    /// A JWT that asks for a token, signed with RS256.
    fn assertion(&self, now: i64) -> Result<String, SinkError> {
        let mut head = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.private_key_id {
            head["kid"] = id.as_str().into();
        }
        let claims = json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": self.token_uri.expose(),
            "iat": now,
            "exp": now.saturating_add(ASSERTION_SECONDS),
        });
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let said = format!("{}.{}", part(&head), part(&claims));
        let pair = self.pair()?;
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            said.as_bytes(),
            &mut signature,
        )
        .map_err(|_error| wrong("its `private_key` cannot sign"))?;
        Ok(format!(
            "{said}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }
}

async fn read(path: PathBuf) -> Result<Vec<u8>, SinkError> {
    let shown = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        let file = std::fs::File::open(path)?;
        std::io::Read::read_to_end(&mut std::io::Read::take(file, KEY_BYTES_MAX), &mut text)?;
        Ok::<_, std::io::Error>(text)
    });
    match read.await {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) => Err(SinkError::new(SinkErrorKind::Misconfigured)
            .with_detail(&format!(
                "the key of the service account `{shown}`: {error}"
            ))
            .with_source(error)),
        // The runtime is stopping.
        Err(error) => Err(SinkError::new(SinkErrorKind::Failing).with_source(error)),
    }
}

fn wrong(what: &str) -> SinkError {
    let detail = format!("the key of the service account cannot be used: {what}");
    SinkError::new(SinkErrorKind::Misconfigured).with_detail(&detail)
}

/// What is refused here is the key: `invalid_grant` is a 400.
fn judge(answer: &Answer) -> Result<(), SinkErrorKind> {
    match meaning(answer.status) {
        Err(SinkErrorKind::Refused) => Err(SinkErrorKind::Unauthorized),
        meant => meant,
    }
}

/// Not one source of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write the key of a service account as `service_account`, or its file as `service_account_file`, and not \
     both"
)]
pub struct IdentityError;

impl Source {
    pub(crate) fn of(key: Option<Secret>, file: Option<PathBuf>) -> Result<Self, IdentityError> {
        match (key, file) {
            (Some(key), None) => Ok(Self::Key(key)),
            (None, Some(file)) => Ok(Self::File(file)),
            _ => Err(IdentityError),
        }
    }
}

/// Variables that say where the key is, unless it is written.
pub(crate) fn variables<const N: usize>(
    written: &Settings,
    names: &'static [(&'static str, &'static str); N],
) -> &'static [(&'static str, &'static str)] {
    let key = ["service_account", "service_account_file"];
    if key.iter().any(|name| written.contains_key(*name)) {
        names.get(2..).unwrap_or_default()
    } else {
        names
    }
}
