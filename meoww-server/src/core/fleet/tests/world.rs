//! Nodes, a bus between them, and clients; and what must hold of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use meoww_proto::{
    RoomId, UserId,
    signal::{Relay, RelayPayload},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::core::{
    fleet::{Body, Effect, Fleet, Input, NodeId, Packet, RollSeat},
    lobby::{self, ConnId, Departure, SEAT_LEASE, SearchCriteria},
};

/// How long after the last fault all must be well: to notice that a node is gone, or back, to
/// elect, to tell the roll.
const RECOVERY: Duration = Duration::from_secs(5);
/// How long the two members of a room may disagree when all is well.
const DISAGREEMENT: Duration = Duration::from_secs(3);
/// How long a waiter may be missing from the queue when all is well.
const MISSING: Duration = Duration::from_secs(2);

pub(super) struct Node {
    pub(super) fleet: Fleet,
    pub(super) is_paused: bool,
    /// What came while it was paused.
    inbox: Vec<Packet>,
    next_conn: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) user: UserId,
    pub(super) is_welcome: bool,
    pub(super) is_searching: bool,
    pub(super) room: Option<Room>,
    /// What it finds wrong, and since when.
    wrong: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) id: RoomId,
    pub(super) partner: Option<ConnId>,
    pub(super) stranger: UserId,
}

/// What happens to packets, each in one of so many; 0 is never.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) lost: u32,
    pub(super) repeated: u32,
    pub(super) delayed: u32,
}

pub(super) struct World {
    pub(super) now: Instant,
    start: Instant,
    pub(super) rng: SmallRng,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    next_node: u32,
    bus: BTreeMap<(Instant, u64), (NodeId, Packet)>,
    sent: u64,
    pub(super) cuts: BTreeSet<(NodeId, NodeId)>,
    pub(super) faults: Faults,
    pub(super) clients: BTreeMap<ConnId, Client>,
    /// Whom each user has blocked, at which node, since when.
    pub(super) blocks: BTreeMap<(UserId, UserId), NodeId>,
    /// On which node each seat was last.
    seats: BTreeMap<(RoomId, UserId), NodeId>,
    /// Seats that a hub has held or opened.
    held: BTreeSet<(ConnId, RoomId)>,
    /// Rooms that may end, as a member has done something that ends it.
    may_end: BTreeSet<RoomId>,
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
}

pub(super) fn user(name: u8) -> UserId {
    UserId::from_bytes([name; 12])
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
            seats: BTreeMap::new(),
            held: BTreeSet::new(),
            may_end: BTreeSet::new(),
            left_at: BTreeMap::new(),
            whole_since: now - SEAT_LEASE * 2,
            steady_since: now,
            away: BTreeMap::new(),
            well_since: now,
            matches: 0,
            relays: 0,
        };
        for _ in 0..nodes {
            world.start_node();
        }
        world
    }

    /// Notes a line for whoever reads a failure.
    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if std::env::var_os("MEOWW_FLEET_TRACE").is_some() {
            println!("{:>7} {}", self.now.duration_since(self.start).as_millis(), text());
        }
    }

    pub(super) fn start_node(&mut self) -> NodeId {
        let id = NodeId::new(self.next_node).expect("a node");
        self.next_node += 1;
        let fleet = Fleet::new(id, self.now);
        self.nodes.insert(id, Node { fleet, is_paused: false, inbox: Vec::new(), next_conn: 1 });
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

    /// A client is gone; its seat may be kept.
    fn gone(&mut self, conn: ConnId, is_kept: bool) -> Option<Client> {
        let client = self.clients.remove(&conn)?;
        self.excuse(client.user);
        self.left_at.insert(client.user, self.now);
        if let Some(room) = client.room.filter(|_| is_kept) {
            let until = self.now + SEAT_LEASE + RECOVERY;
            self.away.insert((room.id, client.user), until);
        }
        Some(client)
    }

    pub(super) fn pause(&mut self, node: NodeId, is_paused: bool) {
        self.note(|| format!("pause {node} {is_paused}"));
        self.disturb();
        let Some(known) = self.nodes.get_mut(&node) else { return };
        known.is_paused = is_paused;
        if !is_paused {
            for packet in std::mem::take(&mut known.inbox) {
                self.handle(node, Input::Packet(packet));
            }
        }
    }

    pub(super) fn connect(
        &mut self,
        node: NodeId,
        user: UserId,
        resume: Option<RoomId>,
    ) -> Option<ConnId> {
        let known = self.nodes.get_mut(&node).filter(|known| !known.is_paused)?;
        let conn = node.conn(known.next_conn);
        known.next_conn += 1;
        let client =
            Client { user, is_welcome: false, is_searching: false, room: None, wrong: None };
        self.clients.insert(conn, client);
        self.lobby(node, lobby::Input::Connect { conn, user, resume });
        let blocked = self.blocks.keys().filter(|(by, _)| *by == user).map(|(_, it)| *it);
        for blocked in blocked.collect::<Vec<_>>() {
            self.lobby(node, lobby::Input::Block { user, blocked });
        }
        Some(conn)
    }

    pub(super) fn search(&mut self, conn: ConnId) {
        self.act(conn, lobby::Input::Search(conn, SearchCriteria::default()));
    }

    /// Does what a client asks for, unless its node stands still.
    pub(super) fn act(&mut self, conn: ConnId, input: lobby::Input) {
        let Some(node) = conn.node() else { return };
        if self.nodes.get(&node).is_none_or(|node| node.is_paused) {
            return;
        }
        let Some(client) = self.clients.get(&conn) else { return };
        let ends_nothing = match input {
            lobby::Input::Search(..) => {
                // In another connection it is refused.
                let is_steady = self.now.duration_since(self.steady_since) > RECOVERY * 2;
                let mut others = self.clients.values().filter(|other| other.user == client.user);
                let is_elsewhere = others.any(|other| other.room.is_some());
                client.room.is_some() || is_steady && is_elsewhere
            }
            lobby::Input::Cancel(_) | lobby::Input::Unblock { .. } => true,
            _ => false,
        };
        if !ends_nothing {
            let (user, ends_later) = (client.user, !matches!(input, lobby::Input::Search(..)));
            self.excuse(user);
            // Perhaps one that the matcher knows of, and the client does not yet.
            self.left_at.extend(ends_later.then_some((user, self.now)));
        }
        let Some(client) = self.clients.get_mut(&conn) else { return };
        match input {
            lobby::Input::Search(..) if client.room.is_none() => client.is_searching = true,
            lobby::Input::Skip(_) => (client.is_searching, client.room) = (true, None),
            lobby::Input::Leave(_) => (client.is_searching, client.room) = (false, None),
            lobby::Input::Cancel(_) => client.is_searching = false,
            lobby::Input::Disconnect(_, departure) => {
                self.gone(conn, departure == Departure::Lost);
            }
            lobby::Input::Block { user, blocked } => {
                self.blocks.insert((user, blocked), node);
            }
            lobby::Input::Unblock { user, blocked } => {
                self.blocks.remove(&(user, blocked));
            }
            _ => {}
        }
        self.lobby(node, input);
    }

    /// What this user does may end any room the user was in.
    fn excuse(&mut self, user: UserId) {
        let rooms = self.seats.keys().filter(|(_, member)| *member == user);
        self.may_end.extend(rooms.map(|(room, _)| *room));
    }

    pub(super) fn relay(&mut self, conn: ConnId) {
        let client = self.clients.get(&conn);
        let Some(Room { id, partner: Some(to), .. }) = client.and_then(|it| it.room) else {
            return;
        };
        let Some(node) = conn.node().filter(|node| to.node() != Some(*node)) else { return };
        let payload = RelayPayload::Chat(id.to_string());
        let relay = Relay { room_id: id, payload };
        self.handle(node, Input::Relay { from: conn, to, relay });
    }

    fn lobby(&mut self, node: NodeId, input: lobby::Input) {
        self.note(|| format!("{node:?} {input:?}"));
        self.handle(node, Input::Lobby(input));
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
                Effect::Send(packet) => self.post(packet),
                Effect::Lobby(effect) => self.tell(node, effect),
                Effect::Relay { to, relay } => self.pass_in(to, &relay),
                Effect::Received(..) => {}
            }
        }
    }

    fn post(&mut self, packet: Packet) {
        if let Body::Data { seq, message } = &packet.body {
            self.note(|| format!("  {:?} => {:?} {seq} {message:?}", packet.from, packet.to));
        }
        let to: Vec<NodeId> = match packet.to {
            Some(to) => vec![to],
            None => self.node_ids().into_iter().filter(|node| *node != packet.from).collect(),
        };
        for to in to {
            let is_cut = self.cuts.contains(&(packet.from, to));
            let is_lost = self.chance(self.faults.lost);
            if is_cut || is_lost {
                continue;
            }
            let copies = 1 + usize::from(self.chance(self.faults.repeated));
            for _ in 0..copies {
                let late = if self.chance(self.faults.delayed) { 300 } else { 3 };
                let at = self.now + Duration::from_millis(self.rng.random_range(0..=late));
                self.sent += 1;
                // As it goes over the wire.
                let packet = Packet::decode(&packet.encode()).expect("a packet");
                self.bus.insert((at, self.sent), (to, packet));
            }
        }
    }

    fn chance(&mut self, one_in: u32) -> bool {
        one_in > 0 && self.rng.random_range(0..one_in) == 0
    }

    /// A client hears of something.
    fn tell(&mut self, node: NodeId, effect: lobby::Effect) {
        self.note(|| format!("{node:?} -> {effect:?}"));
        let blocks = &self.blocks;
        match effect {
            lobby::Effect::Welcome { conn, resumed, .. } => {
                let Some(client) = self.clients.get_mut(&conn) else { return };
                assert!(!client.is_welcome, "{conn:?} is welcomed twice");
                client.is_welcome = true;
                client.is_searching &= resumed.is_none();
                self.seats.extend(resumed.map(|resumed| ((resumed.room, client.user), node)));
                client.room = resumed.map(|resumed| Room {
                    id: resumed.room,
                    partner: resumed.partner,
                    stranger: resumed.stranger,
                });
            }
            lobby::Effect::Matched { conn, room, partner, stranger, .. } => {
                let client = self.clients.get_mut(&conn).expect("connected");
                assert!(client.is_searching, "{conn:?} is matched without a search");
                assert!(client.room.is_none(), "{conn:?} is in two rooms");
                assert_ne!(client.user, stranger);
                let by = blocks.get(&(client.user, stranger));
                assert_ne!(by, Some(&node), "{conn:?} meets whom it has blocked");
                assert!(
                    self.held.contains(&(partner, room)),
                    "{conn:?} is matched with one not held"
                );
                client.is_searching = false;
                client.room = Some(Room { id: room, partner: Some(partner), stranger });
                self.seats.insert((room, client.user), node);
                self.matches += 1;
            }
            lobby::Effect::PartnerMoved { conn, room, partner } => {
                let client = self.clients.get_mut(&conn).expect("connected");
                if let Some(known) = client.room.as_mut().filter(|known| known.id == room) {
                    known.partner = Some(partner);
                }
            }
            lobby::Effect::RoomOver { conn, room } => {
                let client = self.clients.get_mut(&conn).expect("connected");
                let known = client.room.take_if(|known| known.id == room);
                let margin = Duration::from_secs(10);
                let left = |user| self.left_at.get(&user).is_some_and(|at| *at + margin > self.now);
                let has_left = known.is_some_and(|it| left(it.stranger)) || left(client.user);
                let is_whole = self.now.duration_since(self.whole_since) > SEAT_LEASE + RECOVERY;
                let may_end = self.may_end.contains(&room) || has_left || !is_whole;
                assert!(may_end, "{conn:?} {room:?} ended by no doing of its members");
            }
            lobby::Effect::Refused(conn, _) | lobby::Effect::Draining(conn) => {
                self.clients.get_mut(&conn).expect("connected").is_searching = false;
            }
            lobby::Effect::Displaced(conn) => {
                self.gone(conn, true);
            }
            lobby::Effect::Searching(_) => {}
        }
    }

    fn pass_in(&mut self, to: ConnId, relay: &Relay) {
        let room = self.clients[&to].room.expect("in a room").id;
        assert_eq!(relay.room_id, room, "a relay for another room");
        let RelayPayload::Chat(text) = &relay.payload else { panic!("{relay:?}") };
        assert_eq!(*text, room.to_string(), "a relay of another room");
        self.relays += 1;
    }

    /// Lets time pass: packets come and timers ring when they are due.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let packet = self.bus.first_key_value().map(|((at, _), _)| *at);
            let awake = self.nodes.iter().filter(|(_, node)| !node.is_paused);
            let timer = awake.map(|(id, node)| (node.fleet.poll_timeout(), *id)).min();
            let next = packet.into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if packet == Some(at) {
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

    pub(super) fn is_well(&self) -> bool {
        let Faults { lost, delayed, .. } = self.faults;
        let is_whole = self.cuts.is_empty() && lost == 0 && delayed == 0;
        is_whole && self.nodes.values().all(|node| !node.is_paused)
    }

    /// What must hold at any moment; and, when all has been well for a while, soon.
    pub(super) fn check(&mut self) {
        if !self.is_well() {
            self.well_since = self.now;
        }
        if !self.cuts.is_empty() {
            self.whole_since = self.now;
        }
        if !self.is_well() {
            self.steady_since = self.now;
        }
        let now = self.now;
        // A new matcher keeps seats for their whole time anew.
        let kept_until = self.well_since + SEAT_LEASE + RECOVERY + RECOVERY;
        self.away.retain(|_, until| kept_until.max(*until) > now);
        let is_well = now.duration_since(self.well_since) >= RECOVERY;
        for conn in self.clients.keys().copied().collect::<Vec<_>>() {
            let fault = if is_well { self.fault(conn) } else { None };
            let client = self.clients.get_mut(&conn).expect("listed");
            let Some((fault, patience)) = fault else {
                client.wrong = None;
                continue;
            };
            let since = *client.wrong.get_or_insert(now);
            let text = format!("{conn:?} {client:?}: {fault}");
            assert!(now.duration_since(since) <= patience, "{text}");
        }
    }

    /// What is wrong with a connection, and how long it may be.
    fn fault(&self, conn: ConnId) -> Option<(&'static str, Duration)> {
        let client = &self.clients[&conn];
        let leaders = self.nodes.values().filter(|node| node.fleet.is_matching());
        let Ok([leader]) = <[&Node; 1]>::try_from(leaders.collect::<Vec<_>>()) else {
            return Some(("there is not one matcher", MISSING));
        };
        let matcher = leader.fleet.matcher().expect("it leads");
        if client.is_searching && client.is_welcome && !matcher.is_queued(conn) {
            return Some(("it is missing from the queue", MISSING));
        }
        if !client.is_welcome {
            return Some(("it is not welcomed", MISSING));
        }
        let room = client.room?;
        let members =
            self.clients.iter().filter(|(_, it)| it.room.is_some_and(|it| it.id == room.id));
        let others: Vec<ConnId> = members.map(|(conn, _)| *conn).filter(|it| *it != conn).collect();
        let other_rooms = self
            .clients
            .iter()
            .filter(|(other, it)| **other != conn && it.user == client.user && it.room.is_some());
        if other_rooms.count() > 0 {
            return Some(("its user is in two rooms", DISAGREEMENT));
        }
        match others[..] {
            [partner] if room.partner == Some(partner) => None,
            [_] => Some(("it does not know where its partner is", DISAGREEMENT)),
            [] if self.away.contains_key(&(room.id, room.stranger)) => None,
            [] if self.is_kept_for_lost_node(&room) => None,
            [] => Some(("its partner is not in its room", DISAGREEMENT)),
            _ => Some(("it is one of three", DISAGREEMENT)),
        }
    }

    /// Whether the partner's node is gone, and may have held a seat that its client knew nothing of.
    fn is_kept_for_lost_node(&self, room: &Room) -> bool {
        let is_gone = |node: NodeId| !self.nodes.contains_key(&node);
        let kept_until = self.well_since + SEAT_LEASE + RECOVERY + RECOVERY;
        room.partner.and_then(ConnId::node).is_none_or(is_gone) && kept_until > self.now
    }

    /// Ends all faults and waits until all must be well.
    pub(super) fn heal(&mut self) {
        self.cuts.clear();
        self.faults = Faults::default();
        for node in self.node_ids() {
            self.pause(node, false);
        }
        self.disturb();
        self.pass(RECOVERY + DISAGREEMENT + DISAGREEMENT);
    }
}
