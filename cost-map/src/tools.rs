//! Tools that the provider ran, and what it asks for them besides tokens.

use event::Class;
use rust_decimal::Decimal;

use crate::{
    bill::Bill,
    calculate::Case,
    entry::Price,
    units::{line, some},
};

/// USD for one, and the key that a bill names.
type Default = (Decimal, &'static str);

const GEMINI_SEARCH: Default = (
    Decimal::from_parts(35, 0, 0, false, 3),
    "default.gemini.web_search",
);
const XAI_SEARCH: Default = (
    Decimal::from_parts(5, 0, 0, false, 3),
    "default.xai.web_search",
);
const MAPS_BY_PROMPT: Default = (
    Decimal::from_parts(25, 0, 0, false, 3),
    "default.gemini.maps",
);
const MAPS_BY_QUERY: Default = (
    Decimal::from_parts(14, 0, 0, false, 3),
    "default.gemini.maps",
);
const FILE_SEARCH: Default = (
    Decimal::from_parts(25, 0, 0, false, 4),
    "default.openai.file_search",
);
const COMPUTER_INPUT: Default = (
    Decimal::from_parts(3, 0, 0, false, 6),
    "default.azure.computer_use_input",
);
const COMPUTER_OUTPUT: Default = (
    Decimal::from_parts(12, 0, 0, false, 6),
    "default.azure.computer_use_output",
);

/// Adds a line for each tool that was used.
pub(crate) fn charge(case: &Case<'_>, bill: &mut Bill) {
    web_search(case, bill);
    if case.call.units.is_some() {
        maps(case, bill);
        file_search(case, bill);
        code_interpreter(case, bill);
        computer_use(case, bill);
    }
    let reported = || case.call.usage.citation_tokens.map(Decimal::from);
    let citations = case.units.citation_tokens.or_else(reported);
    let price = some(citations).and_then(|_| case.sheet.unit("citation_cost_per_token"));
    if let (Some(tokens), Some(price)) = (citations, price) {
        line(bill, Class::Citations, tokens, price);
    }
}

/// Web searches, where the usage says them.
fn searches(case: &Case<'_>) -> Option<Decimal> {
    let usage = case.call.usage;
    let tools = usage.server_tool_use.as_ref();
    let details = usage.prompt_tokens_details.as_ref();
    let reported = tools
        .and_then(|tools| tools.web_search_requests)
        .max(details.and_then(|details| details.web_search_requests))
        .max(usage.num_search_queries);
    let stated = case.units.web_search_requests;
    some(stated.or_else(|| reported.map(Decimal::from)))
}

fn web_search(case: &Case<'_>, bill: &mut Bill) {
    let Some(searches) = searches(case) else {
        return;
    };
    let default = if case.provider == Some("perplexity") {
        "low"
    } else {
        "medium"
    };
    let size = case.units.search_context_size.as_deref();
    let size = size.map_or(default, |size| match size {
        "low" | "high" => size,
        _ => "medium",
    });
    let price = [size, "medium", "low", "high"].iter().find_map(|size| {
        let key = format!("search_context_cost_per_query.search_context_size_{size}");
        case.sheet.unit(&key)
    });
    let quantity = charges(case, searches);
    if let Some(price) = price {
        line(bill, Class::WebSearches, quantity, price);
    } else if is_gemini(case) {
        add(bill, Class::WebSearches, quantity, GEMINI_SEARCH);
    } else if case.provider == Some("xai") {
        add(bill, Class::WebSearches, quantity, XAI_SEARCH);
    } else {
        bill.missing("search_context_cost_per_query");
    }
}

fn maps(case: &Case<'_>, bill: &mut Bill) {
    let Some(queries) = some(case.units.google_maps_queries) else {
        return;
    };
    let key = "google_maps_grounding_cost_per_query";
    let quantity = charges(case, queries);
    if let Some(price) = case.sheet.unit(key) {
        line(bill, Class::MapsQueries, quantity, price);
    } else if is_gemini(case) {
        let default = if per_prompt(case) {
            MAPS_BY_PROMPT
        } else {
            MAPS_BY_QUERY
        };
        add(bill, Class::MapsQueries, quantity, default);
    } else {
        bill.missing(key);
    }
}

fn file_search(case: &Case<'_>, bill: &mut Bill) {
    let Some(calls) = some(case.units.file_search_calls) else {
        return;
    };
    let key = "file_search_cost_per_1k_calls";
    if let Some(price) = case.sheet.unit(key) {
        line_per_thousand(bill, Class::FileSearches, calls, price);
    } else if matches!(case.provider, Some("openai" | "azure")) {
        add(bill, Class::FileSearches, calls, FILE_SEARCH);
    } else {
        bill.missing(key);
    }
}

fn code_interpreter(case: &Case<'_>, bill: &mut Bill) {
    let Some(sessions) = some(case.units.code_interpreter_sessions) else {
        return;
    };
    let key = "code_interpreter_cost_per_session";
    let of_provider = || {
        let container = case.map.entry(&format!("{}/container", case.provider?))?;
        container.at(case.call.at).prices.get(key)
    };
    match case.sheet.unit(key).or_else(of_provider) {
        Some(price) => line(bill, Class::Sessions, sessions, price),
        None => bill.missing(key),
    }
}

fn computer_use(case: &Case<'_>, bill: &mut Bill) {
    let sides = [
        (
            case.units.computer_use_input_tokens,
            Class::ComputerInput,
            "computer_use_input_cost_per_1k_tokens",
            COMPUTER_INPUT,
        ),
        (
            case.units.computer_use_output_tokens,
            Class::ComputerOutput,
            "computer_use_output_cost_per_1k_tokens",
            COMPUTER_OUTPUT,
        ),
    ];
    for (tokens, class, key, default) in sides {
        let Some(tokens) = some(tokens) else {
            continue;
        };
        if let Some(price) = case.sheet.unit(key) {
            line_per_thousand(bill, class, tokens, price);
        } else if case.provider == Some("azure") {
            add(bill, class, tokens, default);
        }
    }
}

/// However many there were, some providers charge once for a prompt.
fn charges(case: &Case<'_>, count: Decimal) -> Decimal {
    if per_prompt(case) {
        Decimal::ONE
    } else {
        count
    }
}

/// Google's models charge by the prompt unless their entries say otherwise.
fn per_prompt(case: &Case<'_>) -> bool {
    let mut said = case
        .sheet
        .entries()
        .filter_map(|entry| entry.searches_per_prompt);
    said.next().unwrap_or_else(|| is_gemini(case))
}

fn is_gemini(case: &Case<'_>) -> bool {
    let is_vertex = || {
        case.provider
            .is_some_and(|name| name.starts_with("vertex_ai"))
    };
    case.provider == Some("gemini") || (is_vertex() && case.name.contains("gemini"))
}

fn line_per_thousand(bill: &mut Bill, class: Class, quantity: Decimal, price: &Price) {
    match crate::bill::product(price.amount, Decimal::new(1, 3)) {
        Some(each) => bill.line(class, quantity.normalize(), each, &*price.key),
        None => bill.inexact(),
    }
}

fn add(bill: &mut Bill, class: Class, quantity: Decimal, (each, key): Default) {
    bill.line(class, quantity.normalize(), each, key);
}
