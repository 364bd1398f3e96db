//! One connection: one request, one answer.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Mutex,
    time::Duration,
};

use super::{Request, State, lock};
use crate::Fault;

/// Nobody who is alive is silent for longer.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Between two bytes of an answer that never ends.
const DRIP: Duration = Duration::from_millis(20);
/// Bytes that are read of a request before its connection is cut.
const CUT_AFTER: u64 = 100;

pub(super) fn talk(mut stream: TcpStream, state: &Mutex<State>) {
    drop(stream.set_read_timeout(Some(SILENCE_MAX)));
    let fault = lock(state).fault;
    if fault == Some(Fault::CutsRequest) {
        drop(io::copy(&mut (&stream).take(CUT_AFTER), &mut io::sink()));
        return;
    }
    let request = match read(&stream) {
        Ok(Some(request)) => request,
        Ok(None) => return,
        Err(complaint) => {
            lock(state).complaints.push(complaint);
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
            return;
        }
    };
    match decide(fault, &request, state) {
        Reply::Whole(answer) => drop(stream.write_all(&answer)),
        Reply::Drop => {}
        Reply::Silence => listen(&stream),
        Reply::Drips(answer) => {
            for byte in answer.iter().cycle() {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                super::pause(DRIP);
            }
        }
    }
    drop(stream.shutdown(Shutdown::Both));
}

/// Until the other side has had enough.
fn listen(mut stream: &TcpStream) {
    drop(io::copy(&mut stream, &mut io::sink()));
}

/// How a request is answered.
enum Reply {
    Whole(Vec<u8>),
    /// Byte by byte, again and again.
    Drips(Vec<u8>),
    Silence,
    Drop,
}

/// Keeps the request or not, and says how to answer.
fn decide(fault: Option<Fault>, request: &Request, state: &Mutex<State>) -> Reply {
    let mut state = lock(state);
    state.seen.push(request.clone());
    if fault.is_none_or(|fault| Fault::STORES.contains(&fault)) {
        state.taken.push(request.clone());
    }
    let mut yes = head(200, "", state.answer.len());
    let whole_head = yes.len();
    // A `HEAD` is answered like a `GET`, without the body.
    if request.method != "HEAD" {
        yes.extend_from_slice(&state.answer);
    }
    let Some(fault) = fault else {
        return Reply::Whole(yes);
    };
    Reply::Whole(match fault {
        Fault::Away | Fault::Hangs | Fault::StoresThenHangs => return Reply::Silence,
        Fault::CutsRequest | Fault::Resets | Fault::StoresThenResets => return Reply::Drop,
        Fault::Drips => return Reply::Drips(b"HTTP/1.1 200 OK\r\nx-drip: 1\r\n".to_vec()),
        Fault::CutsAnswer => {
            yes.truncate(20);
            yes
        }
        // A `HEAD` has no body to be cut.
        Fault::CutsAnswerBody if request.method == "HEAD" => head(500, "", 0),
        Fault::CutsAnswerBody => {
            let mut cut = head(200, "", state.answer.len() + 10);
            cut.extend_from_slice(yes.get(whole_head..).unwrap_or_default());
            cut
        }
        Fault::StoresThenFails => head(503, "", 0),
        Fault::AnswersGarbage => b"SSH-2.0-OpenSSH_9.6\r\n\0\x01\x02 not HTTP\r\n\r\n".to_vec(),
        Fault::AnswersHugeHead => {
            let mut huge = b"HTTP/1.1 200 OK\r\n".to_vec();
            for number in 0..20_000 {
                huge.extend_from_slice(format!("x-header-{number}: {number}\r\n").as_bytes());
            }
            huge
        }
        Fault::Answers(status) => head(status, "", 0),
        Fault::AsksForPause(status, pause) => {
            head(status, &format!("retry-after: {}\r\n", pause.as_secs()), 0)
        }
        Fault::AsksForPauseUntil(status, pause) => {
            let until = 14 + pause.as_secs();
            let day = "Sat, 21 Nov 2026 11:42:";
            let dates = format!("date: {day}14 GMT\r\nretry-after: {day}{until:02} GMT\r\n");
            head(status, &dates, 0)
        }
        Fault::Redirects(status) => head(status, "location: http://169.254.169.254/latest/\r\n", 0),
    })
}

fn head(status: u16, header: &str, length: usize) -> Vec<u8> {
    let fixed = "content-type: application/json\r\nconnection: close\r\n";
    format!("HTTP/1.1 {status} Said\r\n{fixed}{header}content-length: {length}\r\n\r\n")
        .into_bytes()
}

/// Reads a request; `None` if the connection was closed before there was a whole one.
///
/// # Errors
///
/// What is wrong with it.
fn read(stream: &TcpStream) -> Result<Option<Request>, String> {
    let mut reader = BufReader::new(stream);
    let Some(first) = line(&mut reader)? else {
        return Ok(None);
    };
    let mut parts = first.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!("not a request line: {first:?}"));
    };
    let mut headers = Vec::new();
    loop {
        let Some(header) = line(&mut reader)? else {
            return Ok(None);
        };
        if header.is_empty() {
            break;
        }
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| format!("not a header: {header:?}"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut request = Request {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    let length = check(&request)?;
    request.body = vec![0; length];
    Ok(reader
        .read_exact(&mut request.body)
        .is_ok()
        .then_some(request))
}

/// Checks what every request needs and returns the length of the body.
fn check(request: &Request) -> Result<usize, String> {
    if !request.target.starts_with('/') {
        return Err(format!("not a path: {:?}", request.target));
    }
    if request.header("host").is_none_or(str::is_empty) {
        return Err("there must be one `host`".to_owned());
    }
    let has = |name: &str| request.headers.iter().any(|(given, _)| given == name);
    if has("transfer-encoding") {
        return Err("a body of known length must not be sent in chunks".to_owned());
    }
    match (request.method.as_str(), request.header("content-length")) {
        ("GET" | "HEAD" | "OPTIONS" | "DELETE", None) => Ok(0),
        ("GET" | "HEAD" | "OPTIONS" | "DELETE" | "POST" | "PUT" | "PATCH", Some(length)) => length
            .parse()
            .map_err(|_error| format!("not a length: {length:?}")),
        (method, length) => Err(format!("`{method}` with `content-length` {length:?}")),
    }
}

/// One line without its end; `None` at the end of the stream.
fn line(reader: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    match reader.take(64 << 10).read_until(b'\n', &mut bytes) {
        Err(_) | Ok(0) => return Ok(None),
        Ok(_) => {}
    }
    if bytes.last() != Some(&b'\n') {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).map_err(|error| format!("not text: {error}"))?;
    text.strip_suffix("\r\n")
        .map(|text| Some(text.to_owned()))
        .ok_or_else(|| format!("a line must end with CR LF: {text:?}"))
}
