//! `rooms`, `broadcast`, `drain`: what makes sense only where people are connected.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    AdminRequest, Desk, Needs,
    client::Client,
    failure::{Failure, Kind, Problem},
    output::Out,
};
use crate::{config, core::account::rfc3339_millis};

/// Longest text to everybody, in characters.
const MAX_TEXT: usize = 500;

/// List the rooms of a running server: who is with whom, and since when.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Rooms {}

#[derive(Serialize, Deserialize)]
pub(crate) struct Room {
    room: String,
    members: [String; 2],
    since: String,
}

impl AdminRequest for Rooms {
    const NAME: &'static str = "rooms";
    const NEEDS: Needs = Needs::Server;
    type Answer = Vec<Room>;

    async fn answer(self, desk: &Desk) -> Result<Vec<Room>, Problem> {
        let mut rooms = desk.services.hub.rooms().await;
        rooms.sort_by_key(|room| room.since);
        let shown = rooms.iter().map(|open| Room {
            room: open.room.to_string(),
            members: open.members.map(|user| user.to_string()),
            since: rfc3339_millis(open.since),
        });
        Ok(shown.collect())
    }
}

impl Rooms {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let rooms = client.ask(self).await?;
        Ok(out.rows(&rooms, ["ROOM", "ONE", "OTHER", "SINCE"], |open| {
            let [one, other] = open.members.clone();
            [open.room.clone(), one, other, open.since.clone()]
        })?)
    }
}

/// Say something to everybody who is connected to the running server.
#[derive(Args, Serialize, Deserialize)]
#[command(after_help = "\
Example:
  meoww-server broadcast 'Down for five minutes at noon UTC'")]
pub(crate) struct Broadcast {
    /// At most 500 characters on one line
    #[arg(value_name = "TEXT", value_parser = text)]
    text: String,
}

fn text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_TEXT || text.chars().any(char::is_control) {
        return Err(format!("must be 1 to {MAX_TEXT} characters on one line"));
    }
    Ok(text.to_owned())
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Told {
    connections: u64,
}

impl AdminRequest for Broadcast {
    const NAME: &'static str = "broadcast";
    const NEEDS: Needs = Needs::Server;
    type Answer = Told;

    async fn answer(self, desk: &Desk) -> Result<Told, Problem> {
        let text = text(&self.text).map_err(|reason| Problem::new(Kind::Usage, reason))?;
        desk.services.hub.broadcast(text).await;
        Ok(Told { connections: desk.services.hub.counts().await.connections as u64 })
    }
}

impl Broadcast {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let told = client.ask(self).await?;
        Ok(out.one(&told, &format!("said to {} connections", told.connections))?)
    }
}

/// Let the running server end: nobody is matched any more, everybody is told, calls go on.
///
/// The server ends once the last room is over, or when the time is up, with exit code 0. The first
/// SIGTERM does the same, the next ends it at once.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Drain {
    /// Longest that calls may go on, like 30s, 5m or 1h [default: the setting drain_grace]
    #[arg(long = "for", value_name = "DURATION", value_parser = length)]
    grace: Option<Duration>,
}

fn length(text: &str) -> Result<Duration, String> {
    config::grace(text).ok_or_else(|| format!("{text:?} is no duration like 90s, 15m, 1h or 7d"))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Draining {
    rooms: u64,
    seconds: u64,
}

impl AdminRequest for Drain {
    const NAME: &'static str = "drain";
    const NEEDS: Needs = Needs::Server;
    type Answer = Draining;

    async fn answer(self, desk: &Desk) -> Result<Draining, Problem> {
        let grace = self.grace.unwrap_or(desk.services.config.drain_grace);
        let rooms = desk.services.hub.counts().await.rooms as u64;
        desk.services.begin_drain(grace);
        Ok(Draining { rooms, seconds: grace.as_secs() })
    }
}

impl Drain {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let Draining { rooms, seconds } = client.ask(self).await?;
        let human = format!("the server ends when {rooms} rooms are over, or in {seconds} s");
        Ok(out.one(&Draining { rooms, seconds }, &human)?)
    }
}
