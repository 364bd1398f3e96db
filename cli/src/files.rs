//! How many files this process may have open: sockets are most of them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are not connections of clients: journals, books, sinks, libraries.
const OTHERS: u64 = 256;

/// Raises the limit as far as it may be raised, and returns how many clients fit: each may need a
/// connection to a provider as well.
pub(crate) fn clients_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_refused) => limit.current,
    };
    // No limit at all.
    let Some(files) = files else {
        return usize::MAX;
    };
    usize::try_from(files.saturating_sub(OTHERS).max(2) / 2).unwrap_or(usize::MAX)
}
