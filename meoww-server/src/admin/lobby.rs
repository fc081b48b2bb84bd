//! `rooms`, `broadcast`: what makes sense only where people are connected.

use std::collections::BTreeMap;

use clap::Args;
use futures_util::future::join_all;
use meoww_proto::RoomId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    AdminRequest, Desk, Needs,
    client::Client,
    failure::{Failure, Kind, Problem},
    nodes,
    output::Out,
};
use crate::{
    core::{account::rfc3339_millis, fleet::NodeId},
    hub::{OpenRoom, RoomsAfter},
};

/// Longest text to everybody, in characters.
const MAX_TEXT: usize = 500;

/// Rooms that one node tells another at once: as many as fit into one answer.
const PAGE: usize = 400;

/// List the rooms of a running server, in a fleet those of all nodes: who is with whom, and since
/// when.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct Rooms {}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Room {
    room: RoomId,
    members: [String; 2],
    since: String,
}

impl From<OpenRoom> for Room {
    fn from(open: OpenRoom) -> Self {
        Self {
            room: open.room,
            members: open.members.map(|user| user.to_string()),
            since: rfc3339_millis(open.since),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Listed {
    rooms: Vec<Room>,
    silent: Vec<u32>,
}

/// The rooms that one node knows, a page at a time.
#[derive(Serialize, Deserialize)]
pub(crate) struct RoomsHere {
    after: Option<RoomId>,
}

impl AdminRequest for RoomsHere {
    const NAME: &'static str = "rooms here";
    type Answer = Vec<Room>;

    async fn answer(self, desk: &Desk) -> Result<Vec<Room>, Problem> {
        let page = RoomsAfter { after: self.after, limit: PAGE };
        Ok(desk.services.hub.rooms(page).await.into_iter().map(Room::from).collect())
    }
}

impl RoomsHere {
    /// Every room that another node knows; `None` if it does not answer to the end.
    async fn of(desk: &Desk, node: NodeId) -> Option<Vec<Room>> {
        let mut rooms: Vec<Room> = Vec::new();
        loop {
            let ask = Self { after: rooms.last().map(|last| last.room) };
            let page = nodes::ask_node(desk, node, &ask).await?;
            let is_last = page.len() < PAGE;
            rooms.extend(page);
            if is_last {
                return Some(rooms);
            }
        }
    }
}

impl AdminRequest for Rooms {
    const NAME: &'static str = "rooms";
    const NEEDS: Needs = Needs::Server;
    type Answer = Listed;

    async fn answer(self, desk: &Desk) -> Result<Listed, Problem> {
        let hub = &desk.services.hub;
        let all = RoomsAfter { after: None, limit: usize::MAX };
        let others = hub.other_nodes().await;
        let others = others.into_iter().map(async |node| (node, RoomsHere::of(desk, node).await));
        let (here, others) = tokio::join!(hub.rooms(all), join_all(others));
        let silent = nodes::silent(desk, &others).await;
        let others = others.into_iter().flat_map(|(_, rooms)| rooms.unwrap_or_default());
        // A room of two nodes is told twice; who came back to it later knows it for a shorter time.
        let mut rooms = BTreeMap::<RoomId, Room>::new();
        for room in here.into_iter().map(Room::from).chain(others) {
            let known = rooms.entry(room.room).or_insert_with(|| room.clone());
            if room.since < known.since {
                *known = room;
            }
        }
        let mut rooms: Vec<Room> = rooms.into_values().collect();
        rooms.sort_by(|one, other| one.since.cmp(&other.since));
        Ok(Listed { rooms, silent })
    }
}

impl Rooms {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let Listed { rooms, silent } = client.ask(self).await?;
        out.rows(&rooms, ["ROOM", "ONE", "OTHER", "SINCE"], |open| {
            let [one, other] = open.members.clone();
            [open.room.to_string(), one, other, open.since.clone()]
        })?;
        if out.is_json() && !silent.is_empty() {
            out.one(&json!({ "silent": silent }), "")?;
        }
        Ok(nodes::demand_all(&silent)?)
    }
}

/// Say something to everybody who is connected to the running server, in a fleet to all of its nodes.
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
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    silent: Vec<u32>,
}

/// What one node does of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct BroadcastHere {
    text: String,
}

impl AdminRequest for BroadcastHere {
    const NAME: &'static str = "broadcast here";
    type Answer = u64;

    async fn answer(self, desk: &Desk) -> Result<u64, Problem> {
        let text = text(&self.text).map_err(|reason| Problem::new(Kind::Usage, reason))?;
        desk.services.hub.broadcast(text).await;
        Ok(desk.services.hub.counts().await.connections as u64)
    }
}

impl AdminRequest for Broadcast {
    const NAME: &'static str = "broadcast";
    const NEEDS: Needs = Needs::Server;
    type Answer = Told;

    async fn answer(self, desk: &Desk) -> Result<Told, Problem> {
        let ask = || BroadcastHere { text: self.text.clone() };
        let here = ask().answer(desk).await?;
        let others = nodes::ask_others(desk, &ask()).await;
        let silent = nodes::silent(desk, &others).await;
        let there: u64 = others.iter().filter_map(|(_, told)| *told).sum();
        Ok(Told { connections: here + there, silent })
    }
}

impl Broadcast {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let told = client.ask(self).await?;
        out.one(&told, &format!("said to {} connections", told.connections))?;
        Ok(nodes::demand_all(&told.silent)?)
    }
}
