//! The collector's side: what one budget has settled and lent out in one window.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Usd,
    ledger::{Ask, Generation, Lease},
};

/// So many asks of others are answered with regard to one that lacks something and does not ask
/// again: it may have died.
const PASSES_MAX: u32 = 32;

/// One budget in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    limit: Usd,
    settled: Usd,
    lent: BTreeMap<Generation, Lent>,
    /// How many turns have been given out.
    turns: u64,
}

/// What one generation was lent: totals since it began. For the books to keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    given: Usd,
    returned: Usd,
    used: Usd,
    wanted: Usd,
    /// The number of the newest ask.
    asked: u64,
    /// Its turn among those that lack something; `None` if it lacks nothing.
    turn: Option<u64>,
    /// How often others have asked after its turn began and since it asked.
    passed: u32,
}

impl Lent {
    /// What it may still use.
    fn out(&self) -> Usd {
        (self.given - self.returned - self.used).max(Usd::ZERO)
    }

    /// What it asked for and was not given.
    fn lacks(&self) -> Usd {
        (self.wanted - self.given).max(Usd::ZERO)
    }
}

impl Grants {
    /// A budget in a window in which calls have cost `settled`, with nothing lent.
    #[must_use]
    pub const fn new(limit: Usd, settled: Usd) -> Self {
        Self {
            limit,
            settled,
            lent: BTreeMap::new(),
            turns: 0,
        }
    }

    /// The same as the books have kept it.
    #[must_use]
    pub fn restored(
        limit: Usd,
        settled: Usd,
        lent: impl IntoIterator<Item = (Generation, Lent)>,
    ) -> Self {
        let lent: BTreeMap<Generation, Lent> = lent.into_iter().collect();
        let last = lent.values().filter_map(|lent| lent.turn).max();
        Self {
            limit,
            settled,
            lent,
            turns: last.map_or(0, |last| last.saturating_add(1)),
        }
    }

    /// What each generation was lent, for the books to keep: they change with every method here.
    pub fn lent(&self) -> impl Iterator<Item = (&Generation, &Lent)> {
        self.lent.iter()
    }

    /// What its calls have cost, with corrections.
    #[must_use]
    pub const fn settled(&self) -> Usd {
        self.settled
    }

    /// What it has settled, and lent and not seen settled.
    #[must_use]
    pub fn committed(&self) -> Usd {
        self.settled + self.lent.values().map(Lent::out).sum()
    }

    /// What can be lent; negative if more is committed than the limit.
    #[must_use]
    pub fn room(&self) -> Usd {
        self.limit - self.committed()
    }

    /// Changes the limit. What has been lent stays lent; a [`Lease`] asks for it back.
    pub const fn set_limit(&mut self, limit: Usd) {
        self.limit = limit;
    }

    /// A call has been settled for the first time. `by` is the generation that admitted it; `None`
    /// for a call that no gateway with a lease admitted.
    pub fn settle(&mut self, by: Option<&Generation>, cost: Usd) {
        self.settled += cost;
        if let Some(lent) = by.and_then(|by| self.lent.get_mut(by)) {
            lent.used += cost;
        }
    }

    /// The cost of a settled call has been corrected by `difference`. What was lent stays as it is:
    /// the gateway reckons with what the call cost when it was settled first.
    pub fn correct(&mut self, difference: Usd) {
        self.settled += difference;
    }

    /// Takes what a generation gives back, and gives it what it wants as far as there is room. Only
    /// for a generation that [`Generations`](super::Generations) has just heard.
    pub fn ask(&mut self, by: &Generation, ask: Ask) {
        let lent = self.lent.entry(by.clone()).or_default();
        lent.returned = lent.returned.max(ask.returned).min(lent.given);
        if ask.number > lent.asked {
            lent.asked = ask.number;
            lent.wanted = ask.wanted;
        }
        lent.passed = 0;
        if lent.lacks() <= Usd::ZERO {
            lent.turn = None;
            return;
        }
        let turn = *lent.turn.get_or_insert(self.turns);
        self.turns = self.turns.saturating_add(1);
        let kept = self.kept_for_earlier(turn);
        let room = (self.room() - kept).max(Usd::ZERO);
        if let Some(lent) = self.lent.get_mut(by) {
            lent.given += lent.lacks().min(room);
            if lent.lacks() <= Usd::ZERO {
                lent.turn = None;
            }
        }
    }

    /// What is lacking to those whose turn is before `turn`. Who does not ask any more loses it.
    fn kept_for_earlier(&mut self, turn: u64) -> Usd {
        let mut kept = Usd::ZERO;
        let others = self.lent.values_mut();
        for other in others.filter(|other| other.turn.is_some_and(|other| other < turn)) {
            other.passed = other.passed.saturating_add(1);
            if other.passed > PASSES_MAX {
                (other.wanted, other.turn) = (other.given, None);
            }
            kept += other.lacks();
        }
        kept
    }

    /// What a generation is told, when all of its source below `settled_below` is settled. `as_of`
    /// must rise with each change of the books.
    #[must_use]
    pub fn lease(&self, to: &Generation, settled_below: u64, as_of: u64) -> Lease {
        let lent = self.lent.get(to).copied().unwrap_or_default();
        let others = self.lent.iter().filter(|(generation, _)| *generation != to);
        let lacking: Usd = others.clone().map(|(_, lent)| lent.lacks()).sum();
        let first = others.filter_map(|(_, lent)| lent.turn).min();
        Lease {
            as_of,
            given: lent.given,
            settled_below,
            used: lent.used,
            limit: self.limit,
            settled: self.settled,
            yields: lent.turn > first && first.is_some(),
            recall: (lacking - self.room()).clamp(Usd::ZERO, lent.out()),
        }
    }

    /// Lowers what a silent generation was lent to `held`: what its open records hold.
    pub fn keep(&mut self, of: &Generation, held: Usd) {
        if let Some(lent) = self.lent.get_mut(of) {
            let over = (lent.out() - held).max(Usd::ZERO);
            lent.returned += over;
            (lent.wanted, lent.turn) = (Usd::ZERO, None);
        }
    }

    /// Takes back all that a generation was lent, once all of its calls are settled.
    pub fn close(&mut self, of: &Generation) {
        self.lent.remove(of);
    }
}
