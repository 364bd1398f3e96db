//! Several keys at once: their fields, their names; and how the caller's own key fares.

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use super::{Info, find, forbidden, sees};
use crate::{
    api::{Shared, answer::Refusal},
    clock,
    entities::{self, Filter, Key},
    management::{
        caller::Who,
        edit,
        form::Form,
        query::Query,
        shown::{self, Shown},
    },
};

/// Changes several keys: all of them, or none.
pub(in crate::management) async fn bulk_update(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Line {
        key: String,
        key_info: Shown<Key>,
    }
    #[derive(Serialize)]
    struct Body {
        total_requested: usize,
        successful_updates: Vec<Line>,
        failed_updates: [(); 0],
    }
    let parts = form.parts("keys")?;
    let answer = form.finish()?;
    let changed = edit::each::<Key>(&api, &caller, parts).await?;
    let keys = changed.into_iter().map(|(_, key)| key).collect();
    let line = |key_info: Shown<Key>| Line {
        key: key_info.row.id.clone(),
        key_info,
    };
    let shown = shown::all(&api.books, keys).await?;
    Ok(answer.json(&Body {
        total_requested: shown.len(),
        successful_updates: shown.into_iter().map(line).collect(),
        failed_updates: [],
    }))
}

/// What is known of several keys.
pub(in crate::management) async fn info_of_several(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Body {
        key: Vec<String>,
        info: Vec<Info>,
    }
    let named = form.texts("keys")?.required("keys")?;
    let answer = form.finish()?;
    let now = clock::now();
    let mut keys = Vec::with_capacity(named.len());
    for name in &named {
        let key = find(&api, name).await?;
        if !sees(&api, &caller, &key).await? {
            return Err(forbidden());
        }
        keys.push(key);
    }
    let info = |shown: Shown<Key>| Info {
        status: shown.row.status(now),
        shown,
    };
    let shown = shown::all(&api.books, keys).await?;
    Ok(answer.json(&Body {
        key: shown.iter().map(|shown| shown.row.id.clone()).collect(),
        info: shown.into_iter().map(info).collect(),
    }))
}

/// The names of keys, newest first: of all, or of the caller's own.
pub(in crate::management) async fn aliases(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Body {
        aliases: Vec<String>,
        total_count: u64,
        current_page: u32,
        total_pages: u64,
        size: u32,
    }
    let wanted = query.wanted("size", 50)?;
    let mut filter = Filter::default().having("key_alias");
    if let Some(part) = query.text("search")? {
        filter = filter.containing("key_alias", part);
    }
    if let Some(team) = query.text("team_id")? {
        filter = filter.with("team_id", team);
    }
    query.finish()?;
    if !caller.sees_all() {
        let own = caller.user_id().ok_or_else(|| caller.refusal())?;
        filter = filter.with("user_id", own);
    }
    let total_count = entities::count::<Key>(&api.books, &filter).await?;
    let rows: Vec<Key> = entities::page(&api.books, &filter, wanted.page()).await?;
    let body = Body {
        aliases: rows.into_iter().filter_map(|key| key.key_alias).collect(),
        total_count,
        current_page: wanted.number,
        total_pages: wanted.pages(total_count),
        size: wanted.size,
    };
    Ok(Json(body).into_response())
}

/// That the caller's key works: whoever gets here has one that does. Sinks tell how they fare at
/// `/sinks`.
pub(in crate::management) async fn health(form: Form) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Logging {
        callbacks: [(); 0],
        status: &'static str,
        details: &'static str,
    }
    #[derive(Serialize)]
    struct Body {
        key: &'static str,
        logging_callbacks: Logging,
    }
    let answer = form.finish()?;
    Ok(answer.json(&Body {
        key: "healthy",
        logging_callbacks: Logging {
            callbacks: [],
            status: "healthy",
            details: "a key has no callbacks of its own: events go to the configured sinks",
        },
    }))
}
