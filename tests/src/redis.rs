//! A real Redis on a port of its own, that can be stopped, held and started again.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step is a failed test"
)]

use std::{env, fs, path::Path, time::Duration};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    machine::variable,
    process::{Program, free_port},
};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Redis; it is killed when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    /// The process.
    pub program: Program,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    folder: TempDir,
    password: String,
}

impl RedisServer {
    /// Starts one that wants a password and keeps nothing on disk.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server`: `scripts/setup.sh` installs it.
    pub async fn start(password: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let program = started(folder.path(), port, password).await;
        Self {
            program,
            port,
            folder,
            password: password.to_owned(),
        }
    }

    /// Starts it again on the same port, with nothing in it.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn again(&mut self) {
        self.program = started(self.folder.path(), self.port, &self.password).await;
    }
}

async fn started(folder: &Path, port: u16, password: &str) -> Program {
    let path = variable("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|place| place.join("redis-server"));
    let server = places.find(|server| server.exists());
    let server = server.expect("`redis-server` is not installed: run scripts/setup.sh");
    // Not an argument: those are for everybody to see.
    let config = folder.join("redis.conf");
    let lines = [
        "bind 127.0.0.1".to_owned(),
        format!("port {port}"),
        format!("dir {}", folder.display()),
        format!("requirepass {password}"),
        "save \"\"".to_owned(),
        "appendonly no".to_owned(),
    ];
    fs::write(&config, lines.join("\n")).unwrap();
    let log = folder.join("redis.log");
    let mut program = Program::start(&server, &[config.to_str().unwrap()], &log);
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        let well = program.is_running() && Instant::now() < deadline;
        assert!(well, "Redis does not start\n{:#?}", program.said());
        sleep(Duration::from_millis(20)).await;
    }
    program
}
