//! Requests of users: to search, to skip, to leave, and not to meet another user for a while.

use meoww_proto::{RoomId, UserId};

use super::{HubSide, MAX_MISMATCHES, Out, Seat};
use crate::core::{
    fleet::{Request, message::millis},
    lobby::{self, ConnId, MISMATCH_WAIT, SearchCriteria},
};

impl HubSide {
    /// Queues a connection; without criteria, by those of its last search.
    pub(super) fn search(
        &mut self,
        conn: ConnId,
        criteria: Option<SearchCriteria>,
        out: &mut Out<'_>,
    ) {
        let Some(local) = self.conns.get_mut(&conn) else { return };
        let wanted = criteria.unwrap_or(local.criteria);
        match &mut local.seat {
            Seat::Resuming { criteria, .. } => *criteria = Some(wanted),
            Seat::Seated(seated) if seated.is_open => {}
            Seat::Waiting { .. } | Seat::Seated(_) if local.criteria == wanted => {}
            Seat::Idle | Seat::Waiting { .. } | Seat::Seated(_) if self.is_draining => {
                out.tell(lobby::Effect::Draining(conn));
            }
            Seat::Idle | Seat::Waiting { .. } | Seat::Seated(_) => {
                self.wait(conn, criteria, None, out);
            }
        }
    }

    /// Queues a connection, whose user asked just now.
    pub(super) fn wait(
        &mut self,
        conn: ConnId,
        criteria: Option<SearchCriteria>,
        left: Option<RoomId>,
        out: &mut Out<'_>,
    ) {
        let Some(local) = self.conns.get_mut(&conn) else { return };
        local.attempt += 1;
        local.criteria = criteria.unwrap_or(local.criteria);
        local.seat = Seat::Waiting { asked: out.now };
        out.tell(lobby::Effect::Searching(conn));
        self.report_left(conn, left, out);
        if left.is_none() {
            self.report_change(conn, out);
        }
    }

    /// Takes a connection out of the queue, or from a room that has not begun.
    pub(super) fn stop(&mut self, conn: ConnId, out: &mut Out<'_>) {
        let Some(local) = self.conns.get_mut(&conn) else { return };
        match &mut local.seat {
            Seat::Resuming { criteria, .. } => *criteria = None,
            Seat::Waiting { .. } => self.idle(conn, out),
            Seat::Seated(seated) if !seated.is_open => self.idle(conn, out),
            Seat::Idle | Seat::Seated(_) => {}
        }
    }

    fn idle(&mut self, conn: ConnId, out: &mut Out<'_>) {
        if let Some(local) = self.conns.get_mut(&conn) {
            local.attempt += 1;
            local.seat = Seat::Idle;
            self.report_change(conn, out);
        }
    }

    /// Ends the room of a connection as its user wants, and returns it.
    pub(super) fn leave_room(&mut self, conn: ConnId, out: &mut Out<'_>) -> Option<RoomId> {
        let local = self.conns.get_mut(&conn)?;
        let seated = local.seat.open()?;
        let (room, stranger) = (seated.room, seated.stranger);
        local.seat = Seat::Idle;
        local.attempt += 1;
        let user = self.users.entry(local.user).or_default();
        user.pace.charge(out.now);
        user.last_partner = Some(stranger);
        out.tell(lobby::Effect::RoomOver { conn, room });
        Some(room)
    }

    pub(super) fn mismatch(&mut self, user: UserId, other: UserId, out: &mut Out<'_>) {
        if let Some(known) = self.users.get_mut(&user) {
            known.apart.retain(|(known, _)| *known != other);
            if known.apart.len() == MAX_MISMATCHES {
                known.apart.remove(0);
            }
            known.apart.push((other, out.now + MISMATCH_WAIT));
        }
        let left_ms = millis(out.now + MISMATCH_WAIT, out.now);
        out.requests.push(Request::Mismatch { user, other, left_ms });
    }
}
