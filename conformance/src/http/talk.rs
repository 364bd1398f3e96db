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
    let answer = decide(fault, &request, state);
    match answer {
        Some(answer) => drop(stream.write_all(&answer)),
        // Until the other side has had enough.
        None => drop(io::copy(&mut &stream, &mut io::sink())),
    }
    drop(stream.shutdown(Shutdown::Both));
}

/// Keeps the request or not, and says what to answer; `None` is silence.
fn decide(fault: Option<Fault>, request: &Request, state: &Mutex<State>) -> Option<Vec<u8>> {
    let mut state = lock(state);
    state.seen.push(request.clone());
    if matches!(
        fault,
        None | Some(Fault::CutsAnswer | Fault::StoresThenFails)
    ) {
        state.taken.push(request.clone());
    }
    let yes = |body: &[u8]| {
        let mut answer = head("200 OK", "", body.len());
        // A `HEAD` is answered like a `GET`, without the body.
        answer.extend_from_slice(if request.method == "HEAD" { b"" } else { body });
        answer
    };
    let no = |status: &str, header: &str| head(status, header, 0);
    Some(match fault {
        None => yes(&state.answer),
        Some(Fault::CutsAnswer) => {
            let mut answer = yes(&state.answer);
            answer.truncate(20);
            answer
        }
        Some(Fault::StoresThenFails) => no("503 Service Unavailable", ""),
        Some(Fault::Throttles) => no("429 Too Many Requests", ""),
        Some(Fault::ThrottlesFor(pause)) => no(
            "429 Too Many Requests",
            &format!("retry-after: {}\r\n", pause.as_secs()),
        ),
        Some(Fault::Fails) => no("500 Internal Server Error", ""),
        Some(Fault::Unauthorized) => no("401 Unauthorized", ""),
        Some(Fault::NotFound) => no("404 Not Found", ""),
        Some(Fault::Rejects) => no("400 Bad Request", ""),
        Some(Fault::TooLarge) => no("413 Content Too Large", ""),
        Some(Fault::Away | Fault::Hangs | Fault::CutsRequest) => return None,
    })
}

fn head(status: &str, header: &str, length: usize) -> Vec<u8> {
    let fixed = "content-type: application/json\r\nconnection: close\r\n";
    format!("HTTP/1.1 {status}\r\n{fixed}{header}content-length: {length}\r\n\r\n").into_bytes()
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
