//! Pictures are priced by their quality, size and steps, which stand in front of the model's name.

use crate::{
    map::PriceMap,
    resolve::{How, Resolved, Search, joined, spelling, without_provider},
};

/// The size and quality that OpenAI makes where nothing else was asked for.
const USUAL: Picture<'static> = Picture {
    quality: Some("standard"),
    size: Some("1024x1024"),
    steps: None,
};
/// What fal.ai makes where nothing else was asked for.
const USUAL_OF_FAL: Picture<'static> = Picture {
    quality: Some("high"),
    size: Some("1024x768"),
    steps: None,
};
/// Stability's prices are for up to so many steps, or for more.
const STEPS_USUAL: u64 = 50;
/// The longest size that is one.
const SIZE_BYTES_MAX: usize = 32;

/// What decides the price of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picture<'a> {
    /// `standard`, `hd`, `low`, `medium`, `high`.
    pub quality: Option<&'a str>,
    /// Width and height in pixels: `1024x1024`, or `1024-x-1024`.
    pub size: Option<&'a str>,
    /// Steps of diffusion.
    pub steps: Option<u64>,
}

impl Picture<'_> {
    /// The entry of the model as this picture, of the usual size if there is only a quality (fal.ai:
    /// and the usual quality if there is only a size), else of the model, else of the model as the
    /// usual picture.
    pub(crate) fn resolve<'a>(
        self,
        map: &'a PriceMap,
        provider: Option<&str>,
        model: &str,
    ) -> Option<Resolved<'a>> {
        let search = Search::new(map, provider, model);
        let bare = without_provider(model, search.provider);
        let fal = search.provider == Some("fal_ai");
        let supplied = if fal { USUAL_OF_FAL } else { USUAL };
        let usual = Picture {
            quality: self.quality.or(supplied.quality),
            size: self.size.or(supplied.size),
            steps: self.steps,
        };
        let completed = || {
            let quality = if fal { usual.quality } else { self.quality };
            let asked = self.quality.is_some() || (fal && self.size.is_some());
            let completed = Picture { quality, ..usual };
            asked.then(|| completed.variant(&search, bare)).flatten()
        };
        self.variant(&search, bare)
            .or_else(|| self.variant(&search, spelling::without_date(bare)?))
            .or_else(completed)
            .or_else(|| map.resolve(provider, model))
            .or_else(|| usual.variant(&search, bare))
    }

    /// The first entry with quality, size or steps in front of the name.
    fn variant<'a>(self, search: &Search<'a, '_>, bare: &str) -> Option<Resolved<'a>> {
        let hit = |parts: &[&str]| {
            joined(parts, |name| {
                search
                    .behind_provider(name, How::Variant)
                    .or_else(|| search.hit(name, How::Variant))
            })
        };
        let quality = self.quality;
        let Some((width, height)) = self.size.and_then(sides) else {
            return quality.and_then(|quality| hit(&[quality, "/", bare]));
        };
        let steps = match self.steps {
            Some(steps) if steps > STEPS_USUAL => "max-steps",
            _ => "50-steps",
        };
        let size = [width, "-x-", height, "/"].concat();
        quality
            .and_then(|quality| {
                hit(&[quality, "/", &size, bare]).or_else(|| hit(&[&size, quality, "/", bare]))
            })
            .or_else(|| hit(&[&size, bare]))
            .or_else(|| hit(&[&size, steps, "/", bare]))
            .or_else(|| hit(&[&size, steps, "/", search.provider?, "/", bare]))
            .or_else(|| hit(&[quality?, "/", bare]))
    }
}

/// Width and height of `1024x1024`, `1024-x-1024` or `1024*1024`.
pub(crate) fn sides(size: &str) -> Option<(&str, &str)> {
    let (width, height) = Some(size)
        .filter(|size| size.len() <= SIZE_BYTES_MAX)?
        .split_once(['x', 'X', '*'])?;
    Some((width.trim_end_matches('-'), height.trim_start_matches('-')))
}
