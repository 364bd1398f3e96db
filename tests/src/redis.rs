//! A real Redis on a port of its own, that can be stopped, held and started again.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step is a failed test"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

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
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// A running Redis; it is killed when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    /// The process.
    pub program: Program,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    folder: TempDir,
    password: String,
    over_tls: bool,
}

impl RedisServer {
    /// Starts one that wants a password and keeps nothing on disk.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server`: `scripts/setup.sh` installs it.
    pub async fn start(password: &str) -> Self {
        Self::listening(password, false).await
    }

    /// Starts one that speaks TLS only.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server` that can, or no `openssl` to make its certificate.
    pub async fn start_tls(password: &str) -> Self {
        Self::listening(password, true).await
    }

    async fn listening(password: &str, over_tls: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        if over_tls {
            certify(folder.path());
        }
        let program = started(folder.path(), (port, over_tls), password).await;
        Self {
            program,
            port,
            folder,
            password: password.to_owned(),
            over_tls,
        }
    }

    /// The certificate it shows, for 127.0.0.1.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join(CERTIFICATE)
    }

    /// Starts it again on the same port, with nothing in it.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn again(&mut self) {
        let listens = (self.port, self.over_tls);
        self.program = started(self.folder.path(), listens, &self.password).await;
    }
}

/// Makes a certificate that is its own authority.
fn certify(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args([
            "-subj",
            "/CN=redis",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", KEY, "-out", CERTIFICATE])
        .current_dir(folder)
        .output()
        .expect("`openssl` is not installed: run scripts/setup.sh");
    assert!(made.status.success(), "{made:?}");
}

async fn started(folder: &Path, (port, over_tls): (u16, bool), password: &str) -> Program {
    let path = variable("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|place| place.join("redis-server"));
    let server = places.find(|server| server.exists());
    let server = server.expect("`redis-server` is not installed: run scripts/setup.sh");
    // Not an argument: those are for everybody to see.
    let config = folder.join("redis.conf");
    let file = |name| folder.join(name).display().to_string();
    let listens = match over_tls {
        false => format!("port {port}"),
        true => format!(
            "port 0\ntls-port {port}\ntls-auth-clients no\ntls-cert-file {}\ntls-key-file {}",
            file(CERTIFICATE),
            file(KEY)
        ),
    };
    let lines = [
        "bind 127.0.0.1".to_owned(),
        listens,
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
