//! The parameters of a request as events have them.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;

use super::{ClientRequest, Field, OURS, left_out};

/// Parameters that decide what a call costs, and how long each may be to be kept in any case.
const BILLED: [&str; 8] = [
    "n",
    "size",
    "quality",
    "resolution",
    "seconds",
    "duration",
    "max_results",
    "web_search_options",
];
const BILLED_BYTES_MAX: usize = 256;

/// The parameters of a request, written as an object; or a note of their size, and what is billed.
pub(super) struct Parameters<'a>(pub(super) &'a ClientRequest, pub(super) Option<usize>);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(request, too_many) = self;
        let mut object = serializer.serialize_map(None)?;
        for Field { name, value } in &request.fields {
            let is_content = &**name == request.operation.content().name;
            // What speaks is content too, wherever it stands.
            let speaks = ["system", "instructions"].contains(&&**name);
            if is_content || speaks || &**name == "model" || OURS.contains(&&**name) {
                continue;
            }
            let is_billed = BILLED.contains(&&**name) && value.len() <= BILLED_BYTES_MAX;
            if too_many.is_some() && !is_billed {
                continue;
            }
            let value: &RawValue = serde_json::from_slice(&request.body[value.clone()])
                .map_err(serde::ser::Error::custom)?;
            object.serialize_entry(name, value)?;
        }
        if let Some(bytes) = too_many {
            object.serialize_entry("left_out", &left_out(*bytes))?;
        }
        object.end()
    }
}
