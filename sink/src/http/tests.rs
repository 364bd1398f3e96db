//! The client against a destination that answers what it is told.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use super::*;

fn client(egress: EgressPolicy) -> HttpClient {
    let timeout = Duration::from_millis(500);
    HttpClient::new(HttpOptions {
        egress,
        timeout,
        ..HttpOptions::default()
    })
    .unwrap()
}

/// Answers one request with `answer` and returns what was asked.
fn destination(answer: String) -> (Endpoint, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/path?key=SECRET", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        // The client may have had enough before the end.
        drop(stream.write_all(answer.as_bytes()));
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    (Endpoint::parse(&url).unwrap(), asked)
}

async fn ask(
    answer: &str,
    change: fn(Outgoing) -> Outgoing,
) -> (Result<Answer, SinkError>, String) {
    let (endpoint, asked) = destination(answer.to_owned());
    let request = change(Outgoing::post(endpoint, "body"));
    let answer = client(EgressPolicy::with_loopback()).send(request).await;
    (answer, asked.join().unwrap())
}

fn with_key(request: Outgoing) -> Outgoing {
    let key = Secret::new("sk-canary-1234".to_owned());
    request
        .secret_header(header::AUTHORIZATION, "Bearer ", &key)
        .unwrap()
}

#[tokio::test]
async fn it_sends_what_it_is_given() {
    let (answer, asked) = ask("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", with_key).await;
    assert_eq!(answer.unwrap().body, "ok");
    assert!(
        asked.starts_with("POST /path?key=SECRET HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("authorization: Bearer sk-canary-1234\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("user-agent: tollkeeper/") && asked.ends_with("\r\n\r\nbody"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let answer = "HTTP/1.1 307 See\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (answer, _) = ask(answer, |request| request).await;
    assert_eq!(answer.unwrap_err().kind(), SinkErrorKind::Misconfigured);
}

#[tokio::test]
async fn an_error_says_what_was_answered_and_shows_no_secret() {
    let body = "bad\r\nkey sk-canary-1234\u{1b}[2J";
    let length = body.len();
    let answer =
        format!("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: {length}\r\n\r\n{body}");
    let (answer, _) = ask(&answer, with_key).await;
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Throttled);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(
        error
            .detail()
            .ends_with("answered 429 Too Many Requests: bad key … [2J"),
        "{error}"
    );
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains("SECRET") && !shown.contains("canary"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_sink_may_know_better_what_a_status_means() {
    let answer = "HTTP/1.1 412 Exists\r\ncontent-length: 0\r\n\r\n";
    let exists: Judge = |answer| match answer.status {
        StatusCode::PRECONDITION_FAILED => Ok(()),
        status => meaning(status),
    };
    let (endpoint, _asked) = destination(answer.to_owned());
    let request = Outgoing::post(endpoint, "").judge(exists);
    assert!(
        client(EgressPolicy::with_loopback())
            .send(request)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit() {
    let body = "x".repeat(ANSWER_BYTES_MAX * 3);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let (answer, _) = ask(&(head + &body), |request| request).await;
    assert_eq!(answer.unwrap().body.len(), ANSWER_BYTES_MAX);
}

#[tokio::test]
async fn half_a_yes_is_not_a_yes_but_half_a_no_is_a_no() {
    for (status, kind) in [
        ("200 OK", SinkErrorKind::Unreachable),
        ("400 Bad", SinkErrorKind::Refused),
        ("503 Busy", SinkErrorKind::Failing),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 10\r\n\r\nhalf");
        let (answer, _) = ask(&answer, |request| request).await;
        assert_eq!(answer.unwrap_err().kind(), kind, "{status}");
    }
}

#[tokio::test]
async fn silence_ends_at_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/?key=SECRET", listener.local_addr().unwrap());
    let request = Outgoing::post(Endpoint::parse(&url).unwrap(), "");
    let request = request.timeout(Duration::from_millis(50));
    let error = client(EgressPolicy::with_loopback())
        .send(request)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unreachable);
    assert!(error.detail().contains("in time"), "{error}");
    assert!(!format!("{error:?}").contains("SECRET"));
}

#[tokio::test]
async fn a_name_is_refused_by_where_it_leads() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for (policy, url) in [
        (
            EgressPolicy::default(),
            format!("https://localhost:{port}/"),
        ),
        (
            EgressPolicy::default(),
            format!("https://127.0.0.1:{port}/"),
        ),
        (EgressPolicy::default(), format!("https://[::1]:{port}/")),
        (EgressPolicy::default(), format!("http://localhost:{port}/")),
    ] {
        let request = Outgoing::post(Endpoint::parse(&url).unwrap(), "");
        let error = client(policy).send(request).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Misconfigured, "{url}: {error}");
        assert!(error.detail().contains("egress.allow"), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_is_allowed_is_reached() {
    let (endpoint, asked) = destination("HTTP/1.1 204 None\r\n\r\n".to_owned());
    let named = endpoint.url().as_str().replace("127.0.0.1", "localhost");
    let request = Outgoing::post(Endpoint::parse(&named).unwrap(), "");
    client(EgressPolicy::with_loopback())
        .send(request)
        .await
        .unwrap();
    assert!(asked.join().unwrap().contains("host: localhost:"));
}

#[test]
fn an_address_in_a_url_is_seen_in_every_spelling() {
    let policy = EgressPolicy::default();
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://%31%32%37.0.0.1/",
        "https://１２７.0.0.1/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:127.0.0.1]:8443/",
    ] {
        let endpoint = Endpoint::parse(url).unwrap();
        let error = policy.check(endpoint.host(), true).unwrap_err();
        assert!(
            error.to_string().contains("which is loopback"),
            "{url}: {error}"
        );
        assert!(error.to_string().contains("egress.allow"), "{url}: {error}");
    }
}
