//! The connections of this node and the seat of each, which everything else follows.

mod blocks;
mod orders;
mod partners;
mod requests;
mod roll;
mod seat;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use meoww_proto::{RoomId, UserId};

use self::seat::{Away, Local, LocalUser, Seat, Seated};
use super::{
    Effect, Request, RollSeat,
    message::{PartialLists, millis},
};
use crate::core::{
    lobby::{self, ConnId, Counts, Departure, KeptPlace, RoomInfo, SEAT_LEASE},
    safety::BlockList,
    unordered::Map,
};

/// Mismatches of a user that are kept for the roll.
const MAX_MISMATCHES: usize = 16;

/// The connections, users and kept seats of this node.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct HubSide {
    conns: Map<ConnId, Local>,
    users: Map<UserId, LocalUser>,
    /// Seats kept for users whose connection to this node was lost.
    away: BTreeMap<(RoomId, UserId), Away>,
    partial_lists: PartialLists<()>,
    is_draining: bool,
    /// Rooms that began and whose initiator was here.
    matches: u64,
}

/// The requests and effects of one step of the hub.
pub(super) struct Out<'a> {
    pub(super) now: Instant,
    /// Requests to the matcher, in this order.
    pub(super) requests: &'a mut Vec<Request>,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Out<'_> {
    fn tell(&mut self, effect: lobby::Effect) {
        self.effects.push(Effect::Lobby(effect));
    }
}

impl HubSide {
    pub(super) fn handle(&mut self, input: lobby::Input, out: &mut Out<'_>) {
        match input {
            lobby::Input::Connect { conn, user, resume } => self.connect(conn, user, resume, out),
            lobby::Input::Search(conn, criteria) => self.search(conn, Some(criteria), out),
            lobby::Input::Skip(conn) => {
                let left = self.leave_room(conn, out);
                if left.is_none() || self.is_draining {
                    self.report_left(conn, left, out);
                    return self.search(conn, None, out);
                }
                self.wait(conn, None, left, out);
            }
            lobby::Input::Cancel(conn) => self.stop(conn, out),
            lobby::Input::Leave(conn) => {
                let left = self.leave_room(conn, out);
                self.report_left(conn, left, out);
                self.stop(conn, out);
            }
            // A node hears of all blocks of a user at once.
            lobby::Input::Block { .. } | lobby::Input::Unblock { .. } => {}
            lobby::Input::Mismatch { user, other } => self.mismatch(user, other, out),
            lobby::Input::Disconnect(conn, departure) => self.disconnect(conn, departure, out),
            lobby::Input::Drain => self.drain(out),
            lobby::Input::Timeout => self.away.retain(|_, away| away.until > out.now),
        }
    }

    /// Returns the connections of a user to this node, oldest first.
    pub(super) fn connections_of(&self, user: UserId) -> &[ConnId] {
        self.users.get(&user).map_or(&[], |known| &known.connections)
    }

    pub(super) fn connections(&self) -> usize {
        self.conns.len()
    }

    pub(super) fn counts(&self) -> Counts {
        // Of the two members of a room one counts it, so that counts of nodes can be summed.
        let counts_room = |(conn, local): &(&ConnId, &Local)| {
            let seated = local.seat.open();
            seated.is_some_and(|seated| seated.partner.is_none_or(|partner| **conn < partner))
        };
        Counts {
            connections: self.conns.len(),
            users: self.users.len(),
            searching: self.searching().count(),
            rooms: self.conns.iter().filter(counts_room).count(),
            matches: self.matches,
            draining: self.is_draining,
        }
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = RoomInfo> {
        self.conns.values().filter_map(|local| {
            let Seated { room, stranger, since, .. } = *local.seat.open()?;
            Some(RoomInfo { room, members: [local.user, stranger], since })
        })
    }

    pub(super) fn is_seated(&self, conn: ConnId) -> bool {
        self.conns.get(&conn).is_some_and(|local| local.seat.open().is_some())
    }

    pub(super) fn has_seated(&self) -> bool {
        let is_seated = |seat: &Seat| match seat {
            Seat::Resuming { .. } => true,
            Seat::Seated(seated) => seated.is_open,
            Seat::Idle | Seat::Waiting { .. } => false,
        };
        self.conns.values().any(|local| is_seated(&local.seat))
    }

    pub(super) fn has_away(&self) -> bool {
        !self.away.is_empty()
    }

    pub(super) fn searching(&self) -> impl Iterator<Item = ConnId> {
        let waiting = |local: &Local| matches!(local.seat, Seat::Waiting { .. });
        self.conns.iter().filter(move |(_, local)| waiting(local)).map(|(conn, _)| *conn)
    }

    /// Returns the places of the connections that are in the queue, in no order.
    pub(super) fn places(&self, now: Instant) -> impl Iterator<Item = KeptPlace> {
        self.conns.iter().filter_map(move |(conn, local)| {
            let Seat::Waiting { asked } = local.seat else { return None };
            let Local { user, criteria, .. } = *local;
            Some(KeptPlace { user, conn: *conn, criteria, asked, until: now + SEAT_LEASE })
        })
    }

    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }

    fn connect(&mut self, conn: ConnId, user: UserId, resume: Option<RoomId>, out: &mut Out<'_>) {
        let seat = resume.map_or(Seat::Idle, |room| Seat::Resuming { room, criteria: None });
        self.conns.insert(conn, Local::new(user, seat));
        self.users.entry(user).or_default().connections.push(conn);
        if resume.is_none() {
            out.tell(lobby::Effect::Welcome { conn, user, resumed: None });
        }
        out.requests.extend(self.report(conn, out.now).map(Request::Connect));
        self.tell_user(user, out);
    }

    fn report_change(&self, conn: ConnId, out: &mut Out<'_>) {
        let report = self.report(conn, out.now);
        out.requests.extend(report.map(|report| Request::Change { report, left: None }));
    }

    fn report_left(&self, conn: ConnId, left: Option<RoomId>, out: &mut Out<'_>) {
        if left.is_some() {
            let report = self.report(conn, out.now);
            out.requests.extend(report.map(|report| Request::Change { report, left }));
        }
    }

    fn disconnect(&mut self, conn: ConnId, departure: Departure, out: &mut Out<'_>) {
        let Some(local) = self.forget(conn) else { return };
        let room = local.seat.open().copied();
        if let Some(Seated { room, stranger, .. }) = room.filter(|_| departure == Departure::Lost) {
            let until = out.now + SEAT_LEASE;
            self.away.insert((room, local.user), Away { stranger, until });
        }
        let has_place = room.is_some() || matches!(local.seat, Seat::Waiting { .. });
        let is_lost = departure == Departure::Lost && has_place;
        out.requests.push(Request::Disconnect { conn, is_lost });
    }

    fn forget(&mut self, conn: ConnId) -> Option<Local> {
        let local = self.conns.remove(&conn)?;
        if let Some(user) = self.users.get_mut(&local.user) {
            user.connections.retain(|known| *known != conn);
            if user.connections.is_empty() {
                self.users.remove(&local.user);
            }
        }
        Some(local)
    }

    /// Stops queueing and matching connections of this node. Those that wait go on at another, and the
    /// matcher keeps their turns as if they were lost.
    fn drain(&mut self, out: &mut Out<'_>) {
        self.is_draining = true;
        let conns: BTreeSet<ConnId> = self.conns.keys().copied().collect();
        for conn in conns {
            let local = self.conns.get_mut(&conn);
            match local.filter(|local| matches!(local.seat, Seat::Waiting { .. })) {
                Some(local) => {
                    local.attempt += 1;
                    local.seat = Seat::Idle;
                    let user = local.user;
                    out.requests.push(Request::Disconnect { conn, is_lost: true });
                    out.requests.extend(self.report(conn, out.now).map(Request::Connect));
                    self.tell_user(user, out);
                }
                None => self.stop(conn, out),
            }
        }
    }

    /// Tells the matcher with whom a user must not meet: it forgets that with the last connection of the
    /// user that it knows, and may have taken out some that are still here.
    fn tell_user(&self, user: UserId, out: &mut Out<'_>) {
        let Some(known) = self.users.get(&user) else { return };
        if known.blocks != BlockList::default() {
            blocks::tell_blocks(user, &known.blocks, out);
        }
        let apart = known.apart.iter().filter(|(_, until)| *until > out.now);
        out.requests.extend(apart.map(|(other, until)| Request::Mismatch {
            user,
            other: *other,
            left_ms: millis(*until, out.now),
        }));
    }

    /// Returns the state of a connection.
    pub(super) fn report(&self, conn: ConnId, now: Instant) -> Option<super::ConnReport> {
        let local = self.conns.get(&conn)?;
        let seat = match &local.seat {
            Seat::Idle => RollSeat::Idle,
            Seat::Resuming { room, .. } => RollSeat::Resuming { room: *room },
            Seat::Waiting { asked } => RollSeat::Waiting { age_ms: millis(now, *asked) },
            Seat::Seated(seated) => RollSeat::Seated {
                room: seated.room,
                partner: seated.partner,
                stranger: seated.stranger,
                partner_left_ms: seated.partner_until.map(|until| millis(until, now)),
                age_ms: millis(now, seated.since),
                is_open: seated.is_open,
                is_initiator: seated.is_initiator,
            },
        };
        let Local { user, attempt, criteria, .. } = *local;
        Some(super::ConnReport { conn, user, attempt, criteria, seat })
    }
}

#[cfg(test)]
impl HubSide {
    pub(super) fn lose_seat(&mut self, conn: ConnId) {
        if let Some(local) = self.conns.get_mut(&conn) {
            local.seat = Seat::Idle;
        }
    }
}
