//! `weight-loupe-engine`: serves the engine's protocol on standard input and output.

use std::process::ExitCode;

use weight_loupe_engine::protocol::{ENGINE_VERSION, PROTOCOL_VERSION};
use weight_loupe_engine::server;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {}
        ["--version"] => {
            println!("weight-loupe-engine {ENGINE_VERSION} (protocol {PROTOCOL_VERSION})");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("usage: weight-loupe-engine [--version]; without arguments it serves requests on standard input");
            return ExitCode::from(2);
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let code = server::serve(threads);
    // Jobs that were cancelled may still be between two checks; nobody waits for them.
    std::process::exit(code);
}
