//! Rooms of a lost node of which only copies are left. One is opened anew when a member asks for it,
//! with the seat of the other kept.

use std::time::Instant;

use meoww_proto::{RoomId, UserId};
use rand::Rng;

use super::{Matcher, Step};
use crate::core::{fleet::RoomCopy, lobby::AdoptedSeat, unordered::Map};

/// Copies of rooms by the rolls.
#[derive(Clone, Default, Hash)]
pub(super) struct Copies {
    /// The members, and until when their seats are kept.
    rooms: Map<RoomId, ([UserId; 2], Instant)>,
    /// When none of them is kept any longer.
    end: Option<Instant>,
}

impl Copies {
    pub(super) fn insert(&mut self, copy: RoomCopy, until: Instant) {
        self.rooms.insert(copy.room, (copy.members, until));
        self.end = self.end.max(Some(until));
    }

    pub(super) fn remove(&mut self, room: RoomId) {
        self.rooms.remove(&room);
    }

    pub(super) fn forget_old(&mut self, now: Instant) {
        if self.end.is_some_and(|end| end <= now) {
            *self = Self::default();
        }
    }
}

impl Matcher {
    /// Opens a room anew that only a copy is left of, unless a member has gone on to something else.
    pub(super) fn reopen(&mut self, room: RoomId, user: UserId, step: &mut Step<'_, impl Rng>) {
        let Some((members, until)) = self.copies.rooms.get(&room).copied() else { return };
        let is_free = |user: &UserId| {
            self.lobby.room_of(*user).is_none() && self.lobby.waiting_of(*user).is_none()
        };
        if until <= step.now || !members.contains(&user) || !members.iter().all(is_free) {
            return;
        }
        self.copies.remove(room);
        let seats = members.map(|user| AdoptedSeat { user, held_by: Err(until) });
        let mut effects = std::mem::take(&mut self.effects);
        self.lobby.adopt(room, seats, step.now, step.now, &mut effects);
        self.carry_out(effects, step);
    }
}
