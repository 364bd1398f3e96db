//! Makes calls over kept connections and looks at every answer to its last byte.
//!
//! Closed loop: each connection makes its next call when the last one is answered. Open loop: calls
//! start at a fixed rate whatever happens, and a call's time counts from when it should have
//! started. Bounded in count and time, and only ever against this machine.

mod connection;
mod report;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use self::connection::Connection;
pub use self::report::{Done, End, Report};

/// No run makes more calls than this.
const CALLS_MAX: u64 = 10_000_000;
/// No run takes longer than this.
const TIME_MAX: Duration = Duration::from_secs(3600);
/// How long to wait before connecting again.
const RECONNECT: Duration = Duration::from_millis(20);

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whom to call; on the loopback interface.
    pub target: SocketAddr,
    /// The path of every call.
    pub path: String,
    /// The bearer key.
    pub key: String,
    /// Connections, each with one call at a time.
    pub connections: usize,
    /// Ends after so many calls.
    pub calls: u64,
    /// Ends after so long; calls in flight are waited for.
    pub time: Duration,
    /// Calls per second; without, as many as the connections can make.
    pub rate: Option<u64>,
    /// How long one call may take.
    pub timeout: Duration,
}

impl Plan {
    /// A closed loop of `calls` calls.
    #[must_use]
    pub fn calls(target: SocketAddr, connections: usize, calls: u64) -> Self {
        Self {
            target,
            path: "/v1/chat/completions".to_owned(),
            key: "sk-1234".to_owned(),
            connections,
            calls,
            time: TIME_MAX,
            rate: None,
            timeout: Duration::from_secs(60),
        }
    }

    /// A closed loop for some time.
    #[must_use]
    pub fn time(target: SocketAddr, connections: usize, time: Duration) -> Self {
        Self {
            time,
            ..Self::calls(target, connections, CALLS_MAX)
        }
    }

    /// The same, at a fixed rate.
    #[must_use]
    pub fn at_rate(self, rate: u64) -> Self {
        Self {
            rate: Some(rate),
            ..self
        }
    }
}

/// One call to make.
#[derive(Clone, Debug)]
pub struct Call {
    /// The JSON.
    pub body: Bytes,
    /// Sent as `x-litellm-call-id`.
    pub id: Option<String>,
    /// Whether the answer is a stream.
    pub stream: bool,
    /// Whether it is in Anthropic's dialect, not in OpenAI's.
    pub messages: bool,
}

impl Call {
    /// A chat completion whose prompt is `prompt`.
    #[must_use]
    pub fn chat(model: &str, prompt: &str, stream: bool) -> Self {
        let mut body = serde_json::json!({
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
        });
        if stream {
            body["stream"] = true.into();
        }
        Self {
            body: Bytes::from(body.to_string()),
            id: None,
            stream,
            messages: false,
        }
    }

    /// The same in Anthropic's dialect; a plan for it has the path `/v1/messages`.
    #[must_use]
    pub fn message(model: &str, prompt: &str, stream: bool) -> Self {
        let body = serde_json::json!({
            "model": model,
            "max_tokens": 4096,
            "messages": [{"role": "user", "content": prompt}],
            "stream": stream,
        });
        Self {
            body: Bytes::from(body.to_string()),
            id: None,
            stream,
            messages: true,
        }
    }

    /// The same, under an id of our own.
    #[must_use]
    pub fn with_id(self, id: String) -> Self {
        Self {
            id: Some(id),
            ..self
        }
    }
}

/// Stops a run from outside; calls in flight are waited for.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// No new calls from here on.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes the calls of `plan`; `call` says what the nth of them is.
///
/// # Errors
///
/// If the target is not on this machine.
pub async fn run(
    plan: Plan,
    stop: Stop,
    call: impl Fn(u64) -> Call + Send + Sync + 'static,
) -> io::Result<Report> {
    if !plan.target.ip().is_loopback() {
        let text = format!("`{}` is not on the loopback interface", plan.target);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let began = Instant::now();
    let shared = Arc::new(Shared {
        calls: plan.calls.min(CALLS_MAX),
        deadline: began + plan.time.min(TIME_MAX),
        began,
        next: AtomicU64::new(0),
        stop,
        plan,
        call,
    });
    let mut workers = JoinSet::new();
    for _ in 0..shared.plan.connections {
        workers.spawn(Arc::clone(&shared).work());
    }
    let calls = workers.join_all().await.into_iter().flatten().collect();
    Ok(Report {
        calls,
        elapsed: began.elapsed(),
    })
}

struct Shared<F> {
    plan: Plan,
    call: F,
    calls: u64,
    began: Instant,
    deadline: Instant,
    next: AtomicU64,
    stop: Stop,
}

impl<F: Fn(u64) -> Call> Shared<F> {
    /// One connection's calls.
    async fn work(self: Arc<Self>) -> Vec<Done> {
        let mut done = Vec::new();
        let mut connection = None;
        while let Some((index, started)) = self.turn().await {
            let call = (self.call)(index);
            let (end, id) = self.make(&mut connection, &call).await;
            if end == End::Refused {
                sleep(RECONNECT).await;
            }
            let call_id = id.or(call.id);
            done.push(Done {
                index,
                call_id,
                end,
                took: started.elapsed(),
            });
        }
        done
    }

    /// The next call's number, and when it starts; waits until then.
    async fn turn(&self) -> Option<(u64, Instant)> {
        if self.stop.stopped() || Instant::now() >= self.deadline {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.calls {
            return None;
        }
        let Some(rate) = self.plan.rate else {
            return Some((index, Instant::now()));
        };
        let start = self.began + Duration::from_nanos(index * 1_000_000_000 / rate.max(1));
        if start >= self.deadline {
            return None;
        }
        sleep_until(start).await;
        Some((index, start))
    }

    async fn make(
        &self,
        connection: &mut Option<Connection>,
        call: &Call,
    ) -> (End, Option<String>) {
        if connection.as_ref().is_none_or(Connection::is_closed) {
            match Connection::open(self.plan.target).await {
                Ok(opened) => *connection = Some(opened),
                Err(_error) => return (End::Refused, None),
            }
        }
        let Some(open) = connection.as_mut() else {
            return (End::Refused, None);
        };
        let called = tokio::time::timeout(self.plan.timeout, open.call(&self.plan, call));
        let (end, id) = called.await.unwrap_or((End::TimedOut, None));
        if !end.is_complete() {
            *connection = None;
        }
        (end, id)
    }
}
