//! What gateways are told of the collector's configuration: the layers of prices and the budget over
//! everything, in the snapshot; and what is in the layers, when they ask for it.

use std::sync::Arc;

use cost_map::PriceMap;
use event::{
    Budget, Entity, Json, Terms,
    control::{PriceLayer, Prices},
};
use serde::{Deserialize, Serialize};
use sqlx::Connection as _;

use crate::{
    books::{Books, BooksError},
    price::{PriceMaps, sha256},
};

/// The name of the layer of discounts and margins.
const ADJUSTMENTS: &str = "adjustments";

/// The id of the budget over everything.
const GLOBAL: &str = "global";

/// What gateways are told of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Configured {
    pub(super) prices: Vec<PriceLayer>,
    /// What all calls together may spend.
    budget: Option<Terms>,
}

impl Configured {
    /// What is configured now.
    fn now(prices: &PriceMaps, budget: Option<&Terms>) -> Self {
        Self {
            prices: layers(prices),
            budget: budget.cloned(),
        }
    }

    /// The budget over everything, if there is one.
    pub(super) fn budget(&self) -> Option<Budget> {
        Some(Budget {
            id: GLOBAL.parse().ok()?,
            entity: Entity::global(),
            terms: self.budget.clone()?,
        })
    }
}

/// Notes in the books what is configured if it is not what is noted there; whoever follows the
/// entities is then told of a change.
///
/// # Errors
/// If the database refuses.
pub(super) async fn note(
    books: &Books,
    prices: &PriceMaps,
    budget: Option<&Terms>,
) -> Result<(), BooksError> {
    let now = Configured::now(prices, budget);
    let known = books.directory().known();
    let known = known.snapshot();
    let told = known.budgets.get(GLOBAL).map(|budget| &budget.terms);
    if (&known.prices, told) == (&now.prices, budget) {
        return Ok(());
    }
    let text = serde_json::to_string(&now).map_err(undecodable)?;
    let mut connection = books.writer().await;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let sql = "INSERT INTO control_configured (only_row, told) VALUES (1, ?) \
               ON CONFLICT DO UPDATE SET told = excluded.told WHERE told <> excluded.told";
    let done = sqlx::query(sql).bind(text).execute(&mut *transaction).await;
    if done?.rows_affected() > 0 {
        sqlx::query("UPDATE control_version SET version = version + 1")
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// What is noted.
///
/// # Errors
/// If it cannot be read.
pub(super) async fn noted(books: &Books) -> Result<Configured, BooksError> {
    let text: Option<String> = sqlx::query_scalar("SELECT told FROM control_configured")
        .fetch_optional(books.readers())
        .await?;
    match text {
        Some(text) => serde_json::from_str(&text).map_err(undecodable),
        None => Ok(Configured::default()),
    }
}

/// The prices in force, for a gateway into which the map of the SHA-256 `own` is compiled; `None`
/// if a layer cannot be read just now.
pub(super) async fn message(prices: &PriceMaps, own: &str) -> Option<Prices> {
    let (map, origins, from) = prices.in_force();
    let layers = layers(prices);
    let bundled = sha256(PriceMap::bundled_json());
    let is_over_own = own == bundled;
    let mut texts = Vec::new();
    for origin in &origins {
        texts.push(prices.bytes(&origin.sha256).await?.ok()?);
    }
    let written = tokio::task::spawn_blocking(move || {
        let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let below = is_over_own.then(|| Arc::clone(PriceMap::bundled()));
        map.differing(&texts, below.as_deref()).ok()
    });
    let map = written.await.ok()??;
    let adjustments = prices.adjustments();
    Some(Prices {
        layers,
        from,
        is_over_own,
        map: map.and_then(Json::parse).unwrap_or_default(),
        discounts: Json::of(&adjustments.discounts),
        margins: Json::of(&adjustments.margins),
    })
}

/// The layers in force, or about to be.
fn layers(prices: &PriceMaps) -> Vec<PriceLayer> {
    let (_, origins, _) = prices.in_force();
    let origins = origins.into_iter();
    let mut layers: Vec<(&str, String)> = origins
        .map(|origin| (origin.layer.name(), origin.sha256))
        .collect();
    let adjustments = prices.adjustments();
    if !adjustments.is_empty() {
        let text = Json::of(&(&adjustments.discounts, &adjustments.margins));
        layers.push((ADJUSTMENTS, sha256(text.text().as_bytes())));
    }
    let layer = |(name, sha256): (&str, String)| {
        Some(PriceLayer {
            name: name.parse().ok()?,
            sha256: sha256.parse().ok()?,
        })
    };
    layers.into_iter().filter_map(layer).collect()
}

fn undecodable(error: serde_json::Error) -> BooksError {
    BooksError::Database(sqlx::Error::Decode(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use cost_map::Adjustments;

    use super::*;

    #[tokio::test]
    async fn new_layers_are_a_change_and_old_ones_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("books.sqlite");
        let books = Books::open(&file).await.unwrap();
        let adjusted = Adjustments::parse("null", r#"{"global":0.5}"#).unwrap();
        let file = br#"{"acme/x": {"litellm_provider": "acme", "input_cost_per_token": 1}}"#;
        let versions = [
            PriceMaps::bundled(),
            PriceMaps::bundled(),
            PriceMaps::of_file(file, Adjustments::default()),
            PriceMaps::of_file(file, adjusted),
        ];
        let mut told = Vec::new();
        for prices in versions {
            note(&books, &prices, None).await.unwrap();
            super::super::tables::take(&books).await.unwrap();
            let known = books.directory().known();
            assert_eq!(known.snapshot().prices, layers(&prices));
            told.push((known.snapshot().version, known.snapshot().prices.len()));
        }
        assert_eq!(told, [(1, 1), (1, 1), (2, 2), (3, 3)]);
        let terms: Terms = serde_json::from_str(r#"{"limit": 7}"#).unwrap();
        for (budget, version) in [(Some(&terms), 4), (Some(&terms), 4), (None, 5)] {
            note(&books, &PriceMaps::bundled(), budget).await.unwrap();
            super::super::tables::take(&books).await.unwrap();
            let known = books.directory().known();
            assert_eq!(known.snapshot().version, version);
            let told = known.snapshot().budgets.get(GLOBAL);
            assert_eq!(told.map(|budget| &budget.terms), budget);
        }
    }

    #[tokio::test]
    async fn a_gateway_with_another_map_gets_all_of_it() {
        let prices = PriceMaps::bundled();
        let same = sha256(PriceMap::bundled_json());
        let told = message(&prices, &same).await.unwrap();
        assert!(told.is_over_own && told.map.is_null());
        let told = message(&prices, "another").await.unwrap();
        let whole = PriceMap::parse(told.map.text().as_bytes(), "told").unwrap();
        assert!(!told.is_over_own && whole.iter().eq(PriceMap::bundled().iter()));
    }
}
