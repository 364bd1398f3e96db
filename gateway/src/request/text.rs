//! How much text a request's messages hold, to count tokens by where no provider did.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Messages of at most so many bytes are taken for text as they are.
const PLAIN_BYTES_MAX: usize = 16 << 10;

/// What an image, a file or a recording counts as: about a thousand tokens.
const PART_BYTES: usize = 4000;

/// A message, as far as it is counted.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// A part of a message's content.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// Bytes of text in a message's content: a text, or a list of parts.
fn part_bytes(content: &RawValue) -> usize {
    match serde_json::from_str::<Vec<Part<'_>>>(content.get()) {
        Ok(parts) => parts
            .iter()
            .map(|part| part.text.map_or(PART_BYTES, |text| text.get().len()))
            .sum(),
        Err(_text) => content.get().len(),
    }
}

/// Bytes of text in a list of messages; what is no text counts as a flat [`PART_BYTES`] each.
pub(super) fn text_bytes(messages: &[u8]) -> usize {
    // Small ones hold no images worth telling apart.
    if messages.len() <= PLAIN_BYTES_MAX {
        return messages.len();
    }
    let messages: Vec<Message<'_>> = serde_json::from_slice(messages).unwrap_or_default();
    messages
        .iter()
        .filter_map(|message| message.content)
        .map(part_bytes)
        .sum()
}
