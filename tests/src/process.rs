//! Starts real programs, waits until they are ready, kills them, and reads what they cost.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    env, fs,
    fs::File,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::machine::variable;

/// How long a program may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look.
const GLANCE: Duration = Duration::from_millis(10);
/// Linux counts CPU time in hundredths of a second, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);

/// A running program; it is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    log: PathBuf,
}

impl Program {
    /// Starts `program`; its errors go to the file `log`, after what is there already.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(program: &Path, arguments: &[&str], log: &Path) -> Self {
        Self::start_with(program, (arguments, &[]), log)
    }

    /// The same, with something more in its environment.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start_with(
        program: &Path,
        (arguments, environment): (&[&str], &[(&'static str, PathBuf)]),
        log: &Path,
    ) -> Self {
        let log_file = File::options().create(true).append(true).open(log).unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (out, saying) = (child.stdout.take().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                saying
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Self {
            child,
            said,
            log: log.to_owned(),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for a line that begins with `words`, and returns the line.
    ///
    /// # Panics
    ///
    /// If the program ends first, or takes too long.
    #[expect(clippy::panic, reason = "shows what the program said")]
    pub async fn line(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.said().into_iter().find(|line| line.starts_with(words)) {
                return line;
            }
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                panic!(
                    "no `{words}` ({ended:?}) but {:#?}\n{}",
                    self.said(),
                    self.errors()
                );
            }
            sleep(GLANCE).await;
        }
    }

    /// Waits for a line like `gateway listening on http://127.0.0.1:4000`, and returns the address.
    ///
    /// # Panics
    ///
    /// If there is no such line in time.
    pub async fn address(&mut self, who: &str) -> SocketAddr {
        let line = self.line(&format!("{who} listening on http://")).await;
        line.rsplit("//")
            .next()
            .unwrap()
            .trim_end_matches('/')
            .parse()
            .unwrap()
    }

    /// Kills it at once, as the kernel does when memory is short.
    ///
    /// # Panics
    ///
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`.
    ///
    /// # Panics
    ///
    /// If there is no such process.
    pub fn signal(&self, name: &str) {
        // The shell's own `kill`: there may be no other on a small machine.
        let command = format!("kill -{name} {}", self.id());
        assert!(
            Command::new("sh")
                .args(["-c", &command])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    ///
    /// If it takes too long.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until it ends.
    ///
    /// # Panics
    ///
    /// If it takes too long.
    pub async fn ended(&mut self) -> ExitStatus {
        self.ended_within(PATIENCE).await
    }

    /// Waits until it has ended by itself, and says how.
    ///
    /// # Panics
    ///
    /// If it does not, in that time.
    pub async fn ended_within(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "does not end\n{}", self.errors());
            sleep(GLANCE).await;
        }
    }

    /// Whether it still runs.
    ///
    /// # Panics
    ///
    /// If the system does not say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The end of what it has logged.
    #[must_use]
    pub fn errors(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(8 << 10)..];
        String::from_utf8_lossy(tail).into_owned()
    }

    /// What it has used so far.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        cpu(self.id())
    }

    /// What it holds in memory, in bytes.
    #[must_use]
    pub fn resident(&self) -> u64 {
        resident(self.id())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program under test: `TOLLKEEPER_BIN`, or built here.
///
/// # Panics
///
/// If it cannot be built.
pub fn tollkeeper() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(path) = variable("TOLLKEEPER_BIN") {
            return fs::canonicalize(path).unwrap();
        }
        let folder = folder();
        // Always, so that a test never runs against the program of yesterday.
        let mut build = Command::new(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
        build.args(["build", "--quiet", "--package", "cli", "--target-dir"]);
        build
            .arg(folder.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(
            build.status().unwrap().success(),
            "`cargo build --package cli` failed"
        );
        folder.join("tollkeeper")
    })
}

/// A program of this crate: `mock-provider`, `floor-proxy`, `load`.
///
/// # Panics
///
/// If it has not been built.
#[must_use]
pub fn beside(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.exists(),
        "`{}` is missing: `cargo build --package tests`",
        path.display()
    );
    path
}

/// Where cargo puts the programs of the running profile: `target/debug`.
fn folder() -> PathBuf {
    let own = env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    if folder.ends_with("deps") {
        folder.parent().unwrap().to_owned()
    } else {
        folder.to_owned()
    }
}

/// CPU time of a process, user and system, of all its threads.
#[must_use]
pub fn cpu(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name, in brackets, may contain anything; the numbers follow it.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    TICK * ticks
        .filter_map(|ticks| ticks.parse::<u32>().ok())
        .sum::<u32>()
}

/// Resident memory of a process, in bytes.
#[must_use]
pub fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// A port that was free a moment ago.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
