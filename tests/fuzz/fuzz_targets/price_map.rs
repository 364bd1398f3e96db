//! A price map is understood or refused.
#![no_main]

use cost_map::PriceMap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|map: &[u8]| {
    if let Ok(map) = PriceMap::parse(map, "fuzz") {
        let _ = map.resolve(Some("openai"), "gpt-4o");
        let _ = map.nearest("gpt-4o", 3);
    }
});
