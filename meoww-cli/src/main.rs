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
    let ended = runtime.block_on(commands::run(cli));
    // A device that does not answer, or a name that is still looked up, does not hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::from(error.code().0)
        }
    }
}
