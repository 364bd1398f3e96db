//! Looks through dead letters, and takes some of them out.
//!
//! Letters that are taken out stand in a file beside before they are gone from the one they stood in.
//! A crash in between leaves them in both, and the next start takes them out once more.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter, Lines};

use super::{About, DeadLetters, DeadLettersError, Letter};

/// Letters on one page, at most.
const PAGE_MAX: usize = 1000;

/// Which letters are meant: those that fit every condition that is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Selection {
    /// Their positions.
    pub(crate) positions: Option<HashSet<u64>>,
    /// Their kind of failure.
    pub(crate) kind: Option<String>,
}

/// Some of the letters, in the order they were written.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) letters: Vec<Letter>,
    /// How many fit the selection in all.
    pub(crate) total: u64,
}

impl Selection {
    fn has(&self, letter: &Letter) -> bool {
        let position = self.positions.as_ref();
        position.is_none_or(|positions| positions.contains(&letter.position))
            && self.kind.as_ref().is_none_or(|kind| *kind == letter.kind)
    }
}

impl DeadLetters {
    /// Counts what is there.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) async fn look(&self) -> Result<u64, DeadLettersError> {
        let mut kept = self.known.lock().await;
        if kept.is_none() {
            let known = self.read().await.map_err(|error| self.disk(error))?;
            self.counted(known.len());
            *kept = Some(known);
        }
        Ok(self.count())
    }

    /// Letters of a selection, `skip` of them left out, and at most `limit`.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) async fn page(
        &self,
        selection: &Selection,
        skip: usize,
        limit: usize,
    ) -> Result<Page, DeadLettersError> {
        let mut page = Page {
            letters: Vec::new(),
            total: 0,
        };
        let _writer = self.known.lock().await;
        let read = async {
            let Some(mut lines) = lines(&self.path).await? else {
                return Ok(());
            };
            while let Some(line) = lines.next_line().await? {
                let Ok(letter) = serde_json::from_str::<Letter>(&line) else {
                    continue;
                };
                if !selection.has(&letter) {
                    continue;
                }
                page.total += 1;
                let before = usize::try_from(page.total).unwrap_or(usize::MAX);
                if before > skip && page.letters.len() < limit.min(PAGE_MAX) {
                    page.letters.push(letter);
                }
            }
            Ok(())
        };
        read.await.map_err(|error| self.disk(error))?;
        Ok(page)
    }

    /// Takes out letters of a selection: those that can be delivered once more, into the file
    /// `aside`; or all of them, for good. Returns how many.
    ///
    /// # Errors
    /// If the disk refuses; then nothing is lost.
    pub(crate) async fn take_out(
        &self,
        selection: &Selection,
        aside: Option<&Path>,
    ) -> Result<u64, DeadLettersError> {
        let mut kept = self.known.lock().await;
        // Read again before the next letter is written, whatever happens here.
        *kept = None;
        let taken = self.split(selection, aside).await;
        let known = self.read().await.map_err(|error| self.disk(error))?;
        self.counted(known.len());
        *kept = Some(known);
        taken.map_err(|error| self.disk(error))
    }

    /// Takes out what an order that was broken off has taken out already.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) async fn forget_those_in(&self, aside: &Path) -> Result<u64, DeadLettersError> {
        let read = async {
            let mut positions = HashSet::new();
            if let Some(mut lines) = lines(aside).await? {
                while let Some(line) = lines.next_line().await? {
                    let about = serde_json::from_str::<About>(&line);
                    positions.extend(about.map(|about| about.position));
                }
            }
            Ok(positions)
        };
        let positions = read.await.map_err(|error| self.disk(error))?;
        let count = u64::try_from(positions.len()).unwrap_or(u64::MAX);
        let selection = Selection {
            positions: Some(positions),
            kind: None,
        };
        self.take_out(&selection, None).await?;
        Ok(count)
    }

    async fn split(&self, selection: &Selection, aside: Option<&Path>) -> io::Result<u64> {
        let Some(mut lines) = lines(&self.path).await? else {
            return Ok(0);
        };
        let rest = self.path.with_extension("rest");
        let mut left = writer(&rest).await?;
        let mut taken = match aside {
            Some(aside) => Some(writer(&aside.with_extension("next")).await?),
            None => None,
        };
        let mut count = 0;
        while let Some(line) = lines.next_line().await? {
            let letter = serde_json::from_str::<Letter>(&line).ok();
            let goes = letter.is_some_and(|letter| {
                selection.has(&letter) && (aside.is_none() || letter.item().is_some())
            });
            count += u64::from(goes);
            match (goes, &mut taken) {
                (true, Some(taken)) => write_line(taken, &line).await?,
                (true, None) => {}
                (false, _) => write_line(&mut left, &line).await?,
            }
        }
        if let (Some(taken), Some(aside)) = (taken, aside) {
            finish(taken, &aside.with_extension("next"), aside).await?;
        }
        finish(left, &rest, &self.path).await?;
        Ok(count)
    }
}

type Writer = BufWriter<tokio::fs::File>;

async fn writer(path: &Path) -> io::Result<Writer> {
    Ok(BufWriter::new(tokio::fs::File::create(path).await?))
}

async fn write_line(writer: &mut Writer, line: &str) -> io::Result<()> {
    writer.write_all(line.as_bytes()).await?;
    writer.write_all(b"\n").await
}

/// Puts a file in its place when it is on disk.
async fn finish(mut writer: Writer, from: &Path, to: &Path) -> io::Result<()> {
    writer.flush().await?;
    writer.into_inner().sync_all().await?;
    tokio::fs::rename(from, to).await?;
    let folder = to.parent().map(PathBuf::from).unwrap_or_default();
    tokio::fs::File::open(folder).await?.sync_all().await
}

/// The lines of a file; `None` if it is not there.
pub(crate) async fn lines(path: &Path) -> io::Result<Option<Lines<BufReader<tokio::fs::File>>>> {
    match tokio::fs::File::open(path).await {
        Ok(file) => Ok(Some(BufReader::new(file).lines())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::letter, *};

    #[tokio::test]
    async fn what_is_taken_out_stands_aside_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.jsonl");
        let letters = DeadLetters::new(path.clone(), 100_000);
        let event = || serde_json::from_str("{}").unwrap();
        let whole = |position| Letter {
            event: Some(event()),
            event_id: Some(event::EventId::of(&event::Origin::default())),
            origin: Some(event::Origin::default()),
            ..letter(position)
        };
        let all = [whole(1), whole(2), letter(3), whole(4)];
        letters.write(&all).await.unwrap();
        assert_eq!(letters.count(), 4);
        let some = |positions: &[u64]| Selection {
            positions: Some(positions.iter().copied().collect()),
            kind: None,
        };
        let aside = folder.path().join("b.retry.jsonl");
        let taken = letters.take_out(&some(&[2, 3, 9]), Some(&aside)).await;
        assert_eq!(taken.unwrap(), 1, "3 has no event to deliver");
        let page = letters.page(&Selection::default(), 0, 2).await.unwrap();
        assert_eq!((page.total, page.letters.len()), (3, 2));
        let page = letters.page(&Selection::default(), 2, 2).await.unwrap();
        assert_eq!(page.letters[0].position, 4);
        // What was taken out may be given up once more.
        letters.write(&[whole(2)]).await.unwrap();
        assert_eq!(letters.count(), 4);
        assert_eq!(letters.forget_those_in(&aside).await.unwrap(), 1);
        let kind = Selection {
            kind: Some("other".to_owned()),
            ..Selection::default()
        };
        assert_eq!(letters.take_out(&kind, None).await.unwrap(), 0);
        assert_eq!(letters.take_out(&some(&[1, 3, 4]), None).await.unwrap(), 3);
        assert_eq!((letters.count(), letters.look().await.unwrap()), (0, 0));
    }
}
