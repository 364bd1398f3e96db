//! Numbers that look random and are the same for the same seed, on every machine.

/// SplitMix64, by Sebastiano Vigna.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The numbers of one case of one run.
    #[must_use]
    pub const fn new(seed: u64, case: u64) -> Self {
        let state =
            seed.wrapping_mul(0xD1B5_4A32_D192_ED03) ^ case.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { state }
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub const fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.bits() % end }
    }

    /// True in `percent` of a hundred.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the items.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = usize::try_from(self.bits() >> 33).unwrap_or(0);
        &items[at % items.len()]
    }

    /// A count whose size is spread over the powers of ten up to a million.
    pub fn size(&mut self) -> u64 {
        let end = *self.pick(&[2, 10, 100, 1_000, 20_000, 150_000, 1_000_000]);
        self.below(end)
    }
}
