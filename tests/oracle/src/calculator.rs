//! The calculator under test, by its public interface alone, and the map that both sides read.

use std::sync::LazyLock;

use cost_map::{Adjustments, PriceMap};
use event::Timestamp;

use crate::map::Map;

/// The price map that is compiled in, and the adjustments below.
///
/// # Errors
/// If it cannot be read.
pub fn map() -> Result<Map, serde_json::Error> {
    Map::parse(
        include_str!("../../../cost-map/prices.json"),
        DISCOUNTS,
        MARGINS,
    )
}

/// Discounts by provider and model: RULES, section 9.
pub const DISCOUNTS: &str =
    r#"{"openai": 0.05, "gpt-4o": 0.1, "anthropic": 0.125, "vertex_ai": 1, "azure": 0}"#;
/// Margins, of which `global` is for whoever has none of their own.
pub const MARGINS: &str = r#"{"global": 0.1, "openai": {"percentage": 0.08, "fixed_amount": 0.001},
    "gemini": {"fixed_amount": 0.0005}, "bedrock": 0, "claude-haiku-5-5": 0.333}"#;

static ADJUSTMENTS: LazyLock<Option<Adjustments>> =
    LazyLock::new(|| Adjustments::parse(DISCOUNTS, MARGINS).ok());

/// The calculator's answer to a line of RULES, section 10, with or without the adjustments above.
/// A call that says no time is of 1970: what depends on the time is only asked with one.
#[must_use]
pub fn answer(line: &str, adjusted: bool) -> String {
    let mut answer = Vec::new();
    let then = Timestamp::from_micros(0);
    let adjustments = ADJUSTMENTS.as_ref().filter(|_| adjusted);
    cost_map::answer(
        PriceMap::bundled(),
        adjustments,
        then,
        line.as_bytes(),
        &mut answer,
    );
    String::from_utf8_lossy(&answer).into_owned()
}
