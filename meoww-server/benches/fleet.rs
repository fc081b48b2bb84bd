//! A fleet of 25 nodes with a million users in virtual time: how much of a core the matcher takes, and
//! how long a new matcher needs to take over.
//!
//! Users talk for 45 s on average and go on to the next partner, one of the two by a skip and the other
//! by a search. Each node has real links, and the bus takes 1 ms. The matcher's time is that of its
//! thread, with the bytes of all its packets written and read, as that is its node's work too.
//! Then the matcher's node dies, its users resume at other nodes, and another node takes over.
//!
//! `cargo bench --workspace --bench fleet [-- USERS]`
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures and tells"
)]

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId};
use meoww_server::core::{
    fleet::{Effect, Fleet, Input, NodeId, Packet},
    lobby::{self, ConnId, SearchCriteria},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use rustix::time::{ClockId, clock_gettime};

const NODES: u32 = 25;
const USERS: usize = 1_000_000;
const CALL: Duration = Duration::from_secs(45);
/// Within this time, all users begin to search.
const ARRIVAL: Duration = Duration::from_secs(45);
const MEASURED: Duration = Duration::from_secs(20);
/// Of the bus, and the step of the simulation.
const STEP: Duration = Duration::from_millis(1);

/// A user with one connection.
#[derive(Clone, Copy)]
struct Client {
    conn: ConnId,
    room: Option<RoomId>,
}

struct World {
    now: Instant,
    rng: SmallRng,
    nodes: BTreeMap<NodeId, Fleet>,
    inboxes: BTreeMap<NodeId, Vec<Vec<u8>>>,
    /// Packets that leave in this step.
    outgoing: Vec<(Option<NodeId>, NodeId, Vec<u8>)>,
    clients: Vec<Client>,
    counters: BTreeMap<NodeId, u64>,
    /// Who connects or ends a call, by the step at which that is.
    due: VecDeque<Vec<Event>>,
    by_conn: foldhash::HashMap<ConnId, usize>,
    spent: BTreeMap<NodeId, Duration>,
    longest: Duration,
    matches: u64,
    packets: u64,
    bytes: u64,
}

#[derive(Clone, Copy)]
enum Event {
    Arrive(usize),
    Skip(usize, RoomId),
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn user(n: usize) -> UserId {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    UserId::from_bytes(bytes)
}

impl World {
    fn new(users: usize) -> Self {
        let now = Instant::now();
        let ids = (1..=NODES).filter_map(NodeId::new);
        let mut world = Self {
            now,
            rng: SmallRng::seed_from_u64(1),
            nodes: ids.clone().map(|id| (id, Fleet::new(id, now))).collect(),
            inboxes: ids.clone().map(|id| (id, Vec::new())).collect(),
            outgoing: Vec::new(),
            clients: vec![Client { conn: ConnId(0), room: None }; users],
            counters: ids.map(|id| (id, 0)).collect(),
            due: VecDeque::new(),
            by_conn: foldhash::HashMap::default(),
            spent: BTreeMap::new(),
            longest: Duration::ZERO,
            matches: 0,
            packets: 0,
            bytes: 0,
        };
        world.pass(Duration::from_secs(3));
        for n in 0..users {
            let at = world.rng.random_range(0..ARRIVAL.as_millis() as usize);
            world.at(at, Event::Arrive(n));
        }
        world
    }

    fn at(&mut self, steps: usize, event: Event) {
        if self.due.len() <= steps {
            self.due.resize_with(steps + 1, Vec::new);
        }
        self.due[steps].push(event);
    }

    fn connect(&mut self, n: usize, node: NodeId, resume: Option<RoomId>) {
        let counter = self.counters.get_mut(&node).expect("a node");
        *counter += 1;
        let conn = node.conn(*counter);
        self.clients[n].conn = conn;
        self.by_conn.insert(conn, n);
        self.lobby(conn, lobby::Input::Connect { conn, user: user(n), resume });
    }

    fn any_node(&mut self) -> NodeId {
        let nth = self.rng.random_range(0..self.nodes.len());
        *self.nodes.keys().nth(nth).expect("a node")
    }

    fn search(&mut self, conn: ConnId) {
        self.lobby(conn, lobby::Input::Search(conn, SearchCriteria::default()));
    }

    fn lobby(&mut self, conn: ConnId, input: lobby::Input) {
        let node = conn.node().expect("of a node");
        self.handle(node, [Input::Lobby(input)]);
    }

    fn handle(&mut self, id: NodeId, inputs: impl IntoIterator<Item = Input>) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let (began, mut effects) = (cpu(), Vec::new());
        for input in inputs {
            node.handle(input, self.now, &mut self.rng, &mut effects);
        }
        effects.retain(|effect| match effect {
            Effect::Send(packet) => {
                self.outgoing.push((packet.to, packet.from, packet.encode()));
                false
            }
            _ => true,
        });
        let spent = cpu() - began;
        *self.spent.entry(id).or_default() += spent;
        self.longest = self.longest.max(spent);
        for effect in effects {
            if let Effect::Lobby(effect) = effect {
                self.tell(effect);
            }
        }
    }

    fn tell(&mut self, effect: lobby::Effect) {
        match effect {
            lobby::Effect::Matched { conn, room, is_initiator, .. } => {
                let n = self.by_conn[&conn];
                self.clients[n].room = Some(room);
                if is_initiator {
                    self.matches += 1;
                    let time = self.rng.random_range(0..2 * CALL.as_millis() as usize);
                    self.at(time, Event::Skip(n, room));
                }
            }
            lobby::Effect::RoomOver { conn, room } => {
                let n = self.by_conn[&conn];
                if self.clients[n].room.take_if(|known| *known == room).is_some() {
                    self.search(conn);
                }
            }
            lobby::Effect::Welcome { conn, resumed: None, .. } => self.search(conn),
            _ => {}
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += STEP;
            for event in self.due.pop_front().unwrap_or_default() {
                self.happen(event);
            }
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                self.run(id);
            }
            for (to, from, bytes) in std::mem::take(&mut self.outgoing) {
                self.packets += 1;
                self.bytes += bytes.len() as u64;
                match to {
                    Some(to) => self.inboxes.entry(to).or_default().push(bytes),
                    None => {
                        for (_, inbox) in self.inboxes.iter_mut().filter(|(id, _)| **id != from) {
                            inbox.push(bytes.clone());
                        }
                    }
                }
            }
        }
    }

    /// Lets a node read what has come and do what is due.
    fn run(&mut self, id: NodeId) {
        let inbox = std::mem::take(self.inboxes.get_mut(&id).expect("an inbox"));
        let is_due = self.nodes[&id].poll_timeout() <= self.now;
        if inbox.is_empty() && !is_due {
            return;
        }
        let packets = inbox.iter().map(|bytes| Packet::decode(bytes).expect("a packet"));
        self.handle(id, packets.map(Input::Packet).chain(is_due.then_some(Input::Timeout)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(n) => {
                let (node, resume) = (self.any_node(), self.clients[n].room);
                self.connect(n, node, resume);
            }
            Event::Skip(n, room) => {
                let client = &mut self.clients[n];
                if client.room.take_if(|known| *known == room).is_some() {
                    let conn = client.conn;
                    self.lobby(conn, lobby::Input::Skip(conn));
                }
            }
        }
    }

    fn matcher(&self) -> Option<NodeId> {
        self.nodes.iter().find(|(_, node)| node.is_matching()).map(|(id, _)| *id)
    }

    fn in_rooms(&self) -> usize {
        self.clients.iter().filter(|client| client.room.is_some()).count()
    }

    fn measure(&mut self) {
        let matcher = self.matcher().expect("a matcher");
        (self.matches, self.packets, self.bytes, self.longest) = (0, 0, 0, Duration::ZERO);
        self.spent.clear();
        self.pass(MEASURED);
        let seconds = MEASURED.as_secs_f64();
        let share = |spent: Duration| 100.0 * spent.as_secs_f64() / seconds;
        let others: Duration =
            self.spent.iter().filter(|(id, _)| **id != matcher).map(|(_, it)| *it).sum();
        println!("{:>9} users in rooms", self.in_rooms());
        println!("{:>9.0} matches a second", self.matches as f64 / seconds);
        println!("{:>9.1} % of a core: the matcher's node", share(self.spent[&matcher]));
        println!("{:>9.1} % of a core: each other node", share(others) / f64::from(NODES - 1));
        println!("{:>9.1} ms at most in one step", self.longest.as_secs_f64() * 1e3);
        println!("{:>9.0} packets a second", self.packets as f64 / seconds);
        println!("{:>9.1} MB a second", self.bytes as f64 / seconds / 1e6);
    }

    /// The matcher's node dies, and its users come back at other nodes within ten seconds.
    fn lose_matcher(&mut self) {
        let lost = self.matcher().expect("a matcher");
        self.nodes.remove(&lost);
        self.inboxes.remove(&lost);
        let gone: Vec<usize> = (0..self.clients.len())
            .filter(|n| self.clients[*n].conn.node() == Some(lost))
            .collect();
        for n in gone {
            let at = self.rng.random_range(500..10_000);
            self.at(at, Event::Arrive(n));
        }
        let died = self.now;
        self.longest = Duration::ZERO;
        self.spent.clear();
        while self.matcher().is_none() {
            self.pass(STEP);
        }
        self.matches = 0;
        while self.matches == 0 {
            self.pass(STEP);
        }
        let gap = self.now - died;
        println!("\nAfter the matcher's node died");
        println!("{:>9.2} s without a match, in virtual time", gap.as_secs_f64());
        let matcher = self.matcher().expect("a matcher");
        println!("{:>9.2} s of its own work, the new matcher", self.spent[&matcher].as_secs_f64());
        println!("{:>9.2} s of it in one step", self.longest.as_secs_f64());
        self.pass(Duration::from_secs(15));
        println!("{:>9} users in rooms after 15 s", self.in_rooms());
    }
}

fn main() {
    let users = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(USERS);
    let mut world = World::new(users);
    println!("{NODES} nodes, {users} users");
    world.pass(ARRIVAL + 2 * CALL);
    world.measure();
    world.lose_matcher();
    println!("{:>9.1} GB of memory at most, all nodes together", memory());
}

/// Returns the most memory that this process has had, in GB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        peak.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1e6
}
