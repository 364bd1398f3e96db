//! Looks at the sources of the price map: the file when it changes, the URL every so often, both
//! when somebody asks for it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use sink::http::HttpClient;
use tokio::{sync::mpsc, time::Instant};

use super::{
    accept::{Candidate, Doubts},
    layer::{Kind, sha256},
    maps::{PriceMaps, Update},
    outcome::{Objection, Outcome},
    source::{self, Fetched, Unreadable},
    store::Store,
};
use crate::{alerts::Alerts, books::Books, clock, config::PricesConfig, tasks::Tasks};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The pause after a failed fetch, doubling up to the usual interval.
const PAUSE_FIRST: Duration = Duration::from_secs(30);

/// What the keeper works with.
pub(super) struct Keeper {
    pub(super) config: PricesConfig,
    pub(super) http: HttpClient,
    pub(super) books: Books,
    pub(super) alerts: Alerts,
    pub(super) store: Store,
    pub(super) maps: PriceMaps,
}

/// What tells one state of a file from another without reading it.
pub(super) type Stamp = Option<(SystemTime, u64)>;

impl Keeper {
    /// Works until told to stop; the file was last read when it was as `seen`.
    pub(super) async fn run(self, seen: Stamp, updates: mpsc::Receiver<Update>, tasks: Tasks) {
        tokio::select! {
            () = tasks.stopping() => {}
            () = self.work(seen, updates) => {}
        }
    }

    async fn work(&self, mut seen: Stamp, mut updates: mpsc::Receiver<Update>) {
        let mut still = seen;
        let mut failures = 0_u32;
        let mut due = Instant::now();
        // A file that is not to blame for its refusal is looked at again.
        let mut again: Option<Instant> = None;
        let count = Doubts::Count(Arc::default());
        loop {
            tokio::select! {
                Some(update) = updates.recv() => {
                    seen = self.stamp().await;
                    let outcomes = self.look_at_all(&Doubts::Count(Arc::new(update.confirmed))).await;
                    again = next_look(outcomes.iter().find(|outcome| outcome.layer == Kind::File));
                    // Whoever asked may have gone.
                    drop(update.answer.send(outcomes));
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let found = self.stamp().await;
                    // A file that is still being written is left alone.
                    let is_due = again.is_some_and(|at| at <= Instant::now());
                    if (found != seen || is_due) && found == still {
                        seen = found;
                        again = next_look(self.look_at_file(&count).await.as_ref());
                    }
                    still = found;
                }
                () = tokio::time::sleep_until(due), if self.config.url.is_some() => {
                    let wish = match self.fetch(&count).await {
                        Some(Err(failed)) => {
                            failures = failures.saturating_add(1);
                            failed.retry_after
                        }
                        Some(Ok(outcome)) if outcome.is_postponed => {
                            failures = failures.saturating_add(1);
                            None
                        }
                        _ => {
                            failures = 0;
                            None
                        }
                    };
                    due = Instant::now() + pause(self.config.refresh, failures, wish);
                }
            }
        }
    }

    async fn look_at_all(&self, doubts: &Doubts) -> Vec<Outcome> {
        let file = self.look_at_file(doubts).await;
        let url = self.fetch(doubts).await.map(|fetched| {
            fetched.unwrap_or_else(|failed| Outcome::unread(Kind::Url, failed.message))
        });
        file.into_iter().chain(url).collect()
    }

    /// Reads the file, if there is one, and takes what is in it if that can be believed.
    async fn look_at_file(&self, doubts: &Doubts) -> Option<Outcome> {
        let path = self.config.file.as_ref()?;
        let max = self.config.max_bytes.0.get();
        let candidate = source::read(path, max).await.map(|bytes| Candidate {
            kind: Kind::File,
            source: path.display().to_string(),
            url_sha256: None,
            etag: None,
            bytes,
        });
        Some(match candidate {
            Ok(candidate) => self.propose(candidate, doubts).await,
            Err(failed) => {
                let source = path.display().to_string();
                let objection = Objection::Unread(failed.message);
                self.refuse(Kind::File, source, None, &objection).await
            }
        })
    }

    /// Asks the URL, if there is one, and takes what it gives if that can be believed.
    async fn fetch(&self, doubts: &Doubts) -> Option<Result<Outcome, Unreadable>> {
        let url = self.config.url.as_ref()?;
        let source = url.to_string();
        let layers = self.maps.layers();
        let alike = self.maps.alike(Kind::Url);
        let in_force = || Some(&layers.get(Kind::Url)?.origin);
        let known = alike.as_ref().or_else(in_force);
        let etag = known.and_then(|origin| origin.etag.as_deref());
        let fetched = source::fetch(&self.http, url, etag, &self.config).await;
        let error = fetched.as_ref().err().map(|failed| failed.message.clone());
        self.maps.note(|checked| {
            let url = checked.url.get_or_insert_default();
            source.clone_into(&mut url.source);
            url.answered_at = if error.is_none() {
                Some(clock::now())
            } else {
                url.answered_at
            };
            checked.fetch_failures += u64::from(error.is_some());
            url.error.clone_from(&error);
        });
        if let Some(error) = error {
            tracing::warn!(error, "price map not fetched, the one in force stays");
        }
        Some(match fetched {
            Err(failed) => Err(failed),
            Ok(Fetched::Same) => Ok(self.unchanged(Kind::Url)),
            Ok(Fetched::New { bytes, etag }) => {
                let kind = Kind::Url;
                let candidate = Candidate {
                    kind,
                    source,
                    url_sha256: Some(sha256(url.expose().as_bytes())),
                    etag,
                    bytes,
                };
                Ok(self.propose(candidate, doubts).await)
            }
        })
    }

    /// The file as it is now.
    pub(super) async fn stamp(&self) -> Stamp {
        let found = tokio::fs::metadata(self.config.file.as_ref()?).await.ok()?;
        Some((found.modified().ok()?, found.len()))
    }
}

/// When a file is looked at again although it has not changed, if it is.
fn next_look(outcome: Option<&Outcome>) -> Option<Instant> {
    outcome?.is_postponed.then(|| Instant::now() + PAUSE_FIRST)
}

/// How long until the URL is asked again, after so many failures in a row.
fn pause(usual: Duration, failures: u32, wish: Option<Duration>) -> Duration {
    let Some(before) = failures.checked_sub(1) else {
        return usual;
    };
    let pause = PAUSE_FIRST.saturating_mul(1 << before.min(12));
    pause.max(wish.unwrap_or_default()).min(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_usual_interval() {
        let hour = Duration::from_hours(1);
        let secs = |failures, wish| pause(hour, failures, wish).as_secs();
        assert_eq!(
            (secs(0, None), secs(1, None), secs(2, None)),
            (3600, 30, 60)
        );
        assert_eq!((secs(20, None), secs(u32::MAX, None)), (3600, 3600));
        assert_eq!(secs(1, Some(Duration::from_mins(5))), 300);
        assert_eq!(secs(1, Some(Duration::from_hours(9))), 3600);
    }
}
