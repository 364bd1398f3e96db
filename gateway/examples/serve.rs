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
use event::Secret;
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
    for deployment in &mut config.deployments {
        let provider = deployment.provider;
        deployment.settings.fill(provider.settings(), &environment);
        let read = |path: &str| std::fs::read_to_string(path);
        let files = deployment.settings.read_files(provider.files(), &read);
        files.map_err(|(_setting, error)| error)?;
        if deployment.api_key.is_none() {
            let mut keys = provider.key_variables().iter();
            deployment.api_key = keys.find_map(|name| environment(name)).map(Secret::new);
        }
    }
    for warning in warnings {
        println!("no effect: {}", warning.path);
    }
    let log = Arc::new(MemoryLog::default());
    let gateway = Gateway::start(config, listen.parse()?, log).await?;
    println!("listening on {}", gateway.address());
    std::future::pending().await
}
