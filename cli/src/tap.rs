//! Shows calls as they are settled.

use std::io;

use anyhow::{Context as _, bail};

use crate::{args::Tap, print};

/// Prints one JSON object a line until nobody reads them.
///
/// # Errors
///
/// If the collector cannot be asked, or ends.
pub(crate) async fn tap(options: &Tap) -> anyhow::Result<()> {
    let collector = &options.remote.collector;
    let mut response = options.remote.get("/tap").await?;
    let mut line = Vec::new();
    let gone = || format!("the collector at `{collector}` has gone");
    while let Some(chunk) = response.chunk().await.with_context(gone)? {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.ends_with(b"\n") {
                match print(String::from_utf8_lossy(&line).trim_end()) {
                    // As when `head` has seen enough.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    printed => printed?,
                }
                line.clear();
            }
        }
    }
    bail!("{}", gone())
}
