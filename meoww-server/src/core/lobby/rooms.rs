//! Rooms of two, and places kept for those who lost their connection.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use meoww_proto::{RoomId, UserId};

use super::ConnId;

/// A member's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// The connection that is in the room.
    Taken(ConnId),
    /// Kept for the user.
    Vacant { until: Instant },
}

impl Seat {
    pub(super) fn conn(self) -> Option<ConnId> {
        match self {
            Self::Taken(conn) => Some(conn),
            Self::Vacant { .. } => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) user: UserId,
    pub(super) seat: Seat,
}

#[derive(Default)]
pub(super) struct Rooms {
    rooms: HashMap<RoomId, [Member; 2]>,
    by_user: HashMap<UserId, RoomId>,
    /// One entry a vacant seat, soonest end first.
    leases: BTreeSet<(Instant, UserId)>,
}

impl Rooms {
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(super) fn open(&mut self, room: RoomId, members: [(UserId, ConnId); 2]) {
        let members = members.map(|(user, conn)| Member { user, seat: Seat::Taken(conn) });
        self.by_user.extend(members.map(|member| (member.user, room)));
        self.rooms.insert(room, members);
    }

    /// The user's room and place in it.
    pub(super) fn of(&self, user: UserId) -> Option<(RoomId, Seat)> {
        let room = *self.by_user.get(&user)?;
        let member = self.rooms.get(&room)?.iter().find(|member| member.user == user)?;
        Some((room, member.seat))
    }

    /// The place of the user's partner.
    pub(super) fn partner_seat(&self, user: UserId) -> Option<Seat> {
        let members = self.rooms.get(self.by_user.get(&user)?)?;
        members.iter().find(|member| member.user != user).map(|member| member.seat)
    }

    pub(super) fn set_seat(&mut self, user: UserId, seat: Seat) {
        let Some(room) = self.by_user.get(&user) else { return };
        let members = self.rooms.get_mut(room).into_iter().flatten();
        for member in members.filter(|member| member.user == user) {
            if let Seat::Vacant { until } = std::mem::replace(&mut member.seat, seat) {
                self.leases.remove(&(until, user));
            }
            if let Seat::Vacant { until } = seat {
                self.leases.insert((until, user));
            }
        }
    }

    /// Ends the user's room and says who was in it.
    pub(super) fn close(&mut self, user: UserId) -> Option<(RoomId, [Member; 2])> {
        let room = self.by_user.get(&user).copied()?;
        let members = self.rooms.remove(&room)?;
        for member in &members {
            self.by_user.remove(&member.user);
            if let Seat::Vacant { until } = member.seat {
                self.leases.remove(&(until, member.user));
            }
        }
        Some((room, members))
    }

    /// A user whose place is kept no longer.
    pub(super) fn next_expired(&self, now: Instant) -> Option<UserId> {
        self.leases.first().filter(|(until, _)| *until <= now).map(|(_, user)| *user)
    }

    pub(super) fn next_lease_end(&self) -> Option<Instant> {
        self.leases.first().map(|(until, _)| *until)
    }
}
