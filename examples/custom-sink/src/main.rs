//! `tollkeeper` with one more sink: all of its commands, the gateway and the collector.

use custom_sink::Shelf;
use sink::Registration;

fn main() -> std::process::ExitCode {
    const MINE: &[Registration] = &[Registration::of::<Shelf>()];
    cli::main_with(MINE)
}
