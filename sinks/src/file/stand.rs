//! A directory that goes away.

use std::{fs, path::PathBuf};

use conformance::{Destination, Fault, Rig, Stored};
use event::{EventId, Json};
use serde::Deserialize;
use serde_json::json;
use sink::{Registration, SinkErrorKind};
use tempfile::TempDir;

use super::File;

/// Files in a directory of their own.
#[derive(Debug)]
pub struct Stand;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<File>()
    }

    #[expect(clippy::expect_used, reason = "without a directory there is no test")]
    fn rig(&self) -> Rig {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("out");
        // Small enough that some laws make several files.
        let config =
            json!({ "path": format!("{}/calls", directory.display()), "rotate_bytes": 65_536 });
        Rig {
            config,
            secrets: Vec::new(),
            destination: Box::new(Directory { root, directory }),
        }
    }
}

struct Directory {
    root: TempDir,
    directory: PathBuf,
}

impl Directory {
    /// Where the directory is while it is away.
    fn aside(&self) -> PathBuf {
        self.root.path().join("aside")
    }

    fn names(&self) -> Vec<String> {
        let entries = |path| fs::read_dir(path).into_iter().flatten().flatten();
        let all = entries(self.root.path()).chain(entries(&self.directory));
        let mut names: Vec<_> = all
            .map(|entry| entry.path().display().to_string())
            .collect();
        names.sort_unstable();
        names
    }
}

/// As much of an event or alert as is left in one that is damaged.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Event { tollkeeper: Settled },
    Alert { alert_id: EventId },
}

#[derive(Deserialize)]
struct Settled {
    settlement: Settlement,
}

#[derive(Deserialize)]
struct Settlement {
    event_id: EventId,
}

impl Destination for Directory {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        let mut stored = Vec::new();
        for name in self.names().iter().filter(|name| name.ends_with(".jsonl")) {
            let text = fs::read_to_string(name).map_err(|error| error.to_string())?;
            if !text.is_empty() && !text.ends_with('\n') {
                return Err(format!("{name} ends within a line"));
            }
            for line in text.lines() {
                let said = Json::parse(line.to_owned()).ok_or("a line is not JSON")?;
                let id = match said.read().ok_or("a line has no id")? {
                    Line::Event { tollkeeper } => tollkeeper.settlement.event_id,
                    Line::Alert { alert_id } => alert_id,
                };
                stored.push(Stored { id, said });
            }
        }
        Ok(stored)
    }

    fn contents(&self) -> Vec<String> {
        self.names()
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        if fault != Fault::Away && fault != Fault::Answers(404) {
            return None;
        }
        // A file stands where the directory was.
        drop(fs::rename(&self.directory, self.aside()));
        fs::write(&self.directory, b"").ok()?;
        Some(SinkErrorKind::Misconfigured)
    }

    fn recover(&self) {
        if self.directory.is_file() {
            drop(fs::remove_file(&self.directory));
            drop(fs::rename(self.aside(), &self.directory));
        }
    }
}
