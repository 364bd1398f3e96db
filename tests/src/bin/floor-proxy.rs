//! The floor as a process of its own: `floor-proxy --port 9001 --upstream 127.0.0.1:9000`.

use std::io;

use tests::{
    floor,
    machine::{Arguments, say},
};

// As many workers as the gateway has.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> io::Result<()> {
    let arguments = Arguments::read();
    let upstream = arguments.value("--upstream").unwrap_or_default();
    let upstream = upstream.parse().map_err(io::Error::other)?;
    let server = floor::start(arguments.parsed("--port", 0)?, upstream).await?;
    say(format_args!(
        "floor listening on http://{}",
        server.address()
    ));
    server.forever().await;
    Ok(())
}
