//! `/spend/logs` in its three forms, and the explanation of one call.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use event::{Status, Usd};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Api, Shared,
    answer::Refusal,
    asked,
    dates::{self, When, number},
    row::{Explanation, Row},
};
use crate::{
    books::{Activity, Filter, Label, Page, Span},
    management::caller::{Caller, Who},
};

/// Rows of a page, at most and by default.
const PAGE_SIZE_MAX: u32 = 1000;
const PAGE_SIZE: u32 = 100;
/// Rows of a plain list, at most, as in LiteLLM.
const ROWS_MAX: u32 = 10_000;
/// Days of a summary, at most.
const DAYS_MAX: i64 = 3660;

/// What may be asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    request_id: Option<String>,
    api_key: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    end_user: Option<String>,
    model: Option<String>,
    key_alias: Option<String>,
    error_code: Option<String>,
    session_id: Option<String>,
    min_spend: Option<String>,
    max_spend: Option<String>,
    status: Option<String>,
    status_filter: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    summarize: Option<String>,
    page: Option<u32>,
    page_size: Option<u32>,
}

#[derive(Serialize)]
struct Paged {
    data: Vec<Row>,
    total: i64,
    page: u32,
    page_size: u32,
    total_pages: i64,
}

/// Spend of one day, as LiteLLM summarises it.
#[derive(Debug, Default, Serialize)]
struct Summary {
    #[serde(rename = "startTime")]
    day: String,
    spend: Usd,
    users: BTreeMap<String, Usd>,
    models: BTreeMap<String, Usd>,
}

type Asking = Result<Query<Asked>, QueryRejection>;

/// A filter that is not known is refused: ignoring it would show calls that were not asked for.
fn read(query: Asking) -> Result<Asked, Refusal> {
    let refused = |error: QueryRejection| Refusal::bad_request("query", &error.body_text());
    query.map(|Query(asked)| asked).map_err(refused)
}

/// A plain list, newest first; with dates a summary by day; with a page the paged form. Who does
/// not see all sees what is their own.
pub(super) async fn logs(
    State(api): Shared,
    Extension(caller): Who,
    query: Asking,
) -> Result<Response, Refusal> {
    let asked = read(query)?;
    if asked.page.is_some() || asked.page_size.is_some() {
        return page(&api, &caller, &asked).await;
    }
    let filter = asked.filter()?;
    let plain = asked
        .summarize
        .as_deref()
        .is_some_and(|text| text.eq_ignore_ascii_case("false"));
    let others = Filter {
        from: None,
        before: None,
        ..filter.clone()
    } != Filter::default();
    if let (Some(from), Some(to), false, false) =
        (&asked.start_date, &asked.end_date, plain, others)
    {
        let days = (
            dates::read("start_date", from)?,
            dates::read("end_date", to)?,
        );
        return summary(&api, &caller, days).await;
    }
    let filter = filter.seen_by(&caller)?;
    let page = Page {
        skip: 0,
        take: ROWS_MAX,
    };
    let calls = api.books.calls(&filter, page).await?;
    let rows: Vec<Row> = calls.into_iter().map(Row::from).collect();
    Ok(Json(rows).into_response())
}

/// A page of rows, newest first.
pub(super) async fn paged(
    State(api): Shared,
    Extension(caller): Who,
    query: Asking,
) -> Result<Response, Refusal> {
    page(&api, &caller, &read(query)?).await
}

async fn page(api: &Api, caller: &Caller, asked: &Asked) -> Result<Response, Refusal> {
    let filter = asked.filter()?.seen_by(caller)?;
    let page = asked.page.unwrap_or(1);
    let page_size = asked.page_size.unwrap_or(PAGE_SIZE);
    if page == 0 {
        return Err(Refusal::bad_request("page", "pages are counted from 1"));
    }
    if page_size == 0 || page_size > PAGE_SIZE_MAX {
        return Err(Refusal::bad_request(
            "page_size",
            "a page has 1 to 1000 rows",
        ));
    }
    let skip = (page - 1).saturating_mul(page_size);
    let total = api.books.count(&filter).await?;
    let calls = api
        .books
        .calls(
            &filter,
            Page {
                skip,
                take: page_size,
            },
        )
        .await?;
    let data = calls.into_iter().map(Row::from).collect();
    let total_pages = total.saturating_add(i64::from(page_size) - 1) / i64::from(page_size);
    Ok(Json(Paged {
        data,
        total,
        page,
        page_size,
        total_pages,
    })
    .into_response())
}

/// How the cost of one call came about.
pub(super) async fn explain(
    State(api): Shared,
    Extension(caller): Who,
    Path(call_id): Path<String>,
) -> Result<Response, Refusal> {
    let filter = Filter {
        request_id: Some(call_id),
        ..Filter::default()
    };
    let filter = filter.seen_by(&caller)?;
    let calls = api.books.calls(&filter, Page { skip: 0, take: 1 }).await?;
    let call = calls.into_iter().next();
    let call = call.ok_or_else(|| Refusal::not_found("no such call in the books"))?;
    let steps = match call.revision {
        0 => Vec::new(),
        _ => api.books.corrections(&call.origin()).await?,
    };
    Ok(Json(Explanation::of(call, steps)).into_response())
}

/// Every day of the range, those without calls as well.
async fn summary(
    api: &Api,
    caller: &Caller,
    (from, to): (When, When),
) -> Result<Response, Refusal> {
    let (first, last) = (number(from.day()), number(to.day()));
    if last.saturating_sub(first) > DAYS_MAX {
        return Err(Refusal::bad_request(
            "end_date",
            "a summary covers ten years at most",
        ));
    }
    let summary = |day: i64| Summary {
        day: dates::day(day).to_string(),
        ..Summary::default()
    };
    let mut days: BTreeMap<i64, Summary> = (first..=last).map(|day| (day, summary(day))).collect();
    let labels = [Label::Day, Label::User, Label::Model];
    let (whose, span) = (asked::whose(caller), Span { first, last });
    let rows = api.books.activity(&whose, span, &labels, asked::ROWS_MAX);
    for Activity { labels, counts } in asked::whole(rows.await?)? {
        let Ok([day, user, model]) = <[String; 3]>::try_from(labels) else {
            continue;
        };
        let Some(day) = day.parse().ok().and_then(|day: i64| days.get_mut(&day)) else {
            continue;
        };
        day.spend += counts.cost;
        *day.models.entry(model).or_default() += counts.cost;
        if !user.is_empty() {
            *day.users.entry(user).or_default() += counts.cost;
        }
    }
    let days: Vec<Summary> = days.into_values().collect();
    Ok(Json(days).into_response())
}

impl Filter {
    /// The same, as far as the asker sees it.
    fn seen_by(mut self, caller: &Caller) -> Result<Self, Refusal> {
        if caller.sees_all() {
            return Ok(self);
        }
        let (asked, own) = match (caller.user_id(), caller.key()) {
            (Some(user), _) => (&mut self.user_id, user),
            (None, Some(key)) => (&mut self.api_key, &*key.id),
            (None, None) => return Err(caller.refusal()),
        };
        caller.must(asked.as_deref().is_none_or(|asked| asked == own))?;
        *asked = Some(own.to_owned());
        Ok(self)
    }
}

impl Asked {
    fn filter(&self) -> Result<Filter, Refusal> {
        let from = self
            .start_date
            .as_deref()
            .map(|text| dates::read("start_date", text))
            .transpose()?;
        let before = self
            .end_date
            .as_deref()
            .map(|text| dates::read("end_date", text))
            .transpose()?;
        let status = match self.status.as_deref().or(self.status_filter.as_deref()) {
            None | Some("") => None,
            Some("success") => Some(Status::Success),
            Some("failure") => Some(Status::Failure),
            Some(_) => return Err(Refusal::bad_request("status", "`success` or `failure`")),
        };
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(Filter {
            request_id: given(&self.request_id),
            api_key: given(&self.api_key).map(|key| hashed(&key)),
            user_id: given(&self.user_id),
            team_id: given(&self.team_id),
            end_user: given(&self.end_user),
            key_alias: given(&self.key_alias),
            error_code: given(&self.error_code),
            session_id: given(&self.session_id),
            min_spend: amount("min_spend", self.min_spend.as_deref())?,
            max_spend: amount("max_spend", self.max_spend.as_deref())?,
            model: given(&self.model),
            status,
            from: from.map(When::start),
            before: before.map(When::end),
        })
    }
}

/// An amount in US dollars.
fn amount(param: &'static str, text: Option<&str>) -> Result<Option<Usd>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let expected = "an amount in US dollars, such as `0.01`";
    let read = text.parse().ok().filter(|usd| *usd >= Usd::ZERO);
    let read = read.ok_or_else(|| Refusal::bad_request(param, expected));
    read.map(Some)
}

/// Keys stand in the books by their hash; a key itself is hashed first.
pub(super) fn hashed(key: &str) -> String {
    if !key.starts_with("sk-") {
        return key.to_owned();
    }
    Sha256::digest(key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
