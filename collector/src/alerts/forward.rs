//! Brings alerts from the books into the priced log, from where sinks take them like events.
//!
//! Alerts are appended in the order of their numbers, and how far that has gone is a file. A crash
//! between the two has an alert appended once more, with the same id.

use std::{path::Path, sync::Arc, time::Duration};

use bus::{Log, Position};
use event::codec;

use super::Alerts;
use crate::{
    books::{Books, StoredAlert},
    deliver::{KeptFile, dead_letters::chain},
    tasks::Tasks,
};

/// Alerts that are appended at once.
const BATCH: u32 = 100;
/// How soon an alert that another process has raised is seen.
const EVERY: Duration = Duration::from_secs(5);

/// Appends alerts until told to stop.
pub(crate) struct Forwarder {
    books: Books,
    alerts: Alerts,
    log: Arc<dyn Log>,
    passed: KeptFile,
}

impl Forwarder {
    pub(crate) fn new(books: Books, alerts: Alerts, log: Arc<dyn Log>, data: &Path) -> Self {
        let passed = KeptFile::new(data.join("lanes").join("alerts.passed"));
        Self {
            books,
            alerts,
            log,
            passed,
        }
    }

    pub(crate) async fn run(self, tasks: Tasks) {
        while !tasks.is_stopping() {
            let raised = self.alerts.raised();
            if let Err(error) = self.forward().await {
                tracing::error!(error, "alerts wait to be sent");
            }
            tokio::select! {
                () = tasks.stopping() => {}
                () = raised => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn forward(&self) -> Result<(), String> {
        let kept: Option<i64> = self.passed.read().await.map_err(|error| chain(&error))?;
        let mut passed = kept.unwrap_or(0);
        loop {
            let found = self.books.alerts_after(passed, BATCH).await;
            let found = found.map_err(|error| chain(&error))?;
            let Some(last) = found.last().map(|stored| stored.id) else {
                return Ok(());
            };
            let records: Vec<_> = found.iter().filter_map(record).collect();
            let records: Vec<&[u8]> = records.iter().map(|record| &**record).collect();
            if !records.is_empty() {
                let appended = self.log.append(&records).map_err(|error| chain(&error))?;
                self.synced(appended.last).await?;
            }
            passed = last;
            self.passed
                .write(&passed)
                .await
                .map_err(|error| chain(&error))?;
        }
    }

    async fn synced(&self, position: Position) -> Result<(), String> {
        let synced = self.log.synced(position).await;
        synced.map_err(|error| chain(&error))
    }
}

/// The alert as the log has it. One of a kind that this program does not know is left out: a newer
/// one has raised it.
fn record(stored: &StoredAlert) -> Option<Vec<u8>> {
    match stored.alert() {
        Ok(alert) => Some(codec::encode_alert(&alert, u64::try_from(stored.id).ok()?)),
        Err(error) => {
            tracing::warn!(number = stored.id, %error, "an alert cannot be read, and is not sent");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use bus::{MemoryLog, ReadLimit};
    use event::{Alert, AlertKind, PricedKind, Severity, Timestamp};

    use super::*;

    #[tokio::test]
    async fn each_alert_is_appended_in_order_and_not_again() {
        let data = tempfile::tempdir().unwrap();
        let books = Books::open(&data.path().join("books.sqlite"))
            .await
            .unwrap();
        let log = MemoryLog::new();
        let alerts = Alerts::new(books.clone());
        let shared: Arc<dyn Log> = Arc::new(log.clone());
        let forwarder = Forwarder::new(books.clone(), alerts, shared, data.path());
        let raise = async |key: &str| {
            let alert = Alert {
                key: key.to_owned(),
                kind: AlertKind::LogGap,
                severity: Severity::Critical,
                at: Timestamp::from_micros(1_795_185_951_397_412),
                message: "records are lost".to_owned(),
                facts: None,
            };
            books.raise(&alert, (1, 1)).await.unwrap();
        };
        raise("a").await;
        raise("b").await;
        forwarder.forward().await.unwrap();
        forwarder.forward().await.unwrap();
        raise("c").await;
        forwarder.forward().await.unwrap();
        let limit = std::num::NonZeroUsize::new(1 << 20).unwrap();
        let limit = ReadLimit {
            records: limit,
            bytes: limit,
        };
        let read = log.reader("test").unwrap().try_read(limit).unwrap();
        let keys: Vec<_> = read
            .records
            .iter()
            .map(|record| codec::open_priced(&record.bytes).unwrap())
            .map(|opened| {
                assert_eq!(opened.kind, PricedKind::Alert);
                serde_json::from_slice::<Alert>(opened.json).unwrap().key
            })
            .collect();
        assert_eq!(keys, ["a", "b", "c"]);
    }
}
