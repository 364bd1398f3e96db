//! Shows calls as they are settled.

use crate::{args::Tap, say};

/// Prints one JSON object a line until the collector or the user ends it.
pub(crate) async fn tap(options: &Tap) -> anyhow::Result<()> {
    let mut response = options.remote.get("/tap").await?;
    let mut line = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.ends_with(b"\n") {
                say(String::from_utf8_lossy(&line).trim_end());
                line.clear();
            }
        }
    }
    Ok(())
}
