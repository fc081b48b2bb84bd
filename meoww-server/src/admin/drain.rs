//! `drain`: the end of a server, or of one node, that lets calls go on.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    AdminRequest, Desk, Needs,
    client::Client,
    failure::{Failure, Problem},
    nodes,
    output::Out,
};
use crate::{config, core::fleet::NodeId};

/// Let the running server end: nobody is matched any more, everybody is told, calls go on.
///
/// The server ends once the last room is over, or when the time is up, with exit code 0. The first
/// SIGTERM does the same, the next ends it at once. With other nodes that match on, its clients go to
/// those, 200 a second, with their rooms, and the server ends when the last has gone.
#[derive(Args, Clone, Serialize, Deserialize)]
#[command(after_help = "\
Examples:
  meoww-server drain --for 5m
  meoww-server drain 3            # another node of the fleet, by its number in `stats`")]
pub(crate) struct Drain {
    /// Number of the node, as `stats` shows it [default: the server of this data directory]
    #[arg(value_name = "NODE", value_parser = clap::value_parser!(u32).range(1..))]
    node: Option<u32>,
    /// Longest that calls may go on, like 30s, 5m or 1h [default: the setting drain_grace]
    #[arg(long = "for", value_name = "DURATION", value_parser = length)]
    grace: Option<Duration>,
}

fn length(text: &str) -> Result<Duration, String> {
    config::grace(text).ok_or_else(|| format!("{text:?} is no duration like 90s, 15m, 1h or 7d"))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Draining {
    /// Of a fleet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    node: Option<u32>,
    rooms: u64,
    connections: u64,
    seconds: u64,
}

/// What the node itself does of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct DrainHere {
    grace: Option<Duration>,
}

impl AdminRequest for DrainHere {
    const NAME: &'static str = "drain here";
    type Answer = Draining;

    async fn answer(self, desk: &Desk) -> Result<Draining, Problem> {
        let services = &desk.services;
        let grace = self.grace.unwrap_or(services.config.drain_grace);
        let counts = services.hub.counts().await;
        services.begin_drain(grace);
        Ok(Draining {
            node: services.hub.node().map(NodeId::get),
            rooms: counts.rooms as u64,
            connections: counts.connections as u64,
            seconds: grace.as_secs(),
        })
    }
}

impl AdminRequest for Drain {
    const NAME: &'static str = "drain";
    const NEEDS: Needs = Needs::Server;
    type Answer = Draining;

    async fn answer(self, desk: &Desk) -> Result<Draining, Problem> {
        let hub = &desk.services.hub;
        let here = DrainHere { grace: self.grace };
        if self.node.is_none_or(|node| hub.node().map(NodeId::get) == Some(node)) {
            return here.answer(desk).await;
        }
        let others = hub.other_nodes().await;
        let Some(node) = others.iter().find(|node| Some(node.get()) == self.node) else {
            let known: Vec<_> = hub.node().iter().chain(&others).map(ToString::to_string).collect();
            let known = if known.is_empty() {
                "this server is alone".into()
            } else {
                format!("there are {}", known.join(", "))
            };
            let node = self.node.unwrap_or_default();
            return Err(Problem::not_found(format!("there is no node {node}; {known}")));
        };
        match nodes::ask_node(desk, *node, &here).await {
            Some(draining) => Ok(draining),
            None => Err(nodes::unanswered(&[node.get()])),
        }
    }
}

impl Drain {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let draining = client.ask(self).await?;
        let Draining { node, rooms, connections, seconds } = &draining;
        let human = match node {
            None => format!("the server ends when {rooms} rooms are over, or in {seconds} s"),
            Some(node) => format!(
                "node {node} ends when its {connections} connections have gone to other nodes (with no \
                 other node, when {rooms} rooms are over), or in {seconds} s"
            ),
        };
        Ok(out.one(&draining, &human)?)
    }
}
