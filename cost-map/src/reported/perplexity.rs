//! Perplexity counts searches, sources and, beside the completion, reasoning.

use event::Usage;

use crate::reported::{ReportError, fields::Fields};

pub(super) fn is_dialect_of(provider: Option<&str>, fields: &Fields<'_>) -> bool {
    provider == Some("perplexity") || fields.has_any(&["num_search_queries"])
}

pub(super) fn amend(usage: &mut Usage, fields: &Fields<'_>) -> Result<(), ReportError> {
    // Its total leaves reasoning out, although it is on the bill.
    if let Some(reasoning) = fields.count(&["reasoning_tokens"])? {
        let answer = fields.count(&["completion_tokens"])?.unwrap_or_default();
        usage.completion_tokens = answer + reasoning;
    }
    Ok(())
}
