//! The gateway alone: serves a configuration that is one JSON object, and writes its events into
//! memory. For trying providers out.
//!
//! `cargo run -p gateway --example serve -- CONFIG.json 127.0.0.1:4000`

#![expect(clippy::print_stdout, reason = "says where it listens")]
#![expect(
    clippy::disallowed_methods,
    reason = "settings come from the environment as in the program"
)]

use std::{error::Error, sync::Arc};

use bus::MemoryLog;
use gateway::{Config, Gateway};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(listen)) = (arguments.next(), arguments.next()) else {
        return Err("usage: serve CONFIG.json ADDRESS".into());
    };
    let tree: serde_json::Map<_, _> = serde_json::from_slice(&std::fs::read(file)?)?;
    let (mut config, warnings) = Config::from_tree(&tree)?;
    let environment = |name: &str| std::env::var(name).ok();
    config.fill(&environment)?;
    config.read_files(&|path| std::fs::read_to_string(path))?;
    for warning in warnings {
        println!("no effect: {}", warning.path);
    }
    let log = Arc::new(MemoryLog::default());
    let gateway = Gateway::start(config, listen.parse()?, log).await?;
    println!("listening on {}", gateway.address());
    std::future::pending().await
}
