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
        Ok(write(script(self.shell, &mut command).trim_end())?)
    }
}

fn script(shell: Shell, command: &mut Command) -> String {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, command, &name, &mut script);
    let script = String::from_utf8_lossy(&script);
    // clap_complete spells a program's hyphen in two ways, so that bash completes no subcommand
    // (clap-rs/clap#6421).
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn bash_has_a_case_for_every_command() {
        let script = script(Shell::Bash, &mut crate::cli::Cli::command());
        let lines: Vec<_> = script.lines().map(str::trim).collect();
        let commands =
            lines.iter().filter_map(|line| line.strip_prefix("cmd=\"")?.strip_suffix('"'));
        let commands: Vec<_> = commands.filter(|command| !command.is_empty()).collect();
        assert!(commands.len() > 30, "{}", commands.len());
        for command in commands {
            assert!(lines.contains(&&*format!("{command})")), "{command}");
        }
    }
}
