//! What calls have cost lately, by key and model: what the next one is expected to cost.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use event::Usd;
use lru::LruCache;

/// Pairs of key and model that are remembered.
const PAIRS: NonZeroUsize = NonZeroUsize::new(10_000).expect("is not zero");
/// Calls of each.
const CALLS: usize = 32;

/// See the [module](self).
pub(crate) struct Recent {
    costs: Mutex<LruCache<(String, String), VecDeque<Usd>>>,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            costs: Mutex::new(LruCache::new(PAIRS)),
        }
    }
}

impl Recent {
    /// Notes what a call cost.
    pub(crate) fn note(&self, key: &str, model: &str, cost: Usd) {
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (key.to_owned(), model.to_owned());
        let costs = costs.get_or_insert_mut(pair, VecDeque::new);
        if costs.len() == CALLS {
            costs.pop_front();
        }
        costs.push_back(cost);
    }

    /// The second dearest of the last calls, or the dearest of a few; `None` if there were none.
    pub(crate) fn usual(&self, key: &str, model: &str) -> Option<Usd> {
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        let costs = costs.get(&(key.to_owned(), model.to_owned()))?;
        let mut sorted: Vec<Usd> = costs.iter().copied().collect();
        sorted.sort_unstable();
        let from_the_top = if sorted.len() == CALLS { 2 } else { 1 };
        sorted.get(sorted.len().checked_sub(from_the_top)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_out_of_line_does_not_make_all_dear() {
        let recent = Recent::default();
        assert_eq!(recent.usual("k", "m"), None);
        recent.note("k", "m", Usd::from_picos(900));
        assert_eq!(recent.usual("k", "m"), Some(Usd::from_picos(900)));
        for _ in 1..CALLS {
            recent.note("k", "m", Usd::from_picos(5));
        }
        assert_eq!(recent.usual("k", "m"), Some(Usd::from_picos(5)));
        assert_eq!(recent.usual("k", "other"), None);
    }
}
