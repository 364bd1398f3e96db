//! What nobody takes: one JSON object on each line of a file that grows up to a limit.
//!
//! A letter is on disk before the cursor moves past what it is about. After a crash in between the
//! same thing is given up again: before the first letter is written, those that are there are read,
//! and nothing gets a second one.

mod select;

use std::{
    collections::HashSet,
    io,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use event::{EventId, Origin, PricedKind, PricedRecord, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

pub(crate) use self::select::{Page, Selection, lines};

/// A file of dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    path: PathBuf,
    bytes_max: u64,
    /// What has a letter already; read from the file when the first is written. As many as fit
    /// into it.
    known: tokio::sync::Mutex<Option<HashSet<About>>>,
    count: AtomicU64,
}

/// What a letter is about: the name of a record.
#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
struct About {
    source: String,
    position: u64,
}

/// One thing that nobody took.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// When it was given up, in RFC 3339.
    pub(crate) at: String,
    /// Who gave it up: the sink's name, or the part of the collector.
    pub(crate) by: String,
    /// The log it stands in.
    pub(crate) source: String,
    /// Its position there.
    pub(crate) position: u64,
    /// The kind of failure.
    pub(crate) kind: String,
    /// What was said.
    pub(crate) detail: String,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// The id of the event or alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_id: Option<EventId>,
    /// Whether it is an alert.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) alert: bool,
    /// Where it entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    /// How often its cost had been corrected.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) revision: u32,
    /// The event, as the sink would have got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Box<RawValue>>,
    /// The record as it stands in the log, where it is no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) record_hex: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(revision: &u32) -> bool {
    *revision == 0
}

impl Letter {
    /// A letter without content, by somebody about a position of a log.
    pub(crate) fn new(
        (by, source, position): (&str, &str, u64),
        at: Timestamp,
        kind: &str,
        detail: String,
        attempts: u32,
    ) -> Self {
        let at = at.to_utc();
        Self {
            at: at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            by: by.to_owned(),
            source: source.to_owned(),
            position,
            kind: kind.to_owned(),
            detail,
            attempts,
            event_id: None,
            alert: false,
            origin: None,
            revision: 0,
            event: None,
            record_hex: None,
        }
    }

    /// What was said.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// What can be delivered once more; `None` if there is nothing left of it but its bytes.
    pub(crate) fn item(&self) -> Option<sink::Item> {
        let record = PricedRecord {
            kind: if self.alert {
                PricedKind::Alert
            } else {
                PricedKind::Event
            },
            id: self.event_id?,
            origin: self.origin.clone()?,
            revision: self.revision,
            json: self.event.as_ref()?.get().as_bytes(),
        };
        Some(record.into())
    }
}

/// Why a letter is not on disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeadLettersError {
    /// The limit is reached.
    #[error(
        "dead letters in `{}` have reached {bytes_max} bytes: retry or drop them \
         (`tollkeeper dlq`), or raise `dead_letters_bytes_max`", path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// The disk.
    #[error("dead letters in `{}` cannot be written", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DeadLetters {
    pub(crate) fn new(path: PathBuf, bytes_max: u64) -> Self {
        Self {
            path,
            bytes_max,
            known: tokio::sync::Mutex::default(),
            count: AtomicU64::new(0),
        }
    }

    /// Letters in the file: known once it has been read or written.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Writes those letters that are not there yet and waits until they are on disk.
    ///
    /// # Errors
    /// If the limit is reached or the disk refuses; some of them may be written then.
    pub(crate) async fn write(&self, letters: &[Letter]) -> Result<(), DeadLettersError> {
        let mut kept = self.known.lock().await;
        // Put back at the end: after an error the file is read again.
        let mut known = match kept.take() {
            Some(known) => known,
            None => self.read().await.map_err(|error| self.disk(error))?,
        };
        let is_new = |letter: &&Letter| !known.contains(&About::of(letter));
        let letters: Vec<_> = letters.iter().filter(is_new).collect();
        if letters.is_empty() {
            *kept = Some(known);
            return Ok(());
        }
        let mut lines = Vec::new();
        for letter in &letters {
            let written = serde_json::to_writer(&mut lines, letter);
            written.map_err(|error| self.disk(io::Error::from(error)))?;
            lines.push(b'\n');
        }
        let size = tokio::fs::metadata(&self.path)
            .await
            .map_or(0, |found| found.len());
        if size >= self.bytes_max {
            return Err(DeadLettersError::Full {
                path: self.path.clone(),
                bytes_max: self.bytes_max,
            });
        }
        let appended = self.append(&lines).await;
        appended.map_err(|error| self.disk(error))?;
        known.extend(letters.into_iter().map(About::of));
        self.counted(known.len());
        *kept = Some(known);
        Ok(())
    }

    fn counted(&self, letters: usize) {
        let letters = u64::try_from(letters).unwrap_or(u64::MAX);
        self.count.store(letters, Ordering::Relaxed);
    }

    /// What has a letter. A letter that was not written to its end is none.
    async fn read(&self) -> io::Result<HashSet<About>> {
        let file = match tokio::fs::File::open(&self.path).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
            Err(error) => return Err(error),
        };
        let (mut file, mut line) = (BufReader::new(file), Vec::new());
        let mut known = HashSet::new();
        while file.read_until(b'\n', &mut line).await? > 0 {
            known.extend(serde_json::from_slice::<About>(&line).ok());
            if !line.ends_with(b"\n") {
                // The next letter begins on a line of its own.
                self.append(b"\n").await?;
            }
            line.clear();
        }
        Ok(known)
    }

    async fn append(&self, lines: &[u8]) -> io::Result<()> {
        let folder = self.path.parent().map(PathBuf::from).unwrap_or_default();
        let is_new = !tokio::fs::try_exists(&self.path).await?;
        tokio::fs::create_dir_all(&folder).await?;
        let options = tokio::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .clone();
        let mut file = options.open(&self.path).await?;
        file.write_all(lines).await?;
        file.flush().await?;
        file.sync_all().await?;
        if is_new {
            tokio::fs::File::open(&folder).await?.sync_all().await?;
        }
        Ok(())
    }

    fn disk(&self, source: io::Error) -> DeadLettersError {
        DeadLettersError::Disk {
            path: self.path.clone(),
            source,
        }
    }
}

impl About {
    fn of(letter: &Letter) -> Self {
        Self {
            source: letter.source.to_owned(),
            position: letter.position,
        }
    }
}

/// The error and what caused it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    const CHARACTERS_MAX: usize = 2048;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text.chars().take(CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn letter(position: u64) -> Letter {
        let at = Timestamp::from_micros(1_795_185_951_397_412);
        Letter::new(
            ("files", "log", position),
            at,
            "refused",
            "400".to_owned(),
            2,
        )
    }

    #[tokio::test]
    async fn a_letter_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.jsonl");
        let letters = DeadLetters::new(path.clone(), 1000);
        letters.write(&[letter(1), letter(2)]).await.unwrap();
        letters.write(&[letter(3)]).await.unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with(r#"{"at":"2026-11-20T"#), "{text}");
    }

    #[tokio::test]
    async fn nothing_gets_a_second_letter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.jsonl");
        let letters = DeadLetters::new(path.clone(), 10_000);
        letters.write(&[letter(1), letter(2)]).await.unwrap();
        letters.write(&[letter(2)]).await.unwrap();
        // As after a crash in the midst of a letter.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.trim_end().split_at(text.len() - 9).0).unwrap();
        let letters = DeadLetters::new(path.clone(), 10_000);
        letters
            .write(&[letter(1), letter(2), letter(3)])
            .await
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let read = text
            .lines()
            .filter_map(|line| serde_json::from_str::<About>(line).ok());
        let positions: Vec<_> = read.map(|about| about.position).collect();
        assert_eq!(positions, [1, 2, 3], "{text}");
    }

    #[tokio::test]
    async fn at_the_limit_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path().join("b.jsonl"), 100);
        letters.write(&[letter(1)]).await.unwrap();
        let refused = letters.write(&[letter(2)]).await;
        assert!(matches!(refused, Err(DeadLettersError::Full { .. })));
    }
}
