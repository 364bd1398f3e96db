//! Where a call's model ran, as far as its event says. Pure.

use event::StandardLoggingPayload;

use crate::Place;

/// Hosts of OpenAI that keep data in a region are the region in front of this.
const REGIONAL_HOST: &str = ".api.openai.com";
/// The regions that have a price of their own.
const RESIDENCIES: [&str; 2] = ["eu", "us"];

/// The place of a call.
#[must_use]
pub fn place_of(payload: &StandardLoggingPayload) -> Place<'_> {
    let ours = payload.tollkeeper.as_deref();
    let region = ours.and_then(|ours| ours.region.as_deref());
    let provider = payload.custom_llm_provider.as_deref().unwrap_or_default();
    place(provider, payload.api_base.as_deref(), region)
}

/// The place of calls to a provider at an address, whose settings name a region.
#[must_use]
pub fn place<'a>(provider: &str, api_base: Option<&str>, region: Option<&'a str>) -> Place<'a> {
    let is_vertex = provider.starts_with("vertex_ai");
    Place {
        data_residency: api_base.and_then(residency),
        vertex_location: region.filter(|_| is_vertex),
        region: region.filter(|_| !is_vertex),
    }
}

/// Where OpenAI keeps the data, by the host that was asked.
fn residency(api_base: &str) -> Option<&'static str> {
    let (_, rest) = api_base.split_once("://")?;
    let host = rest.split(['/', ':', '?', '#']).next()?;
    RESIDENCIES.into_iter().find(|region| {
        let (front, back) = host.split_at_checked(region.len()).unwrap_or_default();
        front.eq_ignore_ascii_case(region) && back.eq_ignore_ascii_case(REGIONAL_HOST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_that_of_the_host() {
        for (api_base, expected) in [
            ("https://eu.api.openai.com/v1", Some("eu")),
            ("https://US.api.OpenAI.com:443", Some("us")),
            ("https://api.openai.com/v1", None),
            ("https://eu.api.openai.com.example.com/v1", None),
            ("https://example.com/eu.api.openai.com", None),
            ("https://ü.api.openai.com", None),
            ("eu.api.openai.com", None),
            ("", None),
        ] {
            assert_eq!(residency(api_base), expected, "{api_base}");
        }
    }
}
