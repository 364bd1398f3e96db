//! The price map: every model that has an entry, found by name.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    entry::Entry,
    nearest,
    parse::{self, MapError, Parsed},
    resolve::{self, Picture, Resolved},
};

static BUNDLED: &[u8] = include_bytes!("../prices.json");
static BUNDLED_META: &str = include_str!("../prices.meta.json");

/// Digits of the map's SHA-256 in its version.
const DIGEST_BYTES: usize = 6;

/// A price map in LiteLLM's format. Immutable; share it by `Arc`.
#[derive(Debug)]
pub struct PriceMap {
    version: String,
    /// Sorted by name.
    models: Vec<Model>,
    /// Where each name stands. The hash has a secret seed, because a map from a URL may be made of
    /// names that collide.
    index: HashMap<Arc<str>, usize>,
    /// Names that have capitals, without them.
    folded: HashMap<Box<str>, usize>,
    providers: HashSet<Arc<str>>,
    keys: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Model {
    name: Arc<str>,
    letters: nearest::Letters,
    entry: Entry,
}

impl PriceMap {
    /// The map that is compiled in: the snapshot of the newest litellm package at the time.
    /// Read at the first call.
    pub fn bundled() -> &'static Arc<Self> {
        #[derive(Deserialize)]
        struct Meta {
            litellm: String,
        }
        #[expect(
            clippy::expect_used,
            reason = "the bytes are fixed, and a test reads them"
        )]
        static MAP: LazyLock<Arc<PriceMap>> = LazyLock::new(|| {
            let meta: Meta = serde_json::from_str(BUNDLED_META).expect("prices.meta.json");
            let map = PriceMap::parse(BUNDLED, &format!("litellm-{}", meta.litellm));
            Arc::new(map.expect("prices.json"))
        });
        &MAP
    }

    /// The JSON of the map that is compiled in.
    #[must_use]
    pub const fn bundled_json() -> &'static [u8] {
        BUNDLED
    }

    /// Reads a map. `label` says where it came from and becomes part of the version.
    ///
    /// # Errors
    ///
    /// If it is not a JSON object of objects, has no models, is larger than a price map ever is, has
    /// one key with two values, or a price that is not a number or is negative. The error names the
    /// model and the key.
    pub fn parse(bytes: &[u8], label: &str) -> Result<Self, MapError> {
        let Parsed { entries, keys } = parse::read(bytes)?;
        let digest = Sha256::digest(bytes);
        let short = hex::encode(digest.get(..DIGEST_BYTES).unwrap_or_default());
        let mut map = Self::empty(format!("{label}+sha256:{short}"), keys, entries.len());
        let last_of_each: HashMap<Box<str>, Entry> = entries.into_iter().collect();
        let mut sorted: Vec<_> = last_of_each.into_iter().collect();
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, entry) in sorted {
            map.add(name.into(), entry);
        }
        Ok(map)
    }

    /// A map to which `count` entries are going to be added.
    pub(crate) fn empty(version: String, keys: HashSet<Arc<str>>, count: usize) -> Self {
        Self {
            version,
            models: Vec::with_capacity(count),
            index: HashMap::new(),
            folded: HashMap::new(),
            providers: HashSet::new(),
            keys,
        }
    }

    /// Adds an entry whose name is behind all others in the alphabet.
    pub(crate) fn add(&mut self, name: Arc<str>, entry: Entry) {
        let at = self.models.len();
        self.index.insert(Arc::clone(&name), at);
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.folded
                .entry(name.to_ascii_lowercase().into())
                .or_insert(at);
        }
        if let Some(provider) = &entry.provider {
            let family = resolve::family(provider);
            if !self.providers.contains(family) {
                self.providers.insert(family.into());
            }
            self.providers.insert(Arc::clone(provider));
        }
        self.models.push(Model {
            letters: nearest::letters(&name),
            name,
            entry,
        });
    }

    /// Which map this is: its label and the first 12 digits of its SHA-256, as in
    /// `litellm-1.109.1+sha256:1a2b3c4d5e6f`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How many models have an entry.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there are no models: never, because such a map is not read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// The entry with exactly this name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.exact(name).map(|(_, entry)| entry)
    }

    /// Every model with its entry, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.models.iter().map(|model| (&*model.name, &model.entry))
    }

    /// The entry that prices `model`, as a provider or client may write the name.
    #[must_use]
    pub fn resolve(&self, provider: Option<&str>, model: &str) -> Option<Resolved<'_>> {
        resolve::resolve(self, provider, None, model)
    }

    /// As [`Self::resolve`]; an entry that is the provider's for `region` comes first.
    #[must_use]
    pub fn resolve_in(
        &self,
        provider: Option<&str>,
        region: Option<&str>,
        model: &str,
    ) -> Option<Resolved<'_>> {
        resolve::resolve(self, provider, region, model)
    }

    /// The entry that prices a picture: that of its quality, size and steps, else the model's.
    #[must_use]
    pub fn resolve_picture(
        &self,
        provider: Option<&str>,
        model: &str,
        picture: Picture<'_>,
    ) -> Option<Resolved<'_>> {
        picture.resolve(self, provider, model)
    }

    /// The entry for all models of about the size that a name says, of Fireworks and Together.
    /// Only for a name that [`Self::resolve`] does not find.
    #[must_use]
    pub fn size_class(&self, provider: Option<&str>, model: &str) -> Option<Resolved<'_>> {
        resolve::size_class(self, provider, model)
    }

    /// Names in the map that resemble `name`, the most alike first: for error messages.
    #[must_use]
    pub fn nearest(&self, name: &str, count: usize) -> Vec<&str> {
        nearest::nearest(
            self.models
                .iter()
                .map(|model| (&*model.name, model.letters)),
            name,
            count,
        )
    }

    /// Every pricing key that some model has.
    pub(crate) const fn keys(&self) -> &HashSet<Arc<str>> {
        &self.keys
    }

    pub(crate) fn exact(&self, name: &str) -> Option<(&str, &Entry)> {
        self.at(*self.index.get(name)?)
    }

    /// The entry whose name differs from `name` at most in capitals.
    pub(crate) fn in_any_case(&self, name: &str) -> Option<(&str, &Entry)> {
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.at(*self.folded.get(name)?);
        }
        let at = resolve::with_lower(name, |lower| {
            let found = self.index.get(lower).or_else(|| self.folded.get(lower));
            found.copied()
        });
        self.at(at?)
    }

    fn at(&self, at: usize) -> Option<(&str, &Entry)> {
        self.models
            .get(at)
            .map(|model| (&*model.name, &model.entry))
    }

    /// Whether some model's provider is called this.
    pub(crate) fn knows_provider(&self, name: &str) -> bool {
        self.providers.contains(name)
    }

    /// Whether some model is priced under `key`.
    pub(crate) fn knows_key(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// The pricing key that resembles `key` most, if one does.
    pub(crate) fn nearest_key(&self, key: &str) -> Option<&str> {
        nearest::key(self.keys.iter().map(|known| &**known), key)
    }
}
