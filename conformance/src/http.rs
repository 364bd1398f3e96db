//! A destination that speaks HTTP and misbehaves when it is told to.
//!
//! It runs on threads of its own, so that a law may use whatever runtime it likes. It takes every
//! request that is well-formed HTTP/1.1 and answers `200`; what a request has to look like is for
//! the stand to check, over [`HttpDestination::taken`].

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::Fault;

mod talk;

/// A scriptable HTTP destination on this machine.
///
/// Sinks reach it if their client allows loopback addresses, as that of the kit does.
pub struct HttpDestination {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    door: Mutex<Option<JoinHandle<()>>>,
}

/// A request as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case, and values, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, if it came exactly once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(given, _)| given == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }
}

#[derive(Default)]
struct State {
    open: bool,
    fault: Option<Fault>,
    /// The body of answers that say yes.
    answer: Vec<u8>,
    seen: Vec<Request>,
    taken: Vec<Request>,
    complaints: Vec<String>,
}

impl HttpDestination {
    /// Opens a destination on a free port of the loopback address.
    ///
    /// # Errors
    ///
    /// If the system has none.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            answer: b"{}".to_vec(),
            ..State::default()
        }));
        let destination = Self {
            address,
            state,
            door: Mutex::new(None),
        };
        destination.listen(listener);
        Ok(destination)
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the body of answers that say yes; `{}` at first.
    pub fn answer(&self, body: impl Into<Vec<u8>>) {
        lock(&self.state).answer = body.into();
    }

    /// Every request that came in whole, whatever the answer was.
    #[must_use]
    pub fn seen(&self) -> Vec<Request> {
        lock(&self.state).seen.clone()
    }

    /// The requests whose contents it kept: those it said yes to, and those it kept although its
    /// answer did not say so.
    #[must_use]
    pub fn taken(&self) -> Vec<Request> {
        lock(&self.state).taken.clone()
    }

    /// What was wrong with what came in, as HTTP.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.state).complaints.clone()
    }

    /// Misbehaves from now on. It can do everything a [`Fault`] says.
    pub fn suffer(&self, fault: Fault) {
        self.recover();
        lock(&self.state).fault = Some(fault);
        if fault == Fault::Away {
            self.close();
        }
    }

    /// Behaves again.
    pub fn recover(&self) {
        lock(&self.state).fault = None;
        if lock(&self.state).open {
            return;
        }
        // The port was ours a moment ago; connections to it may still be dying.
        for _ in 0..200 {
            if let Ok(listener) = TcpListener::bind(self.address) {
                return self.listen(listener);
            }
            pause(Duration::from_millis(10));
        }
        lock(&self.state)
            .complaints
            .push(format!("{} is taken", self.address));
    }

    fn listen(&self, listener: TcpListener) {
        lock(&self.state).open = true;
        let state = Arc::clone(&self.state);
        *lock(&self.door) = Some(thread::spawn(move || serve(&listener, &state)));
    }

    fn close(&self) {
        lock(&self.state).open = false;
        // Wakes the thread that waits for a connection, so that it sees that it is to stop.
        drop(TcpStream::connect(self.address));
        if let Some(door) = lock(&self.door).take() {
            drop(door.join());
        }
    }
}

impl Drop for HttpDestination {
    fn drop(&mut self) {
        if lock(&self.state).open {
            self.close();
        }
    }
}

fn serve(listener: &TcpListener, state: &Arc<Mutex<State>>) {
    for stream in listener.incoming() {
        if !lock(state).open {
            return;
        }
        let Ok(stream) = stream else { continue };
        let state = Arc::clone(state);
        thread::spawn(move || talk::talk(stream, &state));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "on a thread of a test, not of a runtime"
)]
fn pause(time: Duration) {
    thread::sleep(time);
}

/// A law that fails while it holds a lock must not fail the next one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
