//! What entities cost, from the books' sums. Nothing is counted here.

use std::collections::HashMap;

use chrono_tz::Tz;
use event::{Timestamp, Usd, WindowDuration};
use serde::Serialize;

use super::limits::now_in;
use crate::books::{Books, BooksError};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// From when on spend is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// All there is.
    Ever,
    /// From this day on, counted from 1970-01-01.
    Day(i64),
    /// From an instant within a day: the sums of days do not say.
    Unknown,
}

impl Since {
    /// From the start of a budget's window on, by the calendar of `zone`.
    pub(crate) fn of(duration: Option<WindowDuration>, zone: Tz, now: Timestamp) -> Self {
        let Some(start) = now_in(duration, zone, now).start else {
            return Self::Ever;
        };
        match start.micros().rem_euclid(MICROS_PER_DAY) {
            0 => Self::Day(start.micros().div_euclid(MICROS_PER_DAY)),
            _ => Self::Unknown,
        }
    }
}

/// What an entity cost, in US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Spend {
    /// In the window of its budget; `None` where the window began within a day and the entity has
    /// no budget that says.
    pub(crate) spend: Option<Usd>,
    /// In all.
    pub(crate) total_spend: Usd,
}

/// What entities of a kind cost, by their ids, in one query. Every id that is asked for is there.
pub(crate) async fn spends(
    books: &Books,
    kind: &str,
    asked: &[(String, Since)],
) -> Result<HashMap<String, Spend>, BooksError> {
    // The parts of an amount are added up apart: the sum of either fits.
    let sql = "SELECT w.value ->> 0, \
               coalesce(sum(cost_micros), 0), coalesce(sum(cost_picos), 0), \
               coalesce(sum(iif(day >= w.value ->> 1, cost_micros, 0)), 0), \
               coalesce(sum(iif(day >= w.value ->> 1, cost_picos, 0)), 0) \
               FROM json_each(?) AS w \
               LEFT JOIN daily_entities AS d ON d.kind = ? AND d.id = w.value ->> 0 \
               GROUP BY w.key";
    let wanted: Vec<_> = asked
        .iter()
        .map(|(id, since)| match since {
            Since::Day(day) => (id, *day),
            Since::Ever | Since::Unknown => (id, i64::MIN),
        })
        .collect();
    let wanted = serde_json::to_string(&wanted).map_err(super::decode)?;
    type Row = (String, i64, i64, i64, i64);
    let query = sqlx::query_as::<_, Row>(sql).bind(wanted).bind(kind);
    let rows = query.fetch_all(books.readers()).await?;
    let unknown = |id: &str| {
        let mut asked = asked.iter();
        asked.any(|(other, since)| other == id && *since == Since::Unknown)
    };
    let spend = |(id, micros, picos, window_micros, window_picos): Row| {
        let window = usd(window_micros, window_picos);
        let spend = Spend {
            spend: (!unknown(&id)).then_some(window),
            total_spend: usd(micros, picos),
        };
        (id, spend)
    };
    Ok(rows.into_iter().map(spend).collect())
}

fn usd(micros: i64, picos: i64) -> Usd {
    Usd::from_picos(i128::from(micros) * 1_000_000 + i128::from(picos))
}
