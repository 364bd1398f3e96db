//! Whether a map that was read comes into force, and what is done when it does or does not.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use chrono::{Days, Utc};
use cost_map::{
    PriceMap,
    change::Change,
    check::{self, InUse},
};
use event::Timestamp;

use super::{
    keeper::Keeper,
    layer::{Kind, Layer, Layers, Origin, sha256},
    outcome::{Objection, Outcome, Verdict},
    status::Refused,
    store::Epoch,
};
use crate::{books::BooksError, clock};

/// How long a map is kept that is not in force any more.
const KEPT_DAYS: i64 = 400;
/// How far ahead a map is announced in the history before calls are priced by it. If writing the
/// history takes longer, it is announced again further ahead.
const AHEAD: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(25),
];

/// Bytes that may become a layer.
pub(super) struct Candidate {
    pub(super) kind: Kind,
    pub(super) source: String,
    /// The digest of the whole URL.
    pub(super) url_sha256: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// What doubts do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doubts {
    /// They refuse a map, unless somebody has said that the map of this SHA-256 is right.
    Count(Arc<BTreeSet<String>>),
    /// The map is right.
    Overruled,
}

/// What a candidate comes to that can be believed.
pub(super) enum Examined {
    /// Other layers, and the map that they make.
    New(Layers, Arc<PriceMap>),
    /// Its bytes differ from those in force, its prices do not.
    Alike(Origin),
}

impl Keeper {
    /// Puts a candidate into force if it is new and can be believed.
    pub(super) async fn propose(&self, candidate: Candidate, doubts: &Doubts) -> Outcome {
        let digest = sha256(&candidate.bytes);
        let layers = self.maps.layers();
        let kind = candidate.kind;
        let known = layers.get(kind).map(|layer| &layer.origin.sha256);
        if known == Some(&digest)
            || self
                .maps
                .alike(kind)
                .is_some_and(|as_it| as_it.sha256 == digest)
        {
            return self.unchanged(kind);
        }
        let source = candidate.source.clone();
        let taken = match self.examine(&layers, candidate, doubts).await {
            Ok(Examined::Alike(origin)) => {
                self.maps
                    .note(|checked| drop(checked.alike.insert(kind, origin)));
                return self.unchanged(kind);
            }
            Ok(Examined::New(layers, map)) => {
                self.install(layers, map).await.map_err(Objection::Unkept)
            }
            Err(objection) => Err(objection),
        };
        match taken {
            Ok(()) => {
                self.maps.note(|checked| {
                    checked.refused.remove(&kind);
                    checked.alike.clear();
                });
                self.in_force().await;
                let version = self.maps.current().version().to_owned();
                tracing::info!(source, version, "price map replaced");
                Outcome::of(kind, Verdict::Applied)
            }
            Err(objection) => self.refuse(kind, source, Some(digest), &objection).await,
        }
    }

    /// The source has what is in force, whatever it had before.
    pub(super) fn unchanged(&self, kind: Kind) -> Outcome {
        self.maps
            .note(|checked| drop(checked.refused.remove(&kind)));
        Outcome::of(kind, Verdict::Unchanged)
    }

    /// Reads a candidate and looks for what speaks against it over `layers`.
    pub(super) async fn examine(
        &self,
        layers: &Layers,
        candidate: Candidate,
        doubts: &Doubts,
    ) -> Result<Examined, Objection> {
        let digest = sha256(&candidate.bytes);
        let counts = matches!(doubts, Doubts::Count(right) if !right.contains(&digest));
        let in_use = if counts {
            self.in_use().await.map_err(Objection::Books)?
        } else {
            Vec::new()
        };
        let (layers, running) = (layers.clone(), self.maps.current());
        let (factor, store) = (self.config.max_change.0, self.store.clone());
        let examined = tokio::task::spawn_blocking(move || {
            let Candidate {
                kind,
                source,
                url_sha256,
                etag,
                bytes,
            } = candidate;
            let now = clock::now();
            let map = PriceMap::parse(&bytes, &source).map_err(Objection::Broken)?;
            let origin = Origin {
                layer: kind,
                source,
                url_sha256,
                sha256: digest,
                etag,
                loaded_at: now,
            };
            let layer = Layer {
                origin: origin.clone(),
                map: Arc::new(map),
            };
            let above = layers.with(layer.clone());
            let merged = above.merged();
            let is_there = layers.get(kind).is_some();
            if is_there && Change::between(&running, &merged).is_empty() {
                return Ok(Examined::Alike(origin));
            }
            if counts {
                let mut found = check::doubts(&running, &merged, &in_use, (factor, now));
                let before = predecessor(&layers, kind);
                if let Some(shrunk) = before.and_then(|old| check::shrunk(old, &layer.map)) {
                    found.first.insert(0, shrunk);
                }
                if !found.is_empty() {
                    return Err(Objection::Doubtful(found));
                }
            }
            store
                .keep(&origin.sha256, &bytes)
                .map_err(Objection::Unkept)?;
            Ok(Examined::New(above, merged))
        });
        examined
            .await
            .unwrap_or_else(|error| Err(Objection::Unkept(io::Error::other(error))))
    }

    /// In a moment calls are priced by these layers, whose bytes are kept already. Nothing happens
    /// if they are what is in force. The history says so before the first such call starts: what
    /// starts until then is priced by the map before.
    pub(super) async fn install(&self, layers: Layers, map: Arc<PriceMap>) -> io::Result<()> {
        let mut epochs = self.maps.epochs();
        // From a clock that was wrong: they never came into force.
        let now = clock::now();
        epochs.retain(|epoch| epoch.from <= now);
        let origins = layers.origins();
        let is_same = |epoch: &Epoch| digests(&epoch.layers).eq(digests(&origins));
        if epochs.last().is_some_and(is_same) {
            self.maps.switch(layers, map, epochs);
            return Ok(());
        }
        for ahead in AHEAD {
            let mut epochs = epochs.clone();
            let from = match epochs.last() {
                Some(last) => after(clock::now(), ahead).max(after(last.from, TICK)),
                // Nothing else has been in force.
                None => clock::now(),
            };
            let is_first = epochs.is_empty();
            epochs.push(Epoch {
                from,
                version: map.version().to_owned(),
                layers: layers.origins(),
            });
            forget(&mut epochs, self.config.history.get());
            let (store, written) = (self.store.clone(), epochs.clone());
            tokio::task::spawn_blocking(move || store.write(&written))
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))?;
            if is_first || clock::now() < from {
                self.maps.switch(layers, map, epochs);
                return Ok(());
            }
        }
        let (store, before) = (self.store.clone(), epochs);
        tokio::task::spawn_blocking(move || store.write(&before))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))?;
        Err(io::Error::other("writing takes longer than 25 s"))
    }

    /// Waits until the map that was installed last is in force.
    async fn in_force(&self) {
        let left = self.maps.since().since(clock::now()).micros();
        let left = Duration::from_micros(u64::try_from(left).unwrap_or_default());
        tokio::time::sleep(left.min(AHEAD[AHEAD.len() - 1])).await;
    }

    /// Says everywhere that a candidate was refused; once, however often the same candidate is
    /// refused for the same reasons.
    pub(super) async fn refuse(
        &self,
        kind: Kind,
        source: String,
        digest: Option<String>,
        objection: &Objection,
    ) -> Outcome {
        let (reasons, reasons_left_out) = objection.reasons();
        let refused = Refused {
            layer: kind,
            source,
            sha256: digest,
            at: clock::now(),
            reasons,
            reasons_left_out,
            confirmable: matches!(objection, Objection::Doubtful(_)),
        };
        let outcome = Outcome {
            is_postponed: objection.is_passing(),
            ..Outcome::refused(&refused)
        };
        let known = self.maps.refused(kind);
        if known.is_some_and(|known| {
            (&known.sha256, &known.reasons) == (&refused.sha256, &refused.reasons)
        }) {
            return outcome;
        }
        tracing::error!(
            source = refused.source,
            reasons = ?refused.reasons,
            left_out = refused.reasons_left_out,
            "price map refused, the one in force stays"
        );
        self.alerts.price_map_refused(&refused).await;
        self.maps.note(|checked| {
            *checked.refused_count.entry(kind).or_default() += 1;
            checked.refused.insert(kind, refused);
        });
        outcome
    }

    /// The models of the last days' calls, and the entries that priced the last of them.
    async fn in_use(&self) -> Result<Vec<InUse>, BooksError> {
        let today = Utc::now().date_naive();
        let since = today - Days::new(u64::from(self.config.in_use_days));
        let models = self.books.models_since(since).await?;
        let in_use = |(model, provider): (String, String)| InUse {
            provider: Some(provider).filter(|provider| !provider.is_empty()),
            model,
        };
        let entries = self.books.entries_in_use().await?;
        let entry = |model| InUse {
            provider: None,
            model,
        };
        let models = models.into_iter().map(in_use);
        Ok(models.chain(entries.into_iter().map(entry)).collect())
    }
}

/// The shortest stretch of time.
const TICK: Duration = Duration::from_micros(1);

fn after(instant: Timestamp, ahead: Duration) -> Timestamp {
    let ahead = i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(instant.micros().saturating_add(ahead))
}

/// Which bytes a map is made of.
fn digests(origins: &[Origin]) -> impl Iterator<Item = (Kind, &str)> {
    origins.iter().map(|origin| (origin.layer, &*origin.sha256))
}

/// What a candidate is to be as large as: what it replaces. What a URL gives first is measured by
/// the map that is compiled in, because it is meant to stand for it.
fn predecessor(layers: &Layers, kind: Kind) -> Option<&PriceMap> {
    let fallback = if kind == Kind::Url {
        Kind::Bundled
    } else {
        kind
    };
    let layer = layers.get(kind).or_else(|| layers.get(fallback))?;
    Some(&layer.map)
}

/// Lets go of what is too old or too much; the last epoch stays.
fn forget(epochs: &mut Vec<Epoch>, most: usize) {
    let oldest = clock::now()
        .micros()
        .saturating_sub(KEPT_DAYS * 86_400_000_000);
    let ended = epochs
        .windows(2)
        .take_while(|pair| pair.get(1).is_some_and(|next| next.from.micros() < oldest));
    let excess = ended.count().max(epochs.len().saturating_sub(most));
    epochs.drain(..excess.min(epochs.len().saturating_sub(1)));
}
