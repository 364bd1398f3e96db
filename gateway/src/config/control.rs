//! Where the collector is, which knows keys and budgets.

use std::path::PathBuf;

use event::Secret;

/// How the gateway follows a collector. Not a section of the file: the program puts it together.
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// The collector's API: `http://127.0.0.1:4001`.
    pub url: String,
    /// What opens it: the collector's key for gateways or, without one, its master key.
    pub secret: Option<Secret>,
    /// Where the last snapshot is kept, for starts while the collector is away.
    pub file: PathBuf,
}
