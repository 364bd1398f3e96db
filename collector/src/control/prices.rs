//! What gateways are told of prices: which layers there are, in the snapshot, and what is in them,
//! when they ask for it.

use std::sync::Arc;

use cost_map::PriceMap;
use event::{
    Json,
    control::{PriceLayer, Prices},
};
use sqlx::Connection as _;

use crate::{
    books::{Books, BooksError},
    price::{PriceMaps, sha256},
};

/// The name of the layer of discounts and margins.
const ADJUSTMENTS: &str = "adjustments";

/// Notes the layers in the books if they are not those noted there; whoever follows the entities
/// is then told of a change.
///
/// # Errors
/// If the database refuses.
pub(super) async fn note(books: &Books, prices: &PriceMaps) -> Result<(), BooksError> {
    let layers = layers(prices);
    if books.directory().known().snapshot().prices == layers {
        return Ok(());
    }
    let text = serde_json::to_string(&layers).map_err(undecodable)?;
    let mut connection = books.writer().await;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let sql = "INSERT INTO control_prices (only_row, layers) VALUES (1, ?) \
               ON CONFLICT DO UPDATE SET layers = excluded.layers WHERE layers <> excluded.layers";
    let done = sqlx::query(sql).bind(text).execute(&mut *transaction).await;
    if done?.rows_affected() > 0 {
        sqlx::query("UPDATE control_version SET version = version + 1")
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The layers that are noted.
///
/// # Errors
/// If they cannot be read.
pub(super) async fn noted(books: &Books) -> Result<Vec<PriceLayer>, BooksError> {
    let text: Option<String> = sqlx::query_scalar("SELECT layers FROM control_prices")
        .fetch_optional(books.readers())
        .await?;
    match text {
        Some(text) => serde_json::from_str(&text).map_err(undecodable),
        None => Ok(Vec::new()),
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
            note(&books, &prices).await.unwrap();
            super::super::tables::take(&books).await.unwrap();
            let known = books.directory().known();
            assert_eq!(known.snapshot().prices, layers(&prices));
            told.push((known.snapshot().version, known.snapshot().prices.len()));
        }
        assert_eq!(told, [(1, 1), (1, 1), (2, 2), (3, 3)]);
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
