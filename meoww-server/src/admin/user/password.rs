//! `user set-password`: the password comes by standard input, never by the command line, which
//! other users of the machine can read.

use std::io::{self, BufRead, BufReader, IsTerminal, Read};

use clap::Args;
use inquire::{Password, PasswordDisplayMode};
use serde::{Deserialize, Serialize};

use super::{Named, Row};
use crate::admin::{
    AdminRequest, Desk,
    client::Client,
    failure::{Failure, Problem},
    output::Out,
};

/// Longest password that is read, in bytes; what is longer is refused where it is judged.
const MAX_BYTES: u64 = 4096;

/// Set an account's password and end its sessions; the password is read from standard input.
#[derive(Args, Serialize, Deserialize)]
#[command(after_help = "\
Examples:
  meoww-server user set-password ada < password.txt
  openssl rand -base64 18 | tee /dev/tty | meoww-server user set-password ada")]
pub(crate) struct SetPassword {
    #[command(flatten)]
    named: Named,
    #[arg(skip)]
    password: String,
}

impl AdminRequest for SetPassword {
    const NAME: &'static str = "user set-password";
    type Answer = Row;

    async fn answer(self, desk: &Desk) -> Result<Row, Problem> {
        let account = self.named.account(desk).await?;
        let known = account.known();
        let hash = desk.services.hasher.hash_choice(self.password, known).await?;
        let changed = desk.services.set_password(account.id, hash).await?;
        changed.as_ref().map(Row::from).ok_or_else(|| Problem::not_found("the user is gone"))
    }
}

impl SetPassword {
    pub(crate) async fn run(mut self, client: &Client, out: &Out) -> Result<(), Failure> {
        self.password = read()?;
        let row = client.ask(self).await?;
        Ok(out.one(&row, &format!("{} has a new password and no sessions", row.username))?)
    }
}

/// From a terminal unseen, else the first line; a trailing line break is no part of a password.
fn read() -> io::Result<String> {
    if io::stdin().is_terminal() {
        let prompt = Password::new("New password:").with_display_mode(PasswordDisplayMode::Hidden);
        return prompt.prompt().map_err(io::Error::other);
    }
    let mut line = String::new();
    BufReader::new(io::stdin().take(MAX_BYTES)).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
