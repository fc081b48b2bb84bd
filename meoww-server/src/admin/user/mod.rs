//! `user`: accounts as operators see and change them.

mod ban;
mod create;
mod delete;
mod find;
mod password;
mod sessions;
mod verify;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    ban::{Ban, Unban},
    create::Create,
    delete::Delete,
    find::{List, Show},
    password::SetPassword,
    sessions::Sessions,
    verify::Verify,
};
use super::{
    Desk,
    client::Client,
    failure::{Failure, Problem},
    output::Out,
};
use crate::core::account::{Account, rfc3339_millis};

#[derive(Subcommand)]
pub(crate) enum User {
    List(List),
    Show(Show),
    Create(Create),
    Verify(Verify),
    Ban(Ban),
    Unban(Unban),
    Delete(Delete),
    SetPassword(SetPassword),
    Sessions(Sessions),
}

impl User {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(client, out).await,
            Self::Show(show) => show.run(client, out).await,
            Self::Create(create) => create.run(client, out).await,
            Self::Verify(verify) => verify.run(client, out).await,
            Self::Ban(ban) => ban.run(client, out).await,
            Self::Unban(unban) => unban.run(client, out).await,
            Self::Delete(delete) => delete.run(client, out).await,
            Self::SetPassword(set) => set.run(client, out).await,
            Self::Sessions(sessions) => sessions.run(client, out).await,
        }
    }
}

/// Whom a command is about.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Named {
    /// Id, username or e-mail address of the account
    #[arg(value_name = "USER")]
    user: String,
}

impl Named {
    async fn account(&self, desk: &Desk) -> Result<Account, Problem> {
        let found = desk.services.store.find_account(self.user.clone()).await?;
        found.ok_or_else(|| Problem::not_found(format!("there is no user {}", self.user)))
    }
}

/// An account as operators see it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    id: String,
    username: String,
    email: String,
    name: String,
    is_verified: bool,
    created_at: String,
    ban: Option<BanRow>,
    profile_image: String,
}

#[derive(Serialize, Deserialize)]
struct BanRow {
    reason: String,
    until: Option<String>,
}

impl From<&Account> for Row {
    fn from(account: &Account) -> Self {
        let user = account.to_user(None);
        let ban = account
            .ban
            .as_ref()
            .map(|ban| BanRow { reason: ban.reason.clone(), until: ban.until.map(rfc3339_millis) });
        Self {
            id: user.id.to_string(),
            username: user.username,
            email: user.email,
            name: user.name,
            is_verified: user.is_verified,
            created_at: user.created_at,
            ban,
            profile_image: user.profile_image,
        }
    }
}

impl Row {
    fn banned(&self) -> String {
        match &self.ban {
            None => "no".into(),
            Some(BanRow { until: None, .. }) => "for good".into(),
            Some(BanRow { until: Some(until), .. }) => format!("until {until}"),
        }
    }

    fn verified(&self) -> String {
        if self.is_verified { "yes".into() } else { "no".into() }
    }
}
