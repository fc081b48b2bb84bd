//! Rolls: the matcher's lobby is rebuilt from what hubs hold.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId};
use rand::Rng;

use super::{
    Known, Matcher, Presumed, Step,
    claims::{Claim, ClaimedSeat},
};
use crate::core::{
    fleet::{BlockPart, ConnReport, NodeId, Order, Request, RollEntry, RollSeat, message::ago},
    lobby::{self, ConnId, MISMATCH_WAIT, SEAT_LEASE},
};

impl Matcher {
    pub(super) fn enrol(&mut self, node: NodeId, entry: RollEntry, step: &mut Step<'_, impl Rng>) {
        match entry {
            RollEntry::Conn(report) => self.enrol_conn(node, report, step),
            RollEntry::User { user, .. }
            | RollEntry::Apart { user, .. }
            | RollEntry::Blocks(BlockPart { user, .. }) => {
                if self.resuming.contains(&user) {
                    // The other connections of the user may be gone by then.
                    let again = Request::Roll(vec![entry.clone()]);
                    self.deferred.push_back((node, again));
                }
                self.recall(node, entry, step);
            }
            RollEntry::Away { room, user, stranger, left_ms } => {
                let left = Duration::from_millis(left_ms.into()).min(SEAT_LEASE);
                if let Some(presumed) = self.presumed.get_mut(&node) {
                    presumed.rooms.remove(&(room, stranger));
                }
                let seat = ClaimedSeat::Away { until: step.now + left };
                self.claim(room, Claim { node, user, stranger, seat }, step);
            }
            RollEntry::Copy { copy, left_ms } => {
                let left = Duration::from_millis(left_ms.into()).min(SEAT_LEASE);
                self.copies.insert(copy, step.now + left);
            }
            RollEntry::Place(place) => self.places.push(place.place(step.now)),
        }
    }

    /// Takes over the state of a user, if a connection of the user is known.
    pub(super) fn recall(&mut self, node: NodeId, entry: RollEntry, step: &mut Step<'_, impl Rng>) {
        match entry {
            RollEntry::User { user, owed_ms, last_partner } => {
                let owed = Duration::from_millis(owed_ms.into());
                self.lobby.recall(user, owed, last_partner, step.now);
            }
            RollEntry::Apart { user, other, left_ms } => {
                self.keep_apart(user, other, left_ms, step.now);
            }
            RollEntry::Blocks(part) => self.take_blocks(node, part, step),
            RollEntry::Conn(_)
            | RollEntry::Away { .. }
            | RollEntry::Copy { .. }
            | RollEntry::Place(_) => {}
        }
    }

    pub(super) fn keep_apart(&mut self, user: UserId, other: UserId, left_ms: u32, now: Instant) {
        let left = Duration::from_millis(left_ms.into()).min(MISMATCH_WAIT);
        self.lobby.recall_mismatch(user, other, now + left);
    }

    fn enrol_conn(&mut self, node: NodeId, report: ConnReport, step: &mut Step<'_, impl Rng>) {
        let ConnReport { conn, user, attempt, criteria, seat } = report;
        let RollSeat::Seated { room, partner, stranger, partner_left_ms, age_ms, is_open, .. } =
            seat
        else {
            if let RollSeat::Resuming { .. } = seat {
                // The room may be on a roll that is not complete.
                self.resuming.insert(user);
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
            match partner {
                Some(partner) => step.order(conn, Order::PartnerMoved { conn, room, partner }),
                None => self.tell_partner_away(user, step),
            }
            if !is_open {
                step.order(conn, Order::Open { conn, room });
            }
        } else if known.is_some() {
            step.order(conn, Order::RoomOver { conn, room });
        } else {
            let since = ago(step.now, age_ms);
            let partner_until =
                partner_left_ms.map(|left| step.now + Duration::from_millis(left.into()));
            let seat = ClaimedSeat::Taken { conn, partner, partner_until, since, is_open };
            self.claim(room, Claim { node, user, stranger, seat }, step);
        }
    }

    /// Once all rolls are complete, decides on rooms that one member claims, and gives places in the
    /// queue by age.
    pub(super) fn settle(&mut self, step: &mut Step<'_, impl Rng>) {
        if !self.rolling.is_empty() {
            return;
        }
        self.has_begun = true;
        let back: BTreeSet<_> = self.deferred.iter().filter_map(|(_, it)| resumes(it)).collect();
        let mut rooms: Vec<RoomId> = self.claims.keys().copied().collect();
        rooms.sort_unstable();
        for room in rooms {
            let claims = self.take_claims(room);
            self.settle_room(room, &claims, &back, step);
        }
        self.give_places(step);
        self.resuming.clear();
        for (node, request) in std::mem::take(&mut self.deferred) {
            if self.nodes.contains_key(&node) {
                self.act(node, request, step);
            }
        }
        // Seats that were kept until there was no matcher are given up now.
        self.input(lobby::Input::Timeout, step);
    }

    fn give_places(&mut self, step: &mut Step<'_, impl Rng>) {
        let waiters = std::mem::take(&mut self.waiters).into_iter();
        let waiters = waiters.map(|(conn, (asked, criteria))| (asked, conn, Ok(criteria)));
        let kept = std::mem::take(&mut self.places).into_iter();
        let kept = kept.map(|place| (place.asked, place.conn, Err(place)));
        let mut all: Vec<_> = waiters.chain(kept).collect();
        all.sort_by_key(|(asked, conn, _)| (*asked, *conn));
        for (asked, conn, what) in all {
            match what {
                Ok(criteria) => self.queue(conn, criteria, asked, step),
                Err(place) => self.lobby.keep_place(place, step.now),
            }
        }
    }

    /// Notes the room of a connection whose node is lost: the node may come back without it.
    pub(super) fn presume(&mut self, node: NodeId, conn: ConnId, now: Instant) {
        if let Some(Known { user, .. }) = self.conns.get(&conn)
            && let Some((room, Some(seated))) = self.lobby.room_of(*user)
            && let Some((partner, _)) = self.lobby.partner_of(*user)
            && seated == conn
        {
            self.presume_room(node, (room, partner), now);
        }
    }

    /// Notes a room whose member on this node is presumed to come back, and the other member.
    pub(super) fn presume_room(&mut self, node: NodeId, room: (RoomId, UserId), now: Instant) {
        let until = now + SEAT_LEASE;
        let rooms = BTreeSet::new();
        let presumed = self.presumed.entry(node).or_insert(Presumed { rooms, until });
        presumed.rooms.insert(room);
        presumed.until = until;
    }

    /// Ends rooms whose member was presumed on this node, which is back without that member.
    pub(super) fn end_presumed(&mut self, node: NodeId, step: &mut Step<'_, impl Rng>) {
        let presumed = self.presumed.remove(&node).map(|presumed| presumed.rooms);
        for (room, user) in presumed.into_iter().flatten() {
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

/// Returns the room that a new connection asks for, and its user.
fn resumes(request: &Request) -> Option<(RoomId, UserId)> {
    match request {
        Request::Connect(ConnReport { user, seat: RollSeat::Resuming { room }, .. }) => {
            Some((*room, *user))
        }
        _ => None,
    }
}
