//! `user ban`, `user unban`.

use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Named, Row};
use crate::{
    admin::{
        AdminRequest, Desk,
        client::Client,
        failure::{Failure, Problem},
        output::Out,
    },
    clock, config,
    core::account,
};

/// Shut an account out: its sessions end, its sockets close, and it cannot log in.
#[derive(Args, Serialize, Deserialize)]
#[command(after_help = "\
Examples:
  meoww-server user ban ada --reason spam
  meoww-server user ban ada@example.com --until 7d --reason 'rude to strangers'
  meoww-server user ban 65f0c0ffee65f0c0ffee65f0 --until 2030-12-31 --reason spam")]
pub(crate) struct Ban {
    #[command(flatten)]
    named: Named,
    /// How long, like 12h or 7d, or the first day (UTC) or moment (RFC 3339) it no longer holds
    /// [default: for good]
    #[arg(long, value_name = "WHEN")]
    until: Option<Until>,
    /// Why; the user is told
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// When a ban ends, in any way an operator may say it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Until {
    said: String,
    meant: End,
}

#[derive(Clone, Copy)]
enum End {
    In(std::time::Duration),
    At(OffsetDateTime),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let said = text.trim().to_owned();
        let date = || {
            let mut parts = said.splitn(3, '-');
            let year = parts.next()?.parse().ok()?;
            let month = time::Month::try_from(parts.next()?.parse::<u8>().ok()?).ok()?;
            let day = parts.next()?.parse().ok()?;
            Some(Date::from_calendar_date(year, month, day).ok()?.midnight().assume_utc())
        };
        let moment = || OffsetDateTime::parse(&said, &Rfc3339).ok();
        let meant = match config::duration(&said) {
            Some(length) => End::In(length),
            None => End::At(date().or_else(moment).ok_or_else(|| {
                format!("{said:?} is neither like 7d nor like 2030-12-31 nor RFC 3339")
            })?),
        };
        Ok(Self { said, meant })
    }
}

impl TryFrom<String> for Until {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Until> for String {
    fn from(until: Until) -> Self {
        until.said
    }
}

impl AdminRequest for Ban {
    const NAME: &'static str = "user ban";
    type Answer = Row;

    async fn answer(self, desk: &Desk) -> Result<Row, Problem> {
        let account = self.named.account(desk).await?;
        let until = self.until.map(|until| match until.meant {
            End::In(length) => clock::now() + length,
            End::At(moment) => moment,
        });
        let ban = account::Ban { reason: self.reason.trim().to_owned(), until };
        let banned = desk.services.ban(account.id, ban).await?;
        banned.as_ref().map(Row::from).ok_or_else(|| Problem::not_found("the user is gone"))
    }
}

impl Ban {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let row = client.ask(self).await?;
        Ok(out.one(&row, &format!("{} is banned {}", row.username, row.banned()))?)
    }
}

/// Let a banned account in again.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Unban {
    #[command(flatten)]
    named: Named,
}

impl AdminRequest for Unban {
    const NAME: &'static str = "user unban";
    type Answer = Row;

    async fn answer(self, desk: &Desk) -> Result<Row, Problem> {
        let account = self.named.account(desk).await?;
        let free = desk.services.store.set_ban(account.id, None).await?;
        free.as_ref().map(Row::from).ok_or_else(|| Problem::not_found("the user is gone"))
    }
}

impl Unban {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let row = client.ask(self).await?;
        Ok(out.one(&row, &format!("{} is not banned", row.username))?)
    }
}
