//! The calculator under test, by its public interface alone, and the map that both sides read.

use cost_map::PriceMap;
use event::Timestamp;

use crate::map::Map;

/// The price map that is compiled in.
///
/// # Errors
/// If it cannot be read.
pub fn map() -> Result<Map, serde_json::Error> {
    Map::parse(include_str!("../../../cost-map/prices.json"))
}

/// The calculator's answer to a line of RULES, section 10. A call that says no time is of 1970:
/// what depends on the time is only asked with one.
#[must_use]
pub fn answer(line: &str) -> String {
    let mut answer = Vec::new();
    let then = Timestamp::from_micros(0);
    cost_map::answer(
        PriceMap::bundled(),
        None,
        then,
        line.as_bytes(),
        &mut answer,
    );
    String::from_utf8_lossy(&answer).into_owned()
}
