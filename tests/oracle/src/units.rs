//! Calls that are counted in other things than tokens: RULES, section 6.

use num_traits::{One, Signed, Zero};

use crate::{
    bill::Line,
    json::{Fields, Json, Object},
    number::{self, Q},
    price::Lines,
    prices::{Price, Shelf},
};

/// What a bill of units is made from.
pub struct Units<'a> {
    /// The call.
    pub call: &'a Object,
    /// Its usage.
    pub usage: &'a Object,
    /// The prices it sees.
    pub shelf: &'a Shelf<'a>,
    /// Whether the call says its kind, so that what is counted has a default.
    pub said: bool,
}

impl Units<'_> {
    /// A quantity of the call that is above 0.
    fn some(&self, name: &str) -> Option<Q> {
        self.call
            .number(name)
            .filter(|number| number.is_positive())
            .cloned()
    }

    /// A quantity that is 1 where the call says its kind and not how many.
    fn counted(&self, name: &str) -> Option<Q> {
        match self.call.number(name) {
            Some(count) => Some(count.clone()).filter(Q::is_positive),
            None => self.said.then(Q::one),
        }
    }

    fn unit(&self, key: &str) -> Option<Price> {
        self.shelf.unit(key)
    }

    fn line(price: Price, quantity: Q) -> Line {
        Line::new(price.key, quantity, price.value)
    }

    /// R6.3; `None` where the call is priced by its tokens.
    pub(crate) fn images(&self) -> Option<Lines> {
        let tokens = crate::usage::tokens(self.call.object("usage"), self.shelf.provider);
        let any_tokens = tokens.prompt > 0 || tokens.completion > 0;
        let per_token = [
            "input_cost_per_image_token",
            "output_cost_per_image_token",
            "output_cost_per_token",
        ];
        let above = |key: &&str| {
            self.unit(key)
                .is_some_and(|price| price.value.is_positive())
        };
        if any_tokens && per_token.iter().any(above) {
            return None;
        }
        let resolution = self.resolution();
        let exact = resolution.and_then(|at| {
            let key = format!("output_cost_per_image_{at}");
            let mut keys = self.shelf.entry.keys();
            self.unit(keys.find(|name| name.to_lowercase() == key)?)
        });
        let each = exact
            .or_else(|| self.unit("output_cost_per_image"))
            .or_else(|| self.unit("input_cost_per_image"));
        let pixel = ["output_cost_per_pixel", "input_cost_per_pixel"].map(|key| self.unit(key));
        let above = pixel
            .iter()
            .flatten()
            .find(|price| price.value.is_positive());
        let pixel = above.or(pixel.iter().flatten().next()).cloned();
        if each.is_none() && pixel.is_none() && any_tokens {
            return None;
        }
        let Some(images) = self.counted("images") else {
            // Nothing is counted: tokens, if there were some, are all there is.
            return (!any_tokens).then(|| Ok(Vec::new()));
        };
        Some(match (each, pixel, self.pixels()) {
            (Some(each), _, _) => Ok(vec![Self::line(each, images)]),
            (None, Some(pixel), Some(pixels)) => Ok(vec![Self::line(pixel, images * pixels)]),
            _ => Err("output_cost_per_image".to_owned()),
        })
    }

    /// In lower case; some resolutions are numbers.
    fn resolution(&self) -> Option<String> {
        let number = self.call.number("resolution").map(number::show);
        number.or_else(|| self.call.text("resolution").map(str::to_lowercase))
    }

    fn pixels(&self) -> Option<Q> {
        let (width, height) = self.call.text("size")?.split_once('x')?;
        Some(number::parse(width)? * number::parse(height)?)
    }

    /// R6.4: characters of speech.
    #[must_use]
    pub fn characters(&self) -> Option<Line> {
        let count = self.some("prompt_characters")?;
        let base = "input_cost_per_character";
        let long = &count * number::whole(4) > number::whole(128_000);
        let long = long
            .then(|| self.unit(&format!("{base}_above_128k_tokens")))
            .flatten();
        Some(Self::line(long.or_else(|| self.unit(base))?, count))
    }

    /// R6.4: speech by the second or by the clip; `None` where nothing is counted.
    pub(crate) fn speech(&self, any_tokens: bool) -> Option<Lines> {
        let seconds = self.some("duration_seconds");
        let price = self.unit("output_cost_per_second");
        let price = price.or_else(|| self.unit("input_cost_per_second"));
        if let (Some(price), Some(seconds)) = (price, seconds.clone()) {
            return Some(Ok(vec![Self::line(price, seconds)]));
        }
        let counted = seconds.or_else(|| self.some("prompt_characters"));
        let clips = self.some("images");
        let clips = clips.or_else(|| (any_tokens || counted.is_some()).then(Q::one));
        if let (Some(price), Some(clips)) = (self.unit("output_cost_per_image"), clips) {
            return Some(Ok(vec![Self::line(price, clips)]));
        }
        counted.map(|_| Err("input_cost_per_character".to_owned()))
    }

    /// R6.4: seconds of audio, written down.
    #[must_use]
    pub fn transcription(&self) -> Option<Vec<Line>> {
        let reported = self
            .usage
            .number("seconds")
            .filter(|seconds| seconds.is_positive());
        let seconds = self
            .some("duration_seconds")
            .or_else(|| reported.cloned())?;
        let out = self
            .unit("output_cost_per_second")
            .filter(|price| price.value.is_positive());
        let price = out
            .or_else(|| self.unit("input_cost_per_second"))
            .or_else(|| self.unit("cost_per_second"))?;
        Some(vec![Self::line(price, seconds)])
    }

    /// Whether some seconds were counted.
    #[must_use]
    pub fn lasts(&self) -> bool {
        self.some("duration_seconds").is_some()
    }

    /// R6.5; `None` where the entry has no price of videos.
    pub(crate) fn video(&self) -> Option<Lines> {
        let resolution = self.resolution();
        let exact = resolution.map(|at| format!("output_cost_per_second_{at}"));
        let price = self
            .unit("output_cost_per_video_per_second")
            .or_else(|| self.unit(&exact?))
            .or_else(|| self.unit("output_cost_per_second"))?;
        let videos = self.call.number("videos").cloned().unwrap_or_else(Q::one);
        let Some(seconds) = self.some("duration_seconds") else {
            let asked = self.said || self.call.contains_key("videos");
            let missing = || Err("duration_seconds".to_owned());
            return Some(if asked { missing() } else { Ok(Vec::new()) });
        };
        let mut lines = vec![Self::line(price, seconds * videos)];
        let each = self.unit("input_cost_per_image");
        if let (Some(each), Some(images)) = (each, self.some("images_in")) {
            lines.push(Self::line(each, images));
        }
        Some(Ok(lines))
    }

    /// R6.6; `None` where the call is priced by its tokens.
    pub(crate) fn ocr(&self) -> Option<Lines> {
        let unit = |key: &str| {
            let batch = self
                .shelf
                .batch
                .then(|| self.unit(&format!("{key}_batches")));
            batch.flatten().or_else(|| self.unit(key))
        };
        let credits = self.some("credits");
        if let (Some(credits), Some(price)) = (credits.clone(), unit("ocr_cost_per_credit")) {
            return Some(Ok(vec![Self::line(price, credits)]));
        }
        let mut lines = Vec::new();
        let page = unit("ocr_cost_per_page");
        let annotated = unit("annotation_cost_per_page").or_else(|| page.clone());
        for (count, price) in [("pages", page), ("annotated_pages", annotated)] {
            let Some(count) = self.some(count) else {
                continue;
            };
            let Some(price) = price else {
                return Some(Err("ocr_cost_per_page".to_owned()));
            };
            lines.push(Self::line(price, count));
        }
        if !lines.is_empty() {
            return Some(Ok(lines));
        }
        credits.map(|_| Err("ocr_cost_per_credit".to_owned()))
    }

    /// R6.7; `None` where the call is priced by its tokens.
    pub(crate) fn rerank(&self, any_tokens: bool) -> Option<Lines> {
        let Some(price) = self.unit("input_cost_per_query") else {
            let counted = self.counted("search_units").is_some() && !any_tokens;
            return counted.then(|| Err("input_cost_per_query".to_owned()));
        };
        if price.value.is_zero() && any_tokens {
            return None;
        }
        let asked = self.call.contains_key("search_units");
        let said = self.usage.number("search_units").filter(|_| !asked);
        let units = said.cloned().or_else(|| self.counted("search_units"))?;
        Some(Ok(vec![Self::line(price, units)]))
    }

    /// R6.7.
    pub(crate) fn search(&self, stored: bool) -> Lines {
        let Some(queries) = self.counted("queries") else {
            return Ok(Vec::new());
        };
        if stored && self.shelf.provider == "openai" {
            return Ok(vec![Line::new(
                "default.openai.vector_store_search",
                queries,
                Q::zero(),
            )]);
        }
        let key = "input_cost_per_query";
        let price = self
            .bracket_of_results()
            .or_else(|| self.unit(key))
            .ok_or(key)?;
        Ok(vec![Self::line(price, queries)])
    }

    fn bracket_of_results(&self) -> Option<Price> {
        let none = Q::zero();
        let results = self.call.number("max_results").unwrap_or(&none);
        let mut last = None;
        for (at, bracket) in self.shelf.entry.list("tiered_pricing")?.iter().enumerate() {
            let Json::Object(bracket) = bracket else {
                continue;
            };
            let Some([_, Json::Number(upper)]) = bracket.list("max_results_range") else {
                continue;
            };
            last = bracket
                .number("input_cost_per_query")
                .map(|value| (at, value));
            if upper >= results {
                break;
            }
        }
        let (at, value) = last?;
        let key = format!("tiered_pricing[{at}].input_cost_per_query");
        Some(Price {
            key,
            value: value.clone(),
            factors: Vec::new(),
        })
    }
}
