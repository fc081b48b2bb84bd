//! Asks for what the command line left out: at a terminal with a prompt, else a line of stdin.

use std::io::{self, BufRead, IsTerminal};

use inquire::{InquireError, Password, PasswordDisplayMode, Text};

use crate::error::Error;

/// A value the user has to give.
pub(crate) struct Question {
    /// The prompt, and its name in errors.
    pub(crate) name: &'static str,
    /// How else it can be given, for errors: a flag or an environment variable.
    pub(crate) flag: &'static str,
}

impl Question {
    /// What was given, else what is answered.
    pub(crate) fn text(&self, given: Option<String>) -> Result<String, Error> {
        self.ask(given, || Text::new(&format!("{}:", self.name)).prompt())
    }

    /// Like [`Question::text`], without echo.
    pub(crate) fn secret(&self, given: Option<String>) -> Result<String, Error> {
        self.ask(given, || {
            Password::new(&format!("{}:", self.name))
                .with_display_mode(PasswordDisplayMode::Hidden)
                .without_confirmation()
                .prompt()
        })
    }

    fn ask(
        &self,
        given: Option<String>,
        prompt: impl FnOnce() -> Result<String, InquireError>,
    ) -> Result<String, Error> {
        if let Some(given) = given {
            return Ok(given);
        }
        if !io::stdin().is_terminal() {
            return self.line();
        }
        match prompt() {
            Ok(answer) => Ok(answer),
            Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => {
                Err(Error::Interrupted)
            }
            Err(error) => Err(Error::Other(error.to_string())),
        }
    }

    fn line(&self) -> Result<String, Error> {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        match read.map_err(|error| Error::Other(error.to_string()))? {
            0 => Err(Error::Missing(self.name, self.flag)),
            _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }
}
