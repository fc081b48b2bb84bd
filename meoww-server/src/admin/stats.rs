//! `stats`: how many there are.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    AdminRequest, Desk,
    client::Client,
    failure::{Failure, Problem},
    output::Out,
};

/// Count accounts and, of a running server, connections and rooms.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Stats {}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counted {
    accounts: u64,
    verified: u64,
    banned: u64,
    sessions: u64,
    /// Nothing where no server runs.
    live: Option<Live>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Live {
    connections: u64,
    users: u64,
    searching: u64,
    rooms: u64,
}

impl AdminRequest for Stats {
    const NAME: &'static str = "stats";
    type Answer = Counted;

    async fn answer(self, desk: &Desk) -> Result<Counted, Problem> {
        let stored = desk.services.store.account_counts().await?;
        let live = if desk.is_serving {
            let counts = desk.services.hub.counts().await;
            Some(Live {
                connections: counts.connections as u64,
                users: counts.users as u64,
                searching: counts.searching as u64,
                rooms: counts.rooms as u64,
            })
        } else {
            None
        };
        let (accounts, verified) = (stored.accounts, stored.verified);
        let (banned, sessions) = (stored.banned, stored.sessions);
        Ok(Counted { accounts, verified, banned, sessions, live })
    }
}

impl Stats {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let counted = client.ask(self).await?;
        let live = |count: fn(&Live) -> u64| match &counted.live {
            Some(live) => count(live).to_string(),
            None => "no server runs".into(),
        };
        let fields = [
            ("accounts", counted.accounts.to_string()),
            ("verified", counted.verified.to_string()),
            ("banned", counted.banned.to_string()),
            ("sessions", counted.sessions.to_string()),
            ("connections", live(|live| live.connections)),
            ("users online", live(|live| live.users)),
            ("searching", live(|live| live.searching)),
            ("rooms", live(|live| live.rooms)),
        ];
        Ok(out.fields(&counted, fields)?)
    }
}
