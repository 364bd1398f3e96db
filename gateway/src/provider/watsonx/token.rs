//! IBM Cloud's tokens: <https://cloud.ibm.com/apidocs/iam-identity-token-api>.

use std::time::Duration;

use event::Secret;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::provider::{Ask, Need, Outgoing, ProviderError, Token, TokenRequest, request};

/// Where tokens are given, unless a deployment or `WATSONX_IAM_URL` says otherwise.
const IAM: &str = "https://iam.cloud.ibm.com/identity/token";

/// How long a token lives whose answer does not say it.
const LIVES: u64 = 600;

pub(super) fn needs(ask: &Ask<'_>) -> Result<Vec<Need>, ProviderError> {
    let deployment = ask.deployment;
    let settings = &deployment.settings;
    let is_authorization =
        |(name, _): &(String, Secret)| name.eq_ignore_ascii_case(header::AUTHORIZATION.as_str());
    let has_token = settings.text("token").is_some()
        || settings.text("zen_api_key").is_some()
        || deployment.headers.iter().any(is_authorization);
    if has_token {
        return Ok(Vec::new());
    }
    let Some(key) = &deployment.api_key else {
        return Err(ProviderError::Missing("api_key"));
    };
    let address = settings.text("watsonx_iam_url");
    let address = address.unwrap_or_else(|| IAM.to_owned());
    let digest = Sha256::digest(format!("{address} {}", key.expose()));
    let uri = Uri::try_from(&address).map_err(|_error| ProviderError::BadAddress(address))?;
    let mut headers = HeaderMap::with_capacity(2);
    for (name, kind) in [
        (header::CONTENT_TYPE, request::FORM),
        (header::ACCEPT, "application/json"),
    ] {
        headers.insert(name, HeaderValue::from_static(kind));
    }
    let body = request::form(&[
        ("grant_type", "urn:ibm:params:oauth:grant-type:apikey"),
        ("apikey", key.expose()),
    ]);
    Ok(vec![Need::Token(Box::new(TokenRequest {
        name: format!("watsonx {}", hex::encode(digest)),
        outgoing: Outgoing {
            method: Method::POST,
            uri,
            headers,
            body: body.into(),
        },
        read,
    }))])
}

/// Finds the token in IAM's answer.
pub(super) fn read(body: &[u8]) -> Option<Token> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: Secret,
        #[serde(default)]
        expires_in: Option<u64>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    Some(Token {
        secret: answer.access_token,
        lives: Duration::from_secs(answer.expires_in.unwrap_or(LIVES)),
    })
}
