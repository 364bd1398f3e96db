//! What is in an object, for the stands of object stores.

use std::io::Read as _;

use conformance::Stored;
use event::{EventId, Json};
use flate2::read::GzDecoder;
use serde::Deserialize;

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

/// The lines of an object.
pub(crate) fn read(name: &str, body: &[u8]) -> Result<Vec<Stored>, String> {
    let mut plain = body.to_vec();
    if name.ends_with(".gz") {
        plain.clear();
        let read = GzDecoder::new(body).read_to_end(&mut plain);
        read.map_err(|error| error.to_string())?;
    }
    if name.ends_with(".zst") {
        // As much as the laws send at most.
        let read = zstd::bulk::decompress(body, 64 << 20);
        plain = read.map_err(|error| error.to_string())?;
    }
    let text = String::from_utf8(plain).map_err(|error| error.to_string())?;
    let stored = |line: &str| {
        let said = Json::parse(line.to_owned()).ok_or("a line is not JSON")?;
        let id = match said.read().ok_or("a line has no id")? {
            Line::Event { tollkeeper } => tollkeeper.settlement.event_id,
            Line::Alert { alert_id } => alert_id,
        };
        Ok(Stored { id, said })
    };
    text.lines().map(stored).collect()
}
