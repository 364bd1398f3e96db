//! The prices that the collector settles by, as far as this gateway knows them.

use std::sync::{Arc, LazyLock};

use cost_map::{Adjustments, PriceMap};
use event::{
    Timestamp,
    control::{PriceLayer, Prices},
};
use sha2::{Digest as _, Sha256};

/// The name that the collector gives to the map that is compiled in.
const BUNDLED: &str = "bundled";

/// What calls are priced by from some instant on.
#[derive(Debug)]
pub(crate) struct Tariff {
    pub(crate) map: Arc<PriceMap>,
    pub(crate) adjustments: Adjustments,
    from: Timestamp,
}

/// What calls are priced by now, and what they were priced by before.
#[derive(Debug)]
pub(crate) struct Tariffs {
    layers: Vec<PriceLayer>,
    now: Arc<Tariff>,
    before: Option<Arc<Tariff>>,
}

impl Default for Tariffs {
    /// The map that is compiled in.
    fn default() -> Self {
        Self {
            layers: Vec::new(),
            now: Arc::new(Tariff {
                map: Arc::clone(PriceMap::bundled()),
                adjustments: Adjustments::default(),
                from: Timestamp::default(),
            }),
            before: None,
        }
    }
}

/// The SHA-256 of the map that is compiled in.
pub(super) fn own() -> &'static str {
    static OWN: LazyLock<String> =
        LazyLock::new(|| hex::encode(Sha256::digest(PriceMap::bundled_json())));
    &OWN
}

impl Tariffs {
    /// What a call is priced by that starts at `start`: as the collector does, the newest tariff
    /// that was in force then.
    pub(crate) fn at(&self, start: Timestamp) -> &Arc<Tariff> {
        let before = self.before.as_ref().filter(|_| start < self.now.from);
        before.unwrap_or(&self.now)
    }

    /// Whether these are the layers that the collector names.
    pub(crate) fn are(&self, layers: &[PriceLayer]) -> bool {
        let is_own = |layers: &[PriceLayer]| match layers {
            [] => true,
            [one] => one.name.as_str() == BUNDLED && one.sha256.as_str() == own(),
            _ => false,
        };
        self.layers == layers || (is_own(&self.layers) && is_own(layers))
    }

    /// These, and what the collector tells from then on; nothing if that cannot be read.
    pub(super) fn followed_by(&self, told: Prices) -> Result<Self, String> {
        let said = |error: &dyn std::error::Error| error.to_string();
        let adjustments = Adjustments::parse(told.discounts.text(), told.margins.text())
            .map_err(|error| said(&error))?;
        let own = || Arc::clone(PriceMap::bundled());
        let map = if told.map.is_null() {
            told.is_over_own.then(own).ok_or("no map is told")?
        } else {
            let map = PriceMap::parse(told.map.text().as_bytes(), "collector")
                .map_err(|error| said(&error))?;
            if told.is_over_own {
                Arc::new(map.over(PriceMap::bundled()))
            } else {
                Arc::new(map)
            }
        };
        Ok(Self {
            layers: told.layers,
            now: Arc::new(Tariff {
                map,
                adjustments,
                from: told.from,
            }),
            before: Some(Arc::clone(&self.now)),
        })
    }
}

#[cfg(test)]
mod tests {
    use event::Json;

    use super::*;

    fn told(name: &str, from: i64, map: &str) -> Prices {
        Prices {
            layers: vec![PriceLayer {
                name: name.parse().unwrap(),
                sha256: "1".parse().unwrap(),
            }],
            from: Timestamp::from_micros(from),
            is_over_own: true,
            map: Json::parse(map.to_owned()).unwrap(),
            ..Prices::default()
        }
    }

    #[test]
    fn a_call_is_priced_by_what_was_in_force_when_it_started() {
        let price = |tariffs: &Tariffs, start| {
            let tariff = Arc::clone(tariffs.at(Timestamp::from_micros(start)));
            let entry = tariff.map.entry("acme/x");
            entry
                .and_then(|entry| entry.price("input_cost_per_token"))
                .map(|price| price.to_string())
        };
        let map = |price| format!(r#"{{"acme/x": {{"input_cost_per_token": {price}}}}}"#);
        let first = Tariffs::default();
        assert_eq!(price(&first, 5), None);
        let second = first.followed_by(told("file", 10, &map(1))).unwrap();
        assert_eq!(
            (price(&second, 9), price(&second, 10).as_deref()),
            (None, Some("1"))
        );
        assert!(
            second
                .at(Timestamp::from_micros(10))
                .map
                .entry("gpt-4o")
                .is_some()
        );
        let third = second.followed_by(told("file", 20, &map(2))).unwrap();
        assert_eq!(price(&third, 19).as_deref(), Some("1"));
        assert_eq!(price(&third, 20).as_deref(), Some("2"));
        assert!(third.followed_by(told("file", 30, "[]")).is_err());
    }

    #[test]
    fn layers_are_the_same_by_what_they_say() {
        let layer = |name: &str, sha256: &str| PriceLayer {
            name: name.parse().unwrap(),
            sha256: sha256.parse().unwrap(),
        };
        let tariffs = Tariffs::default();
        assert!(tariffs.are(&[]) && tariffs.are(&[layer("bundled", own())]));
        assert!(!tariffs.are(&[layer("bundled", "1")]));
        assert!(!tariffs.are(&[layer("bundled", own()), layer("file", "1")]));
        let told = tariffs.followed_by(told("file", 0, "null")).unwrap();
        assert!(told.are(&[layer("file", "1")]) && !told.are(&[]));
    }
}
