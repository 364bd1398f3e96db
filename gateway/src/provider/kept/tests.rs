//! What is marked comes back as it was, and nothing else is touched.

use proptest::prelude::*;

use super::*;

fn mark() -> Mark {
    Mark("0123456789ab".to_owned())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn ids_are_marked_where_they_name_something() {
    let plain = r#"{ "id": "batch_1", "input_file_id":"file-a_B", "file_ids": ["file-1", "file-2"],
        "model": "file-like", "id": "call_7", "error": null, "text": "say \"id\": \"file-3\"",
        "container": "cntr_1", "data": [{"id": "resp_\"x"}] }"#;
    let wanted = plain
        .replace("batch_1\"", "batch_1-tk-0123456789ab\"")
        .replace("file-a_B\"", "file-a_B-tk-0123456789ab\"")
        .replace("file-1\"", "file-1-tk-0123456789ab\"")
        .replace("file-2\"", "file-2-tk-0123456789ab\"")
        .replace("cntr_1\"", "cntr_1-tk-0123456789ab\"");
    let said = marked(plain.as_bytes(), &mark());
    assert_eq!(text(&said), wanted);
    let (back, whose) = unmarked(&said).unwrap().unwrap();
    assert_eq!((text(&back), whose), (plain, mark()));
}

#[test]
fn what_only_looks_like_a_mark_stays() {
    for plain in [
        "file-1-tk-0123456789a",
        "file-1-tk-0123456789abc",
        "file-1-tk-0123456789AB",
        "a text-tk-0123456789ab",
        "-tk-",
    ] {
        assert_eq!(unmarked(plain.as_bytes()), Ok(None), "{plain}");
    }
    let two = "file-1-tk-0123456789ab/file-2-tk-ba9876543210";
    assert_eq!(unmarked(two.as_bytes()), Err(OfTwo));
    let path = "files/file-1-tk-0123456789ab/content";
    let (back, _whose) = unmarked(path.as_bytes()).unwrap().unwrap();
    assert_eq!(text(&back), "files/file-1/content");
}

/// Passes on what it gets.
struct AsItIs;

impl StreamedAnswer for AsItIs {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        chunk
    }

    fn is_complete(&self) -> bool {
        false
    }

    fn is_finished(&self) -> bool {
        true
    }

    fn rest(&mut self) -> Bytes {
        Bytes::new()
    }

    fn observed(&mut self) -> Observed {
        Observed::default()
    }
}

const STREAM: &str = concat!(
    "event: response.created\ndata: {\"response\":{\"id\":\"resp_1\"}}\n\n",
    "data: {\"previous_response_id\":\"resp_0\",\"delta\":\"\\\"\"}\r\n\r\n",
    "data: {\"id\":\"resp_2\"",
);

fn send(cuts: &[usize]) -> Vec<u8> {
    let mut stream = MarkingStream {
        inner: Box::new(AsItIs),
        mark: mark(),
        line: BytesMut::new(),
        overlong: false,
    };
    let mut out = Vec::new();
    let mut start = 0;
    for &cut in cuts.iter().chain([&STREAM.len()]) {
        out.extend(stream.chunk(Bytes::from(&STREAM[start..cut])));
        start = cut;
    }
    out.extend(stream.rest());
    out
}

proptest! {
    #[test]
    fn cuts_change_nothing(mut cuts in prop::collection::vec(0..STREAM.len(), 0..20)) {
        cuts.sort_unstable();
        let whole = send(&[]);
        prop_assert_eq!(whole.len(), STREAM.len() + 3 * (SIGN.len() + LENGTH));
        prop_assert_eq!(send(&cuts), whole);
    }

    #[test]
    fn anything_survives(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let said = marked(&body, &mark());
        if let Ok(Some((back, _whose))) = unmarked(&said) {
            prop_assert!(back == body || unmarked(&body) != Ok(None));
        } else {
            prop_assert_eq!(said, body);
        }
    }
}
