//! Which price a class of tokens has in an entry: RULES, sections 3 and 5.

use num_traits::{One, Zero};

use crate::{
    json::{Fields, Json, Object},
    number::{self, Q},
    usage::Class,
};

/// The tiers that have prices of their own.
const TIERS: [&str; 4] = ["flex", "balanced", "priority", "ultrafast"];
const INPUT: &str = "input_cost_per_token";
const OUTPUT: &str = "output_cost_per_token";
const READ: &str = "cache_read_input_token_cost";
const READ_AUDIO: &str = "cache_read_input_audio_token_cost";
const READ_IMAGE: &str = "cache_read_input_image_token_cost";
const HIT: &str = "input_cost_per_token_cache_hit";
const EXPLICIT: &str = "explicit_cache_read_input_token_cost";
const WRITE: &str = "cache_creation_input_token_cost";
const WRITE_HOUR: &str = "cache_creation_input_token_cost_above_1hr";
const WRITE_LONG: &str = "cache_creation_input_token_cost_above_12hr";
const AUDIO: &str = "input_cost_per_audio_token";
const IMAGE: &str = "input_cost_per_image_token";
const VIDEO: &str = "input_cost_per_video_token";
const REASONING: &str = "output_cost_per_reasoning_token";
const OUT_AUDIO: &str = "output_cost_per_audio_token";
const OUT_IMAGE: &str = "output_cost_per_image_token";
const OUT_VIDEO: &str = "output_cost_per_video_token";

/// A unit price, and what multiplies it.
#[derive(Clone, Debug)]
pub struct Price {
    /// Where it was read.
    pub key: String,
    /// USD for one.
    pub value: Q,
    /// Factors minus one, and where each was read; each applies to what the one before it left.
    pub factors: Vec<(String, Q)>,
}

impl Price {
    fn plain(key: impl Into<String>, value: &Q) -> Self {
        Self {
            key: key.into(),
            value: value.clone(),
            factors: Vec::new(),
        }
    }

    /// The price times a factor, which is given minus one.
    fn with(mut self, key: impl Into<String>, factor: Q) -> Self {
        self.factors.push((key.into(), factor));
        self
    }

    /// The same price under another name: where in the entry it was read.
    fn under(mut self, place: &str) -> Self {
        self.key = format!("{place}.{}", self.key);
        self
    }

    /// The price at half, as a batch has it.
    fn halved(mut self) -> Self {
        let half = number::fraction(-1, 2);
        self.factors.insert(0, ("batches".to_owned(), half));
        self
    }
}

/// The prices that one call sees.
pub struct Shelf<'a> {
    /// The map's entry.
    pub entry: &'a Object,
    /// The deployment's own prices.
    pub own: &'a Object,
    /// The provider by LiteLLM's name.
    pub provider: &'a str,
    /// The tier's suffix; the standard tier has none.
    pub tier: Option<&'a str>,
    /// Whether the call belongs to a batch.
    pub batch: bool,
    /// All input tokens, cached ones too.
    pub prompt: u64,
    /// Whether the cache that was read is one that the caller had made.
    pub explicit_cache: bool,
    /// The off-peak block, while it is in force.
    pub off_peak: Option<&'a Object>,
}

/// The suffix of a tier by the name that a call gives it.
#[must_use]
pub fn tier(name: &str) -> Option<&'static str> {
    let name = if name == "fast" { "priority" } else { name };
    TIERS.into_iter().find(|tier| *tier == name)
}

impl Shelf<'_> {
    /// The price of a class of tokens, or the key that is missing.
    ///
    /// # Errors
    /// If neither the entry nor a stand-in has a price.
    pub fn class(&self, class: Class) -> Result<Price, &'static str> {
        let bases = self.bases(class);
        let missing = bases.first().copied().unwrap_or(INPUT);
        if let Some(price) = self.free(&bases) {
            return Ok(price);
        }
        let found = if self.batch {
            self.in_batch(class)
        } else {
            self.standard(class)
        };
        found.ok_or(missing)
    }

    /// A unit other than tokens, by its key: the deployment's price, else the entry's.
    #[must_use]
    pub fn unit(&self, key: &str) -> Option<Price> {
        let value = self.own.number(key).or_else(|| self.entry.number(key))?;
        Some(Price::plain(key, value))
    }

    /// The keys under which a class is looked up, in the order of R3.5.
    fn bases(&self, class: Class) -> Vec<&'static str> {
        let mut bases = match class {
            Class::Text => vec![INPUT],
            Class::Read if self.explicit_cache => vec![EXPLICIT, READ, HIT, INPUT],
            Class::Read => vec![READ, HIT, EXPLICIT, INPUT],
            Class::ReadAudio => vec![READ_AUDIO, READ, HIT, EXPLICIT, AUDIO, INPUT],
            Class::ReadImage => vec![READ_IMAGE, READ, HIT, EXPLICIT, INPUT],
            Class::Write => vec![WRITE, INPUT],
            Class::WriteHour => vec![WRITE_HOUR, WRITE, INPUT],
            Class::WriteLong => vec![WRITE_LONG, WRITE_HOUR, WRITE, INPUT],
            Class::Audio => vec![AUDIO, INPUT],
            Class::Image => vec![IMAGE, INPUT],
            Class::Video => vec![VIDEO, INPUT],
            Class::Out => vec![OUTPUT],
            Class::Reasoning => vec![REASONING, OUTPUT],
            Class::OutAudio => vec![OUT_AUDIO, OUTPUT],
            Class::OutImage => vec![OUT_IMAGE, OUTPUT],
            Class::OutVideo => vec![OUT_VIDEO, OUTPUT],
        };
        if bases.contains(&OUTPUT) && !bases.contains(&OUT_IMAGE) {
            bases.push(OUT_IMAGE);
        }
        bases
    }

    /// R3.10: a stand-in that the deployment made free.
    fn free(&self, bases: &[&str]) -> Option<Price> {
        let (first, others) = bases.split_first()?;
        if self.own.contains_key(*first) {
            return None;
        }
        let nearest = others.iter().find(|base| self.own.contains_key(**base))?;
        let price = Price::plain(*nearest, self.own.number(nearest)?);
        price.value.is_zero().then_some(price)
    }

    /// R3.4, then the stand-ins of R3.5.
    fn standard(&self, class: Class) -> Option<Price> {
        let bases = self.bases(class);
        if let Some((place, bracket)) = self.bracket() {
            for base in &bases {
                if let Some(price) = self.at_once(base) {
                    return Some(price);
                }
                if let Some(value) = bracket.number(base) {
                    return Some(Price::plain(*base, value).under(&place));
                }
            }
        }
        if class == Class::Reasoning
            && let Some(price) = self.reasoning_at_tier()
        {
            return Some(price);
        }
        let found = bases
            .iter()
            .find_map(|base| self.base(base).map(|price| (*base, price)));
        let (base, price) = found?;
        let reads = [Class::Read, Class::ReadAudio, Class::ReadImage];
        let half = reads.contains(&class) && base == INPUT && self.provider == "fireworks_ai";
        if half && !self.own.contains_key(INPUT) && price.factors.is_empty() {
            return Some(price.with("default.fireworks_ai.cache_read", number::fraction(-1, 2)));
        }
        Some(price)
    }

    /// R3.6: where the map's output price is one of the tier and reasoning has none, output stands in.
    fn reasoning_at_tier(&self) -> Option<Price> {
        let end = format!("_{}", self.tier?);
        let of_tier = |price: &Price| {
            let derived = price.factors.iter().any(|(key, _)| key.ends_with(&end));
            derived || price.key.ends_with(&end)
        };
        let settled = self
            .at_once(REASONING)
            .or_else(|| self.in_map(REASONING).filter(&of_tier));
        let off_peak = self
            .off_peak
            .is_some_and(|block| block.contains_key(OUTPUT));
        if settled.is_some() || off_peak {
            return None;
        }
        self.in_map(OUTPUT).filter(of_tier)?;
        self.base(OUTPUT)
    }

    /// R3.1, R3.2, R3.3 and R3.9: the price of one base.
    fn base(&self, base: &str) -> Option<Price> {
        self.at_once(base).or_else(|| self.in_map(base))
    }

    /// R3.1 to R3.3.
    fn in_map(&self, base: &str) -> Option<Price> {
        let suffix = self.tier.map(|tier| format!("_{tier}"));
        let suffix = suffix.as_deref().unwrap_or("");
        let in_tier = self.plain(&format!("{base}{suffix}"));
        let standard = self.plain(base);
        let long = self.crossed(base, "");
        if suffix.is_empty() {
            return long.map(|(_, price)| price).or(standard);
        }
        match (self.crossed(base, suffix), long) {
            (Some((own, price)), Some((standard, _))) if own >= standard => Some(price),
            (Some((_, price)), None) => Some(price),
            (_, Some((_, long))) => Some(keep_factor(long, in_tier, standard)),
            (None, None) => in_tier.or(standard),
        }
    }

    /// R3.9 and R3.10: the prices that hold whatever the length and the tier.
    fn at_once(&self, base: &str) -> Option<Price> {
        if let Some(value) = self.own.number(base) {
            return Some(Price::plain(base, value));
        }
        let value = self.off_peak?.number(base)?;
        Some(Price::plain(base, value).under("off_peak_pricing"))
    }

    fn plain(&self, key: &str) -> Option<Price> {
        self.entry.number(key).map(|value| Price::plain(key, value))
    }

    /// The highest threshold of a base that the prompt crosses, with its price.
    fn crossed(&self, base: &str, suffix: &str) -> Option<(u64, Price)> {
        let start = format!("{base}_above_");
        let end = format!("_tokens{suffix}");
        let keys = self
            .entry
            .range(start.clone()..)
            .take_while(|(key, _)| key.starts_with(&start));
        let crossed = keys.filter_map(|(key, value)| {
            let size = key.strip_prefix(&start)?.strip_suffix(&end)?;
            let size = if let Some(thousands) = size.strip_suffix('k') {
                thousands.parse::<u64>().ok()?.checked_mul(1_000)?
            } else if let Some(millions) = size.strip_suffix('m') {
                millions.parse::<u64>().ok()?.checked_mul(1_000_000)?
            } else {
                size.parse().ok()?
            };
            let Json::Number(value) = value else {
                return None;
            };
            let over = self.prompt > size || (self.prompt == size && self.provider == "xai");
            over.then(|| (size, Price::plain(key, value)))
        });
        crossed.max_by_key(|(size, _)| *size)
    }

    /// The bracket that the prompt falls into, and its name in the entry.
    fn bracket(&self) -> Option<(String, &Object)> {
        let brackets = self.entry.list("tiered_pricing")?.iter().enumerate();
        let mut ranged: Vec<_> = brackets
            .filter_map(|(at, bracket)| match bracket {
                Json::Object(bracket) => match bracket.list("range") {
                    Some([_, Json::Number(upper)]) => Some((upper, at, bracket)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        ranged.sort_by(|a, b| a.0.cmp(b.0));
        let prompt = number::whole(self.prompt);
        let fitting = ranged.iter().find(|(upper, ..)| **upper >= prompt);
        let (_, at, bracket) = fitting.or(ranged.last())?;
        Some((format!("tiered_pricing[{at}]"), bracket))
    }

    /// R5.2 and R5.3.
    fn in_batch(&self, class: Class) -> Option<Price> {
        let start = format!("{INPUT}_above_");
        let priced = self.plain(&format!("{INPUT}_batches")).is_some()
            || self.own.contains_key(&format!("{INPUT}_batches"))
            || self
                .entry
                .keys()
                .any(|key| key.starts_with(&start) && key.ends_with("_batches"));
        if !priced {
            return self.standard(class).map(Price::halved);
        }
        let of = |base: &str| self.base_in_batch(base);
        let input = || of(INPUT);
        let output = || of(OUTPUT).or_else(|| self.standard(Class::Out).map(Price::halved));
        match class {
            Class::Text => input(),
            Class::Read => of(READ).or_else(input),
            Class::ReadAudio => of(READ_AUDIO).or_else(|| of(READ)).or_else(input),
            Class::ReadImage => of(READ_IMAGE).or_else(|| of(READ)).or_else(input),
            Class::Write => of(WRITE).or_else(input),
            Class::WriteHour => of(WRITE_HOUR)
                .or_else(|| self.base(WRITE_HOUR).map(Price::halved))
                .or_else(|| of(WRITE))
                .or_else(input),
            Class::WriteLong => of(WRITE_LONG)
                .or_else(|| self.base(WRITE_LONG).map(Price::halved))
                .or_else(|| of(WRITE_HOUR))
                .or_else(|| self.base(WRITE_HOUR).map(Price::halved))
                .or_else(|| of(WRITE))
                .or_else(input),
            Class::Audio => of(AUDIO).or_else(input),
            Class::Image => of(IMAGE).or_else(input),
            Class::Video => of(VIDEO).or_else(input),
            Class::Out => output(),
            Class::Reasoning => of(REASONING).or_else(output),
            Class::OutAudio => of(OUT_AUDIO).or_else(output),
            Class::OutVideo => of(OUT_VIDEO).or_else(output),
            Class::OutImage => of(OUT_IMAGE)
                .or_else(|| self.base(OUT_IMAGE).map(Price::halved))
                .or_else(output),
        }
    }

    /// R5.1, and the end of R5.3.
    fn base_in_batch(&self, base: &str) -> Option<Price> {
        if let Some(value) = self.own.number(&format!("{base}_batches")) {
            return Some(Price::plain(format!("{base}_batches"), value));
        }
        if let Some(value) = self.own.number(base) {
            return Some(Price::plain(base, value).halved());
        }
        let short = self.plain(&format!("{base}_batches"));
        let batch = self.crossed(base, "_batches");
        match (batch, self.crossed(base, "")) {
            (Some((own, price)), Some((standard, _))) if own >= standard => Some(price),
            (Some((_, price)), None) => Some(price),
            (Some(_), Some((_, long))) => Some(long.halved()),
            (None, Some((_, long))) if short.is_some() => Some(long.halved()),
            (None, _) => short,
        }
    }
}

/// R3.3: the tier's factor on the short price is kept on the long one.
fn keep_factor(long: Price, in_tier: Option<Price>, standard: Option<Price>) -> Price {
    const DIGITS: u32 = 12;
    let (Some(in_tier), Some(standard)) = (in_tier, standard) else {
        return long;
    };
    if standard.value.is_zero() {
        return long;
    }
    let ratio = in_tier.value / standard.value;
    if ratio.is_one() || !number::is_decimal(&ratio, DIGITS) {
        return long;
    }
    long.with(in_tier.key, ratio - Q::one())
}
