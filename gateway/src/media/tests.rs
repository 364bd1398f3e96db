//! Fetching against a server that answers what it is told.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use super::*;

/// Answers one request after the other; `{BASE}` in an answer is the server's own address.
fn server(answers: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let answers: Vec<String> = answers
        .iter()
        .map(|answer| answer.replace("{BASE}", &base))
        .collect();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _length = stream.read(&mut request).unwrap();
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    base
}

async fn get(policy: EgressPolicy, address: &str, bytes_max: usize) -> Result<Media, String> {
    let client = MediaClient::new(&upstream::tls().unwrap(), policy);
    let deadline = Instant::now() + Duration::from_secs(5);
    let got = client.get(address, bytes_max, deadline).await;
    got.map_err(|error| error.to_string())
}

fn ok(kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn media_are_fetched_with_their_type() {
    for (told, body, kind) in [
        ("image/png; charset=x", "any", "image/png"),
        ("application/octet-stream", "GIF89a", "image/gif"),
        ("", "%PDF-1.7", "application/pdf"),
        ("binary/octet-stream", "?", "application/octet-stream"),
    ] {
        let base = server(&[&ok(told, body)]);
        let media = get(EgressPolicy::anywhere(), &base, 100).await.unwrap();
        assert_eq!(media.content_type, kind);
        assert_eq!(media.bytes, body);
    }
}

#[tokio::test]
async fn redirects_are_followed_a_few_times() {
    let there = ok("image/png", "x");
    let ways = ["{BASE}/b", "/c", "d"].map(moved);
    let base = server(&[&ways[0], &ways[1], &ways[2], &there]);
    let address = format!("{base}/a");
    assert!(get(EgressPolicy::anywhere(), &address, 9).await.is_ok());
    let base = server(&[&ways[1], &ways[1], &ways[1], &ways[1], &there]);
    let error = get(EgressPolicy::anywhere(), &base, 9).await.unwrap_err();
    assert!(error.contains("redirected"), "{error}");
}

#[tokio::test]
async fn nothing_private_is_reached_whichever_way() {
    for address in [
        "http://127.0.0.1:1/",
        "http://127.1:1/",
        "http://2130706433/",
        "http://localhost:1/",
        "https://[::1]:1/",
        "http://10.1.2.3/",
    ] {
        let error = get(EgressPolicy::public(), address, 9).await.unwrap_err();
        assert!(error.contains("private"), "{address}: {error}");
    }
    let base = server(&[&moved("http://169.254.169.254/latest/meta-data")]);
    let error = get(EgressPolicy::anywhere(), &base, 9).await.unwrap_err();
    assert!(error.contains("private"), "{error}");
}

#[tokio::test]
async fn what_is_too_large_or_no_answer_is_refused() {
    let (large, gone) = (
        ok("image/png", "0123456789"),
        "HTTP/1.1 404 N\r\ncontent-length: 0\r\n\r\n",
    );
    for (answer, wanted) in [(&*large, "bytes"), (gone, "404"), ("", "reached")] {
        let base = server(&[answer]);
        let error = get(EgressPolicy::anywhere(), &base, 9).await.unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
    for address in ["ftp://x/y", "data:x", "/x", "http://"] {
        let error = get(EgressPolicy::anywhere(), address, 9).await.unwrap_err();
        assert!(error.contains("address"), "{address}: {error}");
    }
}
