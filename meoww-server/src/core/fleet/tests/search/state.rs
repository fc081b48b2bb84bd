//! A state of the small fleet, and the actions that lead to others.

mod clients;
mod wires;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    time::Instant,
};

use meoww_proto::RoomId;
use rand::TryRng;

use self::clients::{Client, asks};
use super::{super::world::user, Path};
use crate::core::{
    fleet::{Body, Fleet, Input, NodeId, Packet, Term},
    lobby::{self, ConnId, SearchCriteria},
};

/// How often each action may still happen.
#[derive(Debug, Clone, Copy, Default, Hash)]
pub(super) struct Budget {
    pub(super) asks: u8,
    pub(super) handovers: u8,
    pub(super) crashes: u8,
    pub(super) losses: u8,
    pub(super) overtakes: u8,
    pub(super) waits: u8,
}

/// How rooms begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairing {
    InTwoSteps,
    /// As soon as one of the two is held: a fault for the search to find.
    InOneStep,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Deliver(NodeId, NodeId),
    /// The second packet comes first.
    Overtake(NodeId, NodeId),
    Lose(NodeId, NodeId),
    Ask(lobby::Input),
    /// The matcher drains: another node takes over.
    HandOver,
    /// The matcher's node is gone.
    Crash,
    /// A beat passes.
    Wait,
}

/// Random bytes that are never the same: states differ by names of rooms only if they must.
#[derive(Debug, Clone, Copy, Hash)]
struct Counter(u64);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|n| n as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 += 1;
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0 += 1;
        bytes.fill(self.0 as u8);
        Ok(())
    }
}

/// Term, lead and drain of a beat.
type News = (Option<Term>, bool, bool);

#[derive(Clone)]
pub(super) struct State {
    nodes: BTreeMap<NodeId, Fleet>,
    now: Instant,
    /// Packets on their way, by sender and recipient.
    wires: BTreeMap<(NodeId, NodeId), VecDeque<Packet>>,
    lost: BTreeSet<(NodeId, NodeId, u64)>,
    /// The session and number of the next packet, by sender and recipient.
    sent: BTreeMap<(NodeId, NodeId), (u32, u64)>,
    /// The last beats that came, by sender and recipient.
    news: BTreeMap<(NodeId, NodeId), News>,
    clients: BTreeMap<ConnId, Client>,
    /// Seats that a hub has held.
    held: BTreeSet<(ConnId, RoomId)>,
    rng: Counter,
    budget: Budget,
    pairing: Pairing,
    /// What a client was told and should not have been.
    fault: Option<String>,
    pub(super) path: Rc<Path>,
}

impl State {
    /// Returns a fleet whose first node matches. Of the connections on the two others, one waits.
    pub(super) fn new(budget: Budget, pairing: Pairing) -> Self {
        let now = Instant::now();
        let [one, two, three] = [1, 2, 3].map(|n| NodeId::new(n).expect("a node"));
        let nodes = [one, two, three].map(|id| (id, Fleet::new(id, now)));
        let mut state = Self {
            nodes: nodes.into(),
            now,
            wires: BTreeMap::new(),
            lost: BTreeSet::new(),
            sent: BTreeMap::new(),
            news: BTreeMap::new(),
            clients: BTreeMap::new(),
            held: BTreeSet::new(),
            rng: Counter(0),
            budget,
            pairing,
            fault: None,
            path: Rc::default(),
        };
        for _ in 0..20 {
            state.beat();
            state.deliver_all();
        }
        assert!(state.nodes[&one].is_matching(), "the first node matches");
        for (conn, name) in [(two.conn(1), 1), (two.conn(2), 2), (three.conn(1), 3)] {
            state.clients.insert(conn, Client::default());
            let input = lobby::Input::Connect { conn, user: user(name), resume: None };
            state.lobby(conn, input);
            state.deliver_all();
        }
        state.ask(lobby::Input::Search(two.conn(2), SearchCriteria::default()));
        state.deliver_all();
        state
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for node in self.nodes.values() {
            node.hash(&mut hasher);
        }
        (&self.wires, &self.lost, &self.sent, &self.news).hash(&mut hasher);
        (&self.clients, &self.held, self.rng, self.budget).hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn actions(&self) -> Vec<Action> {
        let budget = self.budget;
        let mut actions = Vec::new();
        for (&(from, to), wire) in &self.wires {
            let is_data = |n: usize| {
                wire.get(n).is_some_and(|packet| matches!(packet.body, Body::Data { .. }))
            };
            actions.extend((!wire.is_empty()).then_some(Action::Deliver(from, to)));
            actions
                .extend((budget.overtakes > 0 && is_data(1)).then_some(Action::Overtake(from, to)));
            actions.extend((budget.losses > 0 && is_data(0)).then_some(Action::Lose(from, to)));
        }
        if budget.asks > 0 {
            actions.extend(
                self.clients.iter().flat_map(|(conn, it)| asks(*conn, it)).map(Action::Ask),
            );
        }
        actions.extend((budget.handovers > 0).then_some(Action::HandOver));
        actions.extend((budget.crashes > 0).then_some(Action::Crash));
        actions.extend((budget.waits > 0).then_some(Action::Wait));
        actions
    }

    pub(super) fn after(&self, action: Action) -> Self {
        let mut next = self.clone();
        next.path = Rc::new(Path(Some((action, Rc::clone(&self.path)))));
        let first = self.nodes.keys().next().copied().expect("a node");
        match action {
            Action::Deliver(from, to) => next.deliver(from, to, 0),
            Action::Overtake(from, to) => {
                next.budget.overtakes -= 1;
                next.deliver(from, to, 1);
            }
            Action::Lose(from, to) => {
                next.budget.losses -= 1;
                if let Some(Packet { body: Body::Data { seq, .. }, .. }) = next.take(from, to, 0) {
                    next.lost.insert((from, to, seq));
                }
            }
            Action::Ask(input) => {
                next.budget.asks -= 1;
                next.ask(input);
            }
            Action::HandOver => {
                next.budget.handovers -= 1;
                next.handle(first, Input::Lobby(lobby::Input::Drain));
                next.beat();
            }
            Action::Crash => {
                next.budget.crashes -= 1;
                next.nodes.remove(&first);
                next.wires.retain(|(_, to), _| *to != first);
                for _ in 0..7 {
                    next.beat();
                }
            }
            Action::Wait => {
                next.budget.waits -= 1;
                next.beat();
            }
        }
        next
    }

    /// Returns whether nothing is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        self.wires.is_empty() && self.lost.is_empty()
    }

    /// Checks what must hold now, and what must hold once some time has passed without a fault.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if !self.is_quiet() {
            return Ok(());
        }
        if let Some(conn) = self.stranded() {
            return Err(format!("{conn:?} is stranded"));
        }
        self.settle()
    }

    /// Returns a connection in a room without its partner.
    fn stranded(&self) -> Option<ConnId> {
        let in_rooms = self.clients.iter().filter_map(|(conn, it)| Some((*conn, it.room?)));
        let mut stranded = in_rooms.filter(|(conn, (room, partner))| {
            // The seat of a partner who is gone is kept.
            let partner = self.clients.get(partner);
            partner.is_some_and(|partner| partner.room != Some((*room, *conn)))
        });
        stranded.next().map(|(conn, _)| conn)
    }

    /// Checks that all is well once some time has passed without a fault.
    fn settle(&self) -> Result<(), String> {
        let mut state = self.clone();
        for _ in 0..15 {
            state.beat();
            state.deliver_all();
        }
        if let Some(conn) = state.stranded() {
            return Err(format!("{conn:?} is stranded three seconds"));
        }
        let matchers: Vec<_> = state.nodes.values().filter(|node| node.is_matching()).collect();
        let [matcher] = matchers[..] else { return Err(format!("{} match", matchers.len())) };
        let matcher = matcher.matcher().expect("it matches");
        let missing =
            state.clients.iter().find(|(conn, it)| it.is_searching && !matcher.is_queued(**conn));
        missing.map_or(Ok(()), |(conn, _)| Err(format!("{conn:?} is missing from the queue")))
    }
}
