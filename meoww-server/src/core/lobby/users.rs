//! Users who are connected or have a place in a room.

use std::{
    collections::VecDeque,
    ops::{Index, IndexMut},
    time::Instant,
};

use meoww_proto::UserId;
use slab::Slab;

use super::{
    ConnId, SearchCriteria,
    pace::{Departed, Pace},
    queue::Ticket,
    rooms::RoomKey,
};
use crate::core::unordered::{Map, Set, Unordered};

/// Where a user is kept; good until the user is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UserKey(usize);

/// Strangers who cannot be seen that a user is kept apart from at once.
const MAX_MISMATCHES: usize = 16;

/// What is remembered of a user.
#[derive(Clone, Hash)]
pub(super) struct User {
    pub(super) id: UserId,
    /// Oldest first.
    pub(super) connections: Vec<ConnId>,
    pub(super) room: Option<RoomKey>,
    /// The place in the queue; its holder is in no room.
    pub(super) ticket: Option<Ticket>,
    /// Of the last search.
    pub(super) criteria: SearchCriteria,
    pub(super) pace: Pace,
    pub(super) last_partner: Option<UserId>,
    pub(super) blocks: Set<UserId>,
    /// The version of the blocks, where nodes tell them.
    pub(super) blocks_version: u64,
    mismatches: VecDeque<Mismatch>,
}

/// Somebody whom a user cannot see.
#[derive(Clone, Hash)]
struct Mismatch {
    other: UserId,
    until: Instant,
}

impl User {
    /// Remembers somebody not to be met before `until`, and forgets the oldest that is one too many.
    pub(super) fn keep_apart(&mut self, other: UserId, until: Instant) {
        self.mismatches.retain(|known| known.other != other);
        if self.mismatches.len() == MAX_MISMATCHES {
            self.mismatches.pop_front();
        }
        self.mismatches.push_back(Mismatch { other, until });
    }

    /// Returns when the user may meet somebody again whom they could not see.
    pub(super) fn apart_until(&self, other: UserId) -> Option<Instant> {
        self.mismatches.iter().find(|known| known.other == other).map(|known| known.until)
    }
}

#[derive(Clone, Default, Hash)]
pub(super) struct Users {
    users: Unordered<Slab<User>>,
    keys: Map<UserId, UserKey>,
    departed: Departed,
}

impl Users {
    pub(super) fn key_of(&self, id: UserId) -> Option<UserKey> {
        self.keys.get(&id).copied()
    }

    pub(super) fn find_or_add(&mut self, id: UserId) -> UserKey {
        let Self { users, keys, departed } = self;
        *keys.entry(id).or_insert_with(|| {
            UserKey(users.insert(User {
                id,
                connections: Vec::new(),
                room: None,
                ticket: None,
                criteria: SearchCriteria::default(),
                pace: departed.take(id),
                last_partner: None,
                blocks: Set::default(),
                blocks_version: 0,
                mismatches: VecDeque::new(),
            }))
        })
    }

    /// Forgets a user, except for a pace that is not paid yet.
    pub(super) fn remove(&mut self, key: UserKey, now: Instant) {
        let user = self.users.remove(key.0);
        self.keys.remove(&user.id);
        self.departed.insert(user.id, user.pace, now);
    }
}

impl Index<UserKey> for Users {
    type Output = User;

    fn index(&self, key: UserKey) -> &User {
        &self.users[key.0]
    }
}

impl IndexMut<UserKey> for Users {
    fn index_mut(&mut self, key: UserKey) -> &mut User {
        &mut self.users[key.0]
    }
}
