//! What the matcher makes of rolls.

use std::time::{Duration, Instant};

use meoww_proto::{RoomId, UserId};
use rand::Rng;

use super::{Known, Matcher, Step, ago};
use crate::core::{
    fleet::{ConnReport, NodeId, Order, Request, RollEntry, RollSeat},
    lobby::{self, AdoptedSeat, ConnId, SEAT_LEASE},
};

/// What a hub says of one seat of a room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) node: NodeId,
    user: UserId,
    stranger: UserId,
    seat: ClaimedSeat,
}

#[derive(Debug, Clone, Copy)]
enum ClaimedSeat {
    Taken { conn: ConnId, partner: Option<ConnId>, since: Instant, is_open: bool },
    Away { until: Instant },
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

    /// Since when it is taken.
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
    pub(super) fn enrol(&mut self, node: NodeId, entry: RollEntry, step: &mut Step<'_, impl Rng>) {
        match entry {
            RollEntry::Conn(report) => self.enrol_conn(node, report, step),
            RollEntry::User { user, owed_ms, last_partner } => {
                let owed = Duration::from_millis(owed_ms.into());
                self.lobby.recall(user, owed, last_partner, step.now);
            }
            RollEntry::Blocks { user, blocked } => {
                for blocked in blocked {
                    self.undo_between(user, blocked, step);
                    self.input(lobby::Input::Block { user, blocked }, step);
                    if self.lobby.connections_of(user).is_empty() {
                        // All of them ask for a room, and are not known before that is decided.
                        self.deferred.push_back((node, Request::Block { user, blocked }));
                    }
                }
            }
            RollEntry::Apart { user, other, left_ms } => {
                let until = step.now + Duration::from_millis(left_ms.into());
                self.lobby.recall_mismatch(user, other, until);
            }
            RollEntry::Away { room, user, stranger, left_ms } => {
                let left = Duration::from_millis(left_ms.into()).min(SEAT_LEASE);
                let presumed = self.presumed.get_mut(&node);
                presumed.into_iter().for_each(|it| it.retain(|known| *known != (room, stranger)));
                let seat = ClaimedSeat::Away { until: step.now + left };
                self.claim(room, Claim { node, user, stranger, seat }, step);
            }
        }
    }

    fn enrol_conn(&mut self, node: NodeId, report: ConnReport, step: &mut Step<'_, impl Rng>) {
        let ConnReport { conn, user, attempt, criteria, seat } = report;
        let RollSeat::Seated { room, partner, stranger, age_ms, is_open, .. } = seat else {
            if let RollSeat::Resuming { .. } = seat {
                // The room may be on a roll that is not complete.
                return self.deferred.push_back((node, Request::Connect(report)));
            }
            self.connect(node, report, step);
            if let RollSeat::Waiting { age_ms } = seat {
                self.waiters.insert(conn, (ago(step.now, age_ms), criteria));
            }
            return;
        };
        let known = self.lobby.room_of(user).filter(|(known, _)| *known == room);
        self.nodes.entry(node).or_default().insert(conn);
        self.conns.insert(conn, Known { user, attempt, is_resuming: false });
        let resume = known.filter(|(_, held_by)| held_by.is_none()).map(|(room, _)| room);
        self.input(lobby::Input::Connect { conn, user, resume }, step);
        if resume.is_some() {
            let partner = self.lobby.partner_of(user).and_then(|(_, conn)| conn);
            if let Some(partner) = partner {
                step.order(conn, Order::PartnerMoved { conn, room, partner });
            }
            step.order(conn, Order::Open { conn, room });
        } else if known.is_some() {
            step.order(conn, Order::RoomOver { conn, room });
        } else {
            let since = ago(step.now, age_ms);
            let seat = ClaimedSeat::Taken { conn, partner, since, is_open };
            self.claim(room, Claim { node, user, stranger, seat }, step);
        }
    }

    /// Takes over the room if both its members are there by now, each as the other says.
    fn claim(&mut self, room: RoomId, claim: Claim, step: &mut Step<'_, impl Rng>) {
        let claims = self.claims.entry(room).or_default();
        claims.push(claim);
        if let Some(conn) = claim.conn() {
            self.claimed.insert(conn, room);
        }
        if let Some(other) = claims.iter().find(|other| claim.agrees_with(other)).copied() {
            let pair = [claim.conn(), other.conn()];
            for old in self.take_claims(room).iter().filter_map(Claim::conn) {
                if !pair.contains(&Some(old)) {
                    step.order(old, Order::RoomOver { conn: old, room });
                }
            }
            self.adopt(room, claim, Some(other), step);
        }
    }

    fn take_claims(&mut self, room: RoomId) -> Vec<Claim> {
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
        let ClaimedSeat::Taken { conn, since, .. } = first.seat else { return };
        let adopted = |claim: &Claim| AdoptedSeat {
            user: claim.user,
            held_by: match claim.seat {
                ClaimedSeat::Taken { conn, .. } => Ok(conn),
                ClaimedSeat::Away { until } => Err(until),
            },
        };
        let vacant = AdoptedSeat { user: first.stranger, held_by: Err(step.now + SEAT_LEASE) };
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
        let is_adopted = self.lobby.adopt(room, seats, since, &mut effects);
        self.carry_out(effects, step);
        let conns = [Some(conn), second.and_then(|claim| claim.conn())];
        for (n, claim) in [Some(first), second].into_iter().enumerate() {
            let Some(ClaimedSeat::Taken { conn, partner, .. }) = claim.map(|it| it.seat) else {
                continue;
            };
            if !is_adopted {
                step.order(conn, Order::RoomOver { conn, room });
                continue;
            }
            if let Some(other) = conns[1 - n].filter(|other| partner != Some(*other)) {
                step.order(conn, Order::PartnerMoved { conn, room, partner: other });
            }
            step.order(conn, Order::Open { conn, room });
        }
    }

    /// Once all rolls are complete: decides on rooms of which one member is there, and queues who
    /// waits, by age.
    pub(super) fn settle(&mut self, step: &mut Step<'_, impl Rng>) {
        if !self.rolling.is_empty() {
            return;
        }
        self.has_begun = true;
        let rooms: Vec<RoomId> = self.claims.keys().copied().collect();
        for room in rooms {
            let claims = self.take_claims(room);
            self.settle_room(room, &claims, step);
        }
        let waiters = std::mem::take(&mut self.waiters).into_iter();
        let mut waiters: Vec<_> =
            waiters.map(|(conn, (asked, criteria))| (asked, conn, criteria)).collect();
        waiters.sort_by_key(|(asked, conn, _)| (*asked, *conn));
        for (asked, conn, criteria) in waiters {
            self.queue(conn, criteria, asked, step);
        }
        for (node, request) in std::mem::take(&mut self.deferred) {
            if self.nodes.contains_key(&node) {
                self.act(node, request, step);
            }
        }
    }

    /// Of several connections of a user that claim a seat, the one that came last has it.
    fn settle_room(&mut self, room: RoomId, claims: &[Claim], step: &mut Step<'_, impl Rng>) {
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
            [alone] => self.settle_claim(room, alone, claims, step),
            _ => {}
        }
    }

    /// The partner is away, or on its way back, or on a node that is not there; else the room is
    /// over.
    fn settle_claim(
        &mut self,
        room: RoomId,
        claim: Claim,
        claims: &[Claim],
        step: &mut Step<'_, impl Rng>,
    ) {
        let ClaimedSeat::Taken { conn, partner, is_open, .. } = claim.seat else { return };
        if !is_open {
            return step.order(conn, Order::Undo { conn, room, asks_again: true });
        }
        let away = claims.iter().find(|other| other.user == claim.stranger).copied();
        let is_back = self.deferred.iter().any(|(_, request)| {
            matches!(request, Request::Connect(ConnReport {
                user, seat: RollSeat::Resuming { room: asked_for }, ..
            }) if *user == claim.stranger && *asked_for == room)
        });
        let node = partner.and_then(ConnId::node);
        let is_gone = node.is_some_and(|node| self.nodes.contains_key(&node));
        if is_gone && away.is_none() && !is_back {
            return step.order(conn, Order::RoomOver { conn, room });
        }
        if let Some(node) = node.filter(|_| away.is_none() && !is_back) {
            self.presumed.entry(node).or_default().push((room, claim.user));
        }
        self.adopt(room, claim, away, step);
    }

    /// The node of this connection is lost, and does perhaps not know a room of it when it is back.
    pub(super) fn presume(&mut self, node: NodeId, conn: ConnId) {
        if let Some(Known { user, .. }) = self.conns.get(&conn)
            && let Some((room, Some(seated))) = self.lobby.room_of(*user)
            && let Some((partner, _)) = self.lobby.partner_of(*user)
            && seated == conn
        {
            self.presumed.entry(node).or_default().push((room, partner));
        }
    }

    /// The node is there, so who was presumed to come back there and has not is gone.
    pub(super) fn end_presumed(&mut self, node: NodeId, step: &mut Step<'_, impl Rng>) {
        for (room, user) in self.presumed.remove(&node).into_iter().flatten() {
            let is_alone = self.lobby.partner_of(user).is_some_and(|(_, conn)| conn.is_none());
            if is_alone
                && let Some((known, Some(conn))) = self.lobby.room_of(user)
                && known == room
            {
                self.end(conn, step);
            }
        }
    }
}
