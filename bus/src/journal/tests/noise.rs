//! Recovery of bytes that nobody wrote: what a fuzzer would call.

use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    journal::{
        frame::encode,
        segment::{HEADER, Header},
    },
    recover_bytes,
};

/// The bytes of a segment with these records.
fn segment(base: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let header = Header {
        source: Uuid::from_u128(7),
        base,
        previous_end: base,
    };
    let mut bytes = header.encode();
    for (offset, record) in (base..).zip(records) {
        encode(&mut bytes, header.seed(), offset, record);
    }
    bytes
}

fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20)
}

proptest! {
    #[test]
    fn noise_is_no_record(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(recover_bytes(&noise), []);
    }

    #[test]
    fn noise_behind_a_header_is_no_record(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut bytes = segment(17, &[]);
        bytes.extend(noise);
        prop_assert_eq!(recover_bytes(&bytes), []);
    }

    #[test]
    fn what_is_recovered_was_written(
        records in records(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = segment(17, &records);
        for (place, value) in &edits {
            let place = HEADER + place.index(bytes.len());
            if let Some(byte) = bytes.get_mut(place) {
                *byte = *value;
            }
        }
        bytes.truncate(HEADER + cut.index(bytes.len()));
        let recovered = recover_bytes(&bytes);
        for (offset, record) in &recovered {
            let index = usize::try_from(offset - 17).unwrap();
            prop_assert_eq!(Some(&record[..]), records.get(index).map(Vec::as_slice));
        }
        prop_assert!(recovered.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_segment_inside_a_record_is_not_read(records in records(), at in any::<prop::sample::Index>()) {
        let inner = segment(18, &records);
        let mut bytes = segment(17, &[inner, b"end".to_vec()]);
        let before = bytes.len() - 19;
        bytes[HEADER + at.index(before - HEADER)] ^= 0x55;
        let recovered = recover_bytes(&bytes);
        prop_assert_eq!(recovered.len(), 1);
        prop_assert_eq!(&recovered[0].1[..], b"end");
    }

    #[test]
    fn an_undamaged_segment_is_recovered_whole(records in records()) {
        let recovered = recover_bytes(&segment(17, &records));
        let bytes: Vec<_> = recovered.iter().map(|(_, bytes)| bytes.to_vec()).collect();
        prop_assert_eq!(bytes, records);
    }
}
