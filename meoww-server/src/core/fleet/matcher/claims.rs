//! Rooms of rolls: taken over once both members claim them, or decided when all rolls are complete.

use std::{collections::BTreeSet, time::Instant};

use meoww_proto::{RoomId, UserId};
use rand::Rng;

use super::{Matcher, Step};
use crate::core::{
    fleet::{NodeId, Order},
    lobby::{AdoptedSeat, ConnId, SEAT_LEASE},
};

/// One seat of a room, as a hub holds it.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Claim {
    pub(super) node: NodeId,
    pub(super) user: UserId,
    pub(super) stranger: UserId,
    pub(super) seat: ClaimedSeat,
}

#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum ClaimedSeat {
    Taken {
        conn: ConnId,
        partner: Option<ConnId>,
        /// Until when the partner's seat is kept, if the partner is away.
        partner_until: Option<Instant>,
        since: Instant,
        is_open: bool,
    },
    Away {
        until: Instant,
    },
}

impl Claim {
    fn conn(&self) -> Option<ConnId> {
        match self.seat {
            ClaimedSeat::Taken { conn, .. } => Some(conn),
            ClaimedSeat::Away { .. } => None,
        }
    }

    fn partner(&self) -> Option<ConnId> {
        match self.seat {
            ClaimedSeat::Taken { partner, .. } => partner,
            ClaimedSeat::Away { .. } => None,
        }
    }

    /// Returns since when it is taken.
    fn since(&self) -> Option<Instant> {
        match self.seat {
            ClaimedSeat::Taken { since, .. } => Some(since),
            ClaimedSeat::Away { .. } => None,
        }
    }

    fn agrees_with(&self, other: &Self) -> bool {
        let is_mutual = self.partner() == other.conn() && other.partner() == self.conn();
        self.conn().is_some() && other.conn().is_some() && is_mutual
    }
}

impl Matcher {
    /// Takes over the room if both members claim it by now, each with the other as the partner.
    pub(super) fn claim(&mut self, room: RoomId, claim: Claim, step: &mut Step<'_, impl Rng>) {
        // Nearly always one, and the other one is the last.
        let claims = self.claims.entry(room).or_insert_with(|| Vec::with_capacity(1));
        let Some(other) = claims.iter().find(|other| claim.agrees_with(other)).copied() else {
            claims.push(claim);
            self.claimed.extend(claim.conn().map(|conn| (conn, room)));
            return;
        };
        let pair = [claim.conn(), other.conn()];
        for old in self.take_claims(room).iter().filter_map(Claim::conn) {
            if !pair.contains(&Some(old)) {
                step.order(old, Order::RoomOver { conn: old, room });
            }
        }
        self.adopt(room, claim, Some(other), step);
    }

    /// Notes that a room has begun for a connection although the matcher did not order it.
    pub(super) fn opened(&mut self, conn: ConnId, room: RoomId, step: &mut Step<'_, impl Rng>) {
        let claims = self.claims.get_mut(&room).into_iter().flatten();
        for claim in claims.filter(|claim| claim.conn() == Some(conn)) {
            if let ClaimedSeat::Taken { is_open, .. } = &mut claim.seat {
                *is_open = true;
                return;
            }
        }
        let user = self.conns.get(&conn).map(|known| known.user);
        if user.is_some_and(|user| self.lobby.room_of(user) != Some((room, Some(conn)))) {
            // Undone by now.
            step.order(conn, Order::RoomOver { conn, room });
        }
    }

    pub(super) fn take_claims(&mut self, room: RoomId) -> Vec<Claim> {
        let claims = self.claims.remove(&room).unwrap_or_default();
        for conn in claims.iter().filter_map(Claim::conn) {
            self.claimed.remove(&conn);
        }
        claims
    }

    pub(super) fn withdraw_claim(&mut self, conn: ConnId) {
        if let Some(room) = self.claimed.remove(&conn)
            && let Some(claims) = self.claims.get_mut(&room)
        {
            claims.retain(|claim| claim.conn() != Some(conn));
        }
    }

    /// Takes over a room in which the first has a connection, and the second has one or is away.
    fn adopt(
        &mut self,
        room: RoomId,
        first: Claim,
        second: Option<Claim>,
        step: &mut Step<'_, impl Rng>,
    ) {
        let ClaimedSeat::Taken { conn, partner_until, since, .. } = first.seat else { return };
        let adopted = |claim: &Claim| AdoptedSeat {
            user: claim.user,
            held_by: match claim.seat {
                ClaimedSeat::Taken { conn, .. } => Ok(conn),
                ClaimedSeat::Away { until } => Err(until),
            },
        };
        let lease_end = step.now + SEAT_LEASE;
        let until = partner_until.unwrap_or(lease_end).min(lease_end);
        let vacant = AdoptedSeat { user: first.stranger, held_by: Err(until) };
        let seats = [adopted(&first), second.as_ref().map_or(vacant, adopted)];
        for user in [first.user, first.stranger] {
            // What has begun goes before what has not.
            if let Some((_, Some(conn))) = self.lobby.room_of(user)
                && self.is_pairing(conn)
            {
                self.refuse_pair_of(conn, step);
            }
        }
        let mut effects = std::mem::take(&mut self.effects);
        // A vacant seat was left while its hub was not heard, if the hub says that the user is here, or
        // the partner's hub says that the two were matched later.
        let is_here = second.is_some_and(|claim| claim.conn().is_some());
        let left_before = if is_here { step.now } else { since };
        for (user, left_before) in [(first.user, step.now), (first.stranger, left_before)] {
            self.lobby.give_up_seat(user, left_before, step.now, &mut effects);
        }
        let is_adopted = self.lobby.adopt(room, seats, since, step.now, &mut effects);
        self.carry_out(effects, step);
        let conns = [Some(conn), second.and_then(|claim| claim.conn())];
        for (n, claim) in [Some(first), second].into_iter().enumerate() {
            let Some(ClaimedSeat::Taken { conn, partner, partner_until, is_open, .. }) =
                claim.map(|it| it.seat)
            else {
                continue;
            };
            if !is_adopted {
                step.order(conn, Order::RoomOver { conn, room });
                continue;
            }
            let knows = |other: &ConnId| partner == Some(*other) && partner_until.is_none();
            if let Some(other) = conns[1 - n].filter(|other| !knows(other)) {
                step.order(conn, Order::PartnerMoved { conn, room, partner: other });
            }
            // Nearly all are open: more orders than the links to their hubs have windows for.
            if !is_open {
                step.order(conn, Order::Open { conn, room });
            }
        }
        self.tell_partner_away(first.user, step);
    }

    /// Decides on a room when all rolls are complete. Of several connections of a user that claim a
    /// seat, the one that took it last has it. `back` are the users on their way back.
    pub(super) fn settle_room(
        &mut self,
        room: RoomId,
        claims: &[Claim],
        back: &BTreeSet<(RoomId, UserId)>,
        step: &mut Step<'_, impl Rng>,
    ) {
        let mut seats: Vec<Claim> = Vec::new();
        for claim in claims.iter().filter(|claim| claim.conn().is_some()) {
            let old = match seats.iter_mut().find(|seat| seat.user == claim.user) {
                Some(seat) if seat.since() < claim.since() => std::mem::replace(seat, *claim),
                Some(_) => *claim,
                None => {
                    seats.push(*claim);
                    continue;
                }
            };
            if let Some(conn) = old.conn() {
                step.order(conn, Order::RoomOver { conn, room });
            }
        }
        match seats[..] {
            [first, second] => self.adopt(room, first, Some(second), step),
            [alone] => self.settle_claim(room, alone, claims, back, step),
            _ => {}
        }
    }

    /// Keeps a room that one member claims while the partner is away, on the way back, or on a node
    /// that is not there; otherwise the room is over.
    fn settle_claim(
        &mut self,
        room: RoomId,
        claim: Claim,
        claims: &[Claim],
        back: &BTreeSet<(RoomId, UserId)>,
        step: &mut Step<'_, impl Rng>,
    ) {
        let ClaimedSeat::Taken { conn, partner, is_open, .. } = claim.seat else { return };
        if !is_open {
            return step.order(conn, Order::Undo { conn, room, asks_again: true });
        }
        let away = claims.iter().find(|other| other.user == claim.stranger).copied();
        let is_back = back.contains(&(room, claim.stranger));
        let node = partner.and_then(ConnId::node);
        let is_gone = node.is_some_and(|node| self.nodes.contains_key(&node));
        if is_gone && away.is_none() && !is_back {
            return step.order(conn, Order::RoomOver { conn, room });
        }
        if let Some(node) = node.filter(|_| away.is_none() && !is_back) {
            self.presume_room(node, (room, claim.user), step.now);
        }
        self.adopt(room, claim, away, step);
    }
}
