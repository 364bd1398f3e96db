//! Which of an entry's prices applies to a class: by the length of the prompt, the service tier,
//! and what stands in for a price that is missing.

use event::Class;

use crate::{
    entry::{At, Bracket, Entry, Price},
    keys::Base,
};

/// The prices that apply to one call: the deployment's own over those of the map.
pub(crate) struct Sheet<'a> {
    own: Option<Layer<'a>>,
    map: Option<Layer<'a>>,
    at: At,
}

#[derive(Clone, Copy)]
struct Layer<'a> {
    entry: &'a Entry,
    bracket: Option<&'a Bracket>,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(own: Option<&'a Entry>, map: Option<&'a Entry>, at: At) -> Self {
        Self {
            own: own.map(|own| Layer::new(own, at)),
            map: map.map(|map| Layer::new(map, at)),
            at,
        }
    }

    /// The price of a class.
    pub(crate) fn price(&self, class: Class) -> Option<&'a Price> {
        let mut choices = choices(class);
        while let [bases, others @ ..] = choices {
            let own = self.own.and_then(|own| own.best(bases, self.at));
            let free = || {
                self.own
                    .filter(|_| self.map.is_some())?
                    .free(others, self.at)
            };
            let map = || self.map?.best(bases, self.at);
            if let Some(price) = own.or_else(free).or_else(map) {
                return Some(price);
            }
            choices = others;
        }
        None
    }

    /// The price of a second, if this is what the call is priced by: the first layer that has any
    /// price charges for time and not for tokens.
    pub(crate) fn price_of_second(&self) -> Option<&'a Price> {
        for (layer, timed) in [
            (self.own, true),
            (self.map, self.map.is_some_and(Layer::is_timed)),
        ] {
            let Some(layer) = layer else { continue };
            if layer.entry.prices.charge_tokens() || layer.bracket.is_some() {
                return None;
            }
            let kinds = [Base::Second, Base::InputSecond, Base::OutputSecond];
            let price = kinds.iter().find_map(|base| layer.best(&[*base], self.at));
            if timed && price.is_some() {
                return price;
            }
            if layer.entry.prices.price_tokens() {
                return None;
            }
        }
        None
    }
}

impl<'a> Layer<'a> {
    fn new(entry: &'a Entry, at: At) -> Self {
        let fits = |bracket: &&Bracket| bracket.up_to >= at.prompt.into();
        let bracket = entry
            .brackets
            .iter()
            .find(fits)
            .or_else(|| entry.brackets.last());
        Self { entry, bracket }
    }

    fn best(self, bases: &[Base], at: At) -> Option<&'a Price> {
        self.bracket
            .and_then(|bracket| bracket.prices.best(bases, at))
            .or_else(|| self.entry.prices.best(bases, at))
    }

    /// A stand-in that says: this deployment charges nothing. Then a price of the map for a part
    /// of the prompt does not apply.
    fn free(self, choices: &[&[Base]], at: At) -> Option<&'a Price> {
        let stand_in = choices.iter().find_map(|bases| self.best(bases, at));
        stand_in.filter(|price| price.amount.is_zero())
    }

    /// Whether seconds in this entry are those of the call, not of a video or of speech.
    fn is_timed(self) -> bool {
        let modes = [
            "chat",
            "completion",
            "embedding",
            "responses",
            "audio_transcription",
        ];
        self.entry.mode().is_none_or(|mode| modes.contains(&mode))
    }
}

/// The key without which a class has no price.
pub(crate) fn missing_key(class: Class) -> &'static str {
    choices(class)
        .last()
        .and_then(|bases| bases.last())
        .map_or("", |base| base.key())
}

/// The prices that can stand for a class, the first that is there. Those in one group compete: the
/// one for the higher threshold or the service tier wins.
const fn choices(class: Class) -> &'static [&'static [Base]] {
    match class {
        Class::CacheRead => &[&[Base::CacheRead], &[Base::Input]],
        Class::CacheReadAudio => &[
            &[Base::CacheReadAudio],
            &[Base::CacheRead],
            &[Base::InputAudio],
            &[Base::Input],
        ],
        Class::CacheWrite => &[&[Base::CacheWrite], &[Base::Input]],
        Class::CacheWriteHour => &[&[Base::CacheWriteHour], &[Base::CacheWrite], &[Base::Input]],
        Class::InputAudio => &[&[Base::InputAudio], &[Base::Input]],
        Class::InputImage => &[&[Base::InputImage], &[Base::Input]],
        Class::InputVideo => &[&[Base::InputVideo], &[Base::Input]],
        Class::Output => &[&[Base::Output]],
        Class::Reasoning => &[&[Base::Reasoning, Base::Output]],
        Class::OutputAudio => &[&[Base::OutputAudio], &[Base::Output]],
        Class::OutputImage => &[&[Base::OutputImage], &[Base::Output]],
        Class::OutputVideo => &[&[Base::OutputVideo], &[Base::Output]],
        Class::Seconds => &[&[Base::Second]],
        _ => &[&[Base::Input]],
    }
}
