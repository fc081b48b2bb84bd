//! `user verify`: an address confirmed on the operator's word.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Named, Row};
use crate::admin::{
    AdminRequest, Desk,
    client::Client,
    failure::{Failure, Problem},
    output::Out,
};

/// Take an account's address as confirmed, without a code.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Verify {
    #[command(flatten)]
    named: Named,
}

impl AdminRequest for Verify {
    const NAME: &'static str = "user verify";
    type Answer = Row;

    async fn answer(self, desk: &Desk) -> Result<Row, Problem> {
        let account = self.named.account(desk).await?;
        let verified = desk.services.store.verify_account(account.id).await?;
        verified.as_ref().map(Row::from).ok_or_else(|| Problem::not_found("the user is gone"))
    }
}

impl Verify {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let row = client.ask(self).await?;
        Ok(out.one(&row, &format!("{} is verified", row.username))?)
    }
}
