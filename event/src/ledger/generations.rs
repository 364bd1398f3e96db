//! Which lives of gateways the collector lends to, and when what they were lent is over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{EntityId, Seconds, Timestamp, ledger::Generation};

/// The generations of every source that may still owe something. The books keep it as it is
/// written: what was closed must stay closed when the collector starts again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generations {
    /// How long after a sign of life a gateway may admit calls, and how long a call lasts at most.
    patience: Seconds,
    sources: BTreeMap<EntityId, Source>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    /// Every record below this position has been settled.
    settled_below: u64,
    /// The newest start that was ever told.
    newest: Option<u64>,
    /// By their starts.
    lives: BTreeMap<u64, Life>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Life {
    heard: Timestamp,
    ended: bool,
}

/// A generation that nothing is lent to: its gateway closes its calls and begins a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this generation of the gateway is closed or not known; say hello with one that begins later"
)]
pub struct GenerationClosed;

impl Generations {
    /// None yet. `lease` is how long a gateway may admit calls after it sent what was answered,
    /// `longest` the longest time a call may last.
    #[must_use]
    pub const fn new(lease: Seconds, longest: Seconds) -> Self {
        Self {
            patience: patience(lease, longest),
            sources: BTreeMap::new(),
        }
    }

    /// The configuration has changed. Leases that run already run as long as they were told, so
    /// shorten either only after the longer has passed.
    pub const fn set_times(&mut self, lease: Seconds, longest: Seconds) {
        self.patience = patience(lease, longest);
    }

    /// A gateway has begun a generation; saying it again changes nothing. Gives the generations that
    /// are over with that: [`Grants::close`](super::Grants::close) them.
    ///
    /// # Errors
    ///
    /// If it is closed, or older than one that was told.
    pub fn hello(
        &mut self,
        generation: &Generation,
        now: Timestamp,
    ) -> Result<Vec<Generation>, GenerationClosed> {
        let source = self.sources.entry(generation.source.clone()).or_default();
        if source.newest.is_none_or(|newest| newest < generation.start) {
            source.newest = Some(generation.start);
            let (heard, ended) = (now, false);
            source.lives.insert(generation.start, Life { heard, ended });
        }
        self.heard(generation, now)?;
        Ok(self.take_replaced(&generation.source))
    }

    /// A gateway has shown a sign of life: its lease runs on.
    ///
    /// # Errors
    ///
    /// If the generation is closed or not the newest: nothing may be lent to it.
    pub fn heard(
        &mut self,
        generation: &Generation,
        now: Timestamp,
    ) -> Result<(), GenerationClosed> {
        let source = self.sources.get_mut(&generation.source);
        let newest = source.filter(|source| source.newest == Some(generation.start));
        let life = newest.and_then(|source| source.lives.get_mut(&generation.start));
        match life {
            Some(life) if !life.ended => {
                life.heard = life.heard.max(now);
                Ok(())
            }
            _ => Err(GenerationClosed),
        }
    }

    /// Every record of a source below `position` has been settled. Gives the generations that are
    /// over with that: [`Grants::close`](super::Grants::close) them.
    #[must_use]
    pub fn settled_below(&mut self, source: &EntityId, position: u64) -> Vec<Generation> {
        if let Some(source) = self.sources.get_mut(source) {
            source.settled_below = source.settled_below.max(position);
        }
        self.take_replaced(source)
    }

    /// Takes out the generations of which everything is settled, as a later one has begun.
    fn take_replaced(&mut self, name: &EntityId) -> Vec<Generation> {
        let Some(source) = self.sources.get_mut(name) else {
            return Vec::new();
        };
        let below = ..=source.settled_below;
        let Some((&last, _)) = source.lives.range(below).next_back() else {
            return Vec::new();
        };
        let kept = source.lives.split_off(&last);
        let replaced = std::mem::replace(&mut source.lives, kept);
        let generation = |start| Generation {
            source: name.clone(),
            start,
        };
        replaced.into_keys().map(generation).collect()
    }

    /// The generation that admitted the call whose started record stands at `started`.
    #[must_use]
    pub fn of(&self, source: &EntityId, started: u64) -> Option<Generation> {
        let (start, _) = self
            .sources
            .get(source)?
            .lives
            .range(..=started)
            .next_back()?;
        Some(Generation {
            source: source.clone(),
            start: *start,
        })
    }

    /// Ends the generations whose lease has run out for so long that none of their calls can still
    /// run: [`Grants::keep`](super::Grants::keep) for them what their open records hold.
    /// `read_to_end` says whether all that is in a source's journal at `now` has been settled; a
    /// source of which that is not known keeps what it was lent.
    pub fn end_silent(
        &mut self,
        now: Timestamp,
        read_to_end: impl Fn(&EntityId) -> bool,
    ) -> Vec<Generation> {
        let mut ended = Vec::new();
        for (name, source) in &mut self.sources {
            for (start, life) in &mut source.lives {
                let silent = now.since(life.heard) > self.patience;
                if silent && !life.ended && read_to_end(name) {
                    life.ended = true;
                    ended.push(Generation {
                        source: name.clone(),
                        start: *start,
                    });
                }
            }
        }
        ended
    }
}

const fn patience(lease: Seconds, longest: Seconds) -> Seconds {
    Seconds::from_micros(lease.micros().saturating_add(longest.micros()))
}
