//! From what was consumed to dollars.

use event::{Class, Cost, CostStatus, Exact, Unpriced};
use rust_decimal::Decimal;

use crate::{
    bill::Bill,
    call::{Call, Kind, Units, is_batch},
    choose::{Choice, choose, choose_image, router},
    classes::Quantities,
    keys::Tier,
    map::PriceMap,
    multipliers,
    overrides::Overrides,
    resolve::{family, provider_in},
    tiers::{At, Sheet},
    tools, units,
};

/// A call together with the prices that it is billed by.
pub(crate) struct Case<'a> {
    pub(crate) map: &'a PriceMap,
    pub(crate) call: &'a Call<'a>,
    /// The provider, by LiteLLM's name, if it is known.
    pub(crate) provider: Option<&'a str>,
    pub(crate) units: &'a Units,
    pub(crate) quantities: &'a Quantities,
    pub(crate) sheet: Sheet<'a>,
    pub(crate) tier: Tier,
    pub(crate) kind: Kind,
    /// The name of the entry, or where there is none of the model.
    pub(crate) name: &'a str,
    /// Whether the call itself says of what kind it is.
    pub(crate) kind_is_stated: bool,
    /// Whether the model's images are priced by the token.
    pub(crate) tokens_of_images: bool,
}

impl Case<'_> {
    /// Whether the call is a stream, which takes as long as it says and not until it is answered.
    pub(crate) fn is_stream(&self) -> bool {
        let mut entries = self.sheet.entries();
        entries.any(|entry| entry.mode() == Some("realtime"))
    }
}

/// Prices a call.
///
/// Never fails: where there is no price the status is [`CostStatus::Unpriced`], there is no total,
/// and the reason says what to do. A call that consumed nothing costs nothing, whatever its model.
/// The rules stand in `RULES.md`.
#[must_use]
pub fn price(map: &PriceMap, call: &Call<'_>) -> Cost {
    let provider = call.provider.or_else(|| provider_in(map, call.model));
    // What xAI bills as completion is reported beside it.
    let quantities = Quantities::of(call.usage, provider == Some("xai"));
    let stated = call.call_type.map(Kind::of_call_type);
    let units = call.units.unwrap_or(Units::NONE);
    if let Some(Exact(cost)) = reported(call, provider) {
        let mut bill = Bill::default();
        bill.line(Class::Reported, cost, Decimal::ONE, "usage.cost");
        let why = "as the provider reported it".to_owned();
        return finish(map, call, provider, (bill, None, why));
    }
    if !is_any_consumed(call, &quantities, units, stated) {
        return nothing(map, call);
    }
    if let Some(bill) = free(call, provider, stated) {
        return finish(map, call, provider, (bill, None, FREE.to_owned()));
    }
    match case(map, call, provider, (&quantities, units, stated)) {
        Ok((case, choice)) => {
            if let Some(bill) = free(call, case.provider, Some(case.kind)) {
                return finish(map, call, provider, (bill, None, FREE.to_owned()));
            }
            let entry = choice.found.map(|found| found.name);
            let mut bill = Bill::of_lines(quantities.count());
            if units::charge(&case, &mut bill) {
                multipliers::apply(&case, &mut bill);
            }
            tools::charge(&case, &mut bill);
            let fee = router(map, call);
            let fee = fee.and_then(|entry| entry.at(call.at).prices.get("input_cost_per_token"));
            if let Some(fee) = fee.filter(|_| quantities.prompt > 0) {
                let key = format!("azure_ai/model_router.{}", fee.key);
                bill.line(Class::RouterFee, quantities.prompt.into(), fee.amount, key);
            }
            finish(map, call, provider, (bill, entry, choice.reason))
        }
        Err(reason) => Cost::unpriced(map.version(), Unpriced::NoSuchModel, reason),
    }
}

/// The cost of nothing, unless the provider asks for something all the same.
fn nothing(map: &PriceMap, call: &Call<'_>) -> Cost {
    match call.usage.cost {
        Some(cost) if cost > Exact::default() => {
            let reason = format!(
                "the provider asks {cost} USD and does not say for what; set the deployment's own \
                 prices and have it report its usage"
            );
            Cost::unpriced(map.version(), Unpriced::NoUsage, reason)
        }
        _ => Cost::nothing(map.version()),
    }
}

/// What the provider itself asks for the call, where it bills by what it reports.
fn reported(call: &Call<'_>, provider: Option<&str>) -> Option<Exact> {
    let bills_so = matches!(provider, Some("xai" | "perplexity"));
    let own = call.overrides.and_then(Overrides::prices);
    call.usage.cost.filter(|_| bills_so && own.is_none())
}

const FREE: &str = "free, as the provider says";

/// A line of nothing, where OpenAI charges nothing.
fn free(call: &Call<'_>, provider: Option<&str>, kind: Option<Kind>) -> Option<Bill> {
    let is_openai = provider == Some("openai");
    let is_own = || {
        let names = ["omni-moderation", "text-moderation"];
        provider.is_none() && names.iter().any(|name| call.model.starts_with(name))
    };
    let key = match kind {
        Some(Kind::Moderation) if is_openai || is_own() => "default.openai.moderation",
        Some(Kind::VectorStore) if is_openai => "default.openai.vector_store_search",
        _ => return None,
    };
    let own = call.overrides.and_then(Overrides::prices);
    own.is_none().then(|| {
        let mut bill = Bill::default();
        bill.line(Class::Requests, Decimal::ONE, Decimal::ZERO, key);
        bill
    })
}

fn is_any_consumed(
    call: &Call<'_>,
    quantities: &Quantities,
    units: &Units,
    kind: Option<Kind>,
) -> bool {
    quantities.consumed().next().is_some()
        || kind.is_some_and(|kind| kind.consumes_by_default(units, call.usage))
        || call.usage.has_units()
        || units.any()
}

/// Finds the prices of a call.
pub(crate) fn case<'a>(
    map: &'a PriceMap,
    call: &'a Call<'a>,
    provider: Option<&'a str>,
    (quantities, units, stated): (&'a Quantities, &'a Units, Option<Kind>),
) -> Result<(Case<'a>, Choice<'a>), String> {
    let tier = call.service_tier.map_or(Tier::Standard, Tier::named);
    let tier = if is_batch(call) { Tier::Batch } else { tier };
    let details = call.usage.prompt_tokens_details.as_ref();
    let cache_type = details.and_then(|details| details.cache_type.as_deref());
    let at = At {
        prompt: call.prompt_length.unwrap_or(quantities.prompt),
        tier,
        // xAI's thresholds are reached, not passed.
        inclusive: provider == Some("xai"),
        explicit_cache: cache_type == Some("ephemeral"),
        half_for_cached: provider.is_some_and(|name| name.starts_with("fireworks_ai")),
        instant: call.at,
    };
    let sheet = |choice: &Choice<'a>| {
        let entry = choice.found.map(|found| found.entry);
        Sheet::new(choice.own, entry, at)
    };
    let plain = choose(map, call).map(|choice| (sheet(&choice), choice));
    let mode = |(_, choice): &(_, Choice<'a>)| choice.found.and_then(|found| found.entry.mode());
    let kind = stated.unwrap_or_else(|| match &plain {
        Ok(plain) => Kind::of_mode(mode(plain)),
        Err(_) => Kind::Images,
    });
    let by_tokens = |(sheet, _): &(Sheet<'_>, _)| units::by_tokens(sheet);
    let tokens_of_images = kind == Kind::Images
        && plain.as_ref().is_ok_and(by_tokens)
        && quantities.consumed().next().is_some();
    let variant = (kind == Kind::Images && !tokens_of_images)
        .then(|| choose_image(map, call, provider))
        .flatten();
    let (sheet, choice) = match variant {
        Some(choice) => (sheet(&choice), choice),
        None => plain?,
    };
    let case = Case {
        map,
        call,
        provider,
        units,
        quantities,
        sheet,
        tier,
        kind,
        name: choice.found.map_or(call.model, |found| found.name),
        kind_is_stated: stated.is_some(),
        tokens_of_images,
    };
    Ok((case, choice))
}

/// Adds discount and margin, and adds everything up.
fn finish(
    map: &PriceMap,
    call: &Call<'_>,
    provider: Option<&str>,
    (mut bill, entry, reason): (Bill, Option<&str>, String),
) -> Cost {
    if let Some(adjustments) = call
        .adjustments
        .filter(|all| !all.is_empty() && !bill.is_short())
    {
        let of_entry = || map.entry(entry?)?.provider().map(family);
        let provider = provider.or_else(of_entry);
        let names: Vec<&str> = [Some(call.model), entry, provider]
            .into_iter()
            .flatten()
            .collect();
        adjustments.apply(&mut bill, &names);
    }
    let entry = entry.map(str::to_owned);
    match bill.total() {
        Ok((total, items)) => Cost {
            status: CostStatus::Priced,
            total: Some(total),
            items,
            price_map: map.version().to_owned(),
            entry,
            reason: Some(reason),
            unpriced: None,
        },
        Err(gap) => {
            let name = entry.as_deref().unwrap_or(call.model);
            let reason = gap.explain(name);
            Cost {
                entry,
                ..Cost::unpriced(map.version(), gap.kind(), reason)
            }
        }
    }
}
