//! Reads price maps: from a file, a URL, or the collector that runs.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use cost_map::PriceMap;
use reqwest::{Client, Method, Response};
use serde::Deserialize;

use crate::args::{Choice, Remote};

/// The largest map that is read.
const BYTES_MAX: usize = 64 << 20;
/// How long a URL may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The map that the options choose: a file or URL over the map that is compiled in, the one that
/// the collector prices by, or the one that is compiled in.
pub(super) async fn chosen(choice: &Choice) -> anyhow::Result<Arc<PriceMap>> {
    if choice.running {
        return running(&choice.remote).await;
    }
    match &choice.map {
        Some(place) => Ok(Arc::new(read(place).await?.over(PriceMap::bundled()))),
        None => Ok(Arc::clone(PriceMap::bundled())),
    }
}

/// The map in a file or at a URL.
pub(super) async fn read(place: &str) -> anyhow::Result<PriceMap> {
    let (bytes, label) = if place.starts_with("https://") || place.starts_with("http://") {
        let client = Client::builder().timeout(TIMEOUT).build()?;
        let answer = client
            .get(place)
            .send()
            .await
            .and_then(Response::error_for_status);
        let answer = answer.map_err(reqwest::Error::without_url);
        let mut answer = answer.with_context(|| format!("cannot fetch the price map `{place}`"))?;
        let label = host(&answer);
        (body(&mut answer).await?, label)
    } else {
        (file(Path::new(place))?, place.to_owned())
    };
    PriceMap::parse(&bytes, &label).with_context(|| format!("`{place}` cannot be used"))
}

fn host(answer: &Response) -> String {
    answer.url().host_str().unwrap_or("URL").to_owned()
}

/// Reads a file that is not too large.
fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let unreadable = || format!("price map `{shown}` cannot be read");
    let found = std::fs::metadata(path).with_context(unreadable)?;
    if usize::try_from(found.len()).map_or(true, |bytes| bytes > BYTES_MAX) {
        bail!("price map `{shown}` is larger than 64 MiB");
    }
    std::fs::read(path).with_context(unreadable)
}

async fn body(answer: &mut Response) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > BYTES_MAX {
            bail!("the price map is larger than 64 MiB");
        }
    }
    Ok(bytes)
}

/// The answer of `GET /prices`, as far as it is needed.
#[derive(Deserialize)]
struct Status {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    source: String,
    version: String,
    sha256: String,
}

/// The map that the collector prices by, put together from its layers.
pub(super) async fn running(remote: &Remote) -> anyhow::Result<Arc<PriceMap>> {
    let answer = remote.get("/prices").await?.bytes().await?;
    let status: Status = serde_json::from_slice(&answer)?;
    let mut merged: Option<Arc<PriceMap>> = None;
    for layer in status.layers {
        let map = if layer.version == PriceMap::bundled().version() {
            Arc::clone(PriceMap::bundled())
        } else {
            let path = format!("/prices/layers/{}", layer.sha256);
            let mut answer = remote.send(Method::GET, &path, None).await?;
            let bytes = body(&mut answer).await?;
            Arc::new(PriceMap::parse(&bytes, &layer.source)?)
        };
        merged = Some(match merged {
            Some(below) => Arc::new(map.over(&below)),
            None => map,
        });
    }
    merged.context("the collector names no price map: is it of another version?")
}
