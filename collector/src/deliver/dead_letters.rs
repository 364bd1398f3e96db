//! What nobody takes: one JSON object on each line of a file that grows up to a limit.
//!
//! A letter is on disk before the cursor moves past what it is about. After a crash in between the
//! same thing is given up again: before the first letter is written, those that are there are read,
//! and nothing gets a second one.

use std::{collections::HashSet, io, path::PathBuf};

use event::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

/// A file of dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    path: PathBuf,
    bytes_max: u64,
    /// What has a letter already; read from the file when the first is written. As many as fit
    /// into it.
    known: tokio::sync::Mutex<Option<HashSet<About>>>,
}

/// What a letter is about: the name of a record.
#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
struct About {
    source: String,
    position: u64,
}

/// One thing that nobody took.
#[derive(Debug, Serialize)]
pub(crate) struct Letter<'a> {
    /// When it was given up.
    #[serde(serialize_with = "rfc3339")]
    pub(crate) at: Timestamp,
    /// Who gave it up: the sink's name, or the part of the collector.
    pub(crate) by: &'a str,
    /// The log it stands in.
    pub(crate) source: &'a str,
    /// Its position there.
    pub(crate) position: u64,
    /// The kind of failure.
    pub(crate) kind: &'a str,
    /// What was said.
    pub(crate) detail: String,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// The event's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_id: Option<String>,
    /// The event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<&'a RawValue>,
    /// The record as it stands in the log, where it is no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) record_hex: Option<String>,
}

/// Why a letter is not on disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeadLettersError {
    /// The limit is reached.
    #[error(
        "dead letters in `{}` have reached {bytes_max} bytes: deal with them and move the file \
         away, or raise the limit", path.display()
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
        }
    }

    /// Writes those letters that are not there yet and waits until they are on disk.
    ///
    /// # Errors
    /// If the limit is reached or the disk refuses; some of them may be written then.
    pub(crate) async fn write(&self, letters: &[Letter<'_>]) -> Result<(), DeadLettersError> {
        let mut kept = self.known.lock().await;
        // Put back at the end: after an error the file is read again.
        let mut known = match kept.take() {
            Some(known) => known,
            None => self.read().await.map_err(|error| self.disk(error))?,
        };
        let is_new = |letter: &&Letter<'_>| !known.contains(&About::of(letter));
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
        *kept = Some(known);
        Ok(())
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
    fn of(letter: &Letter<'_>) -> Self {
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

fn rfc3339<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let at = at
        .to_utc()
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    serializer.serialize_str(&at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(position: u64) -> Letter<'static> {
        Letter {
            at: Timestamp::from_micros(1_795_185_951_397_412),
            by: "files",
            source: "log",
            position,
            kind: "refused",
            detail: "400".to_owned(),
            attempts: 2,
            event_id: None,
            event: None,
            record_hex: None,
        }
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
