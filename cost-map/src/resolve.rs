//! How a model's name finds its entry.
//!
//! The name is tried behind its provider, as it is, and then without what providers add to a name:
//! routes and regions, revisions, dates, the owner of a fine-tuned model. Each is tried exactly and
//! then in any case. An entry of another provider is never taken.

use std::fmt;

use crate::{entry::Entry, map::PriceMap};

/// Providers that pass calls on to any other.
const ANY: [&str; 3] = ["github", "litellm_proxy", "nadir"];
/// What Bedrock model names carry in front to choose an API.
const BEDROCK_ROUTES: [&str; 7] = [
    "converse/",
    "invoke/",
    "chat_completions/",
    "openai/",
    "mantle/",
    "nova/",
    "nova-2/",
];
/// What Bedrock model names carry in front to choose a group of regions.
const BEDROCK_GEOGRAPHIES: [&str; 7] = ["global.", "us-gov.", "us.", "eu.", "apac.", "jp.", "au."];

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
    /// The full path of a Fireworks model, or only its name.
    ByPath,
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
            Self::ByPath => "by account path",
        })
    }
}

pub(crate) fn resolve<'a>(
    map: &'a PriceMap,
    provider: Option<&str>,
    model: &str,
) -> Option<Resolved<'a>> {
    let provider = provider.or_else(|| provider_in(map, model));
    let search = Search { map, provider };
    let bare = without_provider(model, provider);
    let prefixed = bare.len() < model.len();
    if prefixed {
        // `openrouter/auto` is `auto` of OpenRouter, or `openrouter/openrouter/auto`.
        return search
            .hit(model, How::Exact)
            .or_else(|| search.hit(bare, How::WithoutProvider))
            .or_else(|| search.behind_provider(model, How::Exact))
            .or_else(|| search.shortened(bare));
    }
    search
        .behind_provider(bare, How::Exact)
        .or_else(|| search.hit(bare, How::Exact))
        .or_else(|| search.shortened(bare))
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

struct Search<'a, 'n> {
    map: &'a PriceMap,
    provider: Option<&'n str>,
}

impl<'a> Search<'a, '_> {
    fn hit(&self, name: &str, how: How) -> Option<Resolved<'a>> {
        let agrees = |(_, entry): &(&str, &Entry)| self.agrees(entry);
        if let Some((name, entry)) = self.map.exact(name).filter(agrees) {
            return Some(Resolved { name, entry, how });
        }
        let (name, entry) = self.map.in_any_case(name).filter(agrees)?;
        let how = if how == How::Exact {
            How::OtherCase
        } else {
            how
        };
        Some(Resolved { name, entry, how })
    }

    /// Tries the name with the provider in front, and with the name that its variants share.
    fn behind_provider(&self, name: &str, how: How) -> Option<Resolved<'a>> {
        let provider = self.provider?;
        let family = family(provider);
        self.hit(&[provider, "/", name].concat(), how).or_else(|| {
            (family != provider).then(|| self.hit(&[family, "/", name].concat(), how))?
        })
    }

    fn agrees(&self, entry: &Entry) -> bool {
        let (Some(wanted), Some(provider)) = (self.provider, entry.provider()) else {
            return true;
        };
        let (wanted, provider) = (family(wanted), family(provider));
        wanted == provider
            || ANY.contains(&wanted)
            || (wanted == "azure_ai" && matches!(provider, "azure" | "openai"))
    }

    /// Tries the name without what providers add to names.
    fn shortened(&self, name: &str) -> Option<Resolved<'a>> {
        let try_both = |name: &str, how| {
            self.behind_provider(name, how)
                .or_else(|| self.hit(name, how))
        };
        let by_provider = match self.provider.map(family) {
            Some("bedrock") => bedrock_names(name).find_map(|(name, how)| try_both(name, how)),
            Some("vertex_ai" | "gemini" | "databricks") => {
                revision_of(name).and_then(|name| try_both(name, How::WithoutRevision))
            }
            Some("fireworks_ai") => self.fireworks(name),
            _ => None,
        };
        by_provider
            .or_else(|| base_of_fine_tuned(name).and_then(|name| try_both(name, How::WithoutOwner)))
            .or_else(|| undated(name).and_then(|name| try_both(name, How::WithoutDate)))
    }

    fn fireworks(&self, name: &str) -> Option<Resolved<'a>> {
        if let Some((_, last)) = name.rsplit_once("/models/") {
            return self
                .behind_provider(last, How::ByPath)
                .or_else(|| self.hit(last, How::ByPath));
        }
        self.behind_provider(&["accounts/fireworks/models/", name].concat(), How::ByPath)
    }
}

/// A Bedrock model's name, shorter each time: the last segment of an ARN, without route and region,
/// without throughput (`:28k`), without geography.
fn bedrock_names(name: &str) -> impl Iterator<Item = (&str, How)> {
    let mut routeless = if name.starts_with("arn:") {
        name.rsplit_once('/').map_or(name, |(_, last)| last)
    } else {
        name
    };
    while let Some(rest) = BEDROCK_ROUTES
        .iter()
        .find_map(|route| routeless.strip_prefix(route))
    {
        routeless = rest;
    }
    if let Some((first, rest)) = routeless.split_once('/')
        && is_region(first)
    {
        routeless = rest;
    }
    let modest = routeless
        .rsplit_once(':')
        .filter(|(_, last)| is_throughput(last));
    let modest = modest.map_or(routeless, |(rest, _)| rest);
    let anywhere = BEDROCK_GEOGRAPHIES
        .iter()
        .find_map(|prefix| modest.strip_prefix(prefix));
    [
        Some((routeless, How::WithoutRoute)),
        Some((modest, How::WithoutRoute)),
        anywhere.map(|name| (name, How::WithoutGeography)),
    ]
    .into_iter()
    .flatten()
}

/// `us-east-1`.
fn is_region(segment: &str) -> bool {
    let mut parts = segment.rsplit('-');
    parts.next().is_some_and(is_number) && parts.count() >= 2
}

/// `28k`.
fn is_throughput(field: &str) -> bool {
    field.strip_suffix('k').is_some_and(is_number)
}

/// `gemini-2.5-pro-002` and `gemini-2.5-pro@latest` are revisions of `gemini-2.5-pro`. Fewer than
/// three digits are part of a model's own name.
fn revision_of(name: &str) -> Option<&str> {
    name.strip_suffix("@latest").or_else(|| {
        let (rest, digits) = name.rsplit_once('-')?;
        (digits.len() == 3 && is_number(digits)).then_some(rest)
    })
}

/// `ft:gpt-4o-mini-2024-07-18:owner:name:id` is a fine-tuned `ft:gpt-4o-mini-2024-07-18`.
fn base_of_fine_tuned(name: &str) -> Option<&str> {
    let base = name.strip_prefix("ft:")?.split_once(':')?.0;
    name.get(..base.len() + "ft:".len())
}

/// Without `-2024-08-06`, `-20240806` or `@20240806` at the end.
fn undated(name: &str) -> Option<&str> {
    let (rest, end) = name.rsplit_once(['-', '@'])?;
    if end.len() == 8 && is_number(end) && end.starts_with("20") {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    let are_numbers = is_number(year) && is_number(month) && is_number(end);
    (are_numbers && (year.len(), month.len(), end.len()) == (4, 2, 2)).then_some(rest)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
