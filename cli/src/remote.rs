//! Asks a collector.

use anyhow::{Context as _, bail};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use crate::args::Remote;

impl Remote {
    /// Asks for `path` and returns the answer if it is a success.
    ///
    /// # Errors
    ///
    /// If the collector does not answer, or refuses; the message says what to do.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.ask(|client, url| client.get(url), path).await
    }

    /// Sends `body` to `path` and returns the answer if it is a success.
    ///
    /// # Errors
    ///
    /// As [`Remote::get`].
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        self.ask(|client, url| client.post(url).json(body), path)
            .await
    }

    async fn ask(
        &self,
        request: impl FnOnce(Client, String) -> RequestBuilder,
        path: &str,
    ) -> anyhow::Result<Response> {
        let url = format!("{}{path}", self.collector.trim_end_matches('/'));
        let mut request = request(Client::builder().build()?, url);
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
                let said: String = body.chars().take(500).collect();
                bail!("the collector answered {status}: {said}")
            }
        }
    }
}
