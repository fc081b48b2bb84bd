//! Asks for what the command line left out: at a terminal with a prompt, else a line of stdin.

use std::io::{self, BufRead, IsTerminal};

use inquire::{Confirm, InquireError, Password, PasswordDisplayMode, Text};

use crate::error::Error;

/// Has the user say yes to what cannot be undone. Anything else ends the command.
pub(crate) fn confirm(question: &str, flag: &'static str) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Missing("A confirmation", flag));
    }
    match answered(Confirm::new(question).with_default(false).prompt())? {
        true => Ok(()),
        false => Err(Error::Interrupted),
    }
}

fn answered<T>(answer: Result<T, InquireError>) -> Result<T, Error> {
    answer.map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => Error::Interrupted,
        error => Error::Other(error.to_string()),
    })
}

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

    /// Like [`Question::secret`], asked for twice at a terminal.
    pub(crate) fn new_secret(&self, given: Option<String>) -> Result<String, Error> {
        self.ask(given, || {
            Password::new(&format!("{}:", self.name))
                .with_display_mode(PasswordDisplayMode::Hidden)
                .with_custom_confirmation_message("Once more:")
                .with_custom_confirmation_error_message("They are not the same.")
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
        answered(prompt())
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
