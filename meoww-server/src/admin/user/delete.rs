//! `user delete`.

use std::io::{self, IsTerminal};

use clap::Args;
use inquire::Confirm;
use serde::{Deserialize, Serialize};

use super::{Named, Row};
use crate::admin::{
    AdminRequest, Desk,
    client::Client,
    failure::{Failure, Kind, Problem},
    output::Out,
};

/// Remove an account and everything of it. Asks first where somebody can answer.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Delete {
    #[command(flatten)]
    named: Named,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl AdminRequest for Delete {
    const NAME: &'static str = "user delete";
    type Answer = Row;

    async fn answer(self, desk: &Desk) -> Result<Row, Problem> {
        let account = self.named.account(desk).await?;
        let deleted = desk.services.delete_account(account.id).await?;
        deleted.as_ref().map(Row::from).ok_or_else(|| Problem::not_found("the user is gone"))
    }
}

impl Delete {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        if !self.yes && io::stdin().is_terminal() {
            let question = format!("Delete {} and everything of it?", self.named.user);
            let answer = Confirm::new(&question).with_default(false).prompt();
            if !answer.map_err(io::Error::other)? {
                return Err(Problem::new(Kind::Failed, "nothing was deleted").into());
            }
        }
        let row = client.ask(self).await?;
        Ok(out.one(&row, &format!("{} is deleted", row.username))?)
    }
}
