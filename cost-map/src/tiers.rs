//! Which of an entry's prices applies to a class: the deployment's own before the map's, by the
//! length of the prompt, the service tier and the time, and what stands in for one that is missing.

mod layer;

use event::{Class, Timestamp};
use rust_decimal::Decimal;

use self::layer::Layer;
use crate::{
    entry::{Entry, Price},
    keys::{Base, Tier},
};

/// The circumstances of a call that decide between the variants of a price.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// The length of the prompt.
    pub(crate) prompt: u64,
    /// The service tier, or a batch.
    pub(crate) tier: Tier,
    /// Whether a threshold is crossed by reaching it.
    pub(crate) inclusive: bool,
    /// Whether the client asked for the cache that was read.
    pub(crate) explicit_cache: bool,
    /// Whether cached input costs half where there is no price for it.
    pub(crate) half_for_cached: bool,
    /// The call's own time.
    pub(crate) instant: Timestamp,
}

/// A price, and the factors on it, less one, each with the key that it is from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Found<'a> {
    pub(crate) price: &'a Price,
    pub(crate) factors: [Option<(Decimal, &'a str)>; 2],
}

impl<'a> Found<'a> {
    pub(crate) const fn plain(price: &'a Price) -> Self {
        Self {
            price,
            factors: [None, None],
        }
    }

    /// At half the price.
    pub(crate) fn half(self, key: &'a str) -> Self {
        let half = Some((Decimal::new(-5, 1), key));
        let factors = match self.factors {
            [None, _] => [half, None],
            [first, _] => [first, half],
        };
        Self { factors, ..self }
    }
}

/// The prices that apply to one call: the deployment's own over those of the map.
pub(crate) struct Sheet<'a> {
    own: Option<Layer<'a>>,
    map: Option<Layer<'a>>,
    at: At,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(own: Option<&'a Entry>, map: Option<&'a Entry>, at: At) -> Self {
        Self {
            own: own.map(|own| Layer::new(own, &at)),
            map: map.map(|map| Layer::new(map, &at)),
            at,
        }
    }

    /// The same prices under other circumstances.
    pub(crate) fn again(&self, change: impl FnOnce(At) -> At) -> Self {
        let entry = |layer: Layer<'a>| layer.entry;
        Self::new(self.own.map(entry), self.map.map(entry), change(self.at))
    }

    /// The price of a class of tokens.
    pub(crate) fn price(&self, class: Class) -> Option<Found<'a>> {
        let in_bracket = self.map.filter(|map| map.bracket.is_some());
        // What a bracket lacks, its own stand-ins replace before the entry does.
        in_bracket
            .and_then(|map| self.first(class, |base| map.in_bracket(base, &self.at)))
            .or_else(|| self.first(class, |base| self.map?.in_entry(base, &self.at)))
    }

    /// The first price in the order of stand-ins; `map` looks into the map.
    fn first(&self, class: Class, map: impl Fn(Base) -> Option<Found<'a>>) -> Option<Found<'a>> {
        let mut choices = self.choices(class);
        while let [base, others @ ..] = choices {
            let own = self.own.and_then(|own| own.any(*base, &self.at));
            let free = || {
                let own = self.own.filter(|_| self.map.is_some())?;
                own.free(others, &self.at)
            };
            if let Some(found) = own.or_else(free) {
                return Some(found);
            }
            if let Some(found) = map(*base) {
                let stands_in = *base == Base::Input && class.is_cache_read();
                return Some(if stands_in && self.at.half_for_cached {
                    found.half("default.fireworks_ai.cache_read")
                } else {
                    found
                });
            }
            choices = others;
        }
        None
    }

    /// The price under a key that is not of tokens.
    pub(crate) fn unit(&self, key: &str) -> Option<&'a Price> {
        let layers = [self.own, self.map].into_iter().flatten();
        let mut prices = layers.filter_map(|layer| layer.entry.prices.get(key));
        prices.next()
    }

    /// The flat fee of every call.
    pub(crate) fn fee(&self) -> Option<&'a Price> {
        let mut fees = self.entries().filter_map(|entry| entry.prices.fee());
        fees.next()
    }

    /// The price of the first of `keys` that is there.
    pub(crate) fn first_unit(&self, keys: &[&str]) -> Option<&'a Price> {
        keys.iter().find_map(|key| self.unit(key))
    }

    /// The entries, the deployment's own first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &'a Entry> {
        [self.own, self.map]
            .into_iter()
            .flatten()
            .map(|layer| layer.entry)
    }

    /// Whether tokens have a price above nothing.
    pub(crate) fn charges_tokens(&self) -> bool {
        self.entries()
            .any(|entry| entry.prices.charge_tokens() || !entry.brackets.is_empty())
    }

    /// The price of a second, if this is what the call is priced by: the first layer that has any
    /// price charges for time and not for tokens.
    pub(crate) fn price_of_second(&self) -> Option<&'a Price> {
        for (layer, timed) in [
            (self.own, true),
            (self.map, self.map.is_some_and(Layer::is_timed)),
        ] {
            let Some(Layer { entry, .. }) = layer else {
                continue;
            };
            if entry.prices.charge_tokens() || !entry.brackets.is_empty() {
                return None;
            }
            let keys = [
                "cost_per_second",
                "input_cost_per_second",
                "output_cost_per_second",
            ];
            let price = keys.iter().find_map(|key| entry.prices.get(key));
            if timed && price.is_some() {
                return price;
            }
            if entry.prices.price_tokens() {
                return None;
            }
        }
        None
    }

    fn choices(&self, class: Class) -> &'static [Base] {
        if self.at.explicit_cache && class == Class::CacheRead {
            return &[
                Base::CacheReadExplicit,
                Base::CacheRead,
                Base::CacheHit,
                Base::Input,
            ];
        }
        let mut layers = [self.own, self.map].into_iter().flatten();
        if class == Class::CacheReadAudio && layers.any(|layer| layer.batch_is_priced) {
            // In a batch, what is cached and has no price of its own is billed as text.
            return &[Base::CacheReadAudio, Base::CacheRead, Base::Input];
        }
        choices(class)
    }
}

/// The key without which a class has no price.
pub(crate) fn missing_key(class: Class) -> &'static str {
    if class.is_output() {
        Base::Output.key()
    } else {
        Base::Input.key()
    }
}

/// The prices that can stand for a class, the first that is there.
const fn choices(class: Class) -> &'static [Base] {
    use Base as B;
    match class {
        Class::CacheRead => &[B::CacheRead, B::CacheHit, B::CacheReadExplicit, B::Input],
        Class::CacheReadAudio => &[
            B::CacheReadAudio,
            B::CacheRead,
            B::CacheHit,
            B::CacheReadExplicit,
            B::InputAudio,
            B::Input,
        ],
        Class::CacheReadImage => &[
            B::CacheReadImage,
            B::CacheRead,
            B::CacheHit,
            B::CacheReadExplicit,
            B::Input,
        ],
        Class::CacheWrite => &[B::CacheWrite, B::Input],
        Class::CacheWriteHour => &[B::CacheWriteHour, B::CacheWrite, B::Input],
        Class::CacheWriteHalfDay => &[
            B::CacheWriteHalfDay,
            B::CacheWriteHour,
            B::CacheWrite,
            B::Input,
        ],
        Class::InputAudio => &[B::InputAudio, B::Input],
        Class::InputImage => &[B::InputImage, B::Input],
        Class::InputVideo => &[B::InputVideo, B::Input],
        Class::Output => &[B::Output, B::OutputImage],
        Class::Reasoning => &[B::Reasoning, B::Output, B::OutputImage],
        Class::OutputAudio => &[B::OutputAudio, B::Output, B::OutputImage],
        Class::OutputImage => &[B::OutputImage, B::Output],
        Class::OutputVideo => &[B::OutputVideo, B::Output, B::OutputImage],
        _ => &[B::Input],
    }
}
