//! Which entry prices a call, and why this one.

use rust_decimal::prelude::ToPrimitive;

use crate::{
    call::Call,
    entry::Entry,
    map::PriceMap,
    overrides::Overrides,
    resolve::{How, Picture, Resolved},
};

/// The prices that a call is billed by, and why these.
pub(crate) struct Choice<'a> {
    pub(crate) own: Option<&'a Entry>,
    pub(crate) found: Option<Resolved<'a>>,
    pub(crate) reason: String,
}

/// The entry of the router whose fee is for finding a model, and the names it goes by.
const ROUTER: &str = "azure_ai/model_router";
const ROUTER_NAMES: [&str; 2] = ["model_router", "model-router"];

/// The deployment's own prices, then those of its base model, its model, or the model that
/// answered. If there are none, why.
pub(crate) fn choose<'a>(map: &'a PriceMap, call: &Call<'a>) -> Result<Choice<'a>, String> {
    let own = call.overrides.and_then(Overrides::prices);
    match (own, find(map, call)) {
        (None, found) => found.map(|(found, reason)| Choice {
            own,
            found: Some(found),
            reason,
        }),
        (Some(_), Ok((found, reason))) => Ok(Choice {
            own,
            found: Some(found),
            reason: format!("the deployment's own prices; others from the map: {reason}"),
        }),
        (Some(_), Err(_)) => Ok(Choice {
            own,
            found: None,
            reason: "the deployment's own prices".to_owned(),
        }),
    }
}

/// The entry for images of the asked size, quality and steps, else that of the plain model.
pub(crate) fn choose_image<'a>(
    map: &'a PriceMap,
    call: &Call<'a>,
    provider: Option<&str>,
) -> Option<Choice<'a>> {
    let units = call.units?;
    // A router makes no images itself.
    if router(map, call).is_some() {
        return None;
    }
    let picture = Picture {
        quality: units.quality.as_deref(),
        size: units.size.as_deref(),
        steps: units.steps.and_then(|steps| steps.to_u64()),
    };
    let model = call.base_model.unwrap_or(call.model);
    let found = map.resolve_picture(provider, model, picture)?;
    let own = call.overrides.and_then(Overrides::prices);
    let path = path(&found, model);
    Some(Choice {
        own,
        found: Some(found),
        reason: match own {
            Some(_) => format!("the deployment's own prices; others from the map: {path}"),
            None => path,
        },
    })
}

/// The fee entry, if the model is a router that finds another one.
pub(crate) fn router<'a>(map: &'a PriceMap, call: &Call<'_>) -> Option<&'a Entry> {
    let model = call.base_model.unwrap_or(call.model);
    let is_azure = call.provider == Some("azure_ai") || model.starts_with("azure_ai/");
    let is_router = is_azure && ROUTER_NAMES.iter().any(|name| model.contains(name));
    is_router.then(|| map.entry(ROUTER)).flatten()
}

fn find<'a>(map: &'a PriceMap, call: &Call<'_>) -> Result<(Resolved<'a>, String), String> {
    if router(map, call).is_some() {
        let answered = call.response_model.ok_or_else(|| {
            let model = call.model;
            format!("`{model}` has another model answer, and nobody says which")
        })?;
        let found = map.resolve(call.provider, answered);
        let found = found.ok_or_else(|| unknown(map, "model", call.provider, answered))?;
        let path = path(&found, answered);
        return Ok((found, format!("by the response's model, {path}")));
    }
    if let Some(base) = call.base_model {
        // Naming a base model of another provider is deliberate.
        let found = map
            .resolve_in(call.provider, call.place.region, base)
            .or_else(|| map.resolve(None, base));
        let found = found.ok_or_else(|| unknown(map, "base_model", None, base))?;
        return Ok((found, format!("base_model, {}", path(&found, base))));
    }
    let found = map
        .resolve_in(call.provider, call.place.region, call.model)
        .or_else(|| map.size_class(call.provider, call.model));
    if let Some(found) = found {
        return Ok((found, path(&found, call.model)));
    }
    let by_response = call.response_model.and_then(|model| {
        let found = map.resolve(call.provider, model)?;
        let path = path(&found, model);
        let reason = format!(
            "`{}` has no entry; by the response's model, {path}",
            call.model
        );
        Some((found, reason))
    });
    by_response.ok_or_else(|| unknown(map, "model", call.provider, call.model))
}

/// How a name led to its entry, in a few words.
fn path(found: &Resolved<'_>, asked: &str) -> String {
    match found.how {
        How::Exact => "exact".to_owned(),
        how => format!("`{asked}` {how}"),
    }
}

fn unknown(map: &PriceMap, what: &str, provider: Option<&str>, name: &str) -> String {
    let remedy = "set `base_model` or the deployment's own prices";
    let others = map.entry(name).and_then(Entry::provider).zip(provider);
    if let Some((theirs, provider)) = others {
        return format!("{what} `{name}` has prices of `{theirs}`, none of `{provider}`; {remedy}");
    }
    let near: Vec<String> = map
        .nearest(name, 3)
        .iter()
        .map(|near| format!("`{near}`"))
        .collect();
    if near.is_empty() {
        return format!("{what} `{name}` is not in the price map; {remedy}");
    }
    format!(
        "{what} `{name}` is not in the price map, near are {}; {remedy}",
        near.join(", ")
    )
}
