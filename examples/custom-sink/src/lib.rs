//! A sink of one's own: posts calls to a shelf that keeps them by their ids.

use event::Secret;
use serde::{Deserialize, Serialize};
use sink::http::{Endpoint, HttpClient, Method, Outgoing, header};
use sink::{Batch, Receipt, Sink, SinkEnv, SinkError};

/// What a user writes: `sinks: {mine: {kind: shelf, url: …, key: …}}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    url: Endpoint,
    key: Secret,
}

#[derive(Debug)]
pub struct Shelf {
    config: Config,
    http: HttpClient,
}

/// One call, as the shelf wants it.
#[derive(Serialize)]
struct Row<'a> {
    id: String,
    model: &'a str,
    cost: Option<event::Usd>,
}

impl Sink for Shelf {
    const KIND: &'static str = "shelf";
    type Config = Config;

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        env.http.check(&config.url)?;
        let http = env.http.clone();
        Ok(Self { config, http })
    }

    async fn probe(&self) -> Result<(), SinkError> {
        let url = self.config.url.clone();
        self.send(Outgoing::new(Method::HEAD, url, Vec::new()))
            .await
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (events, receipt) = batch.events();
        let rows = events.iter().map(|(item, event)| Row {
            id: item.id().to_string(),
            model: &event.payload().model,
            cost: event.cost().total,
        });
        let rows: Vec<_> = rows.collect();
        if !rows.is_empty() {
            self.send(Outgoing::json(self.config.url.clone(), &rows)?.gzip())
                .await?;
        }
        Ok(receipt)
    }
}

impl Shelf {
    async fn send(&self, request: Outgoing) -> Result<(), SinkError> {
        let key = &self.config.key;
        let request = request.secret_header(header::AUTHORIZATION, "Bearer ", key)?;
        self.http.send(request).await.map(|_answer| ())
    }
}
