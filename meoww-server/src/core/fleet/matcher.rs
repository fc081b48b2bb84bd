//! The matcher: one lobby for the connections of all nodes, for one term.
//!
//! It begins with what the hubs of all live nodes tell it in their rolls, and matches nobody before
//! all have told. A node that comes later, or again, tells its roll while matching goes on.

mod gather;
mod pairing;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use foldhash::HashMap;
use meoww_proto::{RoomId, UserId};
use rand::Rng;

use self::{gather::Claim, pairing::Pairings};
use super::{ConnReport, NodeId, Order, Request, ResumedSeat, RollSeat, Term};
use crate::core::lobby::{self, ConnId, Counts, Departure, Lobby, RoomInfo, SearchCriteria};

pub(super) struct Matcher {
    pub(super) term: Term,
    lobby: Lobby,
    /// Whether the first rolls are complete.
    has_begun: bool,
    /// Nodes whose roll is waited for, or is not complete.
    rolling: BTreeSet<NodeId>,
    /// Nodes that are part of this, and their connections.
    nodes: BTreeMap<NodeId, BTreeSet<ConnId>>,
    conns: HashMap<ConnId, Known>,
    /// Rooms of rolls with one member so far.
    claims: BTreeMap<RoomId, Vec<Claim>>,
    claimed: HashMap<ConnId, RoomId>,
    /// By node: rooms whose member there is only presumed to come back, and the one who is left.
    presumed: BTreeMap<NodeId, Vec<(RoomId, UserId)>>,
    /// Who waits as soon as the rolls are complete, and since when.
    waiters: BTreeMap<ConnId, (Instant, SearchCriteria)>,
    /// What came before matching began, of nodes whose roll was complete.
    deferred: VecDeque<(NodeId, Request)>,
    pairings: Pairings,
    /// Kept to be filled again.
    effects: Vec<lobby::Effect>,
}

/// A connection the matcher knows.
#[derive(Debug, Clone, Copy)]
struct Known {
    user: UserId,
    attempt: u32,
    /// Whether it waits to hear of a room it asks for.
    is_resuming: bool,
}

/// What one request is handled with.
pub(super) struct Step<'a, R> {
    pub(super) now: Instant,
    pub(super) rng: &'a mut R,
    /// What the hubs are told.
    pub(super) orders: &'a mut Vec<(NodeId, Order)>,
}

impl<R> Step<'_, R> {
    fn order(&mut self, conn: ConnId, order: Order) {
        self.orders.extend(conn.node().map(|node| (node, order)));
    }
}

impl Matcher {
    /// One that waits for the rolls of these nodes.
    pub(super) fn new(term: Term, nodes: impl IntoIterator<Item = NodeId>) -> Self {
        Self {
            term,
            lobby: Lobby::tentative(),
            has_begun: false,
            rolling: nodes.into_iter().collect(),
            nodes: BTreeMap::new(),
            conns: HashMap::default(),
            claims: BTreeMap::new(),
            claimed: HashMap::default(),
            presumed: BTreeMap::new(),
            waiters: BTreeMap::new(),
            deferred: VecDeque::new(),
            pairings: Pairings::default(),
            effects: Vec::new(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.lobby.counts()
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = RoomInfo> {
        self.lobby.rooms()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let lobby = self.lobby.poll_timeout().filter(|_| self.has_begun);
        lobby.into_iter().chain(self.pairings.next_timeout()).min()
    }

    /// Whether matching goes on.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(super) fn tick(&mut self, step: &mut Step<'_, impl Rng>) {
        if self.has_begun {
            self.undo_overdue(step);
            self.input(lobby::Input::Timeout, step);
        }
    }

    pub(super) fn handle(&mut self, node: NodeId, request: Request, step: &mut Step<'_, impl Rng>) {
        match request {
            Request::RollBegin => {
                self.forget_node(node, step);
                self.nodes.insert(node, BTreeSet::new());
                self.rolling.insert(node);
            }
            // Of a session before: it has not told its roll in this one.
            _ if !self.nodes.contains_key(&node) => {}
            Request::Roll(entries) => {
                for entry in entries {
                    self.enrol(node, entry, step);
                }
            }
            Request::RollEnd => {
                self.rolling.remove(&node);
                self.end_presumed(node, step);
                self.settle(step);
            }
            request if self.has_begun => self.act(node, request, step),
            request => self.deferred.push_back((node, request)),
        }
    }

    /// The node is gone: its connections are lost.
    pub(super) fn lose_node(&mut self, node: NodeId, step: &mut Step<'_, impl Rng>) {
        self.forget_node(node, step);
        self.rolling.remove(&node);
        self.settle(step);
    }

    fn forget_node(&mut self, node: NodeId, step: &mut Step<'_, impl Rng>) {
        self.deferred.retain(|(from, _)| *from != node);
        for conn in self.nodes.remove(&node).into_iter().flatten() {
            self.presume(node, conn);
            self.forget(conn, Departure::Lost, step);
        }
        self.claims.retain(|_, claims| {
            claims.retain(|claim| claim.node != node);
            !claims.is_empty()
        });
    }

    fn act(&mut self, node: NodeId, request: Request, step: &mut Step<'_, impl Rng>) {
        match request {
            Request::Connect(report) => self.connect(node, report, step),
            Request::Change { report, left } => self.change(report, left, step),
            Request::Disconnect { conn, is_lost } => {
                let departure = if is_lost { Departure::Lost } else { Departure::Clean };
                self.forget(conn, departure, step);
            }
            Request::Block { user, blocked } => {
                self.undo_between(user, blocked, step);
                self.input(lobby::Input::Block { user, blocked }, step);
                self.tell_others(node, user, Order::Block { user, blocked }, step);
            }
            Request::Unblock { user, blocked } => {
                self.input(lobby::Input::Unblock { user, blocked }, step);
                self.tell_others(node, user, Order::Unblock { user, blocked }, step);
            }
            Request::Mismatch { user, other } => {
                self.input(lobby::Input::Mismatch { user, other }, step);
            }
            Request::Held { conn, room } => self.held(conn, room, step),
            Request::Refuse { conn, room } => self.refused(conn, room, step),
            Request::Doubt { conn, room, partner } => self.doubt(conn, room, partner, step),
            Request::RollBegin | Request::Roll(_) | Request::RollEnd => {}
        }
    }

    fn connect(&mut self, node: NodeId, report: ConnReport, step: &mut Step<'_, impl Rng>) {
        let ConnReport { conn, user, attempt, seat, .. } = report;
        let resume = match seat {
            RollSeat::Resuming { room } => Some(room),
            RollSeat::Idle | RollSeat::Waiting { .. } | RollSeat::Seated { .. } => None,
        };
        self.nodes.entry(node).or_default().insert(conn);
        self.conns.insert(conn, Known { user, attempt, is_resuming: resume.is_some() });
        // A room that is not sure is no room yet: a search in another connection goes before it.
        self.input(lobby::Input::Connect { conn, user, resume }, step);
    }

    /// Brings the lobby to where the hub says that a connection is.
    fn change(&mut self, report: ConnReport, left: Option<RoomId>, step: &mut Step<'_, impl Rng>) {
        let ConnReport { conn, user, attempt, criteria, seat } = report;
        let Some(known) = self.conns.get_mut(&conn) else { return };
        let is_asked_again = std::mem::replace(&mut known.attempt, attempt) == attempt;
        if is_asked_again && (self.is_pairing(conn) || self.lobby.waiting_of(user) == Some(conn)) {
            return;
        }
        self.undo_of(conn, step);
        self.waiters.remove(&conn);
        self.withdraw_claim(conn);
        if let Some((room, Some(seated))) = self.lobby.room_of(user)
            && seated == conn
        {
            if left == Some(room) {
                self.input(lobby::Input::Leave(conn), step);
            } else {
                self.end(conn, step);
            }
        }
        match seat {
            RollSeat::Waiting { age_ms } => {
                let asked = ago(step.now, age_ms);
                self.queue(conn, criteria, asked, step);
            }
            RollSeat::Idle => self.input(lobby::Input::Cancel(conn), step),
            RollSeat::Resuming { .. } | RollSeat::Seated { .. } => {}
        }
    }

    fn forget(&mut self, conn: ConnId, departure: Departure, step: &mut Step<'_, impl Rng>) {
        self.undo_of(conn, step);
        self.waiters.remove(&conn);
        self.withdraw_claim(conn);
        self.deferred.retain(
            |(_, request)| !matches!(request, Request::Connect(report) if report.conn == conn),
        );
        self.input(lobby::Input::Disconnect(conn, departure), step);
        self.unlist(conn);
    }

    fn unlist(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        let conns = conn.node().and_then(|node| self.nodes.get_mut(&node));
        conns.map(|conns| conns.remove(&conn));
    }

    /// The partner's hub says that the partner is in no such room.
    fn doubt(
        &mut self,
        conn: ConnId,
        room: RoomId,
        partner: ConnId,
        step: &mut Step<'_, impl Rng>,
    ) {
        let Some(Known { user, .. }) = self.conns.get(&conn).copied() else { return };
        if self.lobby.room_of(user) != Some((room, Some(conn))) {
            let is_claimed = self.claims.contains_key(&room);
            return if !is_claimed {
                step.order(conn, Order::RoomOver { conn, room })
            };
        }
        if self.lobby.partner_of(user).is_some_and(|(_, held_by)| held_by == Some(partner)) {
            self.end(conn, step);
        }
    }

    /// The other nodes of a user must know whom the user blocks: they tell it the next matcher.
    fn tell_others(
        &mut self,
        node: NodeId,
        user: UserId,
        order: Order,
        step: &mut Step<'_, impl Rng>,
    ) {
        let conns = self.lobby.connections_of(user).iter();
        let others: BTreeSet<NodeId> = conns.filter_map(|conn| conn.node()).collect();
        let others = others.into_iter().filter(|other| *other != node);
        step.orders.extend(others.map(|other| (other, order.clone())));
    }

    fn queue(
        &mut self,
        conn: ConnId,
        criteria: SearchCriteria,
        asked: Instant,
        step: &mut Step<'_, impl Rng>,
    ) {
        let mut effects = std::mem::take(&mut self.effects);
        self.lobby.search_since(conn, criteria, asked, step.now, step.rng, &mut effects);
        self.carry_out(effects, step);
    }

    fn end(&mut self, conn: ConnId, step: &mut Step<'_, impl Rng>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.lobby.end(conn, step.now, &mut effects);
        self.carry_out(effects, step);
    }

    fn input(&mut self, input: lobby::Input, step: &mut Step<'_, impl Rng>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.lobby.handle(input, step.now, step.rng, &mut effects);
        self.carry_out(effects, step);
    }

    fn carry_out(&mut self, mut effects: Vec<lobby::Effect>, step: &mut Step<'_, impl Rng>) {
        for effect in effects.drain(..) {
            self.translate(effect, step);
        }
        self.effects = effects;
    }

    fn translate(&mut self, effect: lobby::Effect, step: &mut Step<'_, impl Rng>) {
        match effect {
            lobby::Effect::Welcome { conn, resumed, .. } => {
                let is_resuming =
                    self.conns.get_mut(&conn).map(|known| std::mem::take(&mut known.is_resuming));
                if is_resuming == Some(true) {
                    let resumed = resumed.map(|it| ResumedSeat {
                        room: it.room,
                        stranger: it.stranger,
                        partner: it.partner,
                    });
                    step.order(conn, Order::Welcome { conn, resumed });
                }
            }
            lobby::Effect::Searching(_) | lobby::Effect::Draining(_) => {}
            lobby::Effect::Matched { conn, room, is_initiator, partner, stranger, .. } => {
                self.hold(conn, room, partner, step);
                let attempt = self.conns.get(&conn).map_or(0, |known| known.attempt);
                let order = Order::Hold { conn, attempt, room, partner, stranger, is_initiator };
                step.order(conn, order);
            }
            lobby::Effect::PartnerMoved { conn, room, partner } => {
                step.order(conn, Order::PartnerMoved { conn, room, partner });
            }
            lobby::Effect::RoomOver { conn, room } => {
                step.order(conn, Order::RoomOver { conn, room });
            }
            lobby::Effect::Refused(conn, code) => {
                let attempt = self.conns.get(&conn).map_or(0, |known| known.attempt);
                step.order(conn, Order::Refused { conn, attempt, code });
            }
            lobby::Effect::Displaced(conn) => {
                self.unlist(conn);
                step.order(conn, Order::Displaced { conn });
            }
        }
    }
}

/// The moment so many milliseconds before another.
fn ago(now: Instant, millis: u32) -> Instant {
    now.checked_sub(Duration::from_millis(millis.into())).unwrap_or(now)
}

#[cfg(test)]
impl Matcher {
    /// Whether this connection is in the queue or about to leave it for a room.
    pub(super) fn is_queued(&self, conn: ConnId) -> bool {
        let user = self.conns.get(&conn).map(|known| known.user);
        let waits = user.is_some_and(|user| self.lobby.waiting_of(user) == Some(conn));
        waits || self.is_pairing(conn)
    }
}
