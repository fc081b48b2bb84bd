//! `user create`: one account, or thousands for a load test.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{ArgGroup, Args};
use meoww_proto::account::ACCESS_COOKIE;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{
    admin::{
        AdminRequest, Desk, Needs,
        client::Client,
        failure::{Failure, Problem},
        output::{Out, write},
    },
    clock, config,
    core::{
        account::{self, Account, Email, Name, Password, Username},
        session::{ClientName, RefreshToken, Session, SessionId},
    },
    store::{Batch, Merge, NewSession},
    tokens::Bearer,
};

/// Make an account, or many at once for a load test.
///
/// Nobody knows the password of what is made here: set one with `user set-password`, or have the
/// user reset it.
#[derive(Args, Serialize, Deserialize)]
#[command(
    group = ArgGroup::new("who").args(["username", "count"]).required(true),
    after_help = "\
Examples:
  meoww-server user create --name Ada --username ada --email ada@example.com --verified
  meoww-server user create --count 10000 --verified --tokens > tokens.txt")]
pub(crate) struct Create {
    /// Name others see
    #[arg(long, value_name = "TEXT", requires = "username")]
    name: Option<String>,
    /// Unique name: 3 to 32 of a-z, 0-9, _ and .
    #[arg(long, value_name = "USERNAME", requires_all = ["name", "email"])]
    username: Option<String>,
    /// E-mail address
    #[arg(long, value_name = "ADDRESS", requires = "username")]
    email: Option<String>,
    /// Make so many, with names of their own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: Option<u32>,
    /// Take the address as confirmed
    #[arg(long)]
    verified: bool,
    /// Log each in, and print a Cookie header a line instead of the accounts
    #[arg(long, requires = "verified")]
    tokens: bool,
    /// How long the tokens are good
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = lifetime)]
    token_lifetime: Duration,
}

fn lifetime(text: &str) -> Result<Duration, String> {
    config::duration(text).ok_or_else(|| format!("{text:?} is no duration like 90s, 15m, 1h or 7d"))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Created {
    id: String,
    username: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie: Option<String>,
}

impl AdminRequest for Create {
    const NAME: &'static str = "user create";
    const NEEDS: Needs = Needs::DataDirectory;
    type Answer = Vec<Created>;

    async fn answer(self, desk: &Desk) -> Result<Vec<Created>, Problem> {
        let services = &desk.services;
        // One hash for all of them: nobody knows the password, so nothing is lost by sharing it.
        let password = URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>());
        let hash = services.hasher.hash(Password::parse(password)?).await?;
        let accounts = self.accounts(&hash)?;
        let now = clock::now();
        let mut batch = Batch::of_accounts(accounts.iter().cloned().map(|account| (0, account)));
        let mut created = Vec::with_capacity(accounts.len());
        for account in &accounts {
            let mut made = Created {
                id: account.id.to_string(),
                username: account.username.as_str().to_owned(),
                email: account.email.as_str().to_owned(),
                cookie: None,
            };
            if self.tokens {
                let (user, id) = (account.id, SessionId::generate(&mut rand::rng()));
                let current = RefreshToken::generate(&mut rand::rng()).digest();
                let client = ClientName::sanitised("meoww-server user create");
                let ends = now + self.token_lifetime;
                let session = Session::open(user, current, client, now, ends);
                batch.add_session(&NewSession { id, session });
                let bearer = Bearer { user, session: id };
                let token = services.tokens.issue_for(bearer, now, self.token_lifetime);
                made.cookie = Some(format!("{ACCESS_COOKIE}={token}"));
            }
            created.push(made);
        }
        let merge = Merge { into_existing: true, ..Merge::default() };
        match services.store.import(batch, merge).await?.faults.first() {
            Some(fault) => Err(fault.into()),
            None => Ok(created),
        }
    }
}

impl Create {
    fn accounts(&self, hash: &str) -> Result<Vec<Account>, Problem> {
        let now = clock::now();
        let account = |name: &str, username: &str, email: &str| {
            Ok(Account {
                id: account::new_user_id(now, rand::rng().random()),
                name: Name::parse(name)?,
                username: Username::parse(username)?,
                email: Email::parse(email)?,
                password_hash: hash.to_owned(),
                profile_image: String::new(),
                is_verified: self.verified,
                created_at: now,
                ban: None,
            })
        };
        if let (Some(name), Some(username), Some(email)) = (&self.name, &self.username, &self.email)
        {
            return Ok(vec![account(name, username, email)?]);
        }
        let lot = rand::rng().random::<u32>();
        let numbered = |n| {
            let username = format!("load_{lot:08x}_{n}");
            account(&format!("Load {n}"), &username, &format!("{username}@load.invalid"))
        };
        (1..=self.count.unwrap_or_default()).map(numbered).collect()
    }

    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let tokens = self.tokens && !out.is_json();
        let created = client.ask(self).await?;
        if tokens {
            let cookies: Vec<_> = created.into_iter().filter_map(|made| made.cookie).collect();
            return Ok(write(&cookies.join("\n"))?);
        }
        Ok(out.rows(&created, ["ID", "USERNAME", "EMAIL"], |made| {
            [made.id.clone(), made.username.clone(), made.email.clone()]
        })?)
    }
}
