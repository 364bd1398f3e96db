//! Smaller bodies.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

/// `bytes` as gzip, without a name or a time: the same bytes always give the same result.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    debug_assert!(written.is_ok(), "a vector takes everything");
    written.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn what_is_compressed_is_the_same_every_time_and_read_back() {
        let text = b"How much? ".repeat(1000);
        let small = gzip(&text);
        assert!(small.len() < text.len() / 10);
        assert_eq!(small, gzip(&text));
        let mut read = Vec::new();
        GzDecoder::new(&*small).read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }
}
