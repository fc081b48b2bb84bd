//! `user list`, `user show`.

use clap::Args;
use meoww_proto::UserId;
use serde::{Deserialize, Serialize};

use super::{Named, Row};
use crate::{
    admin::{
        AdminRequest, Desk,
        client::Client,
        failure::{Failure, Problem},
        output::Out,
    },
    store::AccountFilter,
};

/// List accounts, the oldest first.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct List {
    /// Only those with a ban
    #[arg(long)]
    banned: bool,
    /// Only those whose address was never confirmed
    #[arg(long)]
    unverified: bool,
    /// Only those with this in their name, username or address
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only those after this one: the last id of the page before
    #[arg(long, value_name = "ID")]
    after: Option<UserId>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Page {
    rows: Vec<Row>,
    more: bool,
}

impl AdminRequest for List {
    const NAME: &'static str = "user list";
    type Answer = Page;

    async fn answer(self, desk: &Desk) -> Result<Page, Problem> {
        let limit = self.limit as usize;
        let filter = AccountFilter {
            banned: self.banned,
            unverified: self.unverified,
            search: self.search.map(|text| text.to_lowercase()),
            after: self.after,
            limit: limit.saturating_add(1),
        };
        let accounts = desk.services.store.accounts(filter).await?;
        let rows = accounts.iter().take(limit).map(Row::from).collect();
        Ok(Page { rows, more: accounts.len() > limit })
    }
}

impl List {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let Page { rows, more } = client.ask(self).await?;
        let heading = ["ID", "USERNAME", "EMAIL", "NAME", "VERIFIED", "BANNED", "CREATED"];
        out.rows(&rows, heading, |row| {
            [
                row.id.clone(),
                row.username.clone(),
                row.email.clone(),
                row.name.clone(),
                row.verified(),
                row.banned(),
                row.created_at.clone(),
            ]
        })?;
        if let Some(last) = rows.last().filter(|_| more) {
            out.hint(&format!("There are more: --after {}", last.id));
        }
        Ok(())
    }
}

/// Show one account.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Show {
    #[command(flatten)]
    named: Named,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    #[serde(flatten)]
    row: Row,
    /// What the password is hashed with.
    password_scheme: String,
}

impl AdminRequest for Show {
    const NAME: &'static str = "user show";
    type Answer = Shown;

    async fn answer(self, desk: &Desk) -> Result<Shown, Problem> {
        let account = self.named.account(desk).await?;
        let scheme = account.password_hash.split('$').nth(1).unwrap_or_default();
        let password_scheme = if scheme.starts_with('2') { "bcrypt" } else { scheme }.to_owned();
        Ok(Shown { row: Row::from(&account), password_scheme })
    }
}

impl Show {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let shown = client.ask(self).await?;
        let row = &shown.row;
        let reason = row.ban.as_ref().map_or_else(|| "-".into(), |ban| ban.reason.clone());
        let fields = [
            ("id", row.id.clone()),
            ("username", row.username.clone()),
            ("email", row.email.clone()),
            ("name", row.name.clone()),
            ("verified", row.verified()),
            ("banned", row.banned()),
            ("reason", reason),
            ("created", row.created_at.clone()),
            ("photo", row.profile_image.clone()),
            ("password", shown.password_scheme.clone()),
        ];
        Ok(out.fields(&shown, fields)?)
    }
}
