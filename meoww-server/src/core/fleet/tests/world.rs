//! Nodes, a bus between them, and clients.

mod bus;
mod check;
mod clients;
mod drain;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId};
use rand::{SeedableRng, rngs::SmallRng};

pub(super) use self::{
    bus::Faults,
    clients::{Client, user},
};
use self::{
    check::{DISAGREEMENT, RECOVERY},
    clients::Room,
};
use crate::core::{
    fleet::{Body, Effect, Fleet, Input, Message, NodeId, Packet, Request, RollSeat, Term},
    lobby::{ConnId, SEAT_LEASE},
    safety::BlockList,
};

/// How often nodes ask the database what has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Node {
    pub(super) fleet: Fleet,
    pub(super) is_paused: bool,
    pub(super) is_draining: bool,
    /// Packets that came while it was paused.
    inbox: Vec<Packet>,
    next_conn: u64,
}

impl Node {
    fn new(fleet: Fleet) -> Self {
        Self { fleet, is_paused: false, is_draining: false, inbox: Vec::new(), next_conn: 1 }
    }
}

pub(super) struct World {
    pub(super) now: Instant,
    start: Instant,
    pub(super) rng: SmallRng,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    next_node: u32,
    bus: BTreeMap<(Instant, u64), (NodeId, Packet)>,
    sent: u64,
    /// Senders and receivers between which packets are lost.
    cuts: BTreeSet<(NodeId, NodeId)>,
    pub(super) faults: Faults,
    pub(super) clients: BTreeMap<ConnId, Client>,
    /// Blocks by user and blocked user: at which node each was made, and when.
    blocks: BTreeMap<(UserId, UserId), (NodeId, Instant)>,
    /// Mismatches by user and other: at which node each was found, and when. Forgotten when the user has
    /// no more connection to that node.
    apart: BTreeMap<(UserId, UserId), (NodeId, Instant)>,
    /// The blocks of users in the database, and by node whose have changed since it looked last.
    database: BTreeMap<UserId, BlockList>,
    changed: BTreeMap<NodeId, BTreeSet<UserId>>,
    look_at: Instant,
    /// The term that each node follows.
    terms: BTreeMap<NodeId, Term>,
    /// The last node of each seat.
    seats: BTreeMap<(RoomId, UserId), NodeId>,
    /// Seats that a hub has held or opened.
    held: BTreeSet<(ConnId, RoomId)>,
    /// Rooms that may end, as a member has done something that ends it.
    may_end: BTreeSet<RoomId>,
    /// Rooms that a member has left, and rooms that were over for a client in them.
    left: BTreeSet<RoomId>,
    over: Vec<(ConnId, Room)>,
    /// When each user last did something that ends a room.
    left_at: BTreeMap<UserId, Instant>,
    /// When the nodes last did not all reach each other.
    whole_since: Instant,
    /// When one last stood still, or packets were lost: it may have been given up.
    steady_since: Instant,
    /// Seats of those who lost a connection, and until when they may be kept.
    away: BTreeMap<(RoomId, UserId), Instant>,
    pub(super) well_since: Instant,
    pub(super) matches: u64,
    pub(super) relays: u64,
    pub(super) drained: u64,
}

impl World {
    pub(super) fn new(seed: u64, nodes: usize) -> Self {
        let now = Instant::now() + Duration::from_secs(3600);
        let mut world = Self {
            now,
            start: now,
            rng: SmallRng::seed_from_u64(seed),
            nodes: BTreeMap::new(),
            next_node: 1,
            bus: BTreeMap::new(),
            sent: 0,
            cuts: BTreeSet::new(),
            faults: Faults::default(),
            clients: BTreeMap::new(),
            blocks: BTreeMap::new(),
            apart: BTreeMap::new(),
            database: BTreeMap::new(),
            changed: BTreeMap::new(),
            look_at: now,
            terms: BTreeMap::new(),
            seats: BTreeMap::new(),
            held: BTreeSet::new(),
            may_end: BTreeSet::new(),
            left: BTreeSet::new(),
            over: Vec::new(),
            left_at: BTreeMap::new(),
            whole_since: now - SEAT_LEASE * 2,
            steady_since: now,
            away: BTreeMap::new(),
            well_since: now,
            matches: 0,
            relays: 0,
            drained: 0,
        };
        for _ in 0..nodes {
            world.start_node();
        }
        world
    }

    /// Prints a line of the trace, if there is one.
    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if std::env::var_os("MEOWW_FLEET_TRACE").is_some() {
            println!("{:>7} {}", self.now.duration_since(self.start).as_millis(), text());
        }
    }

    pub(super) fn start_node(&mut self) -> NodeId {
        let id = NodeId::new(self.next_node).expect("a node");
        self.next_node += 1;
        let fleet = Fleet::new(id, self.now);
        self.nodes.insert(id, Node::new(fleet));
        self.disturb();
        id
    }

    pub(super) fn disturb(&mut self) {
        self.well_since = self.now;
    }

    pub(super) fn node_ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    /// The node is gone, and so are its connections; their clients may ask for their rooms elsewhere.
    pub(super) fn crash(&mut self, node: NodeId) {
        self.note(|| format!("crash {node}"));
        self.excuse_unanswered();
        self.nodes.remove(&node);
        for conn in self.clients.keys().copied().collect::<Vec<_>>() {
            if conn.node() == Some(node) {
                self.gone(conn, true);
            }
        }
        // Nor is it known of those who left what the node had no time to tell.
        let until = self.now + SEAT_LEASE + RECOVERY;
        let seats = self.seats.iter().filter(|(_, seen_at)| **seen_at == node);
        self.away.extend(seats.map(|(seat, _)| (*seat, until)));
        self.disturb();
    }

    pub(super) fn pause(&mut self, node: NodeId, is_paused: bool) {
        self.note(|| format!("pause {node} {is_paused}"));
        self.disturb();
        self.excuse_unanswered();
        let Some(known) = self.nodes.get_mut(&node) else { return };
        known.is_paused = is_paused;
        if !is_paused {
            for packet in std::mem::take(&mut known.inbox) {
                self.handle(node, Input::Packet(packet));
            }
        }
    }

    pub(super) fn handle(&mut self, node: NodeId, input: Input) {
        let Some(known) = self.nodes.get_mut(&node).filter(|known| !known.is_paused) else {
            return;
        };
        let mut effects = Vec::new();
        known.fleet.handle(input, self.now, &mut self.rng, &mut effects);
        let conns = self.clients.keys().filter(|conn| conn.node() == Some(node));
        let reports = conns.filter_map(|conn| known.fleet.hub().report(*conn, self.now));
        self.held.extend(reports.filter_map(|report| match report.seat {
            RollSeat::Seated { room, .. } => Some((report.conn, room)),
            _ => None,
        }));
        for effect in effects {
            match effect {
                Effect::Send(packet) => {
                    // In the same step it may have heard of another matcher, and hold it no more.
                    if let Body::Data { message: Message::Request(_, request), .. } = &packet.body
                        && let Request::Held { conn, room } = *request
                    {
                        self.held.insert((conn, room));
                    }
                    self.post(packet);
                }
                Effect::Lobby(effect) => self.tell(node, effect),
                Effect::Relay { to, relay } => self.pass_in(to, &relay),
                Effect::PartnerAway { conn, room } => self.tell_away(conn, room),
                Effect::Received(..) => {}
            }
        }
    }

    /// Lets time pass: packets come and timers ring when they are due.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let packet = self.bus.first_key_value().map(|((at, _), _)| *at);
            let awake = self.nodes.iter().filter(|(_, node)| !node.is_paused);
            let timer = awake.map(|(id, node)| (node.fleet.poll_timeout(), *id)).min();
            let next =
                packet.into_iter().chain(timer.map(|(at, _)| at)).chain([self.look_at]).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if self.look_at == at {
                self.look_at = at + LOOK_EVERY;
                self.look_into_database();
            } else if packet == Some(at) {
                let (_, (to, packet)) = self.bus.pop_first().expect("there is one");
                match self.nodes.get_mut(&to) {
                    Some(node) if node.is_paused => node.inbox.push(packet),
                    Some(_) => self.handle(to, Input::Packet(packet)),
                    None => {}
                }
            } else if let Some((_, node)) = timer {
                self.handle(node, Input::Timeout);
                assert!(
                    self.nodes[&node].fleet.poll_timeout() > self.now,
                    "{node:?} has a deadline left over"
                );
            }
            self.check();
        }
        self.now = end;
        self.check();
    }

    /// Cuts one direction between two nodes.
    pub(super) fn cut(&mut self, from: NodeId, to: NodeId) {
        self.note(|| format!("cut {from} -> {to}"));
        self.cuts.insert((from, to));
        self.disturb();
    }

    pub(super) fn mend_cuts(&mut self) {
        self.note(|| "no cuts".to_owned());
        self.cuts.clear();
        self.disturb();
    }

    /// Returns the rooms that were over though both were in them and neither has left.
    pub(super) fn lost_calls(&self) -> Vec<String> {
        let lost = self.over.iter().filter(|(_, room)| {
            !self.left.contains(&room.id) && self.seats.contains_key(&(room.id, room.stranger))
        });
        lost.map(|(conn, room)| format!("{conn:?} {room:?}")).collect()
    }

    /// Ends all faults and waits until all must be well.
    pub(super) fn heal(&mut self) {
        self.mend_cuts();
        self.faults = Faults::default();
        for node in self.node_ids() {
            self.pause(node, false);
        }
        self.disturb();
        self.pass(RECOVERY + DISAGREEMENT + DISAGREEMENT);
    }
}
