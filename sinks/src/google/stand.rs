//! Google's token server, that believes nothing that is not signed; for the stands of its services.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use conformance::http::{HttpDestination, Request};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

/// A key that was made for these tests.
const KEY: &str = include_str!("key.pem");
const EMAIL: &str = "collector@project.iam.gserviceaccount.com";
const TOKEN: &str = "ya29.canary-token-4b7e";

/// Gives out one token.
pub(crate) struct TokenServer {
    http: HttpDestination,
}

impl TokenServer {
    #[expect(clippy::expect_used, reason = "without a free port there is no test")]
    pub(crate) fn start() -> Self {
        let http = HttpDestination::start().expect("a free port");
        let token = json!({ "access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer" });
        http.answer(token.to_string());
        Self { http }
    }

    /// The key that it knows, as Google gives it out.
    pub(crate) fn service_account(&self) -> String {
        json!({
            "type": "service_account",
            "client_email": EMAIL,
            "private_key_id": "key-1",
            "private_key": KEY,
            "token_uri": self.uri(),
        })
        .to_string()
    }

    /// What must not be shown.
    pub(crate) fn secrets() -> Vec<String> {
        let line = KEY.lines().nth(1).unwrap_or_default();
        vec![line.to_owned(), TOKEN.to_owned()]
    }

    fn uri(&self) -> String {
        format!("{}/token", self.http.url())
    }

    /// Every request for a token is one that Google would have answered.
    pub(crate) fn check(&self) -> Result<(), String> {
        let seen = self.http.seen();
        seen.iter().try_for_each(|request| self.verify(request))
    }

    fn verify(&self, request: &Request) -> Result<(), String> {
        let form = request.header("content-type") == Some("application/x-www-form-urlencoded");
        let body = str::from_utf8(&request.body).unwrap_or_default();
        let start = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
        let jwt = body.strip_prefix(start).filter(|_| form);
        let jwt = jwt.ok_or_else(|| format!("this does not ask for a token: {body}"))?;
        let (said, signature) = jwt.rsplit_once('.').ok_or("not a JWT")?;
        let decoded = |text: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text);
            bytes.map_err(|error| error.to_string())
        };
        let letters: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::prelude::BASE64_STANDARD.decode(letters);
        let pair = RsaKeyPair::from_pkcs8(&der.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())
            .verify(said.as_bytes(), &decoded(signature)?)
            .map_err(|_error| "the JWT is not signed with the key")?;
        let (head, claims) = said.split_once('.').ok_or("not a JWT")?;
        let read = |part: &str| -> Result<Value, String> {
            serde_json::from_slice(&decoded(part)?).map_err(|error| error.to_string())
        };
        let (head, claims) = (read(head)?, read(claims)?);
        if head != json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }) {
            return Err(format!("the head of the JWT is {head}"));
        }
        let life = claims["exp"].as_i64().zip(claims["iat"].as_i64());
        let life = life.map(|(end, start)| end - start);
        let scope = "https://www.googleapis.com/auth/cloud-platform";
        let who = [&claims["iss"], &claims["aud"], &claims["scope"]];
        if life != Some(3600) || who != [EMAIL, &self.uri(), scope] {
            return Err(format!("the JWT claims {claims}"));
        }
        Ok(())
    }

    /// The request has its token.
    pub(crate) fn is_good(request: &Request) -> Result<(), String> {
        if request.header("authorization") == Some(&format!("Bearer {TOKEN}")) {
            Ok(())
        } else {
            Err(format!("`{}` came without its token", request.target))
        }
    }
}
