//! From tokens to dollars.

use event::{Class, Cost, CostStatus, Exact, LineItem, Usage, Usd};
use rust_decimal::Decimal;

use crate::{
    classes::Quantities,
    entry::{At, Entry, Price},
    keys::Tier,
    map::PriceMap,
    overrides::Overrides,
    resolve::{How, Resolved, provider_in},
    tiers::{Sheet, missing_key},
};

/// Everything the calculator needs to know about one call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The provider, by LiteLLM's name.
    pub provider: Option<&'a str>,
    /// The model as the provider was asked for it, with or without the provider in front.
    pub model: &'a str,
    /// The model to price by, where the deployment names one.
    pub base_model: Option<&'a str>,
    /// The model that the provider says answered.
    pub response_model: Option<&'a str>,
    /// The deployment's own prices.
    pub overrides: Option<&'a Overrides>,
    /// What was consumed.
    pub usage: &'a Usage,
    /// The service tier that was served; if the provider does not say, the one asked for.
    pub service_tier: Option<&'a str>,
    /// How long the call took, for deployments that are priced by time.
    pub duration_seconds: Option<Decimal>,
}

/// Prices a call.
///
/// Never fails: where there is no price the status is [`CostStatus::Unpriced`], there is no total,
/// and the reason says what to do. A call that consumed no tokens costs nothing, whatever its
/// model. Lower prices in off-peak hours are not applied, because there is no clock here.
#[must_use]
pub fn price(map: &PriceMap, call: &Call<'_>) -> Cost {
    let provider = call.provider.or_else(|| provider_in(map, call.model));
    // What xAI bills as completion is reported beside it, and its thresholds are reached, not
    // passed.
    let is_xai = provider == Some("xai");
    let quantities = Quantities::of(call.usage, is_xai);
    if quantities.consumed().next().is_none() {
        return Cost::nothing(map.version());
    }
    let choice = match choose(map, call) {
        Ok(choice) => choice,
        Err(reason) => return Cost::unpriced(map.version(), reason),
    };
    let tier = call.service_tier.map_or(Tier::Standard, Tier::named);
    let at = At {
        prompt: quantities.prompt,
        tier,
        inclusive: is_xai,
    };
    let sheet = Sheet::new(choice.own, choice.found.map(|found| found.entry), at);
    let billed = match sheet.price_of_second() {
        Some(price) => by_time(price, call.duration_seconds),
        None => by_tokens(&sheet, &quantities),
    };
    let billed = billed.and_then(|items| Ok((total(&items)?, items)));
    let entry = choice.found.map(|found| found.name.to_owned());
    match billed {
        Ok((total, items)) => Cost {
            status: CostStatus::Priced,
            total: Some(total),
            items,
            price_map: map.version().to_owned(),
            entry,
            reason: Some(choice.reason),
        },
        Err(gap) => {
            let name = entry.as_deref().unwrap_or(call.model);
            let reason = gap.explain(name);
            Cost {
                entry,
                ..Cost::unpriced(map.version(), reason)
            }
        }
    }
}

/// The prices that a call is billed by, and why these.
struct Choice<'a> {
    own: Option<&'a Entry>,
    found: Option<Resolved<'a>>,
    reason: String,
}

/// The deployment's own prices, then those of its base model, its model, or the model that
/// answered. If there are none, why.
fn choose<'a>(map: &'a PriceMap, call: &Call<'a>) -> Result<Choice<'a>, String> {
    let own = call.overrides.and_then(Overrides::prices);
    match (own, find(map, call)) {
        (None, found) => found.map(|(found, reason)| Choice {
            own,
            found: Some(found),
            reason,
        }),
        (Some(_), Ok((found, reason))) => {
            let reason = format!("the deployment's own prices; others from the map: {reason}");
            Ok(Choice {
                own,
                found: Some(found),
                reason,
            })
        }
        (Some(_), Err(_)) => Ok(Choice {
            own,
            found: None,
            reason: "the deployment's own prices".to_owned(),
        }),
    }
}

fn find<'a>(map: &'a PriceMap, call: &Call<'_>) -> Result<(Resolved<'a>, String), String> {
    if let Some(base) = call.base_model {
        // Naming a base model of another provider is deliberate.
        let found = map
            .resolve(call.provider, base)
            .or_else(|| map.resolve(None, base));
        let found = found.ok_or_else(|| unknown(map, "base_model", None, base))?;
        return Ok((found, format!("base_model, {}", path(&found, base))));
    }
    if let Some(found) = map.resolve(call.provider, call.model) {
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

/// Why there is no bill although there is an entry.
enum Gap {
    Keys(Vec<&'static str>),
    Duration,
    Digits,
}

impl Gap {
    fn explain(&self, name: &str) -> String {
        match self {
            Self::Keys(keys) => {
                let keys = keys.join("`, `");
                format!("`{name}` has no `{keys}`; set it among the deployment's own prices")
            }
            Self::Duration => format!("`{name}` is priced by the second, and no duration is known"),
            Self::Digits => format!("the cost by `{name}` is beyond what can be added up exactly"),
        }
    }
}

fn by_time(price: &Price, duration: Option<Decimal>) -> Result<Vec<LineItem>, Gap> {
    let duration = duration
        .filter(|seconds| *seconds > Decimal::ZERO)
        .ok_or(Gap::Duration)?;
    Ok(vec![line(Class::Seconds, duration.normalize(), price)?])
}

fn by_tokens(sheet: &Sheet<'_>, quantities: &Quantities) -> Result<Vec<LineItem>, Gap> {
    let mut items = Vec::with_capacity(quantities.consumed().count());
    let mut missing = Vec::new();
    for (class, quantity) in quantities.consumed() {
        match sheet.price(class) {
            Some(price) => items.push(line(class, quantity.into(), price)?),
            None => missing.push(missing_key(class)),
        }
    }
    missing.dedup();
    if missing.is_empty() {
        Ok(items)
    } else {
        Err(Gap::Keys(missing))
    }
}

fn line(class: Class, quantity: Decimal, price: &Price) -> Result<LineItem, Gap> {
    Ok(LineItem {
        class,
        quantity: Exact(quantity),
        unit_price: Exact(price.amount),
        amount: Exact(product(quantity, price.amount).ok_or(Gap::Digits)?),
        key: price.key.as_ref().to_owned(),
    })
}

/// The exact product, or nothing: multiplying two `Decimal`s would round what does not fit.
fn product(a: Decimal, b: Decimal) -> Option<Decimal> {
    let mantissa = a.mantissa().checked_mul(b.mantissa())?;
    Decimal::try_from_i128_with_scale(mantissa, a.scale().checked_add(b.scale())?).ok()
}

/// The exact sum, rounded once.
fn total(items: &[LineItem]) -> Result<Usd, Gap> {
    let scale = items
        .iter()
        .map(|item| item.amount.0.scale())
        .max()
        .unwrap_or_default();
    let mut mantissas = items.iter().map(
        |LineItem {
             amount: Exact(amount),
             ..
         }| {
            10_i128
                .checked_pow(scale - amount.scale())?
                .checked_mul(amount.mantissa())
        },
    );
    let sum = mantissas.try_fold(0_i128, |sum, mantissa| sum.checked_add(mantissa?));
    sum.and_then(|sum| Decimal::try_from_i128_with_scale(sum, scale).ok())
        .and_then(|sum| Usd::round(sum).ok())
        .ok_or(Gap::Digits)
}
