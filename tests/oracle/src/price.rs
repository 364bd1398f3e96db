//! What a call costs by the rules, from the line of JSON that describes it.

use num_traits::{One, Signed, Zero};

use crate::{
    bill::{Answer, Bill, Line, sum},
    clock,
    json::{Fields, Json, Object},
    map::{self, Map},
    number::{self, Q},
    prices::{self, Shelf},
    tools::Tools,
    units::Units,
    usage::{self, Class, Tokens},
};

/// The ways in which calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tokens.
    Tokens,
    /// R6.3.
    Image,
    /// R6.4.
    Speech,
    /// R6.4.
    Transcription,
    /// R6.5.
    Video,
    /// R6.6.
    Ocr,
    /// R6.7.
    Rerank,
    /// R6.7.
    Search,
    /// R6.8.
    Moderation,
    /// R6.10.
    Guardrail,
}

/// The kind of a mode or a call type.
#[must_use]
pub fn kind(name: &str) -> Kind {
    match name {
        "image_generation" | "aimage_generation" | "image_edit" | "aimage_edit" => Kind::Image,
        "audio_speech" | "speech" | "aspeech" => Kind::Speech,
        "audio_transcription" | "transcription" | "atranscription" => Kind::Transcription,
        "video_generation" | "create_video" | "acreate_video" => Kind::Video,
        "ocr" | "aocr" => Kind::Ocr,
        "rerank" | "arerank" => Kind::Rerank,
        "search" | "asearch" | "vector_store" | "vector_store_search" => Kind::Search,
        "moderation" | "amoderation" => Kind::Moderation,
        "guardrail" => Kind::Guardrail,
        _ => Kind::Tokens,
    }
}

/// The answer to one line.
///
/// # Errors
/// If the line is not a JSON object.
pub fn answer(map: &Map, line: &str) -> Result<Answer, String> {
    let call = match Json::parse(line) {
        Ok(Json::Object(call)) => call,
        Ok(_) => return Err("not an object".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let found = map.find(&call);
    let bill = bill(map, &call, found.map(|found| found.entry));
    Ok(Answer::of(&bill, found.map(|found| found.name.to_owned())))
}

/// What pricing a call needs at hand.
struct Case<'a> {
    map: &'a Map,
    call: &'a Object,
    usage: &'a Object,
    shelf: &'a Shelf<'a>,
    tokens: &'a Tokens,
}

fn bill(map: &Map, call: &Object, entry: Option<&Object>) -> Bill {
    let none = Object::new();
    let usage = call.object("usage").unwrap_or(&none);
    let own = call.object("prices").unwrap_or(&none);
    let asked = call.text("custom_llm_provider");
    let provider = asked
        .or_else(|| entry?.text("litellm_provider"))
        .unwrap_or("");
    let provider = map::family(provider);
    let tokens = usage::tokens(call.object("usage"), provider);
    let call_type = call.text("call_type");
    let batch_call = call_type.is_some_and(|name| name.ends_with("retrieve_batch"));
    let batch = batch_call || call.text("service_tier") == Some("batch");
    let known = entry.unwrap_or(&none);
    let shelf = Shelf {
        entry: known,
        own,
        provider,
        tier: call
            .text("service_tier")
            .and_then(prices::tier)
            .filter(|_| !batch),
        batch,
        prompt: tokens.prompt,
        off_peak: clock::off_peak(known, call.text("at")),
    };
    let mode = known.text("mode").unwrap_or("");
    let kind = kind(call_type.filter(|_| !batch_call).unwrap_or(mode));
    let case = Case {
        map,
        call,
        usage,
        shelf: &shelf,
        tokens: &tokens,
    };
    case.bill(kind)
}

impl Case<'_> {
    fn bill(&self, kind: Kind) -> Bill {
        let units = Units {
            call: self.call,
            shelf: self.shelf,
        };
        match kind {
            Kind::Image => {
                let by_token = ["output_cost_per_image_token", "output_cost_per_token"];
                let by_token = by_token.iter().any(|key| self.shelf.unit(key).is_some());
                if by_token && self.any_tokens() {
                    self.tokens_and_tools()
                } else {
                    units.images()
                }
            }
            Kind::Speech => self.speech(&units),
            Kind::Transcription => self.transcription(&units),
            Kind::Video => units.video(),
            Kind::Ocr => units.ocr(),
            Kind::Rerank => match units.queries("search_units") {
                Some(line) => Bill::Priced(vec![line]),
                None => self.tokens_and_tools(),
            },
            Kind::Search => match units.queries("queries") {
                Some(line) => Bill::Priced(vec![line]),
                None => Bill::Unpriced("input_cost_per_query".to_owned()),
            },
            Kind::Moderation if self.shelf.provider == "openai" => {
                if self.any_tokens() {
                    Bill::Priced(Vec::new())
                } else {
                    Bill::Nothing
                }
            }
            Kind::Guardrail => units.guardrail(),
            Kind::Tokens | Kind::Moderation => self.tokens_and_tools(),
        }
    }

    fn any_tokens(&self) -> bool {
        self.tokens.prompt > 0 || self.tokens.completion > 0
    }

    fn by_token(&self) -> bool {
        let keys = [
            "input_cost_per_token",
            "output_cost_per_token",
            "input_cost_per_audio_token",
        ];
        keys.iter().any(|key| self.shelf.unit(key).is_some())
    }

    fn speech(&self, units: &Units<'_>) -> Bill {
        let by_character = self.call.contains_key("prompt_characters")
            && self.shelf.unit("input_cost_per_character").is_some();
        if by_character || (self.any_tokens() && self.by_token()) {
            self.tokens_and_tools()
        } else {
            units.speech_seconds()
        }
    }

    fn transcription(&self, units: &Units<'_>) -> Bill {
        if self.tokens.detailed && self.any_tokens() && self.by_token() {
            return self.tokens_and_tools();
        }
        units
            .transcription_seconds()
            .unwrap_or_else(|| self.tokens_and_tools())
    }

    fn tokens_and_tools(&self) -> Bill {
        if let Some(bill) = self.reported() {
            return bill;
        }
        let tools = Tools {
            call: self.call,
            usage: self.usage,
            entry: self.shelf.entry,
            provider: self.shelf.provider,
        };
        let lines = match self.by_the_second() {
            Some(lines) => lines,
            None => self.token_lines(),
        };
        let lines = lines.and_then(|mut lines| {
            lines.extend(self.multipliers(&lines));
            lines.extend(tools.lines(self.map)?);
            Ok(lines)
        });
        match lines {
            Ok(lines) if lines.is_empty() => Bill::Nothing,
            Ok(lines) => {
                let fee = self.shelf.unit("input_cost_per_request");
                let fee = fee.map(|price| Line::new(price.key, Q::one(), price.value));
                Bill::Priced(lines.into_iter().chain(fee).collect())
            }
            Err(missing) => Bill::Unpriced(missing),
        }
    }

    /// R8.1.
    fn reported(&self) -> Option<Bill> {
        if !["xai", "perplexity"].contains(&self.shelf.provider) {
            return None;
        }
        let nested = || self.usage.object("cost")?.number("total_cost");
        let cost = self.usage.number("cost").or_else(nested)?;
        let line = Line::new("usage.cost", cost.clone(), Q::one());
        (!cost.is_negative()).then(|| Bill::Priced(vec![line]))
    }

    /// R3.11.
    fn by_the_second(&self) -> Option<Result<Vec<Line>, String>> {
        const MODES: [&str; 6] = [
            "",
            "chat",
            "completion",
            "embedding",
            "responses",
            "audio_transcription",
        ];
        let entry = self.shelf.entry;
        let mode = entry.text("mode").unwrap_or("");
        let per_token = ["input_cost_per_token", "output_cost_per_token"];
        let token_price = |key: &&str| {
            self.shelf
                .unit(key)
                .is_some_and(|price| price.value.is_positive())
        };
        if !MODES.contains(&mode)
            || per_token.iter().any(token_price)
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
        let audio = mode == "audio_transcription";
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
            Some(seconds) => Ok(vec![Line::new(price.key, seconds.clone(), price.value)]),
            None if self.any_tokens() => Err(price.key),
            None => Ok(Vec::new()),
        })
    }

    fn token_lines(&self) -> Result<Vec<Line>, String> {
        let mut lines = Vec::new();
        let replaced = self.unit_lines(&mut lines);
        for (class, count) in &self.tokens.classes {
            if replaced.contains(class) {
                continue;
            }
            let price = self.shelf.class(*class)?;
            let line = Line::new(price.key, number::whole(*count), price.value);
            let factor = price
                .factor
                .map(|(key, factor)| Line::new(key, line.amount(), factor));
            lines.push(line);
            lines.extend(factor);
        }
        if let Some(queries) = self
            .call
            .number("queries")
            .filter(|count| count.is_positive())
            && let Some(price) = self.shelf.unit("input_cost_per_query")
        {
            lines.push(Line::new(price.key, queries.clone(), price.value));
        }
        if let Some(messages) = self
            .call
            .number("text_messages")
            .filter(|n| n.is_positive())
        {
            let key = "input_cost_per_text_message";
            match self.shelf.unit(key) {
                Some(price) => lines.push(Line::new(price.key, messages.clone(), price.value)),
                None if lines.is_empty() => return Err(key.to_owned()),
                None => {}
            }
        }
        Ok(lines)
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
            let price = interval(15).or_else(|| interval(8));
            if let Some(price) = price.or_else(|| self.shelf.unit_at(base)) {
                lines.push(Line::new(price.key, count.clone(), price.value));
                replaced.push(class);
            }
        }
        replaced
    }

    /// Section 4.
    fn multipliers(&self, lines: &[Line]) -> Vec<Line> {
        let entry = self.shelf.entry;
        let mut factors = Vec::new();
        if let Some(place @ ("eu" | "us")) = self.call.text("data_residency") {
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
            if !line.unit_price.is_zero() {
                added.push(line);
            }
        }
        added
    }
}
