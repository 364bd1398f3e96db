//! The lines of a call that is priced by tokens or by the second: RULES, R3.11, R6.1, R6.2 and sections 4 and 5.

use num_traits::{One, Signed, Zero};

use crate::{
    bill::{Line, sum},
    json::{Fields, Json},
    number::{self, Q},
    price::{Case, Kind, Lines, of_tokens},
    usage::Class,
};

impl Case<'_> {
    /// R3.11.
    pub(crate) fn by_the_second(&self) -> Option<Lines> {
        const MODES: [&str; 7] = [
            "",
            "chat",
            "completion",
            "embedding",
            "responses",
            "audio_transcription",
            "realtime",
        ];
        let entry = self.shelf.entry;
        let mode = self.mode();
        let per_token = ["input_cost_per_token", "output_cost_per_token"];
        let above = |key: &&str| entry.number(key).is_some_and(Signed::is_positive);
        if !MODES.contains(&mode)
            || self.shelf.own.keys().any(|key| of_tokens(key))
            || per_token.iter().any(above)
            || entry.contains_key("tiered_pricing")
        {
            return None;
        }
        let keys = [
            "cost_per_second",
            "input_cost_per_second",
            "output_cost_per_second",
        ];
        let price = keys.iter().find_map(|key| self.shelf.unit(key))?;
        let audio = ["audio_transcription", "realtime"].contains(&mode);
        let name = if audio {
            "duration_seconds"
        } else {
            "response_seconds"
        };
        let seconds = self
            .call
            .number(name)
            .filter(|seconds| seconds.is_positive());
        Some(match seconds {
            // The time that a call took is no unit by itself.
            Some(_) if !audio && !self.any_tokens() => Ok(Vec::new()),
            Some(seconds) => Ok(vec![Line::new(price.key, seconds.clone(), price.value)]),
            None if self.any_tokens() => Err(price.key),
            None => Ok(Vec::new()),
        })
    }

    /// R6.4: music by the clip, where tokens are free.
    pub(crate) fn clip(&self, kind: Kind) -> Option<Line> {
        let entry = self.shelf.entry;
        let zero = |key: &str| {
            self.shelf
                .unit(key)
                .is_some_and(|price| price.value.is_zero())
        };
        let free = ["input_cost_per_token", "output_cost_per_token"]
            .iter()
            .any(|key| zero(key));
        let used = self.any_tokens()
            || self
                .call
                .number("web_search_requests")
                .is_some_and(Signed::is_positive);
        if kind != Kind::Tokens || !free || !used || self.prices_tokens() {
            return None;
        }
        let price = entry
            .number("output_cost_per_image")
            .filter(|price| price.is_positive())?;
        Some(Line::new("output_cost_per_image", Q::one(), price.clone()))
    }

    pub(crate) fn token_lines(&self, kind: Kind) -> Lines {
        let mut lines = Vec::new();
        let replaced = self.unit_lines(&mut lines);
        if lines.is_empty() && !self.any_tokens() && !self.messages() {
            self.units_have_a_price()?;
        }
        for (class, count) in &self.tokens.classes {
            if replaced.contains(class) {
                continue;
            }
            let price = self.shelf.class(*class)?;
            let line = Line::new(price.key, number::whole(*count), price.value);
            let mut amount = line.amount();
            lines.push(line);
            for (key, factor) in price.factors {
                let line = Line::new(key, amount.clone(), factor);
                amount += line.amount();
                if !line.quantity.is_zero() {
                    lines.push(line);
                }
            }
        }
        if kind == Kind::Embedding
            && let Some(queries) = self
                .call
                .number("queries")
                .filter(|count| count.is_positive())
            && let Some(price) = self.shelf.unit("input_cost_per_query")
        {
            lines.push(Line::new(price.key, queries.clone(), price.value));
        }
        for (name, count) in self.call.object("guardrail_units").into_iter().flatten() {
            let Json::Number(count) = count else { continue };
            let key = format!("guardrail_cost_per_unit.{name}");
            let prices = self.shelf.entry.object("guardrail_cost_per_unit");
            if count.is_positive() {
                let price = prices.and_then(|prices| prices.number(name));
                let price = price.ok_or_else(|| key.clone())?;
                lines.push(Line::new(key, count.clone(), price.clone()));
            }
        }
        Ok(lines)
    }

    /// R6.9: whether there are text messages that have a price.
    fn messages(&self) -> bool {
        let priced = self.shelf.unit("input_cost_per_text_message").is_some();
        priced
            && self
                .call
                .number("text_messages")
                .is_some_and(Signed::is_positive)
    }

    /// The first paragraph of section 6, for a call without tokens and without any priced unit.
    fn units_have_a_price(&self) -> Result<(), String> {
        for (name, key) in [
            ("prompt_characters", "input_cost_per_character"),
            ("completion_characters", "output_cost_per_character"),
            ("images_in", "input_cost_per_image"),
            ("audio_in_seconds", "input_cost_per_audio_per_second"),
            ("video_in_seconds", "input_cost_per_video_per_second"),
            ("duration_seconds", "input_cost_per_second"),
        ] {
            let lasting = name == "duration_seconds" && self.mode() != "realtime";
            if !lasting && self.call.number(name).is_some_and(Signed::is_positive) {
                return Err(key.to_owned());
            }
        }
        Ok(())
    }

    /// R6.1 and R6.2: the lines, and the classes whose tokens they replace.
    fn unit_lines(&self, lines: &mut Vec<Line>) -> Vec<Class> {
        let mut replaced = Vec::new();
        for (name, base, class) in [
            ("prompt_characters", "input_cost_per_character", Class::Text),
            (
                "completion_characters",
                "output_cost_per_character",
                Class::Out,
            ),
        ] {
            let Some(count) = self.call.number(name).filter(|count| count.is_positive()) else {
                continue;
            };
            let long = count * number::whole(4) > number::whole(128_000);
            let above = format!("{base}_above_128k_tokens");
            let above = long.then(|| self.shelf.unit(&above)).flatten();
            if let Some(price) = above.or_else(|| self.shelf.unit(base)) {
                lines.push(Line::new(price.key, count.clone(), price.value));
                replaced.push(class);
            }
        }
        for (name, base, class) in [
            ("images_in", "input_cost_per_image", Class::Image),
            (
                "audio_in_seconds",
                "input_cost_per_audio_per_second",
                Class::Audio,
            ),
            (
                "video_in_seconds",
                "input_cost_per_video_per_second",
                Class::Video,
            ),
        ] {
            let Some(count) = self.call.number(name).filter(|count| count.is_positive()) else {
                continue;
            };
            let interval = |over: i64| {
                let key = format!("{base}_above_{over}s_interval");
                (count > &number::fraction(over, 1))
                    .then(|| self.shelf.unit(&key))
                    .flatten()
            };
            let long = format!("{base}_above_128k_tokens");
            let long = || {
                (self.tokens.prompt > 128_000)
                    .then(|| self.shelf.unit(&long))
                    .flatten()
            };
            let price = interval(15).or_else(|| interval(8)).or_else(long);
            if let Some(price) = price.or_else(|| self.shelf.unit(base)) {
                lines.push(Line::new(price.key, count.clone(), price.value));
                replaced.push(class);
            }
        }
        replaced
    }

    /// Section 4.
    pub(crate) fn multipliers(&self, lines: &[Line]) -> Vec<Line> {
        let entry = self.shelf.entry;
        let mut factors = Vec::new();
        let place = self
            .call
            .text("data_residency")
            .unwrap_or("")
            .to_lowercase();
        if ["eu", "us"].contains(&place.as_str()) {
            let key = format!("regional_processing_uplift_multiplier_{place}");
            factors.extend(entry.number(&key).map(|factor| (key.clone(), factor)));
        }
        if self
            .call
            .text("vertex_location")
            .is_some_and(|place| place != "global")
        {
            let key = "regional_endpoint_uplift_multiplier";
            factors.extend(entry.number(key).map(|factor| (key.to_owned(), factor)));
        }
        if self.shelf.provider == "anthropic"
            && let Some(special) = entry.object("provider_specific_entry")
        {
            let fast = (self.usage.text("speed") == Some("fast")).then_some("fast");
            let geo = self.usage.text("inference_geo");
            let geo = geo.filter(|geo| !["global", "not_available"].contains(geo));
            for name in [fast, geo].into_iter().flatten() {
                let key = format!("provider_specific_entry.{name}");
                factors.extend(special.number(name).map(|factor| (key, factor)));
            }
        }
        let mut total = sum(lines);
        let mut added = Vec::new();
        for (key, factor) in factors {
            let line = Line::new(key, total.clone(), factor - Q::one());
            total += line.amount();
            if !line.unit_price.is_zero() && !line.quantity.is_zero() {
                added.push(line);
            }
        }
        added
    }
}
