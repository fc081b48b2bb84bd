//! The matcher's connections: reports of hubs, and nodes that are lost.

use meoww_proto::{RoomId, UserId};
use rand::Rng;

use super::{Known, Matcher, Step};
use crate::core::{
    fleet::{
        ConnReport, NodeId, Order, RollSeat,
        message::{ago, millis},
    },
    lobby::{self, ConnId, Departure},
};

impl Matcher {
    /// Takes a node out, whose connections are lost.
    pub(in crate::core::fleet) fn lose_node(
        &mut self,
        node: NodeId,
        step: &mut Step<'_, impl Rng>,
    ) {
        self.forget_node(node, step);
        self.rolling.remove(&node);
        self.settle(step);
    }

    pub(super) fn forget_node(&mut self, node: NodeId, step: &mut Step<'_, impl Rng>) {
        let Some(conns) = self.nodes.remove(&node) else { return };
        self.deferred.retain(|(from, _)| *from != node);
        self.partial_lists.forget(node);
        for conn in conns {
            self.presume(node, conn, step.now);
            self.forget(conn, Departure::Lost, step);
        }
        self.claims.retain(|_, claims| {
            claims.retain(|claim| claim.node != node);
            !claims.is_empty()
        });
    }

    pub(super) fn connect(
        &mut self,
        node: NodeId,
        report: ConnReport,
        step: &mut Step<'_, impl Rng>,
    ) {
        let ConnReport { conn, user, attempt, seat, .. } = report;
        let resume = match seat {
            RollSeat::Resuming { room } => Some(room),
            RollSeat::Idle | RollSeat::Waiting { .. } | RollSeat::Seated { .. } => None,
        };
        if let Some(room) = resume {
            self.reopen(room, user, step);
        }
        self.nodes.entry(node).or_default().insert(conn);
        self.conns.insert(conn, Known { user, attempt, is_resuming: resume.is_some() });
        // A room that is not sure is no room yet: a search in another connection goes before it.
        self.input(lobby::Input::Connect { conn, user, resume }, step);
    }

    /// Brings the lobby to the state of a connection that its hub reports.
    pub(super) fn change(
        &mut self,
        report: ConnReport,
        left: Option<RoomId>,
        step: &mut Step<'_, impl Rng>,
    ) {
        let ConnReport { conn, user, attempt, criteria, seat } = report;
        let Some(known) = self.conns.get_mut(&conn) else { return };
        let is_asked_again = std::mem::replace(&mut known.attempt, attempt) == attempt;
        if is_asked_again && (self.is_pairing(conn) || self.waits(user, conn)) {
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

    pub(super) fn forget(
        &mut self,
        conn: ConnId,
        departure: Departure,
        step: &mut Step<'_, impl Rng>,
    ) {
        self.undo_of(conn, step);
        self.waiters.remove(&conn);
        self.withdraw_claim(conn);
        let user = self.conns.get(&conn).map(|known| known.user);
        let partner = user.and_then(|user| self.lobby.partner_of(user));
        self.input(lobby::Input::Disconnect(conn, departure), step);
        if let Some((partner, _)) = partner {
            self.tell_partner_away(partner, step);
        }
        self.unlist(conn);
    }

    /// Tells the hub of a user until when the partner's seat is kept, if the partner is away. The
    /// hub's roll tells it to the next matcher, so that the lease does not begin again.
    pub(super) fn tell_partner_away(&mut self, user: UserId, step: &mut Step<'_, impl Rng>) {
        if let Some((room, Some(conn))) = self.lobby.room_of(user)
            && let Some(until) = self.lobby.partner_kept_until(user)
        {
            let left_ms = millis(until, step.now);
            step.order(conn, Order::PartnerAway { conn, room, left_ms });
        }
    }

    pub(super) fn unlist(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        let conns = conn.node().and_then(|node| self.nodes.get_mut(&node));
        conns.map(|conns| conns.remove(&conn));
    }
}
