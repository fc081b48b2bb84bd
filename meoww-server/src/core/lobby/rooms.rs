//! Rooms of two, and places kept for those who lost their connection.

use std::{collections::BTreeSet, ops::Index, time::Instant};

use meoww_proto::RoomId;
use slab::Slab;

use super::{ConnId, users::UserKey};
use crate::core::unordered::Unordered;

/// Where a room is kept; good until it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RoomKey(usize);

/// A member's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Member {
    pub(super) user: UserKey,
    pub(super) seat: Seat,
}

#[derive(Clone, Hash)]
pub(super) struct Room {
    pub(super) id: RoomId,
    pub(super) members: [Member; 2],
    pub(super) since: Instant,
}

impl Room {
    /// The user's own place and the partner's.
    pub(super) fn seen_by(&self, user: UserKey) -> (Seat, Member) {
        let [first, second] = self.members;
        if first.user == user { (first.seat, second) } else { (second.seat, first) }
    }
}

#[derive(Clone, Default, Hash)]
pub(super) struct Rooms {
    rooms: Unordered<Slab<Room>>,
    opened: u64,
    /// One entry a vacant seat, soonest end first.
    leases: BTreeSet<(Instant, UserKey)>,
}

impl Index<RoomKey> for Rooms {
    type Output = Room;

    fn index(&self, key: RoomKey) -> &Room {
        &self.rooms[key.0]
    }
}

impl Rooms {
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// How many there ever were.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter().map(|(_, room)| room)
    }

    pub(super) fn open(
        &mut self,
        id: RoomId,
        members: [(UserKey, ConnId); 2],
        since: Instant,
    ) -> RoomKey {
        self.opened += 1;
        let members = members.map(|(user, conn)| Member { user, seat: Seat::Taken(conn) });
        RoomKey(self.rooms.insert(Room { id, members, since }))
    }

    /// Takes over a room that another lobby has opened.
    pub(super) fn adopt(&mut self, id: RoomId, members: [Member; 2], since: Instant) -> RoomKey {
        for member in &members {
            if let Seat::Vacant { until } = member.seat {
                self.leases.insert((until, member.user));
            }
        }
        RoomKey(self.rooms.insert(Room { id, members, since }))
    }

    /// Closes a room, if it is there, as if it had not been opened.
    pub(super) fn undo(&mut self, key: RoomKey) {
        if self.rooms.contains(key.0) {
            self.close(key);
            self.opened -= 1;
        }
    }

    pub(super) fn set_seat(&mut self, key: RoomKey, user: UserKey, seat: Seat) {
        let members = &mut self.rooms[key.0].members;
        for member in members.iter_mut().filter(|member| member.user == user) {
            if let Seat::Vacant { until } = std::mem::replace(&mut member.seat, seat) {
                self.leases.remove(&(until, user));
            }
            if let Seat::Vacant { until } = seat {
                self.leases.insert((until, user));
            }
        }
    }

    /// Ends a room and says who was in it.
    pub(super) fn close(&mut self, key: RoomKey) -> Room {
        let room = self.rooms.remove(key.0);
        for member in &room.members {
            if let Seat::Vacant { until } = member.seat {
                self.leases.remove(&(until, member.user));
            }
        }
        room
    }

    /// A user whose place is kept no longer.
    pub(super) fn next_expired(&self, now: Instant) -> Option<UserKey> {
        self.leases.first().filter(|(until, _)| *until <= now).map(|(_, user)| *user)
    }

    pub(super) fn next_lease_end(&self) -> Option<Instant> {
        self.leases.first().map(|(until, _)| *until)
    }
}
