//! What of a stack of maps is to be sent to somebody who has the map that is compiled in.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use crate::{
    map::PriceMap,
    parse::{MapError, Pairs},
};

impl PriceMap {
    /// One JSON object of the entries of `layers`, the lowest first, as their texts say them:
    /// those that `below` has not got, or has otherwise. `self` is the map that the layers make.
    /// Read as a map and laid [over](Self::over) `below` it gives every entry of `self`. `None` if
    /// that is none.
    ///
    /// # Errors
    ///
    /// If a layer is not a JSON object.
    pub fn differing(
        &self,
        layers: &[&[u8]],
        below: Option<&Self>,
    ) -> Result<Option<String>, MapError> {
        let mut texts: BTreeMap<Cow<'_, str>, &RawValue> = BTreeMap::new();
        for layer in layers {
            let Pairs(members) = serde_json::from_slice(layer).map_err(MapError::NotJson)?;
            texts.extend(members);
        }
        texts.retain(|name, _| {
            self.entry(name)
                .is_some_and(|own| below.and_then(|below| below.entry(name)) != Some(own))
        });
        if texts.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_string(&texts).map_err(MapError::NotJson)?;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_makes_the_whole_again() {
        let map = |json: &str| PriceMap::parse(json.as_bytes(), "t").unwrap();
        let below = map(r#"{"a": {"input_cost_per_token": 1}, "b": {"input_cost_per_token": 2}}"#);
        let file = r#"{"sample_spec": {}, "a": {"input_cost_per_token": 1.0},
            "b": {"input_cost_per_token": 3}, "c": {"input_cost_per_token": 4}}"#;
        let url = r#"{"c": {"input_cost_per_token": 5}}"#;
        let whole = map(url).over(&map(file).over(&below));
        let layers = [file.as_bytes(), url.as_bytes()];
        let text = whole.differing(&layers, Some(&below)).unwrap().unwrap();
        assert_eq!(
            text,
            r#"{"b":{"input_cost_per_token": 3},"c":{"input_cost_per_token": 5}}"#
        );
        let again = map(&text).over(&below);
        assert!(again.iter().eq(whole.iter()));
        let same = [r#"{"b": {"input_cost_per_token": 2}}"#.as_bytes()];
        assert_eq!(below.differing(&same, Some(&below)).unwrap(), None);
        assert!(below.differing(&same, None).unwrap().is_some());
    }
}
