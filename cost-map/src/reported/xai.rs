//! xAI counts reasoning beside the completion, states its price in ticks, and counts searches.

use event::{Exact, Usage};
use rust_decimal::Decimal;

use crate::reported::{ReportError, fields::Fields, openai::beyond};

/// A tick is 10⁻¹⁰ USD.
const TICK_SCALE: u32 = 10;

pub(super) fn amend(
    usage: &mut Usage,
    provider: Option<&str>,
    fields: &Fields<'_>,
) -> Result<(), ReportError> {
    if let Some(ticks) = fields.count(&["cost_in_usd_ticks"])? {
        let cost = Decimal::try_from_i128_with_scale(ticks.into(), TICK_SCALE).ok();
        usage.cost = usage.cost.or(cost.map(Exact));
    }
    if let Some(tools) = fields.object(&["server_side_tool_usage_details"])?
        && let Some(searches) = tools.count(&["web_search_calls"])?
    {
        let details = usage.prompt_tokens_details.get_or_insert_default();
        details.web_search_requests = details.web_search_requests.or(Some(searches));
    }
    // Without a prompt, what the total has beyond the completion is the prompt.
    if provider == Some("xai") && usage.prompt_tokens > 0 {
        let details = usage.completion_tokens_details.as_ref();
        let reasoning = details.and_then(|details| details.reasoning_tokens);
        usage.completion_tokens += reasoning.unwrap_or_default().min(beyond(usage));
        // What the total still has beyond is nobody's, and must not be taken for reasoning again.
        if reasoning.is_some() {
            usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
        }
    }
    Ok(())
}
