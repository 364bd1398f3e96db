//! Calls that are counted in other things than tokens: RULES, section 6.

use num_traits::{Signed, Zero};

use crate::{
    bill::{Bill, Line},
    json::{Fields, Json, Object},
    number::{self, Q},
    prices::{Price, Shelf},
};

/// What a bill of units is made from.
pub struct Units<'a> {
    /// The call.
    pub call: &'a Object,
    /// The prices it sees.
    pub shelf: &'a Shelf<'a>,
}

impl Units<'_> {
    /// A quantity of the call that is above 0.
    fn some(&self, name: &str) -> Option<Q> {
        self.call
            .number(name)
            .filter(|number| number.is_positive())
            .cloned()
    }

    fn line(price: Price, quantity: Q) -> Line {
        Line::new(price.key, quantity, price.value)
    }

    fn bill(price: Option<Price>, quantity: Q, key: &str) -> Bill {
        match price {
            Some(price) => Bill::Priced(vec![Self::line(price, quantity)]),
            None => Bill::Unpriced(key.to_owned()),
        }
    }

    /// R6.3, where tokens do not count.
    #[must_use]
    pub fn images(&self) -> Bill {
        let Some(images) = self.some("images") else {
            return Bill::Nothing;
        };
        let unit = |key: &str| self.shelf.unit(key);
        let resolution = self.call.text("resolution");
        let exact = resolution.and_then(|at| unit(&format!("output_cost_per_image_{at}")));
        let each = exact
            .or_else(|| unit("output_cost_per_image"))
            .or_else(|| unit("input_cost_per_image"));
        if each.is_some() {
            return Self::bill(each, images, "output_cost_per_image");
        }
        let [out, into] = ["output_cost_per_pixel", "input_cost_per_pixel"].map(unit);
        let above = [&out, &into]
            .into_iter()
            .flatten()
            .find(|price| price.value.is_positive());
        let price = above.cloned().or_else(|| out.clone().or(into));
        match (price, self.pixels()) {
            (Some(price), Some(pixels)) => Bill::Priced(vec![Self::line(price, images * pixels)]),
            _ => Bill::Unpriced("output_cost_per_image".to_owned()),
        }
    }

    fn pixels(&self) -> Option<Q> {
        let (width, height) = self.call.text("size")?.split_once('x')?;
        Some(number::parse(width)? * number::parse(height)?)
    }

    /// R6.4: seconds of speech.
    #[must_use]
    pub fn speech_seconds(&self) -> Bill {
        let Some(seconds) = self.some("duration_seconds") else {
            return Bill::Nothing;
        };
        let key = "output_cost_per_second";
        Self::bill(self.shelf.unit(key), seconds, key)
    }

    /// R6.4: seconds of audio, written down.
    #[must_use]
    pub fn transcription_seconds(&self) -> Option<Bill> {
        let seconds = self.some("duration_seconds")?;
        let out = self.shelf.unit("output_cost_per_second");
        let out = out.filter(|price| price.value.is_positive());
        let price = out.or_else(|| self.shelf.unit("input_cost_per_second"))?;
        Some(Bill::Priced(vec![Self::line(price, seconds)]))
    }

    /// R6.5.
    #[must_use]
    pub fn video(&self) -> Bill {
        let Some(seconds) = self.some("duration_seconds") else {
            return Bill::Unpriced("duration_seconds".to_owned());
        };
        let videos = self
            .call
            .number("videos")
            .cloned()
            .unwrap_or_else(|| number::whole(1));
        let unit = |key: &str| self.shelf.unit(key);
        let resolution = self.call.text("resolution");
        let price = unit("output_cost_per_video_per_second")
            .or_else(|| unit(&format!("output_cost_per_second_{}", resolution?)))
            .or_else(|| unit("output_cost_per_second"));
        Self::bill(price, seconds * videos, "output_cost_per_second")
    }

    /// R6.6.
    #[must_use]
    pub fn ocr(&self) -> Bill {
        let unit = |key: &str| {
            let batch = self
                .shelf
                .batch
                .then(|| self.shelf.unit(&format!("{key}_batches")));
            batch.flatten().or_else(|| self.shelf.unit(key))
        };
        let credits = self.some("credits");
        if let (Some(credits), Some(price)) = (credits, unit("ocr_cost_per_credit")) {
            return Bill::Priced(vec![Self::line(price, credits)]);
        }
        let mut lines = Vec::new();
        let page = unit("ocr_cost_per_page");
        let annotated = unit("annotation_cost_per_page").or_else(|| page.clone());
        for (count, price) in [("pages", page), ("annotated_pages", annotated)] {
            let Some(count) = self.some(count) else {
                continue;
            };
            let Some(price) = price else {
                return Bill::Unpriced("ocr_cost_per_page".to_owned());
            };
            lines.push(Self::line(price, count));
        }
        let credits = self.some("credits").is_some();
        match (lines.is_empty(), credits) {
            (false, _) => Bill::Priced(lines),
            (true, true) => Bill::Unpriced("ocr_cost_per_credit".to_owned()),
            (true, false) => Bill::Nothing,
        }
    }

    /// R6.7: what is charged by the query, if this entry has such a price.
    #[must_use]
    pub fn queries(&self, count: &str) -> Option<Line> {
        let price = self
            .bracket_of_results()
            .or_else(|| self.shelf.unit("input_cost_per_query"))?;
        let quantity = self
            .call
            .number(count)
            .cloned()
            .unwrap_or_else(|| number::whole(1));
        Some(Self::line(price, quantity))
    }

    fn bracket_of_results(&self) -> Option<Price> {
        let results = self.call.number("max_results")?;
        let mut last = None;
        for bracket in self.shelf.entry.list("tiered_pricing")? {
            let Json::Object(bracket) = bracket else {
                continue;
            };
            let Some([_, Json::Number(upper)]) = bracket.list("max_results_range") else {
                continue;
            };
            last = bracket.number("input_cost_per_query");
            if upper >= results {
                break;
            }
        }
        let key = "input_cost_per_query".to_owned();
        Some(Price {
            key,
            value: last?.clone(),
            factor: None,
        })
    }

    /// R6.10.
    #[must_use]
    pub fn guardrail(&self) -> Bill {
        let none = Object::new();
        let units = self.call.object("guardrail_units").unwrap_or(&none);
        let prices = self
            .shelf
            .entry
            .object("guardrail_cost_per_unit")
            .unwrap_or(&none);
        let mut lines = Vec::new();
        for (name, value) in units {
            let Json::Number(count) = value else { continue };
            if count.is_zero() {
                continue;
            }
            let key = format!("guardrail_cost_per_unit.{name}");
            let Some(price) = prices.number(name) else {
                return Bill::Unpriced(key);
            };
            lines.push(Line::new(key, count.clone(), price.clone()));
        }
        if lines.is_empty() {
            Bill::Nothing
        } else {
            Bill::Priced(lines)
        }
    }
}
