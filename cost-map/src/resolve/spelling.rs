//! What providers, and those who call them, add to the name of a model.

/// What Bedrock model names carry in front to choose an API.
const BEDROCK_ROUTES: [&str; 9] = [
    "converse/",
    "invoke/",
    "chat_completions/",
    "converse_like/",
    "async_invoke/",
    "openai/",
    "mantle/",
    "nova/",
    "nova-2/",
];
/// What Bedrock model names carry in front to choose a group of regions.
const BEDROCK_GEOGRAPHIES: [&str; 8] = [
    "global.", "us-gov.", "us.", "eu.", "apac.", "jp.", "au.", "ca.",
];
/// Azure's deployments all over the world have the price of the model. Those in a zone of data
/// (`eu/`, `us/`) cost more.
const AZURE_WORLDWIDE: [&str; 2] = ["global/", "global-standard/"];

/// A Bedrock model's name without what is said around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bedrock<'n> {
    /// The region that the name says.
    pub(super) region: Option<&'n str>,
    /// Without route, region, and the beginning of an ARN.
    pub(super) routeless: &'n str,
    /// Without throughput (`:28k`) and length of context (`[1m]`) too.
    pub(super) modest: &'n str,
    /// Without geography too.
    pub(super) anywhere: Option<&'n str>,
}

impl<'n> Bedrock<'n> {
    pub(super) fn of(name: &'n str) -> Self {
        let mut routeless = name;
        while let Some(rest) = first_prefix(routeless, &BEDROCK_ROUTES) {
            routeless = rest;
        }
        let mut region = None;
        if routeless.starts_with("arn:") {
            // arn:aws:bedrock:us-east-1:account:inference-profile/us.anthropic.…
            region = routeless.split(':').nth(3).filter(|part| is_region(part));
            routeless = after_last(routeless, '/');
        } else if let Some((first, rest)) = routeless.split_once('/')
            && is_region(first)
        {
            region = Some(first);
            routeless = rest;
        }
        let modest = match routeless.rsplit_once('[') {
            Some((rest, context)) if context.ends_with(']') => rest,
            _ => routeless,
        };
        let modest = match modest.rsplit_once(':') {
            Some((rest, last)) if is_throughput(last) => rest,
            _ => modest,
        };
        Self {
            region,
            routeless,
            modest,
            anywhere: first_prefix(modest, &BEDROCK_GEOGRAPHIES),
        }
    }
}

/// Whether a name can only be Bedrock's.
pub(super) fn is_bedrock(name: &str) -> bool {
    name.starts_with("arn:aws") || first_prefix(name, &BEDROCK_GEOGRAPHIES).is_some()
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

pub(super) fn without_worldwide(name: &str) -> Option<&str> {
    first_prefix(name, &AZURE_WORLDWIDE)
}

/// Without what Google's resource names have in front: `publishers/google/models/…`, or the
/// publisher that its endpoint in OpenAI's dialect wants.
pub(super) fn without_publisher(name: &str) -> Option<&str> {
    name.rsplit_once("/models/")
        .map(|(_, model)| model)
        .or_else(|| name.strip_prefix("models/"))
        .or_else(|| name.strip_prefix("google/"))
}

/// `gemini-2.5-pro-002`, `claude-sonnet-5@default` and `mistral-large@2411` are revisions. Fewer
/// than three digits are part of a model's own name.
pub(super) fn without_revision(name: &str) -> Option<&str> {
    let (rest, revision) = name.rsplit_once(['-', '@'])?;
    let at = name
        .get(rest.len()..)
        .is_some_and(|end| end.starts_with('@'));
    (at || (revision.len() == 3 && is_number(revision))).then_some(rest)
}

/// `ft:gpt-4o-mini-2024-07-18:owner:name:id` is a fine-tuned `ft:gpt-4o-mini-2024-07-18`.
pub(super) fn without_owner(name: &str) -> Option<&str> {
    let base = name.strip_prefix("ft:")?.split_once(':')?.0;
    name.get(..base.len() + "ft:".len())
}

/// Without `-2024-08-06`, `-20240806` or `@20240806` at the end.
pub(super) fn without_date(name: &str) -> Option<&str> {
    let (rest, end) = name.rsplit_once(['-', '@'])?;
    if end.len() == 8 && is_number(end) && end.starts_with("20") {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    let are_numbers = is_number(year) && is_number(month) && is_number(end);
    (are_numbers && (year.len(), month.len(), end.len()) == (4, 2, 2)).then_some(rest)
}

pub(super) fn after_last(name: &str, mark: char) -> &str {
    name.rsplit_once(mark).map_or(name, |(_, last)| last)
}

fn first_prefix<'n>(name: &'n str, prefixes: &[&str]) -> Option<&'n str> {
    prefixes
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .filter(|rest| !rest.is_empty())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
