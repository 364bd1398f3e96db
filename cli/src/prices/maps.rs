//! Reads price maps: from a file, a URL, or the collector that runs.

use std::{collections::VecDeque, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use cost_map::PriceMap;
use event::Timestamp;
use reqwest::{Client, Method, Response};
use serde::{Deserialize, Deserializer, de::Error as _};

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
    version: String,
    layers: Vec<Layer>,
    #[serde(default)]
    history: Vec<Epoch>,
}

#[derive(Clone, Deserialize)]
struct Layer {
    source: String,
    sha256: String,
    /// Only of the map in force.
    #[serde(default)]
    version: Option<String>,
}

/// A map that was in force; the last one first.
#[derive(Deserialize)]
struct Epoch {
    version: String,
    #[serde(deserialize_with = "rfc3339")]
    from: Timestamp,
    #[serde(default)]
    layers: Vec<Layer>,
}

/// Maps of the collector that are kept here.
const READY_MAX: usize = 8;

/// The maps that calls are priced by, each by that of its time.
pub(super) struct Maps<'a> {
    /// The one in force, with its version.
    current: (String, Arc<PriceMap>),
    /// Where those before it are; `None` if there is but one.
    running: Option<(&'a Remote, Vec<Epoch>)>,
    /// Those that have been fetched, by version.
    ready: VecDeque<(String, Arc<PriceMap>)>,
}

impl<'a> Maps<'a> {
    /// The maps that the options choose.
    pub(super) async fn chosen(choice: &'a Choice) -> anyhow::Result<Self> {
        if !choice.running {
            return Ok(Self::one(chosen(choice).await?));
        }
        let (status, map) = in_force(&choice.remote).await?;
        Ok(Self {
            current: (status.version, map),
            running: Some((&choice.remote, status.history)),
            ready: VecDeque::new(),
        })
    }

    /// One map for all time.
    pub(super) fn one(map: Arc<PriceMap>) -> Self {
        Self {
            current: (map.version().to_owned(), map),
            running: None,
            ready: VecDeque::new(),
        }
    }

    /// The map that was in force at `time`, the oldest for what was before it; without one, the map
    /// in force.
    pub(super) async fn at(&mut self, time: Option<Timestamp>) -> anyhow::Result<Arc<PriceMap>> {
        let (Some((remote, history)), Some(time)) = (&self.running, time) else {
            return Ok(Arc::clone(&self.current.1));
        };
        let begun = history
            .iter()
            .find(|epoch| epoch.from <= time)
            .or(history.last());
        let Some(epoch) = begun.filter(|epoch| epoch.version != self.current.0) else {
            return Ok(Arc::clone(&self.current.1));
        };
        let mut ready = self.ready.iter();
        if let Some((_, map)) = ready.find(|(version, _)| *version == epoch.version) {
            return Ok(Arc::clone(map));
        }
        let map = merged(remote, &epoch.layers).await?;
        self.ready.truncate(READY_MAX - 1);
        self.ready
            .push_front((epoch.version.clone(), Arc::clone(&map)));
        Ok(map)
    }
}

/// The map that the collector prices by.
pub(super) async fn running(remote: &Remote) -> anyhow::Result<Arc<PriceMap>> {
    Ok(in_force(remote).await?.1)
}

async fn in_force(remote: &Remote) -> anyhow::Result<(Status, Arc<PriceMap>)> {
    let answer = remote.get("/prices").await?.bytes().await?;
    let status: Status = serde_json::from_slice(&answer)?;
    let map = merged(remote, &status.layers).await?;
    Ok((status, map))
}

/// A map of the collector, put together from its layers.
async fn merged(remote: &Remote, layers: &[Layer]) -> anyhow::Result<Arc<PriceMap>> {
    let mut merged: Option<Arc<PriceMap>> = None;
    for layer in layers {
        let map = if layer.version.as_deref() == Some(PriceMap::bundled().version()) {
            Arc::clone(PriceMap::bundled())
        } else {
            fetched(remote, layer).await?
        };
        merged = Some(match merged {
            Some(below) => Arc::new(map.over(&below)),
            None => map,
        });
    }
    merged.context("the collector names no price map: is it of another version?")
}

async fn fetched(remote: &Remote, layer: &Layer) -> anyhow::Result<Arc<PriceMap>> {
    let path = format!("/prices/layers/{}", layer.sha256);
    let mut answer = remote.send(Method::GET, &path, None).await?;
    let bytes = body(&mut answer).await?;
    if bytes == PriceMap::bundled_json() {
        return Ok(Arc::clone(PriceMap::bundled()));
    }
    Ok(Arc::new(PriceMap::parse(&bytes, &layer.source)?))
}

fn rfc3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let at = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
    Ok(at.with_timezone(&Utc).into())
}
