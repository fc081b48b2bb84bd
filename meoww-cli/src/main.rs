//! `meoww`: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;
use meoww_cli::{cli::Cli, commands, error::Error, output::Output};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output::new(cli.json);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            out.error(&Error::Other(error.to_string()));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::from(error.code().0)
        }
    }
}
