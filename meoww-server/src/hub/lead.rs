//! Which of the two decides: the lobby of a server that runs alone, or this node's part of a fleet.

use std::time::Instant;

use bytes::Bytes;
use meoww_proto::{UserId, signal::Presence};
use tokio::sync::mpsc;

use crate::{
    core::{
        fleet::{self, Fleet, NodeId, Packet},
        lobby::{ConnId, Counts, Lobby, RoomInfo},
    },
    fleet::bus::Bus,
    queue,
    send_queue::RemoteRelay,
};

/// What decides.
pub(crate) enum Lead {
    /// The server is alone.
    Alone(Box<Lobby>),
    /// It is one of many.
    Among(Box<Member>),
}

/// One node of a fleet.
pub(crate) struct Member {
    pub(super) fleet: Fleet,
    pub(super) bus: Bus,
    packets: mpsc::Receiver<Bytes>,
    relays: queue::Receiver<RemoteRelay>,
    pub(super) to_relays: queue::Sender<RemoteRelay>,
}

/// What a node hears beside its own connections.
pub(super) enum News {
    /// From another node.
    Packet(Packet),
    /// From a connection of this node to a partner on another.
    Relay(RemoteRelay),
}

impl Member {
    /// Joins the nodes that are reached over a bus, whose packets are `packets`.
    pub(crate) fn new(node: NodeId, (bus, packets): (Bus, mpsc::Receiver<Bytes>)) -> Self {
        let (to_relays, relays) = RemoteRelay::queue();
        let fleet = Fleet::new(node, crate::clock::instant());
        Self { fleet, bus, packets, relays, to_relays }
    }

    /// The next that is whole. Cancel safe.
    async fn next(&mut self) -> News {
        loop {
            tokio::select! {
                relay = self.relays.recv() => return News::Relay(relay),
                bytes = self.packets.recv() => match bytes.as_deref().map(Packet::decode) {
                    Some(Ok(packet)) => return News::Packet(packet),
                    // The sender knows the secrets, so it is of another version.
                    Some(Err(error)) => tracing::warn!(%error, "a node cannot be understood"),
                    // The bus ends with this.
                    None => std::future::pending().await,
                },
            }
        }
    }
}

impl Lead {
    /// The first number of a connection.
    pub(super) fn first_conn(&self) -> u64 {
        match self {
            Self::Alone(_) => 0,
            Self::Among(member) => member.fleet.id().conn(0).0,
        }
    }

    pub(super) async fn next(&mut self) -> News {
        match self {
            Self::Alone(_) => std::future::pending().await,
            Self::Among(member) => member.next().await,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Alone(lobby) => lobby.poll_timeout(),
            Self::Among(member) => Some(member.fleet.poll_timeout()),
        }
    }

    /// The connections of a user to this node.
    pub(super) fn connections_of(&self, user: UserId) -> &[ConnId] {
        match self {
            Self::Alone(lobby) => lobby.connections_of(user),
            Self::Among(member) => member.fleet.connections_of(user),
        }
    }

    /// How many there are at this server.
    pub(super) fn counts(&self) -> Counts {
        match self {
            Self::Alone(lobby) => lobby.counts(),
            Self::Among(member) => member.fleet.counts(),
        }
    }

    /// How many there are on all nodes.
    pub(super) fn presence(&self) -> Presence {
        match self {
            Self::Alone(lobby) => {
                let Counts { users, searching, .. } = lobby.counts();
                let [online, searching] =
                    [users, searching].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
                Presence { online, searching }
            }
            Self::Among(member) => member.fleet.presence().into(),
        }
    }

    /// How many connections this server has.
    pub(super) fn connections(&self) -> usize {
        match self {
            Self::Alone(lobby) => lobby.counts().connections,
            Self::Among(member) => member.fleet.connections(),
        }
    }

    /// Every room that this server knows of: of a fleet, those of all nodes if this one matches.
    pub(super) fn rooms(&self) -> Vec<RoomInfo> {
        match self {
            Self::Alone(lobby) => lobby.rooms().collect(),
            Self::Among(member) => member.fleet.rooms().collect(),
        }
    }
}

impl Member {
    /// Handles what happened and returns what is to be done here; the rest has left.
    pub(super) fn handle(&mut self, input: fleet::Input) -> Vec<fleet::Effect> {
        let mut effects = Vec::new();
        self.fleet.handle(input, crate::clock::instant(), &mut rand::rng(), &mut effects);
        effects.retain(|effect| match effect {
            fleet::Effect::Send(packet) => {
                self.bus.send(packet.to, &packet.encode());
                false
            }
            _ => true,
        });
        effects
    }
}
