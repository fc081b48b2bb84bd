//! `stats`: how many there are.

use std::fs;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    AdminRequest, Desk,
    client::Client,
    failure::{Failure, Problem},
    nodes,
    output::Out,
};
use crate::{core::fleet::NodeId, services::Services};

/// Count accounts and, of a running server, connections and rooms; of a fleet those of all nodes, and
/// each by itself.
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
    /// Nothing of a server that runs alone.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    nodes: Vec<Node>,
    /// Nodes that did not answer.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    silent: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Live {
    connections: u64,
    users: u64,
    searching: u64,
    rooms: u64,
}

/// One node of a fleet.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    node: u32,
    host: String,
    /// As it is set.
    listen: String,
    /// Of this node; of rooms with a member elsewhere, one of the two nodes counts each.
    #[serde(flatten)]
    live: Live,
    /// Whether it matches for all.
    is_matching: bool,
    is_draining: bool,
}

/// What one node knows of itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct StatsHere {}

impl AdminRequest for StatsHere {
    const NAME: &'static str = "stats here";
    type Answer = Node;

    async fn answer(self, desk: &Desk) -> Result<Node, Problem> {
        let services = &desk.services;
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Node {
            node: services.hub.node().map_or(0, NodeId::get),
            host: host.trim().to_owned(),
            listen: services.config.listen.to_string(),
            live: live(services).await,
            is_matching: services.hub.standing().await.is_matching,
            is_draining: services.is_draining(),
        })
    }
}

async fn live(services: &Services) -> Live {
    let counts = services.hub.counts().await;
    Live {
        connections: counts.connections as u64,
        users: counts.users as u64,
        searching: counts.searching as u64,
        rooms: counts.rooms as u64,
    }
}

impl AdminRequest for Stats {
    const NAME: &'static str = "stats";
    type Answer = Counted;

    async fn answer(self, desk: &Desk) -> Result<Counted, Problem> {
        let stored = desk.services.store.account_counts().await?;
        let services = &desk.services;
        let (mut nodes, mut silent) = (Vec::new(), Vec::new());
        if desk.is_serving && services.hub.node().is_some() {
            let others = nodes::ask_others(desk, &StatsHere {}).await;
            silent = nodes::silent(desk, &others).await;
            nodes.push(StatsHere {}.answer(desk).await?);
            nodes.extend(others.into_iter().filter_map(|(_, node)| node));
            nodes.sort_by_key(|node| node.node);
        }
        let live = match nodes.is_empty() {
            true if desk.is_serving => Some(live(services).await),
            true => None,
            false => Some(of_all(&nodes, services).await),
        };
        let (accounts, verified) = (stored.accounts, stored.verified);
        let (banned, sessions) = (stored.banned, stored.sessions);
        Ok(Counted { accounts, verified, banned, sessions, live, nodes, silent })
    }
}

/// A user may be on several nodes, so users are as many as the node that matches has counted.
async fn of_all(nodes: &[Node], services: &Services) -> Live {
    let presence = services.hub.standing().await.presence;
    let sum = |count: fn(&Live) -> u64| nodes.iter().map(|node| count(&node.live)).sum();
    Live {
        connections: sum(|live| live.connections),
        users: presence.online.into(),
        searching: presence.searching.into(),
        rooms: sum(|live| live.rooms),
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
        out.fields(&counted, fields)?;
        if !counted.nodes.is_empty() && !out.is_json() {
            let heading =
                ["NODE", "HOST", "LISTEN", "CONNECTIONS", "USERS", "SEARCHING", "ROOMS", ""];
            out.rows(&counted.nodes, heading, Node::row)?;
        }
        Ok(nodes::demand_all(&counted.silent)?)
    }
}

impl Node {
    fn row(&self) -> [String; 8] {
        let Live { connections, users, searching, rooms } = &self.live;
        let [connections, users, searching, rooms] =
            [connections, users, searching, rooms].map(u64::to_string);
        let state = match (self.is_matching, self.is_draining) {
            (_, true) => "draining",
            (true, false) => "matches for all",
            (false, false) => "",
        };
        let (node, host, listen) = (self.node.to_string(), self.host.clone(), self.listen.clone());
        [node, host, listen, connections, users, searching, rooms, state.to_owned()]
    }
}
