//! Pairing in two steps: both hubs hold their connection for a room, and then the room opens. When a
//! connection is not held in time, the other keeps its place in the queue.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId};
use rand::Rng;

use super::{Matcher, Step};
use crate::core::{fleet::Order, lobby::ConnId, unordered::Map};

/// How long the two hubs have to hold their connections.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Clone, Default, Hash)]
pub(super) struct Pairings {
    by_room: Map<RoomId, Pairing>,
    by_conn: Map<ConnId, RoomId>,
    /// In the order of their deadlines; those of pairs that are done are skipped.
    deadlines: VecDeque<(Instant, RoomId)>,
}

#[derive(Debug, Clone, Copy, Hash)]
struct Pairing {
    /// The initiator is the last.
    members: [(ConnId, Held); 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Held {
    No,
    Yes,
}

impl Pairings {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.front().map(|(at, _)| *at)
    }

    fn remove(&mut self, room: RoomId) -> Option<Pairing> {
        let pairing = self.by_room.remove(&room)?;
        for (conn, _) in pairing.members {
            self.by_conn.remove(&conn);
        }
        Some(pairing)
    }
}

impl Matcher {
    /// Notes a new pair, at the first of its two.
    pub(super) fn hold(
        &mut self,
        conn: ConnId,
        room: RoomId,
        partner: ConnId,
        step: &mut Step<'_, impl Rng>,
    ) {
        if self.pairings.by_room.contains_key(&room) {
            return;
        }
        let members = [(conn, Held::No), (partner, Held::No)];
        self.pairings.by_room.insert(room, Pairing { members });
        for (conn, _) in members {
            self.pairings.by_conn.insert(conn, room);
        }
        self.pairings.deadlines.push_back((step.now + PATIENCE, room));
    }

    pub(super) fn held(&mut self, conn: ConnId, room: RoomId, step: &mut Step<'_, impl Rng>) {
        let Some(pairing) = self.pairings.by_room.get_mut(&room) else { return };
        for member in pairing.members.iter_mut().filter(|member| member.0 == conn) {
            member.1 = Held::Yes;
        }
        if pairing.members.iter().all(|(_, held)| *held == Held::Yes) {
            let Pairing { members } = *pairing;
            self.pairings.remove(room);
            self.lobby.confirm(room);
            for (conn, _) in members {
                step.order(conn, Order::Open { conn, room });
            }
        }
    }

    pub(super) fn refused(&mut self, conn: ConnId, room: RoomId, step: &mut Step<'_, impl Rng>) {
        if self.pairings.by_conn.get(&conn) == Some(&room) {
            self.undo(room, &[conn], &[conn], step);
        }
    }

    /// Undoes the pair of a connection, whose hub is to ask again.
    pub(super) fn refuse_pair_of(&mut self, conn: ConnId, step: &mut Step<'_, impl Rng>) {
        if let Some(room) = self.pairings.by_conn.get(&conn).copied() {
            self.undo(room, &[conn], &[conn], step);
        }
    }

    pub(super) fn is_pairing(&self, conn: ConnId) -> bool {
        self.pairings.by_conn.contains_key(&conn)
    }

    /// Undoes the pair of a connection whose user has done something else meanwhile.
    pub(super) fn undo_of(&mut self, conn: ConnId, step: &mut Step<'_, impl Rng>) {
        if let Some(room) = self.pairings.by_conn.get(&conn).copied() {
            self.undo(room, &[conn], &[], step);
        }
    }

    pub(super) fn undo_between(
        &mut self,
        user: UserId,
        blocked: UserId,
        step: &mut Step<'_, impl Rng>,
    ) {
        let partner = self.lobby.partner_of(user);
        if let Some((room, Some(conn))) = self.lobby.room_of(user)
            && partner.is_some_and(|(partner, _)| partner == blocked)
            && self.pairings.by_conn.get(&conn) == Some(&room)
        {
            // The caller blocks the two, so they are not matched again.
            self.undo(room, &[conn], &[conn], step);
        }
    }

    pub(super) fn undo_overdue(&mut self, step: &mut Step<'_, impl Rng>) {
        while let Some((at, room)) = self.pairings.deadlines.front().copied()
            && (at <= step.now || !self.pairings.by_room.contains_key(&room))
        {
            self.pairings.deadlines.pop_front();
            if let Some(pairing) = self.pairings.by_room.get(&room) {
                let late = pairing.members.into_iter().filter(|(_, held)| *held == Held::No);
                let late: Vec<ConnId> = late.map(|(conn, _)| conn).collect();
                self.undo(room, &late, &late, step);
            }
        }
    }

    /// Undoes a pair. The dropped connections leave the queue; hubs of those in `asked_again` ask
    /// again, unless the user has done something else meanwhile.
    fn undo(
        &mut self,
        room: RoomId,
        dropped: &[ConnId],
        asked_again: &[ConnId],
        step: &mut Step<'_, impl Rng>,
    ) {
        let Some(pairing) = self.pairings.remove(room) else { return };
        for (conn, _) in pairing.members {
            let asks_again = asked_again.contains(&conn);
            step.order(conn, Order::Undo { conn, room, asks_again });
        }
        let mut effects = std::mem::take(&mut self.effects);
        self.lobby.undo(room, dropped, step.now, step.rng, &mut effects);
        self.carry_out(effects, step);
    }
}

#[cfg(test)]
impl Pairings {
    /// Returns the members of rooms that wait for one of them.
    pub(super) fn with_one_held(&self) -> Vec<[(ConnId, RoomId); 2]> {
        let is_held = |pairing: &Pairing| pairing.members.iter().any(|(_, it)| *it == Held::Yes);
        let rooms = self.by_room.iter().filter(|(_, pairing)| is_held(pairing));
        rooms.map(|(room, pairing)| pairing.members.map(|(conn, _)| (conn, *room))).collect()
    }
}
