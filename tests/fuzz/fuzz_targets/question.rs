//! A question about a price is answered in one line, whatever it is.
#![no_main]

use cost_map::{PriceMap, answer};
use event::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|question: &[u8]| {
    let mut out = Vec::new();
    answer(
        PriceMap::bundled(),
        None,
        Timestamp::default(),
        question,
        &mut out,
    );
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
});
