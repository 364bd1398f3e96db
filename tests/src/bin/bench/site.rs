//! The processes of a benchmark, each on its own.

use std::{fs, io, net::SocketAddr, path::PathBuf};

use tempfile::TempDir;
use tests::{
    process::{Program, beside, tollkeeper},
    stage::configuration,
};

/// A folder with a provider in a process of its own.
pub(crate) struct Site {
    folder: TempDir,
    /// Runs as long as the site.
    _provider: Program,
    pub(crate) provider: SocketAddr,
}

impl Site {
    pub(crate) async fn open() -> io::Result<Self> {
        let folder = TempDir::new()?;
        let log = folder.path().join("provider.log");
        let mut provider = Program::start(&beside("mock-provider"), &[], &log);
        let address = provider.address("mock provider").await;
        Ok(Self {
            folder,
            _provider: provider,
            provider: address,
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the floor in front of the provider.
    pub(crate) async fn floor(&self) -> (Program, SocketAddr) {
        let upstream = self.provider.to_string();
        let arguments = ["--upstream", &upstream];
        let log = self.path("floor.log");
        let mut floor = Program::start(&beside("floor-proxy"), &arguments, &log);
        let address = floor.address("floor").await;
        (floor, address)
    }

    /// Starts the product; the addresses of `listeners` are returned in their order.
    pub(crate) async fn tollkeeper(
        &self,
        role: &str,
        sinks: &str,
        listeners: &[&str],
    ) -> io::Result<(Program, Vec<SocketAddr>)> {
        let config = self.path("config.yaml");
        fs::write(
            &config,
            configuration(&format!("http://{}/v1", self.provider), sinks),
        )?;
        let (config, data) = (config.display().to_string(), self.path("data"));
        let data = data.display().to_string();
        let mut arguments = vec![role, "--config", &config, "--data", &data, "--log", "warn"];
        for listener in listeners {
            let option = match *listener {
                "gateway" => "--listen",
                _ => "--collector-listen",
            };
            arguments.extend([option, "127.0.0.1:0"]);
        }
        let mut program = Program::start(tollkeeper(), &arguments, &self.path("tollkeeper.log"));
        let mut addresses = Vec::new();
        for listener in listeners {
            addresses.push(program.address(listener).await);
        }
        Ok((program, addresses))
    }
}

/// Tens of microseconds as microseconds with one digit after the point.
pub(crate) fn micros(tenths: u128) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
