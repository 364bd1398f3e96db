//! The mock provider as a process of its own: `mock-provider --port 9000 --script "chunks=50"`.

use std::io;

use tests::{
    machine::{Arguments, say},
    mock_provider::{MockProvider, Options, Script},
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> io::Result<()> {
    let arguments = Arguments::read();
    let script = format!(
        "[[mock: {}]]",
        arguments.value("--script").unwrap_or_default()
    );
    let script = Script::of(&script, &Script::default()).map_err(io::Error::other)?;
    let options = Options {
        port: arguments.parsed("--port", 0)?,
        log: arguments.parsed("--log", 0)?,
        key: arguments.value("--key").map(str::to_owned),
        script,
    };
    let provider = MockProvider::with(options).await?;
    say(format_args!(
        "mock provider listening on http://{}",
        provider.address()
    ));
    provider.forever().await;
    Ok(())
}
