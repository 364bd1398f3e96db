//! Whatever stands in a segment file, recovery ends and keeps within the file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|segment: &[u8]| {
    let records = bus::recover_bytes(segment);
    let bytes: usize = records.iter().map(|(_, record)| record.len()).sum();
    assert!(bytes <= segment.len());
    assert!(records.is_sorted_by(|(one, _), (next, _)| one < next));
});
