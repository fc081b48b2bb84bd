//! `mail test`: whether mail arrives.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    client::Client,
    failure::{Failure, Kind, Problem},
    output::Out,
};
use crate::{
    clock,
    core::account::Email,
    mail::{Letter, Mailer},
};

#[derive(Subcommand)]
pub(crate) enum Mail {
    Test(Test),
}

/// Send a real mail through the configured mail server.
///
/// Without one it goes to the outbox in the data directory, as all mail does then.
#[derive(Args)]
pub(crate) struct Test {
    /// Who gets it
    #[arg(value_name = "ADDRESS")]
    address: String,
}

#[derive(Serialize)]
struct Sent {
    to: String,
    via: &'static str,
}

impl Mail {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let Self::Test(Test { address }) = self;
        let to = Email::parse(&address).map_err(Problem::from)?;
        let mailer = Mailer::from_config(&client.config)?;
        let sent = mailer.send(&to, Letter::Test, clock::now()).await;
        sent.map_err(|error| Problem::new(Kind::Failed, error.to_string()))?;
        let via = match mailer {
            Mailer::Smtp { .. } => "smtp",
            Mailer::Outbox { .. } | Mailer::Memory(_) => "outbox",
        };
        let human = match via {
            "smtp" => format!("the mail server has taken a mail to {}", to.as_str()),
            _ => "there is no mail server (smtp_url): the mail is in DATA_DIR/outbox".into(),
        };
        Ok(out.one(&Sent { to: to.as_str().to_owned(), via }, &human)?)
    }
}
