//! Which models are in use, and which entries of the price map.

use chrono::{Datelike as _, NaiveDate};

use super::{Books, BooksError};

/// Models that are told, at most.
const MODELS_MAX: i64 = 10_000;
/// Calls that are looked at for the entries that priced them.
const CALLS_MAX: i64 = 20_000;

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

    /// The entries of the price map that priced the last calls. Their names may be other ones than
    /// those of the models: a deployment can name its base model.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn entries_in_use(&self) -> Result<Vec<String>, BooksError> {
        let sql = "SELECT DISTINCT json_extract(card, '$[2]') AS entry FROM cards WHERE id IN \
                   (SELECT card FROM (SELECT card FROM calls ORDER BY number DESC LIMIT ?)) \
                   AND entry IS NOT NULL LIMIT ?";
        Ok(sqlx::query_scalar(sql)
            .bind(CALLS_MAX)
            .bind(MODELS_MAX)
            .fetch_all(&self.readers)
            .await?)
    }
}
