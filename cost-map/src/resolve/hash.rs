//! A quick hash for the names of models. They come from the operator's own map, so nobody gains by
//! names that collide; looking up a name that a client made up adds nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// Where each name stands.
pub(crate) type Index<K> = HashMap<K, usize, BuildHasherDefault<NameHasher>>;

/// An odd number whose bits have no pattern: the fraction of the golden ratio.
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;
const WORD_BYTES: usize = 8;

/// Takes in eight bytes at a time.
#[derive(Clone, Copy, Default)]
pub(crate) struct NameHasher(u64);

impl NameHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(MIXER);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<WORD_BYTES>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let last = rest.iter().rev();
            self.add(last.fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn finish(&self) -> u64 {
        // The table looks at the lowest bits, into which a product carries the least.
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(MIXER);
        mixed ^ mixed >> 32
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::BuildHasher};

    use super::*;
    use crate::PriceMap;

    #[test]
    fn the_names_of_the_bundled_map_spread_evenly() {
        let hasher = BuildHasherDefault::<NameHasher>::default();
        let names = PriceMap::bundled().iter().map(|(name, _)| name);
        let hashes: HashSet<u64> = names.map(|name| hasher.hash_one(name)).collect();
        assert_eq!(hashes.len(), PriceMap::bundled().len());
        // Of 4551 in 8192 places, chance takes 3493; in 128, all.
        let low: HashSet<u64> = hashes.iter().map(|hash| hash % 8192).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(
            low.len() > PriceMap::bundled().len() * 3 / 4,
            "{}",
            low.len()
        );
        assert_eq!(high.len(), 128);
    }
}
