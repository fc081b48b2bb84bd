//! `openapi`, `asyncapi`, `completions`, `man`: what the program says about itself.

use std::{fs, io, path::PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::Value;

use super::{failure::Failure, output::write};

/// Print the script that completes commands and options in a shell.
#[derive(Args)]
#[command(after_help = "\
Example:
  meoww-server completions bash > /etc/bash_completion.d/meoww-server")]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut command: Command) -> Result<(), Failure> {
        let (name, mut script) = (command.get_name().to_owned(), Vec::new());
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        Ok(write(String::from_utf8_lossy(&script).trim_end())?)
    }
}

/// Print the manual page, or write one for every command.
#[derive(Args)]
#[command(after_help = "\
Examples:
  meoww-server man | man -l -
  meoww-server man --dir /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// Write a page for every command there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, command: Command) -> Result<(), Failure> {
        if let Some(dir) = self.dir {
            fs::create_dir_all(&dir)?;
            return Ok(clap_mangen::generate_to(command, &dir)?);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        Ok(write(String::from_utf8_lossy(&page).trim_end())?)
    }
}

/// Prints a description for machines.
pub(crate) fn print(document: &Value) -> Result<(), Failure> {
    Ok(write(&serde_json::to_string_pretty(document).map_err(io::Error::from)?)?)
}
