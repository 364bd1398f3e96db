//! Whether a map that was read comes into force, and what is done when it does or does not.

use std::{io, sync::Arc};

use chrono::{Days, Utc};
use cost_map::{
    PriceMap,
    check::{self, Doubt, InUse},
};
use serde::Serialize;

use super::{
    keeper::Keeper,
    layer::{Kind, Layer, Layers, Origin, sha256},
    status::Refused,
    store::Epoch,
};
use crate::{books::BooksError, clock, deliver::dead_letters::chain};

/// Reasons that are told of one candidate.
const REASONS_MAX: usize = 20;
/// Characters of each.
const REASON_CHARS_MAX: usize = 400;
/// How long a map is kept that is not in force any more.
const KEPT_DAYS: i64 = 400;

/// Bytes that may become a layer.
pub(super) struct Candidate {
    pub(super) kind: Kind,
    pub(super) source: String,
    pub(super) etag: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// What doubts do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubts {
    /// They refuse a map.
    Count,
    /// Somebody has said that the map is right.
    Overruled,
}

/// What became of one source when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) layer: Kind,
    pub(crate) verdict: Verdict,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<String>,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It is what is in force.
    Unchanged,
    /// It has come into force.
    Applied,
    /// What was in force stays.
    Refused,
}

impl Outcome {
    pub(super) fn refused(layer: Kind, reasons: Vec<String>) -> Self {
        let verdict = Verdict::Refused;
        Self {
            layer,
            verdict,
            reasons,
        }
    }

    fn of(layer: Kind, verdict: Verdict) -> Self {
        let reasons = Vec::new();
        Self {
            layer,
            verdict,
            reasons,
        }
    }
}

/// Why a candidate does not become a layer.
#[derive(Debug)]
pub(super) enum Objection {
    /// It is no price map.
    Broken(cost_map::MapError),
    /// It may be wrong; a person can confirm it.
    Doubtful(Vec<Doubt>),
    /// Which models are in use is not known.
    Books(BooksError),
    /// It cannot be kept, and after a restart nobody could say what calls were priced by.
    Unkept(io::Error),
}

impl Objection {
    fn reasons(&self) -> Vec<String> {
        match self {
            Self::Broken(error) => vec![chain(error)],
            Self::Doubtful(doubts) => doubts.iter().map(ToString::to_string).collect(),
            Self::Books(error) => {
                vec![format!(
                    "which models are in use is not known: {}",
                    chain(error)
                )]
            }
            Self::Unkept(error) => {
                vec![format!(
                    "it cannot be kept in the data directory ({error}): make room, then `tollkeeper prices update`"
                )]
            }
        }
    }
}

impl Keeper {
    /// Puts a candidate into force if it is new and can be believed.
    pub(super) async fn propose(&self, candidate: Candidate, doubts: Doubts) -> Outcome {
        let digest = sha256(&candidate.bytes);
        let layers = self.maps.layers();
        let kind = candidate.kind;
        if layers
            .get(kind)
            .is_some_and(|known| known.origin.sha256 == digest)
        {
            return self.unchanged(kind);
        }
        let source = candidate.source.clone();
        let taken = match self.examine(&layers, candidate, doubts).await {
            Ok(layer) => self
                .install(layers.with(layer))
                .await
                .map_err(Objection::Unkept),
            Err(objection) => Err(objection),
        };
        match taken {
            Ok(()) => {
                self.maps
                    .note(|checked| drop(checked.refused.remove(&kind)));
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
        doubts: Doubts,
    ) -> Result<Layer, Objection> {
        let in_use = match doubts {
            Doubts::Count => self.in_use().await.map_err(Objection::Books)?,
            Doubts::Overruled => Vec::new(),
        };
        let (layers, running) = (layers.clone(), self.maps.current());
        let (factor, store) = (self.config.max_change.0, self.store.clone());
        let examined = tokio::task::spawn_blocking(move || {
            let Candidate {
                kind,
                source,
                etag,
                bytes,
            } = candidate;
            let map = PriceMap::parse(&bytes, &source).map_err(Objection::Broken)?;
            let origin = Origin {
                layer: kind,
                source,
                sha256: sha256(&bytes),
                etag,
                loaded_at: clock::now(),
            };
            let layer = Layer {
                origin,
                map: Arc::new(map),
            };
            if doubts == Doubts::Count {
                let mut found = Vec::new();
                found.extend(
                    predecessor(&layers, kind).and_then(|old| check::shrunk(old, &layer.map)),
                );
                let merged = layers.with(layer.clone()).merged();
                found.extend(check::doubts(&running, &merged, &in_use, factor));
                if !found.is_empty() {
                    return Err(Objection::Doubtful(found));
                }
            }
            store
                .keep(&layer.origin.sha256, &bytes)
                .map_err(Objection::Unkept)?;
            Ok(layer)
        });
        examined
            .await
            .unwrap_or_else(|error| Err(Objection::Unkept(io::Error::other(error))))
    }

    /// From now on calls are priced by these layers, whose bytes are kept already. Nothing happens
    /// if they are what is in force.
    pub(super) async fn install(&self, layers: Layers) -> io::Result<()> {
        let mut epochs = self.maps.epochs();
        let map = layers.merged();
        let last = epochs.last().map(|epoch| (&epoch.version, epoch.from));
        if last.is_none_or(|(version, _)| version != map.version()) {
            let after = last.map(|(_, from)| from.micros().saturating_add(1));
            let now = clock::now();
            let from = after.map_or(now, |after| now.max(event::Timestamp::from_micros(after)));
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
        }
        self.maps.switch(layers, map, epochs);
        Ok(())
    }

    /// Says everywhere that a candidate was refused.
    pub(super) async fn refuse(
        &self,
        kind: Kind,
        source: String,
        digest: Option<String>,
        objection: &Objection,
    ) -> Outcome {
        let reasons = objection.reasons();
        let refused = Refused {
            layer: kind,
            source,
            sha256: digest,
            at: clock::now(),
            reasons_left_out: reasons.len().saturating_sub(REASONS_MAX),
            reasons: reasons.into_iter().take(REASONS_MAX).map(short).collect(),
            confirmable: matches!(objection, Objection::Doubtful(_)),
        };
        self.tell(refused).await
    }

    /// The same for a source that cannot be read.
    pub(super) async fn refuse_unread(
        &self,
        kind: Kind,
        source: String,
        reason: String,
    ) -> Outcome {
        self.tell(Refused {
            layer: kind,
            source,
            sha256: None,
            at: clock::now(),
            reasons: vec![short(reason)],
            reasons_left_out: 0,
            confirmable: false,
        })
        .await
    }

    /// Once, however often the same candidate is refused for the same reasons.
    async fn tell(&self, refused: Refused) -> Outcome {
        let (kind, reasons) = (refused.layer, refused.reasons.clone());
        let known = self.maps.refused(kind);
        if known.is_some_and(|known| (&known.sha256, &known.reasons) == (&refused.sha256, &reasons))
        {
            return Outcome::refused(kind, reasons);
        }
        tracing::error!(
            source = refused.source,
            ?reasons,
            left_out = refused.reasons_left_out,
            "price map refused, the one in force stays"
        );
        self.alerts.price_map_refused(&refused).await;
        self.maps.note(|checked| {
            *checked.refused_count.entry(kind).or_default() += 1;
            checked.refused.insert(kind, refused);
        });
        Outcome::refused(kind, reasons)
    }

    /// The models of the last days' calls.
    async fn in_use(&self) -> Result<Vec<InUse>, BooksError> {
        let today = Utc::now().date_naive();
        let since = today - Days::new(u64::from(self.config.in_use_days));
        let models = self.books.models_since(since).await?;
        let in_use = |(model, provider): (String, String)| InUse {
            provider: Some(provider).filter(|provider| !provider.is_empty()),
            model,
        };
        Ok(models.into_iter().map(in_use).collect())
    }
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

fn short(reason: String) -> String {
    if reason.chars().count() <= REASON_CHARS_MAX {
        return reason;
    }
    reason.chars().take(REASON_CHARS_MAX).chain(['…']).collect()
}
