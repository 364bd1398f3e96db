//! One record as it stands in a segment: length, offset, checksum, payload.

use std::ops::RangeInclusive;

use crc32fast::Hasher;

/// Bytes before the payload.
pub(crate) const FRAME_HEADER: usize = 16;

/// No payload is longer, whatever the options say, so that no damaged length field can make a
/// reader allocate more.
pub(crate) const RECORD_BYTES_CEILING: usize = 1 << 30;

/// Adds the frame of `payload`, which must not be longer than the ceiling, to `buffer`.
pub(crate) fn encode(buffer: &mut Vec<u8>, seed: u32, offset: u64, payload: &[u8]) {
    debug_assert!(payload.len() <= RECORD_BYTES_CEILING);
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    let offset = offset.to_le_bytes();
    buffer.extend_from_slice(&length);
    buffer.extend_from_slice(&offset);
    buffer.extend_from_slice(&checksum(seed, length, offset, payload).to_le_bytes());
    buffer.extend_from_slice(payload);
}

/// The offset and the payload of the good frame at the start of `bytes`, where only `offsets` can
/// be, if there is one, whole.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    seed: u32,
    offsets: &RangeInclusive<u64>,
) -> Option<(u64, &'a [u8])> {
    let head = Head::parse(bytes).filter(|head| head.is_plausible(offsets))?;
    let payload = bytes.get(FRAME_HEADER..head.size())?;
    let is_good = checksum(seed, head.length, head.offset, payload) == head.checksum;
    is_good.then(|| (u64::from_le_bytes(head.offset), payload))
}

/// The size of the frame that `bytes` may be the header of, if its fields make sense. Cheap: this
/// is asked of every byte position in a damaged region.
pub(crate) fn plausible_size(bytes: &[u8], offsets: &RangeInclusive<u64>) -> Option<usize> {
    let head = Head::parse(bytes)?;
    head.is_plausible(offsets).then(|| head.size())
}

struct Head {
    length: [u8; 4],
    offset: [u8; 8],
    checksum: u32,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (checksum, _) = rest.split_first_chunk()?;
        Some(Self {
            length: *length,
            offset: *offset,
            checksum: u32::from_le_bytes(*checksum),
        })
    }

    fn is_plausible(&self, offsets: &RangeInclusive<u64>) -> bool {
        self.size() <= FRAME_HEADER + RECORD_BYTES_CEILING
            && offsets.contains(&u64::from_le_bytes(self.offset))
    }

    fn size(&self) -> usize {
        (u32::from_le_bytes(self.length) as usize).saturating_add(FRAME_HEADER)
    }
}

fn checksum(seed: u32, length: [u8; 4], offset: [u8; 8], payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(seed);
    hasher.update(&length);
    hasher.update(&offset);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u32 = 7;

    fn frame(offset: u64, payload: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        encode(&mut buffer, SEED, offset, payload);
        buffer
    }

    #[test]
    fn a_frame_is_read_back_as_it_was_written() {
        for payload in [&b""[..], b"a", &[0; 4096]] {
            let bytes = frame(17, payload);
            assert_eq!(decode(&bytes, SEED, &(17..=17)), Some((17, payload)));
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = frame(17, b"payload");
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged, SEED, &(0..=u64::MAX)), None, "bit {bit}");
        }
    }

    #[test]
    fn a_beginning_of_a_frame_is_none() {
        let bytes = frame(17, b"payload");
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len], SEED, &(17..=17)), None, "{len} bytes");
        }
    }

    #[test]
    fn a_frame_of_another_segment_or_another_place_is_none() {
        let bytes = frame(17, b"payload");
        assert_eq!(decode(&bytes, SEED + 1, &(17..=17)), None);
        assert_eq!(decode(&bytes, SEED, &(18..=20)), None);
    }
}
