//! The lobby of many nodes: pairs that are not sure yet, and what it takes over from another lobby.

use std::time::{Duration, Instant};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};
use rand::Rng;

use super::{
    ConnId, Effect, Lobby, SearchCriteria, StepContext,
    queue::Ticket,
    rooms::{Member, Seat},
};
use crate::core::unordered::Map;

/// A seat taken over: who is in it, or until when it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdoptedSeat {
    /// The member.
    pub user: UserId,
    /// The connection, which is known; or when the seat is vacant for good.
    pub held_by: Result<ConnId, Instant>,
}

/// A place in the queue that is kept for a user who may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeptPlace {
    /// The user.
    pub user: UserId,
    /// The connection in which the user waited.
    pub conn: ConnId,
    /// The criteria of the search.
    pub criteria: SearchCriteria,
    /// When the user asked.
    pub asked: Instant,
    /// When it is given up.
    pub until: Instant,
}

/// The tickets of pairs that may be undone.
pub(super) type Tentative = Map<RoomId, [Ticket; 2]>;

impl Lobby {
    /// One whose rooms can be undone until they are confirmed. Unless it is paced, everybody may skip
    /// as fast as they like.
    pub fn tentative(is_paced: bool) -> Self {
        Self { tentative: Some(Tentative::default()), unpaced: !is_paced, ..Self::default() }
    }

    /// Makes a room one that is not undone.
    pub fn confirm(&mut self, room: RoomId) {
        self.tentative.as_mut().and_then(|tentative| tentative.remove(&room));
    }

    /// Takes a pair apart as if it had not met. Both have their old turn, except those dropped, who
    /// are in no queue.
    pub fn undo(
        &mut self,
        room: RoomId,
        dropped: &[ConnId],
        now: Instant,
        rng: &mut impl Rng,
        effects: &mut Vec<Effect>,
    ) {
        let tentative = self.tentative.as_mut().and_then(|tentative| tentative.remove(&room));
        let Some(mut tickets) = tentative else { return };
        tickets.sort_by_key(|ticket| ticket.position);
        let keys = tickets.map(|ticket| self.connections.get(&ticket.conn).copied());
        for key in keys.into_iter().flatten() {
            if let Some(room) = self.users[key].room.take() {
                self.rooms.undo(room);
            }
        }
        let context = &mut StepContext { now, rng, effects };
        for (key, ticket) in keys.into_iter().zip(tickets) {
            if let Some(key) = key.filter(|_| !dropped.contains(&ticket.conn)) {
                self.look_around(key, ticket, context);
            }
        }
    }

    /// Queues a connection that has searched since `asked`, before `now`.
    pub fn search_since(
        &mut self,
        conn: ConnId,
        criteria: SearchCriteria,
        asked: Instant,
        now: Instant,
        rng: &mut impl Rng,
        effects: &mut Vec<Effect>,
    ) {
        let context = &mut StepContext { now, rng, effects };
        self.search(conn, Some(criteria), asked, context);
    }

    /// Returns the places that are kept for users who may come back.
    pub fn kept_places(&self, now: Instant) -> impl Iterator<Item = KeptPlace> {
        self.kept_tickets.iter(now).map(|(user, ticket, until)| {
            let Ticket { conn, criteria, asked, .. } = ticket;
            KeptPlace { user, conn, criteria, asked, until }
        })
    }

    /// Takes over a place of another lobby, which comes after all places given so far.
    pub fn keep_place(&mut self, place: KeptPlace, now: Instant) {
        let KeptPlace { user, conn, criteria, asked, until } = place;
        let position = self.queue.next_position();
        let mut ticket = Ticket::new(conn, criteria, asked, asked, position);
        ticket.phase = ticket.phase_at(now);
        self.kept_tickets.insert(user, ticket, until, now);
    }

    /// Notes the version of the blocks of a user that are told next; `false` if those of a later one
    /// are known, or the user is not.
    pub fn renews_blocks(&mut self, user: UserId, version: u64) -> bool {
        let Some(key) = self.users.key_of(user) else { return false };
        let known = &mut self.users[key].blocks_version;
        let is_latest = version >= *known;
        *known = version.max(*known);
        is_latest
    }

    /// Takes over a room, whose members wait for no other one then; `false` if one of them is in
    /// another, or has blocked the other. A user in two rooms has gone on to the later one: an earlier
    /// one of a member who is here ends.
    pub fn adopt(
        &mut self,
        room: RoomId,
        seats: [AdoptedSeat; 2],
        since: Instant,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let [first, second] = seats.map(|seat| seat.user);
        let is_over =
            |known, seat: AdoptedSeat| seat.held_by.is_ok() && self.rooms[known].since < since;
        let is_free = |seat: AdoptedSeat, other| {
            let known = self.users.key_of(seat.user).map(|key| &self.users[key]);
            known.is_none_or(|user| {
                user.room.is_none_or(|known| is_over(known, seat)) && !user.blocks.contains(&other)
            })
        };
        if first == second || !is_free(seats[0], second) || !is_free(seats[1], first) {
            return false;
        }
        for user in [first, second] {
            if let Some(key) = self.users.key_of(user) {
                self.end_room(key, now, effects);
            }
        }
        let keys = [first, second].map(|user| self.users.find_or_add(user));
        for key in keys {
            let waiting = self.withdraw(key).map(|ticket| ticket.conn);
            effects.extend(
                waiting.map(|conn| Effect::Refused(conn, SignalErrorCode::InCallElsewhere)),
            );
        }
        let seat = |seat: AdoptedSeat| match seat.held_by {
            Ok(conn) => Seat::Taken(conn),
            Err(until) => Seat::Vacant { until },
        };
        let [first, second] = seats.map(seat);
        let members =
            [Member { user: keys[0], seat: first }, Member { user: keys[1], seat: second }];
        let room = self.rooms.adopt(room, members, since);
        for key in keys {
            self.users[key].room = Some(room);
        }
        true
    }

    /// Takes over what is known of a user who is connected.
    pub fn recall(
        &mut self,
        user: UserId,
        owed: Duration,
        last_partner: Option<UserId>,
        now: Instant,
    ) {
        if let Some(key) = self.users.key_of(user) {
            let user = &mut self.users[key];
            if !self.unpaced {
                user.pace.owe(owed, now);
            }
            user.last_partner = last_partner.or(user.last_partner);
        }
    }

    /// Takes over until when a user who is connected is kept apart from another.
    pub fn recall_mismatch(&mut self, user: UserId, other: UserId, until: Instant) {
        if let Some(key) = self.users.key_of(user) {
            self.users[key].keep_apart(other, until);
        }
    }

    /// Ends the room in which the seat of a user is vacant, if the room began before `left_before`: the
    /// user has gone on to another.
    pub fn give_up_seat(
        &mut self,
        user: UserId,
        left_before: Instant,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(key) = self.users.key_of(user)
            && matches!(self.seat_of(key), Some(Seat::Vacant { .. }))
            && self.users[key].room.is_some_and(|room| self.rooms[room].since <= left_before)
        {
            self.end_room(key, now, effects);
        }
    }

    /// Ends the room of a connection by no doing of its user.
    pub fn end(&mut self, conn: ConnId, now: Instant, effects: &mut Vec<Effect>) {
        if let Some(&key) = self.connections.get(&conn)
            && self.seat_of(key) == Some(Seat::Taken(conn))
        {
            self.end_room(key, now, effects);
        }
    }

    /// Returns the room of a user and the connection that is in it.
    pub fn room_of(&self, user: UserId) -> Option<(RoomId, Option<ConnId>)> {
        let key = self.users.key_of(user)?;
        let room = &self.rooms[self.users[key].room?];
        Some((room.id, room.seen_by(key).0.conn()))
    }

    /// Returns the partner of a user and the connection of that partner in their room.
    pub fn partner_of(&self, user: UserId) -> Option<(UserId, Option<ConnId>)> {
        let key = self.users.key_of(user)?;
        let partner = self.rooms[self.users[key].room?].seen_by(key).1;
        Some((self.users[partner.user].id, partner.seat.conn()))
    }

    /// Returns until when the seat of a user's partner is kept, if it is vacant.
    pub fn partner_kept_until(&self, user: UserId) -> Option<Instant> {
        let key = self.users.key_of(user)?;
        match self.rooms[self.users[key].room?].seen_by(key).1.seat {
            Seat::Vacant { until } => Some(until),
            Seat::Taken(_) => None,
        }
    }

    /// Returns the connection with which a user waits, and when the user asked.
    pub fn waiting_of(&self, user: UserId) -> Option<(ConnId, Instant)> {
        let key = self.users.key_of(user)?;
        self.users[key].ticket.map(|ticket| (ticket.conn, ticket.asked))
    }
}
