//! Who is meant by a name.

use super::{ALL, Provider, ProviderError};

/// The provider of `model`, and the provider's own name of it: `chosen` if it is given, else the
/// part before the slash, else OpenAI.
///
/// # Errors
///
/// If no provider has that name.
pub fn of_model(
    model: &str,
    chosen: Option<&str>,
) -> Result<(&'static dyn Provider, String), ProviderError> {
    if let Some(name) = chosen {
        let provider = find(name).ok_or_else(|| unknown(name))?;
        let own = model
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('/'));
        return Ok((provider, own.unwrap_or(model).to_owned()));
    }
    let (name, own) = model.split_once('/').unwrap_or(("openai", model));
    let provider = find(name).ok_or_else(|| unknown(name))?;
    Ok((provider, own.to_owned()))
}

fn all() -> impl Iterator<Item = &'static dyn Provider> {
    ALL.iter().copied().flatten().copied()
}

fn find(name: &str) -> Option<&'static dyn Provider> {
    all().find(|provider| provider.name() == name)
}

/// Providers that are no more, and what replaced them.
const GONE: &[(&str, &str)] = &[("palm", "use `gemini/…`, or `vertex_ai/…` on Google Cloud")];

fn unknown(name: &str) -> ProviderError {
    if let Some((_, instead)) = GONE.iter().find(|(gone, _)| *gone == name) {
        let name = name.to_owned();
        return ProviderError::Gone { name, instead };
    }
    let known: Vec<&str> = all().map(Provider::name).collect();
    ProviderError::Unknown {
        name: name.to_owned(),
        known: known.join(", "),
    }
}
