//! A deployment's own prices.

use crate::{
    entry::{Entry, innermost},
    keys::{is_read, looks_like_price},
    map::PriceMap,
    parse::{self, MapError},
};

/// A deployment's own prices, under the keys of the price map. They stand over those of the map,
/// key by key: a price that is given here holds for every length of prompt and every service tier,
/// unless variants of it are given here too; what is not given here is taken from the map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides(Entry);

impl Overrides {
    /// Reads them from a JSON object. Keys that are no prices are passed over.
    ///
    /// # Errors
    ///
    /// If it is not an object, a price is not a number or is negative, or a key looks like a price
    /// and no map has it.
    pub fn parse(json: &str) -> Result<Self, MapError> {
        let entry = parse::read_one(json, "the deployment's own prices")?;
        let map = PriceMap::bundled();
        for (key, _) in entry.prices() {
            let inner = innermost(key);
            if !is_read(inner) && looks_like_price(inner) && !map.knows_key(inner) {
                return Err(MapError::UnknownKey {
                    key: parse::excerpt(key),
                    nearest: map.nearest_key(inner).map(str::to_owned),
                });
            }
        }
        Ok(Self(entry))
    }

    /// The prices, if there are any.
    pub(crate) fn prices(&self) -> Option<&Entry> {
        self.0.has_prices().then_some(&self.0)
    }
}
