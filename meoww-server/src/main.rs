//! `meoww-server`: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;
use meoww_server::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
