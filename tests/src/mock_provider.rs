//! A provider that speaks OpenAI's dialect over real HTTP and does what the request tells it to.
//!
//! A request is checked as strictly as the real API checks it; the [`Script`] in its last message
//! says what comes back. It is cheap per request, since benchmarks run against it.

mod answer;
mod body;
mod foreign;
mod log;
mod message;
mod realtime;
mod request;
mod response;
mod script;
mod surface;
mod text;
mod told;

use std::{
    collections::HashMap,
    future, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

use self::{
    answer::{Answer, Refusal},
    body::Ending,
    log::{Log, Recorder},
    request::Accepted,
    surface::Surface,
};
pub use self::{
    body::{Cut, Paced},
    log::Entry,
    script::{Script, Usage},
};
use crate::serve::Server;

/// How the provider behaves when a request does not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port; 0 takes any.
    pub port: u16,
    /// How many entries are remembered.
    pub log: usize,
    /// The only key that is let in; any if there is none.
    pub key: Option<String>,
    /// The script of a request without one.
    pub script: Script,
}

/// A running provider; it stops when it is dropped.
#[derive(Debug)]
pub struct MockProvider {
    server: Server,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    options: Options,
    /// Makes the ids of two runs differ.
    run: String,
    requests: AtomicU64,
    /// How often each script with `fail_first` was seen.
    failed: Mutex<HashMap<String, u64>>,
    log: Arc<Log>,
    /// Realtime sessions, which end when this is dropped.
    sessions: Mutex<JoinSet<()>>,
}

impl MockProvider {
    /// Starts one that remembers the last fifty thousand requests and wants the key `sk-upstream`.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn start() -> io::Result<Self> {
        let key = Some("sk-upstream".to_owned());
        Self::with(Options {
            log: 50_000,
            key,
            ..Options::default()
        })
        .await
    }

    /// Starts one.
    ///
    /// # Errors
    ///
    /// If the port is taken.
    pub async fn with(options: Options) -> io::Result<Self> {
        let run = Uuid::now_v7().simple().to_string().split_off(20);
        let log = Log::new(options.log);
        let port = options.port;
        let (requests, failed) = (AtomicU64::new(0), Mutex::default());
        let state = Arc::new(State {
            options,
            run,
            requests,
            failed,
            log,
            sessions: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        let answer = move |request| Arc::clone(&serving).serve(request);
        Ok(Self {
            server: Server::start(port, answer).await?,
            state,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What goes into `api_base`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}/v1", self.address())
    }

    /// How many requests have come, good and bad.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// The requests whose answers are over.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.state.log.entries()
    }

    /// The entry whose answer has this id, once it is over.
    pub async fn entry(&self, id: &str) -> Option<Entry> {
        self.state.log.entry(id).await
    }

    /// Serves until the process ends.
    pub async fn forever(self) {
        self.server.forever().await;
    }
}

impl State {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Response<Paced> {
        if request.uri().path() != "/v1/realtime" {
            return self.answer(request).await;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        realtime::open(request, self.options.key.as_deref(), &mut sessions)
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Paced> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let surface = Surface::of(&head.method, path);
        if head.method == Method::GET && surface.is_none() {
            return self.tell(path).await;
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("chatcmpl-{}{number:08x}", self.run);
        let Ok(body) = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
        else {
            // The sender broke off; there is nobody to answer.
            return head_of(400, Paced::whole(Bytes::new(), None));
        };
        let route = format!("{} {path}", head.method);
        let recorder = self.log.record(|| Entry {
            id: id.clone(),
            route: route.clone(),
            headers: head.headers.clone(),
            request: body.clone(),
            status: 200,
            answered: Bytes::new(),
            complete: false,
        });
        let accepted = surface
            .ok_or_else(|| Refusal::unknown_route(&route))
            .and_then(|surface| {
                let key = self.options.key.as_deref();
                Ok((surface, surface.accept(&head.headers, key, (path, &body))?))
            });
        let scripted = accepted.and_then(|(surface, accepted)| {
            let (accepted, script) = self.script(accepted)?;
            Ok((surface, accepted, of_path(script, path)))
        });
        let mut response = match scripted {
            Err(refusal) => refuse(&refusal.said_by(surface), recorder),
            Ok((surface, accepted, script)) => {
                if script.hang {
                    return future::pending().await;
                }
                sleep_some(script.delay).await;
                let answer = Answer {
                    id: &id,
                    request: &accepted,
                    script: &script,
                };
                respond(&answer, (surface, path), recorder)
            }
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(id) {
            headers.insert("x-request-id", id);
        }
        response
    }

    /// What this request asks for.
    fn script(&self, accepted: Accepted) -> Result<(Accepted, Script), Refusal> {
        let script = Script::of(&accepted.prompt, &self.options.script);
        let mut script = script.map_err(|text| Refusal::invalid("messages", &text))?;
        if let Some(called) = &script.tool_call
            && (accepted.tools.is_empty()
                || called.iter().any(|tool| !accepted.tools.contains(tool)))
        {
            let text = format!(
                "the script calls {called:?}, but there is {:?}",
                accepted.tools
            );
            return Err(Refusal::invalid("tools", &text));
        }
        if script.fail_first > 0 {
            let words = script::words_in(&accepted.prompt)
                .unwrap_or_default()
                .to_owned();
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = failed.entry(words).or_default();
            *seen += 1;
            script.status = match (*seen <= script.fail_first, script.status) {
                (false, _) => 200,
                (true, 200) => 500,
                (true, status) => status,
            };
        }
        Ok((accepted, script))
    }

    /// `GET /__log` and `GET /__log/ID`: what was asked and answered.
    async fn tell(&self, path: &str) -> Response<Paced> {
        let found = match path.strip_prefix("/__log") {
            Some("" | "/") => Some(
                self.log
                    .entries()
                    .iter()
                    .map(Entry::json)
                    .collect::<Value>(),
            ),
            Some(id) => self
                .log
                .entry(id.trim_start_matches('/'))
                .await
                .as_ref()
                .map(Entry::json),
            None if path == "/health" => Some(Value::Bool(true)),
            None => None,
        };
        match found {
            Some(json) => head_of(200, Paced::whole(Bytes::from(json.to_string()), None)),
            None => refuse(&Refusal::unknown_route(path), None),
        }
    }
}

fn refuse(refusal: &Refusal, mut recorder: Option<Recorder>) -> Response<Paced> {
    if let Some(recorder) = &mut recorder {
        recorder.status(refusal.status);
    }
    head_of(refusal.status, Paced::whole(refusal.body.clone(), recorder))
}

/// Answers as the script says.
fn respond(
    answer: &Answer<'_>,
    (surface, path): (Surface, &str),
    recorder: Option<Recorder>,
) -> Response<Paced> {
    let script = answer.script;
    if script.status != 200 {
        return failure(surface, script, recorder);
    }
    if script.empty_body {
        return head_of(200, Paced::whole(Bytes::new(), recorder));
    }
    if !answer.request.stream && surface != Surface::Speech {
        let (kind, body) = told::whole(surface, answer, path);
        let mut response = head_of(200, cut(Paced::whole(body, recorder), script));
        let kind = HeaderValue::from_static(kind);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        return response;
    }
    let (kind, mut pieces) = told::stream(surface, answer);
    let mut ending = Ending::Good;
    let early = [
        (script.cut_after, Ending::Cut),
        (script.hang_after, Ending::Hang),
        (script.error_after, Ending::Good),
    ];
    for (after, how) in early {
        if let Some(after) = after {
            pieces.truncate(after);
            ending = how;
        }
    }
    if script.error_after.is_some() {
        pieces.push(told::stream_error(surface));
    }
    let body = Paced::stream(pieces, script.chunk_delay, ending, recorder);
    let mut response = head_of(200, cut(body, script));
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// What is kept has no message to carry a script: its id is one.
fn of_path(script: Script, path: &str) -> Script {
    let status = if path.contains("missing") {
        404
    } else {
        script.status
    };
    let hang = script.hang || path.contains("hanging");
    Script {
        status,
        hang,
        ..script
    }
}

fn cut(body: Paced, script: &Script) -> Paced {
    match script.cut_bytes {
        Some(bytes) => body.cut_at(bytes),
        None => body,
    }
}

fn failure(surface: Surface, script: &Script, recorder: Option<Recorder>) -> Response<Paced> {
    let mut refusal = Refusal::scripted(script).said_by(Some(surface));
    if script.empty_body {
        refusal.body = Bytes::new();
    }
    let mut response = refuse(&refusal, recorder);
    let headers = response.headers_mut();
    if let Some(seconds) = script.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if script.html_error {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    }
    response
}

/// The head that the real API sends, more or less.
fn head_of(status: u16, body: Paced) -> Response<Paced> {
    let mut response = Response::new(body);
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-type", "application/json"),
        ("openai-organization", "org-mock"),
        ("openai-processing-ms", "7"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", "9999"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn sleep_some(delay: Duration) {
    if !delay.is_zero() {
        sleep(delay).await;
    }
}
