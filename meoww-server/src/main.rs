//! `meoww-server`: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;
use meoww_server::cli::Cli;

fn main() -> ExitCode {
    // Named once, for whoever speaks TLS in this process; it fails only where it was named before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Cli::parse().run()
}
