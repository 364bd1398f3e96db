//! One map over another: what is compiled in, under a file, under what a URL gives.

use std::cmp::Ordering;

use sha2::{Digest, Sha256};

use crate::map::PriceMap;

impl PriceMap {
    /// This map over `below`: an entry that both have is this one's as a whole, none of its keys is
    /// taken from below. The version begins with this map's label and changes with either.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let mut digest = Sha256::new();
        for layer in [below, self] {
            digest.update(layer.version());
            digest.update([0]);
        }
        let short = hex::encode(digest.finalize().get(..6).unwrap_or_default());
        let label = self.version().rsplit_once("+sha256:");
        let label = label.map_or(self.version(), |(label, _)| label);
        let keys = self.keys().union(below.keys()).cloned().collect();
        let mut merged = Self::empty(
            format!("{label}+sha256:{short}"),
            keys,
            self.len().max(below.len()),
        );
        let (mut above, mut below) = (self.iter().peekable(), below.iter().peekable());
        loop {
            let order = match (above.peek(), below.peek()) {
                (Some((a, _)), Some((b, _))) => a.cmp(b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return merged,
            };
            let next = match order {
                Ordering::Greater => below.next(),
                Ordering::Less => above.next(),
                Ordering::Equal => {
                    below.next();
                    above.next()
                }
            };
            if let Some((name, entry)) = next {
                merged.add(name.into(), entry.clone());
            }
        }
    }
}
