//! What a call costs by the rules, from the line of JSON that describes it.

use num_traits::{One, Signed, Zero};

use crate::{
    adjust,
    bill::{Answer, Bill, Line},
    clock,
    json::{Fields, Json, Object},
    map::{self, Found, Map},
    number::Q,
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
pub(crate) struct Case<'a> {
    pub(crate) map: &'a Map,
    /// The entry's name.
    pub(crate) name: &'a str,
    pub(crate) call: &'a Object,
    pub(crate) usage: &'a Object,
    pub(crate) shelf: &'a Shelf<'a>,
    pub(crate) tokens: &'a Tokens,
    /// Whether the call says its kind, so that what is counted has a default.
    pub(crate) said: bool,
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

    pub(crate) fn mode(&self) -> &str {
        self.shelf.entry.text("mode").unwrap_or("")
    }

    pub(crate) fn any_tokens(&self) -> bool {
        self.tokens.prompt > 0 || self.tokens.completion > 0
    }

    /// Whether the entry has a token price above 0.
    pub(crate) fn prices_tokens(&self) -> bool {
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
}

/// Whether a key is a price of tokens.
pub(crate) fn of_tokens(key: &str) -> bool {
    let base = key.split("_above_").next().unwrap_or(key);
    base.contains("cost") && base.contains("_token")
}
