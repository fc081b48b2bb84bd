//! Invariants.

use std::time::Duration;

use meoww_proto::UserId;

use super::{Faults, Node, World, clients::Room};
use crate::core::{
    fleet::NodeId,
    lobby::{ConnId, MISMATCH_WAIT, SEAT_LEASE},
};

/// How long after the last fault all must be well: time to notice that a node is gone or back, to
/// elect, and to send the roll.
pub(super) const RECOVERY: Duration = Duration::from_secs(5);
/// How long the two members of a room may disagree when all is well.
pub(super) const DISAGREEMENT: Duration = Duration::from_secs(3);
/// How long a waiter may be missing from the queue when all is well.
const MISSING: Duration = Duration::from_secs(2);

impl World {
    pub(in super::super) fn is_well(&self) -> bool {
        let Faults { lost, delayed, .. } = self.faults;
        // A node that drains matches only if no other does.
        let is_centre = |(id, node): (&NodeId, &Node)| !node.is_draining && self.hears_all(*id);
        let has_centre = self.nodes.iter().any(is_centre);
        let is_reliable = lost == 0 && delayed == 0;
        has_centre && is_reliable && self.nodes.values().all(|node| !node.is_paused)
    }

    fn hears_all(&self, node: NodeId) -> bool {
        let is_cut =
            |other| self.cuts.contains(&(node, other)) || self.cuts.contains(&(other, node));
        !self.nodes.keys().any(|other| is_cut(*other))
    }

    /// Returns whether the user of a connection has blocked another, as its node knows.
    pub(super) fn has_blocked(&self, conn: ConnId, other: UserId) -> bool {
        let client = &self.clients[&conn];
        let block = self.blocks.get(&(client.user, other));
        block.is_some_and(|(node, at)| conn.node() == Some(*node) || *at < client.connected)
    }

    /// Returns whether the user of a connection has found at this node that no picture passes between
    /// the two, long enough ago for any matcher to have heard of it.
    pub(super) fn is_apart(&self, conn: ConnId, other: UserId) -> bool {
        let found = self.apart.get(&(self.clients[&conn].user, other));
        found.is_some_and(|(node, at)| {
            let since = self.now.duration_since(*at);
            conn.node() == Some(*node) && since > RECOVERY && since < MISMATCH_WAIT
        })
    }

    /// A node follows no lower term than before, and the lead stays where it is while all is well.
    fn check_terms(&mut self, is_well: bool) {
        let before = self.terms.values().map(|term| term.round).max();
        for (id, node) in &self.nodes {
            let Some(term) = node.fleet.term() else { continue };
            let last = self.terms.insert(*id, term);
            assert!(last <= Some(term), "{id} follows {term:?} after {last:?}");
        }
        let after = self.terms.values().map(|term| term.round).max();
        assert!(!is_well || before == after, "the lead changes while all is well");
    }

    /// What must hold at any moment; and, when all has been well for a while, soon.
    pub(in super::super) fn check(&mut self) {
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
        self.away.retain(|_, until| *until > now);
        let is_well = now.duration_since(self.well_since) >= RECOVERY;
        self.check_terms(is_well);
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
        let blocks = self.database.get(&client.user).map(|list| list.blocked.clone());
        let blocks = blocks.unwrap_or_default();
        if matcher.blocks_of(client.user) != blocks {
            return Some(("the matcher knows other blocks than the database", MISSING));
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
        if blocks.contains(&room.stranger) {
            return Some(("it is in a room with whom it has blocked", DISAGREEMENT));
        }
        match others[..] {
            [partner] if room.partner == Some(partner) => None,
            [_] => Some(("it does not know where its partner is", DISAGREEMENT)),
            [] if room.partner.is_some() => {
                Some(("it may speak to a partner who is away", MISSING))
            }
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
}
