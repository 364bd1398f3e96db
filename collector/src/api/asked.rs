//! What routes of spend are asked for: which days, and whose.

use super::{
    answer::Refusal,
    dates::{self, number},
};
use crate::{
    books::{Label, Span, Whose},
    management::{caller::Caller, query::Query},
};

/// Days of an answer, at most.
const DAYS_MAX: i64 = 3660;

/// The days from `start_date` to `end_date`; `None` if neither is there.
pub(super) fn span(query: &mut Query) -> Result<Option<Span>, Refusal> {
    let (from, to) = (query.text("start_date")?, query.text("end_date")?);
    let (from, to) = match (from, to) {
        (None, None) => return Ok(None),
        (Some(from), Some(to)) => (from, to),
        (None, Some(_)) => return Err(missing("start_date")),
        (Some(_), None) => return Err(missing("end_date")),
    };
    let first = number(dates::read("start_date", &from)?.day());
    let last = number(dates::read("end_date", &to)?.day());
    if last < first {
        let message = "`end_date` has to be on or after `start_date`";
        return Err(Refusal::bad_request("end_date", message));
    }
    if last - first >= DAYS_MAX {
        let message = format!("`start_date` to `end_date` has to be at most {DAYS_MAX} days");
        return Err(Refusal::bad_request("end_date", &message));
    }
    Ok(Some(Span { first, last }))
}

/// The same where they have to be there.
pub(super) fn required_span(query: &mut Query) -> Result<Span, Refusal> {
    span(query)?.ok_or_else(|| missing("start_date"))
}

fn missing(param: &'static str) -> Refusal {
    let message = "Please provide `start_date` and `end_date`, such as 2026-11-20";
    Refusal::bad_request(param, message)
}

/// What is the asker's own: what their user spends or, for a key without a user, the key.
pub(super) fn own(caller: &Caller) -> Vec<(Label, Vec<String>)> {
    match (caller.user_id(), caller.key()) {
        (Some(user), _) => vec![(Label::User, vec![user.to_owned()])],
        (None, Some(key)) => vec![(Label::ApiKey, vec![key.id.clone()])],
        (None, None) => Vec::new(),
    }
}

/// Whose spend the asker sees where nothing else is said: everybody's, or what is their own.
pub(super) fn whose(caller: &Caller) -> Whose {
    match caller.sees_all() {
        true => Whose::default(),
        false => Whose::nobody().or(own(caller)),
    }
}

/// Rows of sums that an answer is made of, at most.
pub(super) const ROWS_MAX: u32 = 100_000;

/// Refuses an answer that would have to be cut.
pub(super) fn whole<T>(rows: Vec<T>) -> Result<Vec<T>, Refusal> {
    if rows.len() < usize::try_from(ROWS_MAX).unwrap_or(usize::MAX) {
        return Ok(rows);
    }
    let message = format!("that is {ROWS_MAX} sums or more: ask for fewer days, or for one entity");
    Err(Refusal::bad_request("end_date", &message))
}
