//! Two nodes that take packets of nodes which know the secrets of the fleet and are at fault: anything
//! may stand in them. Their own links and clients go on meanwhile. They must not panic, keep asking for
//! time that has passed, or send what the other would refuse; and a client hears only what can be.
#![no_main]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use meoww_proto::{RoomId, UserId};
use meoww_server::core::{
    fleet::{Body, Effect, Fleet, Input, NodeId, Packet},
    lobby::{self, ConnId, Departure, SearchCriteria},
    safety::BlockList,
};
use rand::{SeedableRng, rngs::SmallRng};

/// Steps of one run.
const MAX_STEPS: usize = 300;
/// The session of links to nodes that exist only in packets.
const SESSION: u32 = 9;

/// The last packet of a node to another: its session, how much it has received, and its own messages.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    session: u32,
    ack: u64,
    sent: u64,
}

struct World {
    now: Instant,
    rng: SmallRng,
    nodes: [Fleet; 2],
    wire: VecDeque<Packet>,
    heard: BTreeMap<(NodeId, NodeId), Heard>,
    /// By connection, whether it was welcomed.
    clients: BTreeMap<ConnId, bool>,
    rooms: Vec<RoomId>,
    next: u64,
}

/// Which of the two nodes has this id.
fn index_of(node: Option<NodeId>) -> Option<usize> {
    node.map(NodeId::get).filter(|id| (1..=2).contains(id)).map(|id| id as usize - 1)
}

impl World {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]
        let now = Instant::now() + Duration::from_secs(3600);
        let node = |id| Fleet::new(NodeId::new(id).expect("an id"), now);
        Self {
            now,
            rng: SmallRng::seed_from_u64(1),
            nodes: [node(1), node(2)],
            wire: VecDeque::new(),
            heard: BTreeMap::new(),
            clients: BTreeMap::new(),
            rooms: Vec::new(),
            next: 1,
        }
    }

    fn handle(&mut self, index: usize, input: Input) {
        let (mut effects, node) = (Vec::new(), &mut self.nodes[index]);
        node.handle(input, self.now, &mut self.rng, &mut effects);
        let me = node.id();
        for effect in effects {
            match effect {
                Effect::Send(packet) => self.send(me, packet),
                Effect::Lobby(effect) => self.tell(me, effect),
                Effect::Relay { to, .. } => assert!(self.clients[&to], "a relay to a stranger"),
                Effect::PartnerAway { conn, .. } => assert!(self.clients.contains_key(&conn)),
                Effect::Received(..) => {}
            }
        }
    }

    fn send(&mut self, me: NodeId, packet: Packet) {
        assert_eq!(packet.from, me, "a packet of another");
        let copy = Packet::decode(&packet.encode()).expect("the other takes it");
        assert_eq!(copy, packet);
        if let Some(to) = packet.to {
            let heard = self.heard.entry((me, to)).or_default();
            if heard.session != packet.session {
                *heard = Heard { session: packet.session, ..Heard::default() };
            }
            heard.ack = packet.ack;
            if let Body::Data { seq, .. } = packet.body {
                heard.sent = heard.sent.max(seq.saturating_add(1));
            }
        }
        self.wire.push_back(packet);
    }

    fn tell(&mut self, me: NodeId, effect: lobby::Effect) {
        let conn = match effect {
            lobby::Effect::Welcome { conn, .. } => {
                let known = self.clients.insert(conn, true);
                assert_eq!(known, Some(false), "{conn:?} is welcomed twice, or is not there");
                conn
            }
            lobby::Effect::Matched { conn, room, .. } => {
                self.rooms.push(room);
                conn
            }
            lobby::Effect::Searching(conn)
            | lobby::Effect::PartnerMoved { conn, .. }
            | lobby::Effect::RoomOver { conn, .. }
            | lobby::Effect::Refused(conn, _)
            | lobby::Effect::Draining(conn)
            | lobby::Effect::Displaced(conn) => conn,
        };
        assert_eq!(conn.node(), Some(me), "{effect:?} to a connection of another node");
        assert!(self.clients.contains_key(&conn), "{effect:?} to one that is gone");
        if matches!(effect, lobby::Effect::Displaced(_)) {
            self.clients.remove(&conn);
        }
    }

    /// Brings what the two nodes say to each other.
    fn deliver(&mut self) {
        for _ in 0..MAX_STEPS {
            let Some(packet) = self.wire.pop_front() else { return };
            let from = index_of(Some(packet.from));
            let to = match packet.to {
                None => from.map(|from| 1 - from),
                to => index_of(to).filter(|to| Some(*to) != from),
            };
            if let Some(to) = to {
                self.handle(to, Input::Packet(packet));
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.deliver();
            let at = self.nodes.each_ref().map(Fleet::poll_timeout);
            let index = usize::from(at[1] < at[0]);
            if at[index] > end {
                break;
            }
            self.now = self.now.max(at[index]);
            self.handle(index, Input::Timeout);
            assert!(self.nodes[index].poll_timeout() > self.now, "a deadline is left over");
        }
        self.now = end;
    }

    /// Has a node take a packet of any other. With `fits`, its numbers are those that the node expects.
    fn inject(&mut self, index: usize, mut packet: Packet, fits: bool) {
        let me = self.nodes[index].id();
        if packet.to.is_some() {
            packet.to = Some(me);
        }
        if fits {
            let heard = self.heard.get(&(me, packet.from)).copied().unwrap_or_default();
            packet.session = SESSION;
            packet.peer_session = heard.session;
            packet.ack = packet.ack.min(heard.sent);
            if let Body::Data { seq, .. } = &mut packet.body {
                *seq = heard.ack;
            }
        }
        self.handle(index, Input::Packet(packet));
    }

    /// A client of a node does something.
    fn act(&mut self, [index, kind, which]: [u8; 3]) {
        let index = usize::from(index % 2);
        let user = UserId::from_bytes([which % 4; 12]);
        if kind % 8 == 0 {
            let conn = self.nodes[index].id().conn(self.next);
            self.next += 1;
            self.clients.insert(conn, false);
            let resume = self.rooms.last().copied().filter(|_| which % 3 == 0);
            return self.handle(index, Input::Lobby(lobby::Input::Connect { conn, user, resume }));
        }
        let conns: Vec<ConnId> = self.clients.keys().copied().collect();
        if conns.is_empty() {
            return;
        }
        let conn = conns[usize::from(which) % conns.len()];
        let index = index_of(conn.node()).expect("of one of the two");
        let other = UserId::from_bytes([which % 5; 12]);
        let input = match kind % 8 {
            1 | 2 => lobby::Input::Search(conn, SearchCriteria::default()),
            3 => lobby::Input::Skip(conn),
            4 => lobby::Input::Leave(conn),
            5 => lobby::Input::Mismatch { user, other },
            6 if which == 0 => lobby::Input::Drain,
            6 => {
                let blocked = BTreeSet::from([other]);
                let list = BlockList { version: which.into(), blocked };
                return self.handle(index, Input::Blocks { user, list });
            }
            _ => {
                self.clients.remove(&conn);
                let lost = if which > 127 { Departure::Lost } else { Departure::Clean };
                lobby::Input::Disconnect(conn, lost)
            }
        };
        self.handle(index, Input::Lobby(input));
    }
}

/// Takes so many bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

fn step(world: &mut World, bytes: &mut &[u8]) -> Option<()> {
    let [kind] = take(bytes)?;
    match kind % 4 {
        0 => world.pass(Duration::from_millis(u64::from(take::<1>(bytes)?[0]) * 20)),
        1 => world.act(take(bytes)?),
        _ => {
            let length = usize::from(u16::from_le_bytes(take(bytes)?));
            let (packet, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            if let Ok(packet) = Packet::decode(packet) {
                world.inject(usize::from(kind >> 2 & 1), packet, kind % 4 == 2);
            }
        }
    }
    world.deliver();
    Some(())
}

fuzz_target!(|bytes: &[u8]| {
    let (mut world, mut bytes) = (World::new(), bytes);
    for _ in 0..MAX_STEPS {
        if step(&mut world, &mut bytes).is_none() {
            break;
        }
    }
    world.pass(Duration::from_secs(3));
});
