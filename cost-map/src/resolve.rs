//! How a model's name finds its entry.
//!
//! The name is tried behind its provider, as it is, and then without what providers add to a name:
//! routes and regions, revisions, dates, the owner of a fine-tuned model. Each is tried exactly and
//! then in any case. An entry of another provider is never taken. Looking a model up allocates
//! nothing.

mod picture;
mod size;
mod spelling;
#[cfg(test)]
mod tests;

use std::fmt;

pub use crate::resolve::picture::Picture;
pub(crate) use crate::resolve::picture::sides;
use crate::{entry::Entry, map::PriceMap, parse::NAME_BYTES_MAX, resolve::spelling::Bedrock};

/// Providers that pass calls on to any other.
const ANY: [&str; 3] = ["github", "litellm_proxy", "nadir"];

/// The entry that prices a model.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    /// The entry's key in the map.
    pub name: &'a str,
    /// The entry.
    pub entry: &'a Entry,
    /// How the name led to it.
    pub how: How,
}

/// How a name led to an entry. Shown, it completes "the entry has the name …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum How {
    /// By its own name, with or without the provider in front.
    Exact,
    /// Capitals differ.
    OtherCase,
    /// The entry has no provider in front.
    WithoutProvider,
    /// A dated snapshot has the price of its model.
    WithoutDate,
    /// A numbered revision has the price of its model.
    WithoutRevision,
    /// All fine-tuned models of one base have one price.
    WithoutOwner,
    /// The way to the model does not matter.
    WithoutRoute,
    /// The group of regions has no price of its own.
    WithoutGeography,
    /// The full path of a model, or only its name.
    ByPath,
    /// The entry is the provider's for the region.
    InRegion,
    /// The entry names the revision that is meant where none is named.
    Revision,
    /// The entry is for pictures of a quality, size or number of steps.
    Variant,
    /// The entry is for all models of about that many parameters.
    SizeClass,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::OtherCase => "in another case",
            Self::WithoutProvider => "without provider prefix",
            Self::WithoutDate => "without date of snapshot",
            Self::WithoutRevision => "without revision",
            Self::WithoutOwner => "without owner of fine-tuning",
            Self::WithoutRoute => "without route or region",
            Self::WithoutGeography => "without geography prefix",
            Self::ByPath => "by path",
            Self::InRegion => "in its region",
            Self::Revision => "with the usual revision",
            Self::Variant => "with quality, size or steps",
            Self::SizeClass => "by number of parameters",
        })
    }
}

/// Finds the entry; one that holds in `region` comes first.
pub(crate) fn resolve<'a>(
    map: &'a PriceMap,
    provider: Option<&str>,
    region: Option<&str>,
    model: &str,
) -> Option<Resolved<'a>> {
    let search = Search {
        region,
        ..Search::new(map, provider, model)
    };
    let bare = without_provider(model, search.provider);
    if bare.len() > NAME_BYTES_MAX {
        return None;
    }
    if let Some(found) = region.and_then(|region| search.in_region(region, bare)) {
        return Some(found);
    }
    search
        .as_said(model, bare, Search::exact)
        .or_else(|| search.as_said(model, bare, Search::in_any_case))
        .or_else(|| search.shortened(bare))
}

pub(crate) fn size_class<'a>(
    map: &'a PriceMap,
    provider: Option<&str>,
    model: &str,
) -> Option<Resolved<'a>> {
    let provider = provider.or_else(|| provider_in(map, model))?;
    let (name, entry) = map.exact(size::class(family(provider), model)?)?;
    Some(Resolved {
        name,
        entry,
        how: How::SizeClass,
    })
}

/// The provider that the first segment of a model's name says.
pub(crate) fn provider_in<'n>(map: &PriceMap, model: &'n str) -> Option<&'n str> {
    model
        .split_once('/')
        .map(|(first, _)| first)
        .filter(|first| map.knows_provider(first))
}

fn without_provider<'n>(model: &'n str, provider: Option<&str>) -> &'n str {
    provider
        .and_then(|provider| model.strip_prefix(provider)?.strip_prefix('/'))
        .unwrap_or(model)
}

/// The name that a provider's variants share (`vertex_ai-language-models` is `vertex_ai`).
pub(crate) fn family(provider: &str) -> &str {
    let provider = provider
        .strip_prefix("text-completion-")
        .unwrap_or(provider);
    for family in ["vertex_ai", "fireworks_ai", "bedrock"] {
        if provider.starts_with(family) {
            return family;
        }
    }
    match provider {
        "azure_text" => "azure",
        "cohere_chat" => "cohere",
        "sagemaker_chat" => "sagemaker",
        other => other,
    }
}

/// Passes on the parts as one name, put together on the stack. What no name in a map is as long as
/// is not found.
fn joined<'a>(
    parts: &[&str],
    find: impl FnOnce(&str) -> Option<Resolved<'a>>,
) -> Option<Resolved<'a>> {
    let mut bytes = [0; NAME_BYTES_MAX];
    let mut end = 0;
    for part in parts {
        let start = end;
        end += part.len();
        bytes.get_mut(start..end)?.copy_from_slice(part.as_bytes());
    }
    find(str::from_utf8(bytes.get(..end)?).ok()?)
}

/// Passes on the name in small letters.
pub(crate) fn with_lower<T>(name: &str, find: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let mut bytes = [0; NAME_BYTES_MAX];
    let bytes = bytes.get_mut(..name.len())?;
    bytes.copy_from_slice(name.as_bytes());
    bytes.make_ascii_lowercase();
    find(str::from_utf8(bytes).ok()?)
}

/// One way of looking a name up.
type Find<'a, 'n> = fn(&Search<'a, 'n>, &str, How) -> Option<Resolved<'a>>;

#[derive(Clone, Copy)]
struct Search<'a, 'n> {
    map: &'a PriceMap,
    provider: Option<&'n str>,
    /// The name that the provider's variants share.
    family: Option<&'n str>,
    region: Option<&'n str>,
}

impl<'a, 'n> Search<'a, 'n> {
    /// For a model of `provider`, or of the one that its name says.
    fn new(map: &'a PriceMap, provider: Option<&'n str>, model: &'n str) -> Self {
        let provider = provider.or_else(|| provider_in(map, model));
        Self {
            map,
            provider,
            family: provider.map(family),
            region: None,
        }
    }

    /// Tries the name with the provider in front and without. `bare` is it without.
    fn as_said(&self, model: &str, bare: &str, find: Find<'a, 'n>) -> Option<Resolved<'a>> {
        if bare.len() < model.len() {
            // `openrouter/auto` is `auto` of OpenRouter, or `openrouter/openrouter/auto`.
            return find(self, model, How::Exact)
                .or_else(|| find(self, bare, How::WithoutProvider))
                .or_else(|| self.behind(model, How::Exact, find));
        }
        self.behind(bare, How::Exact, find)
            .or_else(|| find(self, bare, How::Exact))
    }

    fn exact(&self, name: &str, how: How) -> Option<Resolved<'a>> {
        let (name, entry) = self.map.exact(name).filter(|found| self.agrees(found.1))?;
        Some(Resolved { name, entry, how })
    }

    fn in_any_case(&self, name: &str, how: How) -> Option<Resolved<'a>> {
        let found = self.map.in_any_case(name);
        let (name, entry) = found.filter(|found| self.agrees(found.1))?;
        let how = if how == How::Exact {
            How::OtherCase
        } else {
            how
        };
        Some(Resolved { name, entry, how })
    }

    fn hit(&self, name: &str, how: How) -> Option<Resolved<'a>> {
        self.exact(name, how)
            .or_else(|| self.in_any_case(name, how))
    }

    fn behind_provider(&self, name: &str, how: How) -> Option<Resolved<'a>> {
        self.behind(name, how, Self::hit)
    }

    /// Tries the name with the provider in front, and with the name that its variants share.
    fn behind(&self, name: &str, how: How, find: Find<'a, 'n>) -> Option<Resolved<'a>> {
        let (provider, family) = (self.provider?, self.family?);
        let hit = |provider| joined(&[provider, "/", name], |name| find(self, name, how));
        // Bedrock's newer endpoint has entries and regions of its own.
        let shares = family != provider && provider != "bedrock_mantle";
        hit(provider).or_else(|| hit(Some(family).filter(|_| shares)?))
    }

    fn behind_provider_or_bare(&self, name: &str, how: How) -> Option<Resolved<'a>> {
        self.behind_provider(name, how)
            .or_else(|| self.hit(name, how))
    }

    /// Tries the entry that holds in a region.
    fn in_region(&self, region: &str, name: &str) -> Option<Resolved<'a>> {
        joined(&[region, "/", name], |name| {
            self.behind_provider(name, How::InRegion)
        })
    }

    fn is_bedrock(&self, name: &str) -> bool {
        self.family
            .map_or_else(|| spelling::is_bedrock(name), |family| family == "bedrock")
    }

    fn agrees(&self, entry: &Entry) -> bool {
        if self.provider == entry.provider() {
            return true;
        }
        let (Some(wanted), Some(provider)) = (self.family, entry.provider()) else {
            return true;
        };
        let provider = family(provider);
        wanted == provider
            || ANY.contains(&wanted)
            || (wanted == "azure_ai" && matches!(provider, "azure" | "openai"))
    }

    /// Tries the name without what providers add to names.
    fn shortened(&self, name: &str) -> Option<Resolved<'a>> {
        let by_provider = match self.family {
            _ if self.is_bedrock(name) => self.bedrock(name),
            Some("vertex_ai" | "gemini" | "databricks") => self.google(name),
            Some("fireworks_ai") => self.fireworks(name),
            Some("azure" | "azure_ai") => self.azure(name),
            _ => None,
        };
        let short = |name: Option<&str>, how| self.behind_provider_or_bare(name?, how);
        by_provider
            .or_else(|| short(spelling::without_owner(name), How::WithoutOwner))
            .or_else(|| short(spelling::without_date(name), How::WithoutDate))
    }

    fn bedrock(&self, name: &str) -> Option<Resolved<'a>> {
        let said = Bedrock::of(name);
        let short = |name: Option<&str>, how| self.behind_provider_or_bare(name?, how);
        let in_region = |name: Option<&str>| self.in_region(said.region.or(self.region)?, name?);
        in_region(Some(said.modest))
            .or_else(|| short(Some(said.routeless), How::WithoutRoute))
            .or_else(|| short(Some(said.modest), How::WithoutRoute))
            .or_else(|| in_region(said.anywhere))
            .or_else(|| short(said.anywhere, How::WithoutGeography))
            .or_else(|| {
                // What only the newer endpoint has.
                let mantle = |name: &str| self.hit(name, How::WithoutRoute);
                joined(&["bedrock_mantle/", said.modest], mantle)
            })
    }

    fn google(&self, name: &str) -> Option<Resolved<'a>> {
        let short = |name: Option<&str>, how| self.behind_provider_or_bare(name?, how);
        let plain = spelling::without_publisher(name);
        let model = plain.unwrap_or(name);
        let with = |revision: &str| {
            joined(&[model, revision], |name| {
                self.behind_provider_or_bare(name, How::Revision)
            })
        };
        short(spelling::without_revision(name), How::WithoutRevision)
            .or_else(|| short(plain, How::ByPath))
            .or_else(|| short(spelling::without_revision(model), How::WithoutRevision))
            .or_else(|| with("@latest"))
            .or_else(|| with("@default"))
            .or_else(|| {
                joined(&["meta/", model], |name| {
                    self.behind_provider(name, How::ByPath)
                })
            })
    }

    /// A date goes before the place, because the place may decide the price. What Azure AI does not
    /// have is Azure's or OpenAI's.
    fn azure(&self, name: &str) -> Option<Resolved<'a>> {
        let short = |name: Option<&str>, how| {
            self.behind_provider_or_bare(name?, how)
                .or_else(|| joined(&["azure/", name?], |name| self.hit(name, how)))
        };
        let anywhere = spelling::without_worldwide(name);
        short(Some(name), How::WithoutProvider)
            .or_else(|| short(spelling::without_date(name), How::WithoutDate))
            .or_else(|| short(anywhere, How::WithoutRoute))
            .or_else(|| short(spelling::without_date(anywhere?), How::WithoutRoute))
    }

    /// Fireworks has a model by its path, or only by its name. Behind `#` stands a deployment.
    fn fireworks(&self, name: &str) -> Option<Resolved<'a>> {
        let name = name.split('#').next().unwrap_or(name);
        if let Some((_, last)) = name.rsplit_once("models/") {
            return joined(&["accounts/fireworks/models/", last], |path| {
                self.behind_provider_or_bare(path, How::ByPath)
            })
            .or_else(|| self.behind_provider_or_bare(last, How::ByPath));
        }
        let last = name.rsplit_once("routers/").map_or(name, |(_, last)| last);
        ["accounts/fireworks/models/", "accounts/fireworks/routers/"]
            .into_iter()
            .find_map(|path| {
                joined(&[path, last], |path| {
                    self.behind_provider_or_bare(path, How::ByPath)
                })
            })
    }
}
