//! An answer as bytes: when it came and goes, and a checksum.

use bytes::{BufMut as _, Bytes, BytesMut};
use event::Timestamp;

use super::store::{Answer, StoreError};

/// What every kept answer begins with; another number means another order of what follows.
const MARK: &[u8; 4] = b"tka1";

/// Bytes in front of the answer: the mark, the checksum of the rest, and two times.
pub(super) const HEAD: usize = 24;

/// Writes an answer down.
pub(super) fn written(answer: &Answer) -> Bytes {
    let mut out = BytesMut::with_capacity(HEAD + answer.body.len());
    out.put_slice(MARK);
    out.put_u32_le(0);
    out.put_i64_le(answer.came.micros());
    out.put_i64_le(answer.until.micros());
    out.put_slice(&answer.body);
    let sum = crc32fast::hash(out.get(8..).unwrap_or_default());
    if let Some(place) = out.get_mut(4..8) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    out.freeze()
}

/// Reads what was written.
///
/// # Errors
///
/// If it was something else.
pub(super) fn read(bytes: &Bytes) -> Result<Answer, StoreError> {
    let (mark, rest) = bytes.split_first_chunk::<4>().ok_or(StoreError::Damaged)?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or(StoreError::Damaged)?;
    if mark != MARK || crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
        return Err(StoreError::Damaged);
    }
    let (came, rest) = rest.split_first_chunk::<8>().ok_or(StoreError::Damaged)?;
    let (until, _body) = rest.split_first_chunk::<8>().ok_or(StoreError::Damaged)?;
    Ok(Answer {
        came: Timestamp::from_micros(i64::from_le_bytes(*came)),
        until: Timestamp::from_micros(i64::from_le_bytes(*until)),
        body: bytes.slice(HEAD..),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_or_cut_is_no_answer() {
        let answer = Answer {
            body: Bytes::from_static(b"an answer"),
            came: Timestamp::from_micros(5),
            until: Timestamp::from_micros(i64::MAX),
        };
        let written = written(&answer);
        assert_eq!(read(&written).unwrap(), answer);
        for length in 0..written.len() {
            assert!(read(&written.slice(..length)).is_err(), "{length}");
        }
        for place in 0..written.len() {
            let mut changed = written.to_vec();
            changed[place] ^= 1;
            assert!(read(&changed.into()).is_err(), "{place}");
        }
    }
}
