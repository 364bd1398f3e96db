//! Calls that try every rule on every entry: around thresholds and brackets, with details that
//! overlap or fall short, in batches, off peak, with units, tools, multipliers and own prices.

use serde_json::{Map as Fields, Value, json};

use crate::{
    compare::Run,
    json::{Fields as _, Json, Object},
    map::{self, Found, Map},
    price::{self, Kind},
    random::Random,
    shapes,
};

/// Case number `case` of a run: the name of its entry's mode, and the call.
#[must_use]
pub fn call(entries: &[Found<'_>], run: Run, case: u64) -> (String, Value) {
    let count = u64::try_from(entries.len()).unwrap_or(1);
    let mut random = Random::new(run.seed, case);
    let at = usize::try_from(case % count.max(1)).unwrap_or(0);
    let found = entries[at];
    let mut generator = Generator::new(found, &mut random);
    generator.shapes = run.shapes;
    generator.fill();
    let mode = found.entry.text("mode").unwrap_or("none").to_owned();
    (mode, Value::Object(generator.call))
}

/// The entries that calls are made for.
#[must_use]
pub fn entries(map: &Map) -> Vec<Found<'_>> {
    map.iter().collect()
}

/// One call in the making.
pub(crate) struct Generator<'a> {
    name: &'a str,
    pub(crate) entry: &'a Object,
    pub(crate) provider: &'a str,
    pub(crate) random: &'a mut Random,
    pub(crate) call: Fields<String, Value>,
    pub(crate) shapes: bool,
    kind: Kind,
}

impl<'a> Generator<'a> {
    fn new(found: Found<'a>, random: &'a mut Random) -> Self {
        let entry = found.entry;
        let provider = map::family(entry.text("litellm_provider").unwrap_or(""));
        let bare = found
            .name
            .strip_prefix(provider)
            .and_then(|name| name.strip_prefix('/'));
        let name = bare.filter(|_| random.chance(10)).unwrap_or(found.name);
        let mut call = Fields::new();
        if random.chance(5) {
            call.insert("model".to_owned(), json!("my-deployment"));
            call.insert("base_model".to_owned(), json!(name));
        } else {
            call.insert("model".to_owned(), json!(name));
        }
        call.insert("custom_llm_provider".to_owned(), json!(provider));
        let kind = price::kind_of_mode(entry.text("mode").unwrap_or(""));
        Self {
            name: found.name,
            entry,
            provider,
            random,
            call,
            shapes: true,
            kind,
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.call.insert(name.to_owned(), value);
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry.contains_key(key)
    }

    /// A length of time with up to three decimals, as a number or as text.
    fn seconds(&mut self) -> Value {
        let millis = self.random.size() + 1;
        let text = format!("{}.{:03}", millis / 1000, millis % 1000);
        match text.parse::<serde_json::Number>() {
            Ok(number) if self.random.chance(50) => Value::Number(number),
            _ => Value::String(text),
        }
    }

    fn fill(&mut self) {
        self.call_type();
        if self.has("off_peak_pricing") || self.random.chance(3) {
            let at = self.time();
            self.set("at", json!(at));
        }
        match self.kind {
            Kind::Tokens | Kind::Embedding | Kind::Moderation => {
                self.token_call();
                self.guardrail();
            }
            Kind::Image => self.image(),
            Kind::Speech => self.speech(),
            Kind::Transcription => self.transcription(),
            Kind::Video => self.video(),
            Kind::Ocr => self.ocr(),
            Kind::Rerank => self.rerank(),
            Kind::Search | Kind::VectorStore => self.search(),
        }
    }

    fn call_type(&mut self) {
        let mode = self.entry.text("mode").unwrap_or("");
        let name = match self.kind {
            Kind::Image => mode,
            Kind::Speech => "speech",
            Kind::Transcription => "transcription",
            Kind::Video => "create_video",
            Kind::Ocr => "ocr",
            Kind::Rerank => "rerank",
            Kind::VectorStore => "vector_store_search",
            Kind::Search => "search",
            Kind::Moderation => "moderation",
            Kind::Embedding => "embedding",
            Kind::Tokens => match mode {
                "responses" => "responses",
                "completion" => "text_completion",
                "realtime" => "realtime",
                _ => "completion",
            },
        };
        // Deepgram's speech has no mode.
        let needed = mode.is_empty();
        if needed || self.random.chance(60) {
            let prefix = if self.random.chance(50) && name != "realtime" {
                "a"
            } else {
                ""
            };
            self.set("call_type", json!(format!("{prefix}{name}")));
        }
    }

    /// A time of which every second one is at the edge of an hour.
    fn time(&mut self) -> String {
        let (month, day) = (self.random.below(12) + 1, self.random.below(28) + 1);
        let hour = self.random.below(24);
        let edge = *self.random.pick(&["00:00", "59:59", "30:00", "00:01"]);
        format!("2026-{month:02}-{day:02}T{hour:02}:{edge}Z")
    }

    fn token_call(&mut self) {
        let batch = self.random.chance(15) && !self.has("off_peak_pricing");
        if batch && self.random.chance(50) {
            self.set("call_type", json!("aretrieve_batch"));
        } else if batch {
            self.set("service_tier", json!("batch"));
        }
        if !self.call.contains_key("service_tier") && self.random.chance(60) {
            let tiers = [
                "flex",
                "priority",
                "balanced",
                "ultrafast",
                "fast",
                "default",
                "auto",
                "x",
            ];
            let tier = *self.random.pick(&tiers);
            self.set("service_tier", json!(tier));
        }
        if !self.random.chance(3) {
            let usage = shapes::usage(self);
            self.set("usage", usage);
        }
        self.units();
        self.places();
        if self.random.chance(12) && self.kind == Kind::Tokens {
            self.tools();
        }
        let router = ["model_router", "model-router"]
            .iter()
            .any(|part| self.name.contains(part));
        if self.random.chance(10) && !batch && !router {
            self.own_prices();
        }
    }

    fn units(&mut self) {
        let second = [
            "cost_per_second",
            "input_cost_per_second",
            "output_cost_per_second",
        ];
        let by_second = second.iter().any(|key| self.has(key));
        if by_second && self.random.chance(90) || self.random.chance(5) {
            let seconds = self.seconds();
            self.set("response_seconds", seconds);
        }
        if by_second && self.entry.text("mode") == Some("realtime") && self.random.chance(60) {
            let seconds = self.seconds();
            self.set("duration_seconds", seconds);
        }
        for (key, name) in [
            ("input_cost_per_character", "prompt_characters"),
            ("output_cost_per_character", "completion_characters"),
            ("input_cost_per_image", "images_in"),
            ("input_cost_per_query", "queries"),
            ("input_cost_per_text_message", "text_messages"),
        ] {
            if self.has(key) && self.random.chance(60) {
                let count = self.random.size() % 40_000;
                self.set(name, json!(count));
            }
        }
        for (key, name) in [
            ("input_cost_per_audio_per_second", "audio_in_seconds"),
            ("input_cost_per_video_per_second", "video_in_seconds"),
        ] {
            if self.has(key) && self.random.chance(60) {
                let at_edge = *self.random.pick(&["8", "8.001", "15", "15.001"]);
                let seconds = if self.random.chance(40) {
                    json!(at_edge)
                } else {
                    self.seconds()
                };
                self.set(name, seconds);
            }
        }
    }

    /// What multiplies a bill.
    fn places(&mut self) {
        let keys: Vec<&String> = self.entry.keys().collect();
        let uplift = keys.iter().any(|key| key.contains("uplift"));
        if uplift && self.random.chance(60) || self.random.chance(2) {
            let place = *self.random.pick(&["eu", "us", "in"]);
            self.set("data_residency", json!(place));
        }
        if uplift && self.random.chance(60) || self.random.chance(2) {
            let place = *self.random.pick(&["global", "europe-west1", "us-east5"]);
            self.set("vertex_location", json!(place));
        }
    }

    fn tools(&mut self) {
        let google = ["gemini", "vertex_ai"].contains(&self.provider);
        if self.has("search_context_cost_per_query") || self.random.chance(10) {
            let count = self.random.below(5);
            self.set("web_search_requests", json!(count));
            if self.random.chance(70) {
                let size = *self.random.pick(&["low", "medium", "high"]);
                self.set("search_context_size", json!(size));
            }
        }
        if google && self.has("web_search_billing_unit") && self.random.chance(50) {
            let count = self.random.below(4);
            self.set("google_maps_queries", json!(count));
        }
        let azure = self.provider == "azure";
        for (name, here) in [
            ("file_search_calls", self.provider == "openai"),
            (
                "code_interpreter_sessions",
                azure || self.provider == "openai",
            ),
            ("computer_use_input_tokens", azure),
            ("computer_use_output_tokens", azure),
            ("citation_tokens", self.has("citation_cost_per_token")),
        ] {
            if here && self.random.chance(50) {
                let count = self.random.below(5000);
                self.set(name, json!(count));
            }
        }
    }

    /// A deployment's own prices: any of the usual keys, 0 among them.
    fn own_prices(&mut self) {
        let keys = [
            "input_cost_per_token",
            "output_cost_per_token",
            "cache_read_input_token_cost",
            "cache_creation_input_token_cost",
        ];
        let mut prices = Fields::new();
        for key in keys {
            if self.random.chance(50) {
                let price = *self
                    .random
                    .pick(&["0", "0.0000011", "3e-07", "0.00000000125"]);
                prices.insert(key.to_owned(), json!(price));
            }
        }
        self.set("prices", Value::Object(prices));
    }

    fn image(&mut self) {
        let count = self.random.below(5);
        self.set("images", json!(count));
        let sizes = ["1024x1024", "512x512", "1792x1024", "1024x1536", "256x256"];
        for (name, values) in [
            ("size", &sizes[..]),
            ("quality", &["hd", "standard", "low", "medium", "high"][..]),
            (
                "resolution",
                &["512", "1K", "2K", "4K", "0.5K", "1024", "1536"][..],
            ),
        ] {
            let needed = name == "size" && self.entry.keys().any(|key| key.ends_with("_pixel"));
            if needed || self.random.chance(50) {
                let value = *self.random.pick(values);
                self.set(name, json!(value));
            }
        }
        if self.random.chance(20) {
            let steps = *self.random.pick(&[20_u64, 50, 51]);
            self.set("steps", json!(steps));
        }
        if self.random.chance(60) {
            let usage = shapes::usage(self);
            self.set("usage", usage);
        }
    }

    fn speech(&mut self) {
        if self.random.chance(80) {
            let characters = self.random.size();
            self.set("prompt_characters", json!(characters));
        }
        if self.random.chance(50) {
            let usage = shapes::usage(self);
            self.set("usage", usage);
        }
        if self.random.chance(50) {
            let seconds = self.seconds();
            self.set("duration_seconds", seconds);
        }
    }

    fn transcription(&mut self) {
        if self.random.chance(80) {
            let seconds = self.seconds();
            self.set("duration_seconds", seconds);
        }
        if self.random.chance(50) {
            let usage = shapes::usage(self);
            self.set("usage", usage);
        }
    }

    fn video(&mut self) {
        if self.random.chance(95) {
            let seconds = self.seconds();
            self.set("duration_seconds", seconds);
        }
        if self.random.chance(60) {
            let at = *self
                .random
                .pick(&["480p", "720p", "768p", "1080p", "2k", "4k", "8k"]);
            self.set("resolution", json!(at));
        }
        if self.random.chance(40) {
            let videos = self.random.below(4) + 1;
            self.set("videos", json!(videos));
        }
    }

    fn ocr(&mut self) {
        for name in ["pages", "annotated_pages", "credits"] {
            if self.random.chance(60) {
                let count = self.random.below(2000);
                self.set(name, json!(count));
            }
        }
        let batches = self.entry.keys().any(|key| key.ends_with("_batches"));
        if batches && self.random.chance(30) {
            self.set("service_tier", json!("batch"));
        }
    }

    fn rerank(&mut self) {
        if self.random.chance(60) {
            let units = self.random.below(20) + 1;
            self.set("search_units", json!(units));
        }
        let usage = shapes::usage(self);
        self.set("usage", usage);
    }

    fn search(&mut self) {
        if self.random.chance(60) {
            let queries = self.random.below(20) + 1;
            self.set("queries", json!(queries));
        }
        if self.has("tiered_pricing") {
            let results = self.random.below(110) + 1;
            self.set("max_results", json!(results));
        }
    }

    fn guardrail(&mut self) {
        let Some(prices) = self.entry.object("guardrail_cost_per_unit") else {
            return;
        };
        let names: Vec<&String> = prices.keys().collect();
        let mut units = Fields::new();
        for name in names {
            if self.random.chance(40) {
                units.insert(name.clone(), json!(self.random.below(50)));
            }
        }
        self.set("guardrail_units", Value::Object(units));
    }

    /// A prompt of a size that matters to this entry: at a threshold or at the end of a bracket,
    /// one less, one more, or anything.
    pub(crate) fn prompt(&mut self) -> u64 {
        let mut edges = Vec::new();
        for key in self.entry.keys() {
            let size = key
                .split("_above_")
                .last()
                .and_then(|rest| rest.split("k_tokens").next());
            if let Some(size) = size.and_then(|size| size.parse::<u64>().ok()) {
                edges.push(size * 1000);
            }
        }
        for bracket in self.entry.list("tiered_pricing").unwrap_or(&[]) {
            if let Json::Object(bracket) = bracket
                && let Some([_, Json::Number(upper)]) = bracket.list("range")
            {
                edges.extend(crate::number::count(upper));
            }
        }
        if edges.is_empty() || self.random.chance(40) {
            return self.random.size();
        }
        let edge = *self.random.pick(&edges);
        match self.random.below(4) {
            0 => edge.saturating_sub(1),
            1 => edge,
            2 => edge + 1,
            _ => edge + self.random.size(),
        }
    }
}
