//! What a batch becomes in object storage: names and bytes that a redelivery repeats.

use std::time::Duration;

use event::{PricedEvent, Timestamp};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sink::{Batch, BatchLimits, Item, Receipt, SinkError, SinkErrorKind};

/// The longest text of a caller that becomes part of a name, in bytes.
const SEGMENT_BYTES_MAX: usize = 200;
/// `zstd`'s own default.
const ZSTD_LEVEL: i32 = 3;
/// The longest prefix and the longest partition, in bytes.
const TEMPLATE_BYTES_MAX: usize = 300;

/// How objects are cut and named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// A batch is an object, a call a line of it.
    #[default]
    Batch,
    /// A call is an object, where LiteLLM has it.
    Litellm,
}

/// How the lines of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    /// As `.jsonl.gz`.
    #[default]
    Gzip,
    /// As `.jsonl.zst`.
    Zstd,
    /// Not at all.
    None,
}

/// The settings that object stores share.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) prefix: String,
    pub(crate) partition: String,
    pub(crate) layout: Layout,
    pub(crate) compression: Compression,
    pub(crate) per_call: PerCall,
}

/// How an object of one call is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PerCall {
    /// `[team/][key/]2026-11-21/time-11-42-14-000123_<id>_<event id>.json`.
    S3 { team: bool, key: bool },
    /// `2026-11-21/<id>_<event id>`.
    Gcs,
}

/// Settings of names that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A prefix that is no path.
    #[error(
        "`prefix` must be at most 300 letters, digits and `!-_.*'()=/`, without empty parts, `.` and `..`"
    )]
    Prefix,
    /// A partition that is no path.
    #[error(
        "`partition` must be at most 300 letters, digits and `!-_.*'()=/`, without empty parts, `.` and \
         `..`; `{{date}}`, `{{year}}`, `{{month}}`, `{{day}}` and `{{hour}}` stand for the time"
    )]
    Partition,
}

/// Something to be stored under a name that nothing else has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Shape {
    /// Trims the slashes around prefix and partition.
    pub(crate) fn checked(mut self) -> Result<Self, ShapeError> {
        self.prefix = path(&self.prefix).ok_or(ShapeError::Prefix)?;
        let filled = fill(&self.partition, Timestamp::from_micros(0));
        path(&filled).ok_or(ShapeError::Partition)?;
        self.partition = self.partition.trim_matches('/').to_owned();
        Ok(self)
    }

    /// Batches large enough that objects are few; or of few objects, since each is a request.
    pub(crate) const fn limits(&self) -> BatchLimits {
        match self.layout {
            Layout::Batch => BatchLimits {
                items_max: 100_000,
                bytes_max: 16 << 20,
                age_max: Duration::from_mins(1),
                concurrency_max: 4,
            },
            Layout::Litellm => BatchLimits {
                items_max: 20,
                bytes_max: 1 << 20,
                age_max: Duration::from_secs(1),
                concurrency_max: 8,
            },
        }
    }

    /// The objects of a batch, in its order, and a receipt that refuses what none can be made of.
    pub(crate) async fn objects(
        &self,
        batch: &Batch<'_>,
    ) -> Result<(Vec<Object>, Receipt), SinkError> {
        match self.layout {
            Layout::Batch => Ok((vec![self.whole(batch).await?], Receipt::default())),
            Layout::Litellm => {
                let (events, receipt) = batch.events();
                let objects = events.iter().map(|(item, event)| self.single(item, event));
                Ok((objects.collect(), receipt))
            }
        }
    }

    /// Off the runtime, since a batch of megabytes takes a while to compress.
    async fn whole(&self, batch: &Batch<'_>) -> Result<Object, SinkError> {
        let place = self.place(&fill(&self.partition, time(batch)));
        let (name, compression) = (batch.name().to_owned(), self.compression);
        let lines = lines(batch);
        let made = tokio::task::spawn_blocking(move || {
            let digest = hex::encode(Sha256::digest(&lines).get(..4).unwrap_or_default());
            let (ending, content_type, body) = match compression {
                Compression::Gzip => ("jsonl.gz", "application/gzip", sink::http::gzip(&lines)),
                Compression::Zstd => {
                    let body = zstd::bulk::compress(&lines, ZSTD_LEVEL)?;
                    ("jsonl.zst", "application/zstd", body)
                }
                Compression::None => ("jsonl", "application/x-ndjson", lines),
            };
            Ok::<_, std::io::Error>(Object {
                name: format!("{place}{name}-{digest}.{ending}"),
                content_type,
                body,
            })
        });
        // There is no memory, or the runtime is stopping.
        let failed =
            |error: std::io::Error| SinkError::new(SinkErrorKind::Failing).with_source(error);
        made.await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(failed)
    }

    /// LiteLLM's name, and the event's key behind it: ids of providers repeat.
    fn single(&self, item: &Item, event: &PricedEvent) -> Object {
        let payload = event.payload();
        let start = payload.start_time.to_utc();
        let date = start.format("%Y-%m-%d").to_string();
        let (id, key) = (segment(&payload.id), item.key());
        let mut parts = Vec::new();
        let file = match self.per_call {
            PerCall::S3 { team, key: by_key } => {
                let metadata = &payload.metadata;
                let team = metadata.user_api_key_team_alias.as_deref().filter(|_| team);
                let alias = metadata.user_api_key_alias.as_deref().filter(|_| by_key);
                parts.extend(team.into_iter().chain(alias).map(segment));
                let time = start.format("time-%H-%M-%S-%6f");
                format!("{time}_{id}_{key}.json")
            }
            PerCall::Gcs => format!("{id}_{key}"),
        };
        parts.push(date);
        Object {
            name: format!("{}{file}", self.place(&parts.join("/"))),
            content_type: "application/json",
            body: item.json().to_vec(),
        }
    }

    /// What stands in front of the last part of a name, with its slash.
    fn place(&self, folder: &str) -> String {
        let parts = [&self.prefix, folder];
        let filled = parts.iter().filter(|part| !part.is_empty());
        filled.map(|part| format!("{part}/")).collect()
    }
}

/// An item a line.
fn lines(batch: &Batch<'_>) -> Vec<u8> {
    let items = batch.items();
    let mut lines = Vec::with_capacity(items.iter().map(|item| item.json().len() + 1).sum());
    for item in items {
        // JSON has line breaks only between its values, where any blank will do.
        for (index, part) in item.json().split(|byte| *byte == b'\n').enumerate() {
            if index > 0 {
                lines.push(b' ');
            }
            lines.extend_from_slice(part);
        }
        lines.push(b'\n');
    }
    lines
}

/// When the first item that can be read began.
fn time(batch: &Batch<'_>) -> Timestamp {
    let time = |item: &Item| {
        let began = item.event().map(|event| event.payload().start_time);
        began.or_else(|| item.alert().map(|alert| alert.at))
    };
    let mut times = batch.items().iter().filter_map(time);
    times.next().unwrap_or(Timestamp::from_micros(0))
}

fn fill(template: &str, time: Timestamp) -> String {
    let time = time.to_utc();
    let placeholders = [
        ("{date}", "%Y-%m-%d"),
        ("{year}", "%Y"),
        ("{month}", "%m"),
        ("{day}", "%d"),
        ("{hour}", "%H"),
    ];
    let template = template.trim_matches('/').to_owned();
    placeholders.iter().fold(template, |text, (name, format)| {
        text.replace(name, &time.format(format).to_string())
    })
}

/// The text without slashes around it, if every store takes it as part of a name.
fn path(text: &str) -> Option<String> {
    let text = text.trim_matches('/');
    let plain = |char: char| char.is_ascii_alphanumeric() || "!-_.*'()=/".contains(char);
    let parts = |part: &str| !matches!(part, "" | "." | "..");
    let good = text.len() <= TEMPLATE_BYTES_MAX
        && text.chars().all(plain)
        && (text.is_empty() || text.split('/').all(parts));
    good.then(|| text.to_owned())
}

/// What somebody wrote, as one part of a name. What is too long is told by its digest.
fn segment(text: &str) -> String {
    match text {
        "" | "." | ".." => return "_".to_owned(),
        _ if text.len() > SEGMENT_BYTES_MAX => return hex::encode(Sha256::digest(text)),
        _ => {}
    }
    let odd = |char: char| char.is_control() || matches!(char, '/' | '\\' | ':');
    text.replace(odd, "_")
}

/// A name as it stands in a URL: all but unreserved letters as `%XX`. `keep`: letters that stay.
pub(crate) fn encoded(name: &str, keep: &str) -> String {
    let letter = |byte: u8| {
        let char = char::from(byte);
        if byte.is_ascii_alphanumeric() || "-._~".contains(char) || keep.contains(char) {
            char.to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    name.bytes().map(letter).collect()
}

#[cfg(test)]
#[cfg(feature = "conformance")]
mod tests {
    use conformance::samples;
    use serde_json::{Value, json};

    use super::*;

    fn shape(prefix: &str, partition: &str, layout: Layout) -> Result<Shape, ShapeError> {
        Shape {
            prefix: prefix.to_owned(),
            partition: partition.to_owned(),
            layout,
            compression: Compression::None,
            per_call: PerCall::S3 {
                team: true,
                key: true,
            },
        }
        .checked()
    }

    async fn objects(shape: &Shape, items: &[Item]) -> Vec<Object> {
        let batch = Batch::new("log-1-2", items).unwrap();
        shape.objects(&batch).await.unwrap().0
    }

    fn changed(item: &Item, change: &[(&str, Value)]) -> Item {
        let mut event: Value = serde_json::from_slice(item.json()).unwrap();
        for (pointer, value) in change {
            *event.pointer_mut(pointer).unwrap() = value.clone();
        }
        let json = serde_json::to_vec_pretty(&event).unwrap();
        samples::plain(1).remove(0).with_json(json.into())
    }

    #[tokio::test]
    async fn a_batch_is_an_object_in_the_hour_of_its_first_event() {
        let shape = shape("/a/b/", "dt={date}/hour={hour}", Layout::Batch).unwrap();
        let mut items = samples::plain(2);
        let first = objects(&shape, &items).await.remove(0);
        let place = "a/b/dt=2026-11-21/hour=11/log-1-2-";
        assert!(
            first.name.starts_with(place) && first.name.ends_with(".jsonl"),
            "{}",
            first.name
        );
        assert_eq!(objects(&shape, &items).await.remove(0), first);
        // Two sinks that share a place and do not send the same do not take each other's names.
        items.pop();
        assert_ne!(objects(&shape, &items).await.remove(0).name, first.name);
        // The damaged event says no time; the next one does.
        items.insert(0, samples::unreadable(7));
        assert!(
            objects(&shape, &items)
                .await
                .remove(0)
                .name
                .starts_with(place)
        );
    }

    #[tokio::test]
    async fn an_event_is_one_line_however_it_was_written() {
        let shape = shape("", "", Layout::Batch).unwrap();
        let item = changed(&samples::plain(1)[0], &[]);
        assert!(item.json().contains(&b'\n'));
        let object = objects(&shape, &[item]).await.remove(0);
        let text = String::from_utf8(object.body).unwrap();
        assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true));
        assert!(!object.name.contains('/'), "{}", object.name);
    }

    #[tokio::test]
    async fn a_call_is_where_litellm_has_it() {
        let shape = shape("logs", "ignored", Layout::Litellm).unwrap();
        let plain = samples::plain(1).remove(0);
        let item = changed(
            &plain,
            &[
                ("/metadata/user_api_key_team_alias", json!("../a:b")),
                ("/metadata/user_api_key_alias", json!("..")),
                ("/id", json!("x/y:z")),
            ],
        );
        let name = objects(&shape, &[item]).await.remove(0).name;
        let key = plain.key();
        assert_eq!(
            name,
            format!("logs/.._a_b/_/2026-11-21/time-11-42-14-001000_x_y_z_{key}.json")
        );
        let long = changed(&plain, &[("/id", json!("é".repeat(600)))]);
        assert!(objects(&shape, &[long]).await.remove(0).name.len() < 1024);
        let corrected = objects(&shape, &[samples::corrected(1)]).await.remove(0);
        assert!(corrected.name.ends_with("-r1.json"), "{}", corrected.name);
    }

    #[test]
    fn a_prefix_is_a_path() {
        for (prefix, good) in [
            ("", true),
            ("/a/b/", true),
            ("a//b", false),
            ("a/../b", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(shape(prefix, "", Layout::Batch).is_ok(), good, "{prefix}");
            assert_eq!(shape("", prefix, Layout::Batch).is_ok(), good, "{prefix}");
        }
        assert!(shape("", "{minute}", Layout::Batch).is_err());
        assert!(shape(&"a".repeat(301), "", Layout::Batch).is_err());
    }

    #[test]
    fn a_name_in_a_url_has_no_letter_that_means_something() {
        assert_eq!(encoded("a=b/c d~é", "/"), "a%3Db/c%20d~%C3%A9");
        assert_eq!(encoded("a/b", ""), "a%2Fb");
    }
}
