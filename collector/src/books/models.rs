//! Which models are in use.

use chrono::{Datelike as _, NaiveDate};

use super::{Books, BooksError};

/// Models that are told, at most.
const MODELS_MAX: i64 = 10_000;

impl Books {
    /// The models of calls that started on `day` or later, each with its provider, which is empty
    /// if it is not known; of too many, those with most calls.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn models_since(
        &self,
        day: NaiveDate,
    ) -> Result<Vec<(String, String)>, BooksError> {
        const EPOCH: i32 = 719_163;
        let sql = "SELECT model, provider FROM daily_models WHERE day >= ? \
                   GROUP BY model, provider ORDER BY sum(successes + failures) DESC LIMIT ?";
        Ok(sqlx::query_as(sql)
            .bind(day.num_days_from_ce() - EPOCH)
            .bind(MODELS_MAX)
            .fetch_all(&self.readers)
            .await?)
    }
}
