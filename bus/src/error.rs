//! Why the bus cannot go on, for those who must decide what to do about it.

use std::{error::Error as StdError, io, path::PathBuf};

use crate::Appended;

/// Why the bus cannot go on. Branch on the variant, show the text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The size limit or the disk is reached. The log stays usable: try again later.
    #[error(
        "log is full: its size limit or its disk is reached; free disk space, raise `bytes_max`, \
         or let the slowest reader group catch up"
    )]
    Full {
        /// The first records of this append that are in the log all the same: a reader may have
        /// seen them before the disk was full, so they must not be appended again.
        stored: Option<Appended>,
    },

    /// A new segment cannot be opened because the process has no file descriptor left. What was
    /// appended is certainly not in the log; a later append may succeed.
    #[error("no file descriptor is left for a new segment: raise the limit of open files")]
    OutOfFiles,
    /// An earlier write or sync failed, so what is on disk is unknown.
    #[error("log takes no more records after a failed write or sync; restart to recover it")]
    Poisoned,
    /// One record, or all records of one append together, are larger than the log takes.
    #[error("append of {size} {unit} is larger than the {max} that the log takes")]
    TooLarge {
        /// How large it is.
        size: usize,
        /// What the log takes at most.
        max: usize,
        /// What is counted: `bytes` or `records`.
        unit: &'static str,
    },
    /// An append without records, which has no position to return.
    #[error("append of no records")]
    Empty,
    /// Another process (or another handle in this one) writes to the log.
    #[error("log in `{}` is locked by another writer; stop it first", path.display())]
    Locked {
        /// The directory of the log.
        path: PathBuf,
    },
    /// The name of a reader group is not allowed.
    #[error("group name `{name}` is not 1 to 64 of `a-z 0-9 _ . -`, or starts with a dot")]
    GroupName {
        /// The name.
        name: String,
    },
    /// A cursor file that cannot be believed.
    #[error(
        "cursor file `{}` is corrupt; restore it, or delete it to read the log again from its \
         oldest record", path.display()
    )]
    CursorCorrupt {
        /// The cursor file.
        path: PathBuf,
    },
    /// A position of a partition that the log does not have.
    #[error("log has no partition {partition}")]
    Partition {
        /// The partition.
        partition: u32,
    },
    /// There is no log yet.
    #[error("no log in `{}` yet; start its writer", path.display())]
    Absent {
        /// The directory where it should be.
        path: PathBuf,
    },
    /// Files of a version that this program does not know.
    #[error("`{}` has format version {version}; use the release that wrote it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The disk or the broker.
    #[error("log unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl From<io::Error> for BusError {
    fn from(error: io::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
