//! What `ClickHouse`'s answers mean: it says by a code of its own what is wrong, whatever the status.

use sink::{
    SinkErrorKind,
    http::{Answer, meaning},
};

/// The header that has the code of an exception.
const CODE: &str = "x-clickhouse-exception-code";
/// How an exception begins in a body.
const EXCEPTION: &[u8] = b"Code: ";
/// Columns, tables or a database that are not there: in the table, by this name, at all.
const BEHIND: [u32; 3] = [16, 60, 81];
/// Columns, types, tables, engines, settings, syntax; a user who may only read; a cluster that is not
/// there. Incorrect data (117) is a column of another type than the rows say: they have no text that
/// could be read wrongly.
const MISCONFIGURED: [u32; 20] = [
    15, 16, 36, 44, 46, 47, 48, 50, 53, 56, 57, 60, 62, 73, 80, 81, 115, 117, 164, 170,
];

/// Whether the batch was taken.
pub(super) fn judge(answer: &Answer) -> Result<(), SinkErrorKind> {
    match code(answer) {
        Some(code) => Err(kind(code, answer)),
        None => meaning(answer.status),
    }
}

/// The same, but that tables are missing is no failure yet: they can be made.
pub(super) fn judge_first(answer: &Answer) -> Result<(), SinkErrorKind> {
    if is_behind(answer) {
        Ok(())
    } else {
        judge(answer)
    }
}

/// Whether the tables are missing, or of an earlier version.
pub(super) fn is_behind(answer: &Answer) -> bool {
    code(answer).is_some_and(|code| BEHIND.contains(&code))
}

/// The code of the exception, from the header or, for want of it, from the body: an exception may
/// come after the head has said that all is well.
fn code(answer: &Answer) -> Option<u32> {
    if let Some(code) = answer.headers.get(CODE) {
        let code = code.to_str().ok().and_then(|code| code.trim().parse().ok());
        return Some(code.unwrap_or_default());
    }
    let body = &answer.body;
    let found = body
        .windows(EXCEPTION.len())
        .position(|part| part == EXCEPTION)?;
    let rest = body.get(found + EXCEPTION.len()..)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at_checked(digits)?;
    if !rest.starts_with(b". DB::") {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// By the names in `system.errors`.
fn kind(code: u32, answer: &Answer) -> SinkErrorKind {
    match code {
        // Unknown user, wrong or missing password, address not allowed, access denied,
        // authentication failed.
        192..=195 | 497 | 516 => SinkErrorKind::Unauthorized,
        // Too many parts, queries at once, simultaneous inserts; quota exceeded.
        201 | 202 | 252 | 373 => SinkErrorKind::Throttled,
        // Values that cannot be read, do not fit, or break a constraint of the table.
        6 | 27 | 41 | 69 | 72 | 128 | 131 | 321 | 349 | 407 | 469 => SinkErrorKind::Refused,
        code if MISCONFIGURED.contains(&code) => SinkErrorKind::Misconfigured,
        // Out of time, memory or disk, a keeper that is away, read-only replicas, and what nobody
        // has thought of: a batch is given up only for a reason that is understood.
        _ => match meaning(answer.status) {
            Err(SinkErrorKind::Throttled) => SinkErrorKind::Throttled,
            _ => SinkErrorKind::Failing,
        },
    }
}
