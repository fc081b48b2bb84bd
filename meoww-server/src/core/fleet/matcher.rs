//! The matcher: one lobby for the connections of all nodes, for one term.
//!
//! It begins with the rolls of the hubs of all live nodes, and does not match before all are
//! complete. A node that joins later, or again, sends its roll while matching goes on.

mod blocks;
mod claims;
mod conns;
mod copies;
mod gather;
mod lobby_steps;
mod pairing;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use meoww_proto::{RoomId, UserId};
use rand::Rng;

use self::{claims::Claim, copies::Copies, pairing::Pairings};
use super::{NodeId, Order, Request, Term, message::PartialLists};
use crate::core::{
    lobby::{self, ConnId, Counts, Departure, KeptPlace, Lobby, SearchCriteria},
    unordered::Map,
};

#[derive(Clone, Hash)]
pub(super) struct Matcher {
    pub(super) term: Term,
    lobby: Lobby,
    /// Whether the first rolls are complete.
    has_begun: bool,
    /// Nodes whose roll is waited for, or is not complete.
    rolling: BTreeSet<NodeId>,
    /// Nodes that take part, and their connections.
    nodes: BTreeMap<NodeId, BTreeSet<ConnId>>,
    conns: Map<ConnId, Known>,
    /// Rooms of rolls that one member claims so far.
    claims: Map<RoomId, Vec<Claim>>,
    claimed: Map<ConnId, RoomId>,
    /// By node: rooms whose member there is presumed to come back, and the other member.
    presumed: BTreeMap<NodeId, Presumed>,
    copies: Copies,
    /// Connections to queue as soon as the rolls are complete, and since when each waits.
    waiters: BTreeMap<ConnId, (Instant, SearchCriteria)>,
    /// Places to keep as soon as the rolls are complete.
    places: Vec<KeptPlace>,
    partial_lists: PartialLists<NodeId>,
    /// Requests that came before matching began, of nodes whose roll was complete; and of rolls the
    /// connections that wait for their rooms, with the state of their users.
    deferred: VecDeque<(NodeId, Request)>,
    /// The users of those connections.
    resuming: BTreeSet<UserId>,
    pairings: Pairings,
    /// A buffer, empty between steps.
    effects: Vec<lobby::Effect>,
}

/// Rooms with a member on one node, and the other member.
#[derive(Debug, Clone, Hash)]
struct Presumed {
    rooms: BTreeSet<(RoomId, UserId)>,
    /// When their seats are given up, so that a node that is gone for good is forgotten.
    until: Instant,
}

/// A connection the matcher knows.
#[derive(Debug, Clone, Copy, Hash)]
struct Known {
    user: UserId,
    attempt: u32,
    /// Whether it waits for the answer to a resume.
    is_resuming: bool,
}

/// Time, randomness and orders of one step.
pub(super) struct Step<'a, R> {
    pub(super) now: Instant,
    pub(super) rng: &'a mut R,
    /// Orders to hubs, in this order.
    pub(super) orders: &'a mut Vec<(NodeId, Order)>,
}

impl<R> Step<'_, R> {
    fn order(&mut self, conn: ConnId, order: Order) {
        self.orders.extend(conn.node().map(|node| (node, order)));
    }
}

impl Matcher {
    /// Returns a matcher that waits for the rolls of these nodes.
    pub(super) fn new(term: Term, nodes: impl IntoIterator<Item = NodeId>, is_paced: bool) -> Self {
        Self {
            term,
            lobby: Lobby::tentative(is_paced),
            has_begun: false,
            rolling: nodes.into_iter().collect(),
            nodes: BTreeMap::new(),
            conns: Map::default(),
            claims: Map::default(),
            claimed: Map::default(),
            presumed: BTreeMap::new(),
            copies: Copies::default(),
            waiters: BTreeMap::new(),
            places: Vec::new(),
            partial_lists: PartialLists::default(),
            deferred: VecDeque::new(),
            resuming: BTreeSet::new(),
            pairings: Pairings::default(),
            effects: Vec::new(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.lobby.counts()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let lobby = self.lobby.poll_timeout().filter(|_| self.has_begun);
        lobby.into_iter().chain(self.pairings.next_timeout()).min()
    }

    /// Returns the places in the queue that are kept for users who may come back.
    pub(super) fn kept_places(&self, now: Instant) -> impl Iterator<Item = KeptPlace> {
        self.lobby.kept_places(now)
    }

    /// Returns whether the first rolls are complete.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(super) fn tick(&mut self, step: &mut Step<'_, impl Rng>) {
        self.copies.forget_old(step.now);
        self.presumed.retain(|_, presumed| presumed.until > step.now);
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
            // Rooms that have not begun are undone when matching begins.
            Request::Opened { conn, room } => self.opened(conn, room, step),
            request if self.has_begun => self.act(node, request, step),
            request => self.deferred.push_back((node, request)),
        }
    }

    fn act(&mut self, node: NodeId, request: Request, step: &mut Step<'_, impl Rng>) {
        match request {
            Request::Connect(report) => self.connect(node, report, step),
            Request::Change { report, left } => self.change(report, left, step),
            Request::Disconnect { conn, is_lost } => {
                let departure = if is_lost { Departure::Lost } else { Departure::Clean };
                // The connection may still wait for the answer to a resume.
                self.deferred
                    .retain(|(_, it)| !matches!(it, Request::Connect(it) if it.conn == conn));
                self.forget(conn, departure, step);
            }
            Request::Blocks(part) => self.take_blocks(node, part, step),
            Request::Mismatch { user, other, left_ms } => {
                self.keep_apart(user, other, left_ms, step.now);
            }
            Request::Held { conn, room } => self.held(conn, room, step),
            Request::Refuse { conn, room } => self.refused(conn, room, step),
            Request::Doubt { conn, room, partner } => self.doubt(conn, room, partner, step),
            Request::Roll(entries) => {
                for entry in entries {
                    self.recall(node, entry, step);
                }
            }
            Request::RollBegin | Request::RollEnd | Request::Opened { .. } => {}
        }
    }

    fn waits(&self, user: UserId, conn: ConnId) -> bool {
        self.lobby.waiting_of(user).is_some_and(|(waiting, _)| waiting == conn)
    }

    /// Ends a room whose partner's hub says that the partner is not in it.
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
        match self.lobby.partner_of(user) {
            Some((_, Some(seated))) if seated == partner => self.end(conn, step),
            Some((_, Some(partner))) => {
                step.order(conn, Order::PartnerMoved { conn, room, partner });
            }
            Some((_, None)) | None => {}
        }
    }
}

#[cfg(test)]
impl Matcher {
    pub(super) fn open_early(&mut self, step: &mut Step<'_, impl Rng>) {
        for [one, other] in self.pairings.with_one_held() {
            for (conn, room) in [one, other] {
                self.held(conn, room, step);
            }
        }
    }

    pub(super) fn blocks_of(&self, user: UserId) -> BTreeSet<UserId> {
        self.lobby.blocks_of(user).collect()
    }

    /// Whether this connection is in the queue or about to leave it for a room.
    pub(super) fn is_queued(&self, conn: ConnId) -> bool {
        let user = self.conns.get(&conn).map(|known| known.user);
        user.is_some_and(|user| self.waits(user, conn)) || self.is_pairing(conn)
    }
}
