//! What each status means: the one place for all sinks.

use std::time::Duration;

use chrono::DateTime;
use http::{HeaderMap, StatusCode, header};

use crate::SinkErrorKind;

/// The longest pause a destination may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// What a status means for the batch, unless the destination is known to mean something else by it.
///
/// # Errors
///
/// The kind of failure, if it is not a success.
pub const fn meaning(status: StatusCode) -> Result<(), SinkErrorKind> {
    match status.as_u16() {
        200..=299 => Ok(()),
        401 | 403 => Err(SinkErrorKind::Unauthorized),
        // A redirect is not followed: the vetted destination would send us to one that is not.
        300..=399 | 404 | 405 | 410 => Err(SinkErrorKind::Misconfigured),
        408 | 425 | 429 => Err(SinkErrorKind::Throttled),
        413 => Err(SinkErrorKind::TooLarge),
        400..=499 => Err(SinkErrorKind::Refused),
        _ => Err(SinkErrorKind::Failing),
    }
}

/// The pause that `Retry-After` asks for, at most an hour. A date counts from the answer's own
/// `Date`, so that it does not matter whether our clocks agree.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    let wanted = text(header::RETRY_AFTER)?;
    let pause = if wanted.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large to read is a long time.
        Duration::from_secs(wanted.parse().unwrap_or(u64::MAX))
    } else {
        let until = DateTime::parse_from_rfc2822(wanted).ok()?;
        let now = DateTime::parse_from_rfc2822(text(header::DATE)?).ok()?;
        (until - now).to_std().unwrap_or_default()
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        use SinkErrorKind as Kind;
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 207][..], Ok(())),
            (
                &[301, 302, 307, 308, 304, 404, 405, 410],
                Err(Kind::Misconfigured),
            ),
            (&[401, 403], Err(Kind::Unauthorized)),
            (&[408, 425, 429], Err(Kind::Throttled)),
            (&[413], Err(Kind::TooLarge)),
            (&[400, 409, 415, 422, 499], Err(Kind::Refused)),
            (&[500, 502, 503, 504, 529, 599, 700], Err(Kind::Failing)),
        ] {
            for &status in statuses {
                let status = StatusCode::from_u16(status).unwrap();
                assert_eq!(meaning(status), expected, "{status}");
            }
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let date = "Sat, 21 Nov 2026 11:42:14 GMT";
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(3600)),
            ("Sat, 21 Nov 2026 11:43:14 GMT", Some(60)),
            ("Sat, 21 Nov 2026 10:43:14 GMT", Some(0)),
            ("Sun, 22 Nov 2026 11:42:14 GMT", Some(3600)),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::DATE, date.parse().unwrap());
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            assert_eq!(
                retry_after(&headers),
                seconds.map(Duration::from_secs),
                "{text}"
            );
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
