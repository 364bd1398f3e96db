//! `/audit/entities`: who changed which entity, what it was and became.

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use super::{caller::Who, query::Query};
use crate::{
    api::{Shared, answer::Refusal},
    entities::{self, Audited, Filter},
};

/// The parameters, and the columns that they ask for.
const FILTERS: [(&str, &str); 4] = [
    ("table_name", "entity"),
    ("object_id", "id"),
    ("action", "action"),
    ("changed_by_api_key", "actor"),
];

/// The changes that fit, newest first.
pub(super) async fn list(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let wanted = query.wanted("page_size", 10)?;
    let mut filter = Filter::default();
    for (parameter, column) in FILTERS {
        if let Some(value) = query.text(parameter)? {
            filter = filter.with(column, value);
        }
    }
    query.finish()?;
    let (audit_logs, total) = entities::trail(&api.books, &filter, wanted.page()).await?;
    #[derive(Serialize)]
    struct Body {
        audit_logs: Vec<Audited>,
        total: u64,
        page: u32,
        page_size: u32,
        total_pages: u64,
    }
    Ok(Json(Body {
        audit_logs,
        total,
        page: wanted.number,
        page_size: wanted.size,
        total_pages: wanted.pages(total),
    })
    .into_response())
}
