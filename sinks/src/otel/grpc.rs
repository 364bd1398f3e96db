//! gRPC's frame around a message, and what its status means.

use sink::{
    SinkErrorKind,
    http::{Answer, HeaderMap, HeaderName, meaning},
};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Bytes in front of a message: whether it is compressed, and its length.
const HEAD_BYTES: usize = 5;

/// The message in its frame. `None` if it is larger than a frame can say.
pub(super) fn frame(message: &[u8], compressed: bool) -> Option<Vec<u8>> {
    let length = u32::try_from(message.len()).ok()?;
    let mut framed = Vec::with_capacity(HEAD_BYTES + message.len());
    framed.push(u8::from(compressed));
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    Some(framed)
}

/// The message of an answer; empty if there is none that can be read.
pub(super) fn message(body: &[u8]) -> &[u8] {
    match body.split_first_chunk::<HEAD_BYTES>() {
        Some(([0, ..], message)) => message,
        _ => &[],
    }
}

/// What an answer means: by gRPC's status, where HTTP has nothing to complain about.
///
/// # Errors
///
/// The kind of failure, if it is not a success.
pub(super) fn judge(answer: &Answer) -> Result<(), SinkErrorKind> {
    meaning(answer.status)?;
    let text = |headers: &HeaderMap, name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let code = text(&answer.trailers, GRPC_STATUS).or_else(|| text(&answer.headers, GRPC_STATUS));
    let said = text(&answer.trailers, GRPC_MESSAGE).or_else(|| text(&answer.headers, GRPC_MESSAGE));
    let said = said.unwrap_or_default().to_lowercase();
    let too_large = ["too large", "larger than", "too%20large", "larger%20than"];
    let too_large = too_large.iter().any(|words| said.contains(words));
    match code.as_deref() {
        Some("0") => Ok(()),
        Some("8" | "11") if too_large => Err(SinkErrorKind::TooLarge),
        Some("8") => Err(SinkErrorKind::Throttled),
        Some("3") => Err(SinkErrorKind::Refused),
        Some("7" | "16") => Err(SinkErrorKind::Unauthorized),
        Some("5" | "12") => Err(SinkErrorKind::Misconfigured),
        // Of an unknown or internal error gRPC says that it must not be tried again; but whoever
        // answers so is broken, and will be mended.
        _ => Err(SinkErrorKind::Failing),
    }
}

#[cfg(test)]
mod tests {
    use sink::http::{HeaderValue, StatusCode};

    use super::*;

    fn answer(status: u16, trailers: &[(HeaderName, &'static str)]) -> Answer {
        let trailers = trailers.iter();
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Default::default(),
            trailers: trailers
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
                .collect(),
        }
    }

    #[test]
    fn every_status_has_its_meaning() {
        use SinkErrorKind as Kind;
        for (code, expected) in [
            ("0", Ok(())),
            ("1", Err(Kind::Failing)),
            ("2", Err(Kind::Failing)),
            ("3", Err(Kind::Refused)),
            ("4", Err(Kind::Failing)),
            ("5", Err(Kind::Misconfigured)),
            ("7", Err(Kind::Unauthorized)),
            ("8", Err(Kind::Throttled)),
            ("11", Err(Kind::Failing)),
            ("12", Err(Kind::Misconfigured)),
            ("14", Err(Kind::Failing)),
            ("16", Err(Kind::Unauthorized)),
        ] {
            assert_eq!(judge(&answer(200, &[(GRPC_STATUS, code)])), expected);
        }
        assert_eq!(judge(&answer(200, &[])), Err(Kind::Failing));
        let unauthorized = answer(401, &[(GRPC_STATUS, "0")]);
        assert_eq!(judge(&unauthorized), Err(Kind::Unauthorized));
        for (code, said) in [
            ("8", "grpc: received message larger than max (5 vs 4)"),
            ("11", "message length too large: found 5, limit 4"),
        ] {
            let answer = answer(200, &[(GRPC_STATUS, code), (GRPC_MESSAGE, said)]);
            assert_eq!(judge(&answer), Err(Kind::TooLarge), "{said}");
        }
    }

    #[test]
    fn a_status_without_a_body_stands_in_the_headers() {
        let mut answer = answer(200, &[]);
        answer
            .headers
            .insert(GRPC_STATUS, HeaderValue::from_static("16"));
        assert_eq!(judge(&answer), Err(SinkErrorKind::Unauthorized));
    }

    #[test]
    fn a_frame_says_how_long_its_message_is() {
        let framed = frame(b"abc", true).unwrap();
        assert_eq!(framed, [1, 0, 0, 0, 3, b'a', b'b', b'c']);
        assert_eq!(message(&frame(b"abc", false).unwrap()), b"abc");
        assert_eq!(message(b""), b"");
        assert_eq!(message(&framed), b"");
    }
}
