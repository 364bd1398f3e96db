//! What a call costs by the rules, from the line of JSON that describes it.

use num_traits::{One, Signed, Zero};

use crate::{
    adjust,
    bill::{Answer, Bill, Line, sum},
    clock,
    json::{Fields, Json, Object},
    map::{self, Found, Map},
    number::{self, Q},
    prices::{self, Shelf},
    tools::Tools,
    units::Units,
    usage::{self, Class, Tokens},
};

/// The lines of a bill, or the key that is missing.
pub(crate) type Lines = Result<Vec<Line>, String>;

/// The ways in which calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tokens.
    Tokens,
    /// R6.7.
    Embedding,
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
    /// R6.7.
    VectorStore,
    /// R6.8.
    Moderation,
}

/// The kind that a call type says.
#[must_use]
pub fn kind_of_call(name: &str) -> Kind {
    let bare = |name: &str| match name {
        "embedding" => Some(Kind::Embedding),
        "image_generation" | "image_edit" | "image_variation" => Some(Kind::Image),
        "speech" => Some(Kind::Speech),
        "transcription" => Some(Kind::Transcription),
        "create_video" | "video_generation" | "video_edit" | "video_remix" | "video_extension" => {
            Some(Kind::Video)
        }
        "ocr" => Some(Kind::Ocr),
        "rerank" => Some(Kind::Rerank),
        "search" => Some(Kind::Search),
        "vector_store_search" => Some(Kind::VectorStore),
        "moderation" => Some(Kind::Moderation),
        _ => None,
    };
    let without = name.strip_prefix('a').and_then(bare);
    bare(name).or(without).unwrap_or(Kind::Tokens)
}

/// The kind that the mode of an entry says.
#[must_use]
pub fn kind_of_mode(mode: &str) -> Kind {
    match mode {
        "embedding" => Kind::Embedding,
        "image_generation" | "image_edit" => Kind::Image,
        "audio_speech" => Kind::Speech,
        "audio_transcription" => Kind::Transcription,
        "video_generation" => Kind::Video,
        "ocr" => Kind::Ocr,
        "rerank" => Kind::Rerank,
        "search" => Kind::Search,
        "vector_store" => Kind::VectorStore,
        "moderation" => Kind::Moderation,
        _ => Kind::Tokens,
    }
}

/// The answer to one line, for comparison.
///
/// # Errors
/// If the line is not a JSON object.
pub fn answer(map: &Map, line: &str, adjusted: bool) -> Result<Answer, String> {
    let (bill, entry) = priced(map, line, adjusted)?;
    Ok(Answer::of(&bill, entry))
}

/// The bill of one line, and the name of the entry that it was made from.
///
/// # Errors
/// If the line is not a JSON object.
pub fn priced(map: &Map, line: &str, adjusted: bool) -> Result<(Bill, Option<String>), String> {
    let call = match Json::parse(line) {
        Ok(Json::Object(call)) => call,
        Ok(_) => return Err("not an object".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let found = map.find(&call);
    let mut bill = bill(map, &call, found);
    let by_entry = match &bill {
        Bill::Priced(lines) => lines
            .iter()
            .any(|line| line.key != "usage.cost" && !line.key.starts_with("default.")),
        Bill::Unpriced(_) => true,
        Bill::Nothing => false,
    };
    if adjusted {
        let text = |name: &str| call.text(name);
        let provider = text("custom_llm_provider").map(map::family);
        let entry = found.map(|found| found.name);
        let names: Vec<&str> = [text("model"), entry, provider]
            .into_iter()
            .flatten()
            .collect();
        bill = adjust::adjust(bill, &map.discounts, &map.margins, &names);
    }
    let entry = found
        .filter(|_| by_entry)
        .map(|found| found.name.to_owned());
    Ok((bill, entry))
}

/// What pricing a call needs at hand.
struct Case<'a> {
    map: &'a Map,
    /// The entry's name.
    name: &'a str,
    call: &'a Object,
    usage: &'a Object,
    shelf: &'a Shelf<'a>,
    tokens: &'a Tokens,
    /// Whether the call says its kind, so that what is counted has a default.
    said: bool,
}

fn bill(map: &Map, call: &Object, found: Option<Found<'_>>) -> Bill {
    let none = Object::new();
    let entry = found.map_or(&none, |found| found.entry);
    let usage = call.object("usage").unwrap_or(&none);
    let own = call.object("prices").unwrap_or(&none);
    let asked = call.text("custom_llm_provider");
    let provider = asked
        .or_else(|| entry.text("litellm_provider"))
        .unwrap_or("");
    let provider = map::family(provider);
    let mut tokens = usage::tokens(call.object("usage"), provider);
    let call_type = call.text("call_type");
    if !tokens.detailed && call_type.is_some_and(|name| kind_of_call(name) == Kind::Image) {
        // R11.1: the output of an image call is images.
        let output = tokens.classes.remove(&Class::Out);
        tokens
            .classes
            .extend(output.map(|output| (Class::OutImage, output)));
    }
    let batch_call = call_type.is_some_and(|name| name.ends_with("retrieve_batch"));
    let batch = batch_call || call.text("service_tier") == Some("batch");
    let shelf = Shelf {
        entry,
        own,
        provider,
        tier: call
            .text("service_tier")
            .and_then(prices::tier)
            .filter(|_| !batch),
        batch,
        prompt: tokens.prompt,
        explicit_cache: tokens.explicit_cache,
        off_peak: clock::off_peak(entry, call.text("at")).filter(|_| !batch),
    };
    let kind = match call_type {
        Some(call_type) => kind_of_call(call_type),
        None => kind_of_mode(entry.text("mode").unwrap_or("")),
    };
    let said = call_type.is_some();
    let case = Case {
        map,
        name: found.map_or("", |found| found.name),
        call,
        usage,
        shelf: &shelf,
        tokens: &tokens,
        said,
    };
    case.bill(kind)
}

impl Case<'_> {
    fn bill(&self, kind: Kind) -> Bill {
        if let Some(bill) = self.reported() {
            return bill;
        }
        if self.is_router() && self.any_tokens() {
            return Bill::Unpriced("response_model".to_owned());
        }
        let units = Units {
            call: self.call,
            usage: self.usage,
            shelf: self.shelf,
            said: self.said,
        };
        let lines = match kind {
            Kind::Image => units.images().unwrap_or_else(|| self.by_tokens(kind)),
            Kind::Speech => self.speech(&units),
            Kind::Transcription => self.transcription(&units),
            Kind::Video => units.video().unwrap_or_else(|| self.by_tokens(kind)),
            Kind::Ocr => units.ocr().unwrap_or_else(|| self.by_tokens(kind)),
            Kind::Rerank => {
                let line = units.rerank(self.any_tokens());
                line.unwrap_or_else(|| self.by_tokens(kind))
            }
            Kind::Search | Kind::VectorStore => units.search(kind == Kind::VectorStore),
            Kind::Moderation if self.shelf.provider == "openai" && self.shelf.own.is_empty() => {
                let line = || Line::new("default.openai.moderation", Q::one(), Q::zero());
                Ok(if self.any_tokens() {
                    vec![line()]
                } else {
                    Vec::new()
                })
            }
            Kind::Tokens | Kind::Embedding | Kind::Moderation => self.by_tokens(kind),
        };
        match lines.and_then(|lines| self.with_extras(lines)) {
            Ok(lines) if lines.is_empty() => Bill::Nothing,
            Ok(lines) => Bill::Priced(lines),
            Err(missing) => Bill::Unpriced(missing),
        }
    }

    /// R8.4: what answered is not generated, and without it a router's bill is unknown.
    fn is_router(&self) -> bool {
        let model = self
            .call
            .text("base_model")
            .or_else(|| self.call.text("model"));
        let router = |name: &str| name.contains("model_router") || name.contains("model-router");
        self.shelf.provider == "azure_ai" && model.is_some_and(router)
    }

    /// R6.9 and section 7.
    fn with_extras(&self, mut lines: Vec<Line>) -> Result<Vec<Line>, String> {
        if let Some(count) = self
            .call
            .number("text_messages")
            .filter(|n| n.is_positive())
        {
            let key = "input_cost_per_text_message";
            match self.shelf.unit(key) {
                Some(price) => lines.push(Line::new(price.key, count.clone(), price.value)),
                None if lines.is_empty() => return Err(key.to_owned()),
                None => {}
            }
        }
        let tools = Tools {
            call: self.call,
            usage: self.usage,
            name: self.name,
            entry: self.shelf.entry,
            provider: self.shelf.provider,
        };
        lines.extend(tools.lines(self.map)?);
        if !lines.is_empty()
            && let Some(fee) = self.shelf.unit("input_cost_per_request")
        {
            lines.push(Line::new(fee.key, Q::one(), fee.value));
        }
        Ok(lines)
    }

    fn mode(&self) -> &str {
        self.shelf.entry.text("mode").unwrap_or("")
    }

    fn any_tokens(&self) -> bool {
        self.tokens.prompt > 0 || self.tokens.completion > 0
    }

    /// Whether the entry has a token price above 0.
    fn prices_tokens(&self) -> bool {
        let entry = self.shelf.entry;
        let mut keys = self.shelf.own.keys().chain(entry.keys());
        let above = |key: &str| {
            self.shelf
                .unit(key)
                .is_some_and(|price| price.value.is_positive())
        };
        entry.contains_key("tiered_pricing") || keys.any(|key| of_tokens(key) && above(key))
    }

    fn speech(&self, units: &Units<'_>) -> Lines {
        if let Some(line) = units.characters() {
            return Ok(vec![line]);
        }
        if self.any_tokens() && self.prices_tokens() {
            return self.by_tokens(Kind::Speech);
        }
        match units.speech(self.any_tokens()) {
            None if self.any_tokens() => self.by_tokens(Kind::Speech),
            lines => lines.unwrap_or_else(|| Ok(Vec::new())),
        }
    }

    fn transcription(&self, units: &Units<'_>) -> Lines {
        if self.any_tokens() && self.prices_tokens() {
            return self.by_tokens(Kind::Transcription);
        }
        match units.transcription() {
            Some(lines) => Ok(lines),
            None if units.lasts() && !self.any_tokens() => Err("input_cost_per_second".to_owned()),
            None => self.by_tokens(Kind::Transcription),
        }
    }

    /// Sections 2 to 5, R6.1 and R6.2.
    fn by_tokens(&self, kind: Kind) -> Lines {
        if let Some(lines) = self.by_the_second() {
            return lines;
        }
        if let Some(line) = self.clip(kind) {
            return Ok(vec![line]);
        }
        let mut lines = self.token_lines(kind)?;
        lines.extend(self.multipliers(&lines));
        Ok(lines)
    }

    /// R8.1.
    fn reported(&self) -> Option<Bill> {
        if !["xai", "perplexity"].contains(&self.shelf.provider) {
            return None;
        }
        let nested = || self.usage.object("cost")?.number("total_cost");
        let cost = self.usage.number("cost").or_else(nested)?;
        let line = Line::new("usage.cost", cost.clone(), Q::one());
        if !self.shelf.own.is_empty() {
            return None;
        }
        (!cost.is_negative()).then(|| Bill::Priced(vec![line]))
    }

    /// R3.11.
    fn by_the_second(&self) -> Option<Lines> {
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
    fn clip(&self, kind: Kind) -> Option<Line> {
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

    fn token_lines(&self, kind: Kind) -> Lines {
        let mut lines = Vec::new();
        let replaced = self.unit_lines(&mut lines);
        if lines.is_empty() && !self.any_tokens() {
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
    fn multipliers(&self, lines: &[Line]) -> Vec<Line> {
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

/// Whether a key is a price of tokens.
fn of_tokens(key: &str) -> bool {
    let base = key.split("_above_").next().unwrap_or(key);
    base.contains("cost") && base.contains("_token")
}
