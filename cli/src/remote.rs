//! Asks a collector.

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::{args::Remote, text::plain};

/// Characters of an answer that are shown when it is no success.
const SAID_CHARS_MAX: usize = 500;

/// An answer that is no success.
#[derive(Deserialize)]
struct Refused {
    error: Refusal,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
    /// What of the request it is about.
    param: Option<String>,
}

impl Remote {
    /// Asks for `path` and returns the answer if it is a success.
    ///
    /// # Errors
    ///
    /// If the collector does not answer, or refuses; the message says what to do.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.send(Method::GET, path, None).await
    }

    /// Sends `body`, if there is one, and returns the answer if it is a success.
    ///
    /// # Errors
    ///
    /// As [`Remote::get`].
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Response> {
        let url = format!("{}{path}", self.collector.trim_end_matches('/'));
        let mut request = Client::builder().build()?.request(method, &url);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.with_context(|| {
            format!(
                "no collector answers at `{}`: is it running? --collector says where it is",
                self.collector
            )
        })?;
        match response.status().as_u16() {
            200..=299 => Ok(response),
            401 => bail!("the collector wants the master key: set LITELLM_MASTER_KEY or --key"),
            status => {
                let body = response.text().await.unwrap_or_default();
                bail!("the collector answered {status}: {}", said(&body))
            }
        }
    }
}

/// What a refusal says: its message if it has one, else the beginning of the answer.
fn said(body: &str) -> String {
    let said = match serde_json::from_str(body) {
        Ok(Refused { error }) => match error.param {
            Some(param) => format!("{param}: {}", error.message),
            None => error.message,
        },
        Err(_other) => body.to_owned(),
    };
    let said: String = said.chars().take(SAID_CHARS_MAX).collect();
    plain(&said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_said_in_words() {
        let body =
            r#"{"error":{"message":"it ends\u001b[2J","type":"x","param":"until","code":"400"}}"#;
        assert_eq!(said(body), "until: it ends\u{fffd}[2J");
        let body = r#"{"error":{"message":"busy","param":null}}"#;
        assert_eq!(said(body), "busy");
        assert_eq!(said("<html>"), "<html>");
        assert_eq!(said(&"x".repeat(9000)).len(), SAID_CHARS_MAX);
    }
}
