//! The price map as the oracle reads it, and which entry a call is priced by.

use std::collections::BTreeMap;

use num_traits::Signed;

use crate::json::{Fields, Json, Object};

/// Entries by name.
#[derive(Debug)]
pub struct Map {
    entries: BTreeMap<String, Object>,
    /// Parts of a bill that are taken off, by provider or model.
    pub discounts: Object,
    /// What is put on, by provider or model.
    pub margins: Object,
}

/// What a call is priced by.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// The entry's name.
    pub name: &'a str,
    /// The entry.
    pub entry: &'a Object,
}

impl Map {
    /// Reads a price map, discounts and margins.
    ///
    /// # Errors
    /// If one of the texts is not JSON.
    pub fn parse(prices: &str, discounts: &str, margins: &str) -> Result<Self, serde_json::Error> {
        let object = |text: &str| match Json::parse(text) {
            Ok(Json::Object(object)) => Ok(object),
            Ok(_) => Ok(Object::new()),
            Err(error) => Err(error),
        };
        let entries = object(prices)?
            .into_iter()
            .filter_map(|(name, entry)| match entry {
                Json::Object(entry) => Some((name, entry)),
                _ => None,
            });
        Ok(Self {
            entries: entries.collect(),
            discounts: object(discounts)?,
            margins: object(margins)?,
        })
    }

    /// All entries, by name.
    pub fn iter(&self) -> impl Iterator<Item = Found<'_>> {
        self.entries
            .iter()
            .map(|(name, entry)| Found { name, entry })
    }

    /// The entry of this very name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Found<'_>> {
        let (name, entry) = self.entries.get_key_value(name)?;
        Some(Found { name, entry })
    }

    /// The entry that a call is priced by: `base_model` before `model`, and the names of an image
    /// before the model's (R6.3).
    #[must_use]
    pub fn find(&self, call: &Object) -> Option<Found<'_>> {
        let provider = call.text("custom_llm_provider").unwrap_or("");
        let model = call.text("base_model").or_else(|| call.text("model"))?;
        if let Some(region) = call.text("region")
            && let Some(found) = self.get(&format!("{provider}/{region}/{model}"))
        {
            return Some(found);
        }
        let plain = self.of_provider(provider, model);
        if plain.is_some_and(|plain| by_image_token(plain.entry, call, provider)) {
            return plain;
        }
        let bare = model
            .strip_prefix(provider)
            .and_then(|name| name.strip_prefix('/'));
        let mut named: Vec<String> = image_names(call, model);
        named.extend(bare.into_iter().flat_map(|bare| image_names(call, bare)));
        named.push(model.to_owned());
        let mut named = named.into_iter();
        let found = named.find_map(|name| self.of_provider(provider, &name));
        found.or_else(|| self.size_class(provider, model))
    }

    /// With the provider in front and without; an entry of another provider does not count.
    fn of_provider(&self, provider: &str, model: &str) -> Option<Found<'_>> {
        let prefixed = format!("{provider}/{model}");
        let full = model
            .strip_prefix(provider)
            .is_some_and(|rest| rest.starts_with('/'));
        let names = if full {
            [model, prefixed.as_str()]
        } else {
            [prefixed.as_str(), model]
        };
        let mut found = names.into_iter().filter_map(|name| self.get(name));
        found.find(|found| {
            let theirs = found.entry.text("litellm_provider");
            theirs.is_none_or(|theirs| family(theirs) == family(provider))
        })
    }

    /// R8.2: the class that a name's parameter count falls into.
    fn size_class(&self, provider: &str, model: &str) -> Option<Found<'_>> {
        let count = parameters(&model.to_lowercase());
        let upper = |classes: &[(u64, &'static str)], billions: u64| {
            classes
                .iter()
                .find(|(upper, _)| billions <= *upper * 10)
                .map(|(_, name)| *name)
        };
        let name = match (provider, count) {
            ("fireworks_ai", Some((tenths, true))) => {
                upper(&[(56, "moe-up-to-56b"), (176, "56b-to-176b")], tenths)
            }
            ("fireworks_ai", Some((tenths, false))) => upper(
                &[
                    (4, "up-to-4b"),
                    (16, "4.1b-to-16b"),
                    (u64::MAX / 10, "above-16b"),
                ],
                tenths,
            ),
            ("together_ai", Some((tenths, _))) => {
                const CLASSES: [(u64, &str); 6] = [
                    (4, "up-to-4b"),
                    (8, "4.1b-8b"),
                    (21, "8.1b-21b"),
                    (41, "21.1b-41b"),
                    (80, "41.1b-80b"),
                    (110, "81.1b-110b"),
                ];
                return self.get(&format!("together-ai-{}", upper(&CLASSES, tenths)?));
            }
            ("fireworks_ai", None) => None,
            _ => return None,
        };
        self.get(&format!("fireworks-ai-{}", name.unwrap_or("default")))
    }
}

/// Providers that share their entries.
#[must_use]
pub fn family(provider: &str) -> &str {
    const FAMILIES: [&str; 3] = ["vertex_ai", "fireworks_ai", "bedrock"];
    let of = FAMILIES
        .into_iter()
        .find(|family| provider.starts_with(family));
    of.unwrap_or(provider)
}

/// R6.3: whether an image is priced by its tokens, and so by the plain model.
fn by_image_token(entry: &Object, call: &Object, provider: &str) -> bool {
    let tokens = crate::usage::tokens(call.object("usage"), provider);
    let keys = [
        "input_cost_per_image_token",
        "output_cost_per_image_token",
        "output_cost_per_token",
    ];
    let above = |key: &&str| entry.number(key).is_some_and(Signed::is_positive);
    !tokens.classes.is_empty() && keys.iter().any(above)
}

/// The names of R6.3, the most exact first.
fn image_names(call: &Object, model: &str) -> Vec<String> {
    let provider = call.text("custom_llm_provider").unwrap_or("");
    let fal = provider == "fal_ai";
    let size = call.text("size").map(|size| size.replace('x', "-x-"));
    let quality = call.text("quality");
    let mut names = Vec::new();
    // What is missing is what the provider takes for it.
    let usual = if fal { "1024-x-768" } else { "1024-x-1024" };
    let supplied = quality.map(|_| usual.to_owned());
    if let Some(size) = size.clone().or(supplied) {
        let many = call.count("steps") > Some(50);
        let steps = if many { "max-steps" } else { "50-steps" };
        names.push(format!("{size}/{steps}/{model}"));
        if !many {
            names.push(format!("{size}/50-steps/{provider}/{model}"));
        }
    }
    let full = match (size.as_deref(), quality) {
        (Some(size), None) if fal => Some((size, "high")),
        (size, Some(quality)) => Some((size.unwrap_or(usual), quality)),
        _ => None,
    };
    if let Some((size, quality)) = full {
        names.push(format!("{quality}/{size}/{model}"));
        names.push(format!("{size}/{quality}/{model}"));
    }
    let supplied = quality.map(|_| usual.to_owned());
    names.extend(size.or(supplied).map(|size| format!("{size}/{model}")));
    names.extend(quality.map(|quality| format!("{quality}/{model}")));
    names
}

/// The billions of parameters in a name, in tenths, and whether they are those of experts.
fn parameters(model: &str) -> Option<(u64, bool)> {
    let mut single = None;
    for (end, _) in model.match_indices('b') {
        let head = &model[..end];
        let number = head.trim_start_matches(|_: char| true);
        let start = head
            .rfind(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .map_or(0, |at| at + 1);
        let digits = head.get(start..).unwrap_or(number).trim_start_matches('.');
        let Some(tenths) = tenths(digits) else {
            continue;
        };
        let before = head.get(..start).unwrap_or("");
        if let Some(before) = before.strip_suffix('x') {
            let start = before
                .rfind(|letter: char| !letter.is_ascii_digit())
                .map_or(0, |at| at + 1);
            if let Ok(experts) = before.get(start..).unwrap_or("").parse::<u64>() {
                return Some((tenths.checked_mul(experts)?, true));
            }
        }
        single = single.or(Some((tenths, false)));
    }
    single
}

fn tenths(digits: &str) -> Option<u64> {
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let first = part.chars().next()?.to_digit(10)?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(10)?
        .checked_add(u64::from(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_size() {
        for (name, expected) in [
            ("acme-1.5b-chat", Some((15, false))),
            ("acme-8x22b", Some((1760, true))),
            ("acme-70b", Some((700, false))),
            ("bigbird", None),
        ] {
            assert_eq!(parameters(name), expected, "{name}");
        }
    }
}
