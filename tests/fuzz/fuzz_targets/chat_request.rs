//! A request body is understood or refused, and what goes upstream is one JSON object again.
#![no_main]

use bytes::Bytes;
use gateway::{ClientRequest, Operation, UsageOption};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(request) =
        ClientRequest::parse(Operation::Chat, Bytes::copy_from_slice(body), 1 << 16)
    {
        let upstream = request.rewritten("model", &[], &[], UsageOption::Known);
        assert!(ClientRequest::parse(Operation::Chat, upstream, 1 << 16).is_ok());
    }
});
