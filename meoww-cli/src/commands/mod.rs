//! One file a command.

mod account;
mod blocks;
mod devices;
mod doctor;
mod email;
mod login;
mod logout;
mod me;
mod password;
mod play;
mod preview;
mod resend;
mod screen;
pub mod search;
mod sessions;
mod signup;
mod unblock;
mod verify;
mod welcome;

use std::{io::ErrorKind, sync::Arc};

use crate::{
    api::Api,
    cli::{Cli, Command},
    config::{self, Paths},
    error::Error,
    log,
    output::Output,
    prompt::Question,
    session::SessionFile,
};

/// What every command that talks to a server needs.
pub(crate) struct Context {
    api: Arc<Api>,
    paths: Paths,
    out: Output,
}

/// Runs a parsed command line.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let out = Output::new(cli.json);
    let paths = Paths::of_user()?;
    if let Err(error) = log::start(&paths) {
        out.note(&format!("Nothing is logged: {error}"));
    }
    let context = || Context::open(paths, out, cli.server.as_deref());
    let Some(command) = cli.command else { return welcome::run(&context()?).await };
    match command {
        Command::Signup(args) => signup::run(&context()?, args).await,
        Command::Verify(args) => verify::run(&context()?, args).await,
        Command::Resend(args) => resend::run(&context()?, args).await,
        Command::Login(args) => login::run(&context()?, args).await,
        Command::Logout => logout::run(&context()?).await,
        Command::Me => me::run(&context()?).await,
        Command::Sessions(args) => sessions::run(&context()?, args).await,
        Command::Password(args) => password::run(&context()?, args).await,
        Command::Email(args) => email::run(&context()?, args).await,
        Command::Account(args) => account::run(&context()?, args).await,
        Command::Blocks(args) => blocks::run(&context()?, args).await,
        Command::Unblock(args) => unblock::run(&context()?, args).await,
        Command::Search(args) => search::run(&context()?, *args).await,
        Command::Play(args) => play::run(out, *args).await,
        Command::Preview(args) => preview::run(out, *args).await,
        Command::Devices => devices::run(out).await,
        Command::Doctor => doctor::run(context(), out).await,
    }
}

impl Context {
    fn open(paths: Paths, out: Output, server: Option<&str>) -> Result<Self, Error> {
        let servers = config::servers(&paths, server)?;
        let api = Api::new(servers, SessionFile::new(paths.sessions.clone()))?;
        Ok(Self { api: Arc::new(api), paths, out })
    }

    fn result(&self, text: &str, data: &impl serde::Serialize) -> Result<(), Error> {
        match self.out.result(text, data) {
            // A reader that has read enough is no error.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            printed => printed.map_err(|error| Error::Other(error.to_string())),
        }
    }

    fn keep_servers(&self) -> Result<(), Error> {
        config::keep_servers(&self.paths, self.api.servers())
    }
}

/// Never a flag: other users can read a command line.
fn password() -> Result<String, Error> {
    let question = Question { name: "Password", flag: "it as a line of stdin, or MEOWW_PASSWORD" };
    question.secret(std::env::var("MEOWW_PASSWORD").ok())
}

/// Like [`password`], typed twice at a terminal: nobody can see it, and it cannot be looked up.
fn new_password() -> Result<String, Error> {
    let flag = "it as a line of stdin, or MEOWW_NEW_PASSWORD";
    let question = Question { name: "New password", flag };
    question.new_secret(std::env::var("MEOWW_NEW_PASSWORD").ok())
}

fn code(given: Option<String>) -> Result<String, Error> {
    let question = Question { name: "Code from the mail", flag: "it as an argument" };
    Ok(question.text(given)?.trim().to_owned())
}
