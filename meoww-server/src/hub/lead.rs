//! Which of the two decides: the lobby of a server that runs alone, or this node's part of a fleet.

use std::time::Instant;

use meoww_proto::{UserId, signal::Presence};

use crate::{
    core::{
        fleet::{self, Fleet, NodeId, Packet},
        lobby::{ConnId, Counts, Lobby, RoomInfo},
    },
    fleet::{
        bus::{Bus, Incoming},
        gathered::{Gathered, Outgoing},
    },
    metrics::BusMetrics,
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
    outgoing: Outgoing,
    incoming: Incoming,
    /// The rest of the last message that came in.
    packets: Gathered,
    relays: queue::Receiver<RemoteRelay>,
    pub(super) to_relays: queue::Sender<RemoteRelay>,
    /// Whether the log says that a node cannot be understood.
    has_warned: bool,
    /// Whether it says that another node has the id of this one.
    has_found_double: bool,
}

/// What a node hears beside its own connections.
pub(super) enum News {
    /// From another node.
    Packet(Packet),
    /// From a connection of this node to a partner on another.
    Relay(RemoteRelay),
}

impl Member {
    /// Joins the nodes that are reached over a bus, from which `incoming` comes.
    pub(crate) fn new(fleet: Fleet, (bus, incoming): (Bus, Incoming)) -> Self {
        let (to_relays, relays) = RemoteRelay::queue();
        Self {
            fleet,
            outgoing: Outgoing::new(bus),
            incoming,
            packets: Gathered::default(),
            relays,
            to_relays,
            has_warned: false,
            has_found_double: false,
        }
    }

    /// The next that is whole. Cancel safe.
    async fn next(&mut self) -> News {
        loop {
            if let Some(packet) = self.next_packet() {
                return News::Packet(packet);
            }
            tokio::select! {
                relay = self.relays.recv() => return News::Relay(relay),
                body = self.incoming.recv() => match body {
                    Some(body) => self.packets = Gathered::of(body),
                    // The bus ends with this.
                    None => std::future::pending().await,
                },
            }
        }
    }

    /// The next packet of the last message.
    fn next_packet(&mut self) -> Option<Packet> {
        loop {
            match Packet::decode(&self.packets.next()?) {
                Ok(packet) if packet.from != self.fleet.id() => return Some(packet),
                // The bus brings no packet back to its sender.
                Ok(_) if !std::mem::replace(&mut self.has_found_double, true) => {
                    tracing::error!(
                        "another server has the number of this one, as after an older copy of the \
                         database was put back: restart this server"
                    );
                }
                Ok(_) => {}
                // The sender knows the secrets, so it is of another version. It says something each
                // second.
                Err(error) if !std::mem::replace(&mut self.has_warned, true) => {
                    tracing::warn!(
                        %error,
                        "a server of another version is on the same NATS: the two do not match \
                         with each other until one of them is updated"
                    );
                }
                Err(_) => {}
            }
        }
    }
}

impl Lead {
    /// This node, if the server is one of many.
    pub(super) fn node(&self) -> Option<NodeId> {
        match self {
            Self::Alone(_) => None,
            Self::Among(member) => Some(member.fleet.id()),
        }
    }

    /// The first number of a connection.
    pub(super) fn first_conn(&self) -> u64 {
        self.node().map_or(0, |node| node.conn(0).0)
    }

    /// What is counted of the bus, if there is one.
    pub(crate) fn bus_metrics(&self) -> Option<BusMetrics> {
        match self {
            Self::Alone(_) => None,
            Self::Among(member) => Some(member.outgoing.bus.metrics.clone()),
        }
    }

    /// The other nodes that were heard of lately.
    pub(super) fn other_nodes(&self) -> Vec<NodeId> {
        match self {
            Self::Alone(_) => Vec::new(),
            Self::Among(member) => member.fleet.known_nodes().collect(),
        }
    }

    /// Whether clients of this node have another one to go to.
    pub(super) fn has_elsewhere(&self) -> bool {
        match self {
            Self::Alone(_) => false,
            Self::Among(member) => member.fleet.peers().any(|(_, is_draining)| !is_draining),
        }
    }

    /// The connections that wait for a partner, where clients may go to another node.
    pub(super) fn searching(&self) -> Vec<ConnId> {
        match self {
            Self::Alone(_) => Vec::new(),
            Self::Among(member) => member.fleet.searching().collect(),
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
            Self::Among(member) => {
                let timeout = member.fleet.poll_timeout();
                Some(member.outgoing.poll_timeout().map_or(timeout, |at| at.min(timeout)))
            }
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

    /// Whether this connection of a fleet's node is in a room.
    pub(super) fn is_seated(&self, conn: ConnId) -> bool {
        match self {
            Self::Alone(_) => false,
            Self::Among(member) => member.fleet.is_seated(conn),
        }
    }

    /// Whether a member of a room is at this server, or may only come back to it.
    pub(super) fn has_rooms(&self) -> bool {
        match self {
            Self::Alone(lobby) => lobby.counts().rooms > 0,
            Self::Among(member) => {
                member.fleet.has_seated() || (member.fleet.has_away() && !self.has_elsewhere())
            }
        }
    }

    /// Every room with a member on this server; in a fleet twice where both members are.
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
        let now = crate::clock::instant();
        self.fleet.handle(input, now, &mut rand::rng(), &mut effects);
        effects.retain(|effect| match effect {
            fleet::Effect::Send(packet) => {
                self.outgoing.send(packet, now);
                false
            }
            _ => true,
        });
        self.outgoing.flush(now);
        effects
    }
}
