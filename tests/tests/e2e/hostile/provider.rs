//! A provider that keeps to no protocol: what it does stands in the path that it is asked by.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use super::bytes::{gzip_bomb, message, prelude};

const MIB: usize = 1 << 20;
/// What "without end" is here: more than any bound.
const ENDLESS_MIB: usize = 110;
const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\nconnection: close\r\n\r\n";
/// A comment as proxies send them to keep a connection open, only larger.
const COMMENT: &[u8] = &{
    let mut comment = [b' '; 4096];
    comment[0] = b':';
    comment[4095] = b'\n';
    comment
};
/// An answer that would be a good one.
const GOOD: &str = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

/// A running provider; it stops when it is dropped.
pub(super) struct Hostile {
    pub(super) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Hostile {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _peer)) = listener.accept().await {
                // The gateway closes in the middle of most of it.
                connections.spawn(async move { drop(serve(stream).await) });
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }
}

/// Reads a request, and does what the first part of its path says.
async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await?;
        head.extend_from_slice(&piece[..count]);
        if head.first() == Some(&0x16) {
            // It greets with TLS, and gets half a record.
            return stream.write_all(&[0x16, 3, 3, 0x40, 0, 2]).await;
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if count == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.lines().next()?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0_usize).saturating_sub(head.len() - end)];
    stream.read_exact(&mut body).await?;
    let what = text.split('/').nth(1).unwrap_or_default().to_owned();
    act(&what, &mut stream).await?;
    stream.flush().await
}

async fn act(what: &str, stream: &mut TcpStream) -> io::Result<()> {
    match what {
        "close" => Ok(()),
        "tls" => stream.write_all(&[0x16, 3, 3, 0x40, 0, 2]).await,
        "line" => endless(stream, SSE, b"data: {\"choices\": \"", b"xxxxxxxx").await,
        "lines" => endless(stream, SSE, b"", b"data: x\n").await,
        "comments" => endless(stream, SSE, b"", COMMENT).await,
        "header" => endless(stream, "HTTP/1.1 200 OK\r\nx-a: ", b"", b"xxxxxxxx").await,
        "headers" => endless(stream, "HTTP/1.1 200 OK\r\n", b"", b"x-a: 1\r\n").await,
        "status" => endless(stream, "HTTP/1.1 200 ", b"", b"xxxxxxxx").await,
        "huge" => {
            let head = format!("{JSON}content-length: {}\r\n\r\n", 1_u64 << 30);
            endless(stream, &head, b"", b"        ").await
        }
        "huge_chunked" => {
            let head = format!("{JSON}transfer-encoding: chunked\r\n\r\n40000000\r\n");
            endless(stream, &head, b"", b"        ").await
        }
        "huge_error" => {
            let head = "HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\n\r\n";
            endless(stream, head, b"{\"error\": \"", b"xxxxxxxx").await
        }
        "swelling" => {
            let head = format!("{JSON}connection: close\r\n\r\n");
            swelling(stream, &head).await
        }
        "trickle" => trickle(stream).await,
        other => stream.write_all(&fixed(other)).await,
    }
}

/// Answers that are there at once.
fn fixed(what: &str) -> Bytes {
    let json = |more: &str, body: &[u8]| [JSON.as_bytes(), more.as_bytes(), body].concat();
    let sse = |body: &str| [SSE, body].concat().into_bytes();
    let events = |body: &[u8]| [EVENTS.as_bytes(), body].concat();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let whole = message(b"{\"role\":\"assistant\"}");
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    let bytes = match what {
        "too_long" => json("content-length: 100000\r\n\r\n", GOOD.as_bytes()),
        "too_short" => json("content-length: 40\r\n\r\n", GOOD.as_bytes()),
        "two_lengths" => json(
            "content-length: 5\r\ncontent-length: 9\r\n\r\n",
            GOOD.as_bytes(),
        ),
        "chunks" => json(
            "transfer-encoding: chunked\r\n\r\n",
            b"zz\r\n{}\r\n\x00\xff",
        ),
        "chunk_size" => json(
            "transfer-encoding: chunked\r\n\r\n",
            b"fffffffffffffffff\r\n{}",
        ),
        "gzip" => json(
            "content-encoding: gzip\r\nconnection: close\r\n\r\n",
            &[0x5a; 4000],
        ),
        "bomb" => json(
            "content-encoding: gzip\r\nconnection: close\r\n\r\n",
            &gzip_bomb(),
        ),
        "deep" => json(
            "connection: close\r\n\r\n",
            format!("{{\"choices\":{deep}}}").as_bytes(),
        ),
        "deep_stream" => sse(&format!("data: {{\"choices\":{deep}}}\n\n")),
        "binary" => sse(&"\u{0}\u{1}\u{fffd}".repeat(5000)),
        "not_http" => b"220 mail.example.org ESMTP\r\n".to_vec(),
        "frame_length" => events(&prelude(u32::MAX, 0)),
        "frame_headers" => events(&prelude(64, u32::MAX)),
        "frame_small" => events(&prelude(3, 0)),
        "frame_crc" => events(&damaged),
        "frame_cut" => events(&whole[..whole.len() / 2]),
        "frame_noise" => events(&[0xa5; 5000]),
        other => unreachable!("nobody asks for {other}"),
    };
    bytes.into()
}

/// `head`, `start`, and then `again` until there have been enough of them.
async fn endless(stream: &mut TcpStream, head: &str, start: &[u8], again: &[u8]) -> io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(start).await?;
    let piece = again.repeat(MIB / again.len());
    for _ in 0..ENDLESS_MIB {
        stream.write_all(&piece).await?;
    }
    Ok(())
}

/// An answer below the limit of which each two bytes are a value.
async fn swelling(stream: &mut TcpStream, head: &str) -> io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(b"{\"content\":[0").await?;
    let piece = b",0".repeat(MIB / 2);
    for _ in 0..60 {
        stream.write_all(&piece).await?;
    }
    stream.write_all(b"]}").await
}

/// A byte now and then.
async fn trickle(stream: &mut TcpStream) -> io::Result<()> {
    let head = format!("{JSON}content-length: {}\r\n\r\n", GOOD.len());
    stream.write_all(head.as_bytes()).await?;
    for byte in GOOD.as_bytes() {
        stream.write_all(&[*byte]).await?;
        sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}
