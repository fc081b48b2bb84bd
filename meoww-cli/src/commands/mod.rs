//! One file a command.

mod login;
mod logout;
mod me;
mod resend;
pub mod search;
mod signup;
mod verify;

use std::sync::Arc;

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

/// What every command needs.
pub(crate) struct Context {
    api: Arc<Api>,
    paths: Paths,
    out: Output,
}

/// Runs a parsed command line.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let paths = Paths::of_user()?;
    log::start(&paths)?;
    let server = config::server(&paths, cli.server.as_deref())?;
    let api = Api::new(server, SessionFile::new(paths.sessions.clone()))?;
    let context = Context { api: Arc::new(api), paths, out: Output::new(cli.json) };
    match cli.command {
        Command::Signup(args) => signup::run(&context, args).await,
        Command::Verify(args) => verify::run(&context, args).await,
        Command::Resend(args) => resend::run(&context, args).await,
        Command::Login(args) => login::run(&context, args).await,
        Command::Logout => logout::run(&context).await,
        Command::Me => me::run(&context).await,
        Command::Search(args) => search::run(&context, *args).await,
    }
}

impl Context {
    fn result(&self, text: &str, data: &impl serde::Serialize) -> Result<(), Error> {
        self.out.result(text, data).map_err(|error| Error::Other(error.to_string()))
    }

    fn keep_server(&self) -> Result<(), Error> {
        config::keep_server(&self.paths, self.api.server())
    }
}

/// Never a flag: other users can read a command line.
fn password() -> Result<String, Error> {
    let question = Question { name: "Password", flag: "it as a line of stdin, or MEOWW_PASSWORD" };
    question.secret(std::env::var("MEOWW_PASSWORD").ok())
}
