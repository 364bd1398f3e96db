//! A record is read or refused, and what was read is written so that it can be read again.
#![no_main]

use event::{CallRecord, codec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &[u8]| {
    if let Ok(CallRecord::Finished(payload)) = codec::decode_call(record) {
        assert!(codec::decode_call(&codec::encode_finished(&payload)).is_ok());
    }
    if let Ok(event) = codec::decode_priced(record) {
        assert!(codec::decode_priced(&codec::encode_priced(&event)).is_ok());
    }
});
