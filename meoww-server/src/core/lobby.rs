//! Who waits, who talks to whom, and who has just gone. One writer owns a [`Lobby`]; everything
//! in it is soft state of connections and can be had again from them.

mod adopt;
mod criteria;
mod event;
mod kept_tickets;
mod matching;
mod pace;
mod queue;
mod rooms;
mod users;

use std::time::{Duration, Instant};

use meoww_proto::{RoomId, UserId};
use rand::Rng;

pub(in crate::core) use self::pace::Pace;
use self::{
    adopt::Tentative,
    kept_tickets::KeptTickets,
    queue::Queue,
    rooms::{Rooms, Seat},
    users::{UserKey, Users},
};
pub use self::{
    adopt::{AdoptedSeat, KeptPlace},
    criteria::{Interest, SearchCriteria},
    event::{ConnId, Counts, Departure, Effect, Input, ResumedRoom, RoomInfo},
};
use super::unordered::Map;

/// How long a place in a room is kept for a user whose connection was lost: longer than a client
/// waits between two attempts to come back.
pub const SEAT_LEASE: Duration = Duration::from_secs(30);
/// How long partners who just parted wait for somebody else before they meet again.
pub const REMATCH_WAIT: Duration = Duration::from_secs(3);
/// How long two between whom no picture can pass are kept apart.
pub const MISMATCH_WAIT: Duration = Duration::from_secs(600);

/// Connections a user may have at once; one more takes the place of the oldest that is in no room.
pub const MAX_CONNECTIONS: usize = 8;

/// Connections, queue and rooms.
#[derive(Clone, Default, Hash)]
pub struct Lobby {
    connections: Map<ConnId, UserKey>,
    users: Users,
    /// Users with a connection.
    online: usize,
    queue: Queue,
    kept_tickets: KeptTickets,
    rooms: Rooms,
    draining: bool,
    unpaced: bool,
    /// Pairs that are not sure yet, where there are such.
    tentative: Option<Tentative>,
}

/// What one input is handled with.
struct StepContext<'a, R> {
    now: Instant,
    /// Names rooms and picks initiators.
    rng: &'a mut R,
    effects: &'a mut Vec<Effect>,
}

impl Lobby {
    /// One that lets everybody skip as fast as they like, for load tests.
    pub fn unpaced() -> Self {
        Self { unpaced: true, ..Self::default() }
    }

    /// Handles an event and adds the actions to take to `effects`. `rng` names rooms and picks
    /// initiators.
    pub fn handle(
        &mut self,
        input: Input,
        now: Instant,
        rng: &mut impl Rng,
        effects: &mut Vec<Effect>,
    ) {
        let context = &mut StepContext { now, rng, effects };
        self.expire_leases(now, context.effects);
        self.wake_due(context);
        match input {
            Input::Connect { conn, user, resume } => {
                self.connect(conn, user, resume, context.effects);
            }
            Input::Search(conn, criteria) => self.search(conn, Some(criteria), now, context),
            Input::Cancel(conn) => self.stop_waiting(conn),
            Input::Skip(conn) => {
                self.walk_out(conn, now, context.effects);
                self.search(conn, None, now, context);
            }
            Input::Leave(conn) => {
                self.stop_waiting(conn);
                self.walk_out(conn, now, context.effects);
            }
            Input::Block { user, blocked } => self.block(user, blocked, now, context.effects),
            Input::Unblock { user, blocked } => self.unblock(user, blocked, context),
            Input::Mismatch { user, other } => self.keep_apart(user, other, now),
            Input::Disconnect(conn, departure) => {
                self.disconnect(conn, departure, now, context.effects);
            }
            Input::Drain => self.draining = true,
            Input::Timeout => {}
        }
    }

    /// When to come back with [`Input::Timeout`], if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let alarm = self.queue.next_alarm().filter(|_| !self.draining);
        self.rooms.next_lease_end().into_iter().chain(alarm).min()
    }

    /// The connections of a user, oldest first.
    pub fn connections_of(&self, user: UserId) -> &[ConnId] {
        self.users.key_of(user).map_or(&[], |key| &self.users[key].connections)
    }

    /// Returns the users that a user has blocked.
    pub fn blocks_of(&self, user: UserId) -> impl Iterator<Item = UserId> {
        let key = self.users.key_of(user);
        key.into_iter().flat_map(|key| self.users[key].blocks.iter().copied())
    }

    /// How many there are.
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.len(),
            users: self.online,
            searching: self.queue.len(),
            rooms: self.rooms.len(),
            matches: self.rooms.opened(),
            draining: self.draining,
        }
    }

    /// Every room.
    pub fn rooms(&self) -> impl Iterator<Item = RoomInfo> {
        self.rooms.iter().map(|room| RoomInfo {
            room: room.id,
            members: room.members.map(|member| self.users[member.user].id),
            since: room.since,
        })
    }

    fn connect(
        &mut self,
        conn: ConnId,
        user: UserId,
        resume: Option<RoomId>,
        effects: &mut Vec<Effect>,
    ) {
        let key = self.users.find_or_add(user);
        self.connections.insert(conn, key);
        self.online += usize::from(self.users[key].connections.is_empty());
        self.users[key].connections.push(conn);
        let resumed = self.users[key].room.filter(|room| resume == Some(self.rooms[*room].id));
        let resumed = resumed.map(|room| {
            let (seat, partner) = self.rooms[room].seen_by(key);
            self.rooms.set_seat(room, key, Seat::Taken(conn));
            effects.extend(seat.conn().map(|old| self.displace(old)));
            let stranger = self.users[partner.user].id;
            ResumedRoom { room: self.rooms[room].id, stranger, partner: partner.seat.conn() }
        });
        effects.extend(self.surplus(key).map(|oldest| self.displace(oldest)));
        effects.push(Effect::Welcome { conn, user, resumed });
        if let Some(ResumedRoom { room, partner: Some(partner), .. }) = resumed {
            effects.push(Effect::PartnerMoved { conn: partner, room, partner: conn });
        }
    }

    /// The connection that is one too many, if the user has more than allowed.
    fn surplus(&self, key: UserKey) -> Option<ConnId> {
        let connections = &self.users[key].connections;
        let seated = self.seat_of(key).and_then(Seat::conn);
        let oldest = connections.iter().copied().find(|conn| Some(*conn) != seated);
        oldest.filter(|_| connections.len() > MAX_CONNECTIONS)
    }

    fn displace(&mut self, conn: ConnId) -> Effect {
        self.forget_connection(conn);
        Effect::Displaced(conn)
    }

    fn disconnect(
        &mut self,
        conn: ConnId,
        departure: Departure,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if departure == Departure::Lost {
            self.keep_ticket(conn, now);
        }
        let Some(key) = self.forget_connection(conn) else { return };
        let seat = self.users[key].room.filter(|_| self.seat_of(key) == Some(Seat::Taken(conn)));
        let Some(room) = seat else { return self.forget_if_gone(key, now) };
        match departure {
            Departure::Clean => {
                self.rooms.set_seat(room, key, Seat::Vacant { until: now });
                self.leave_partner(key, now, effects);
            }
            Departure::Lost => {
                self.rooms.set_seat(room, key, Seat::Vacant { until: now + SEAT_LEASE });
            }
        }
    }

    fn keep_ticket(&mut self, conn: ConnId, now: Instant) {
        if let Some(&key) = self.connections.get(&conn)
            && let Some(ticket) = self.users[key].ticket.filter(|ticket| ticket.conn == conn)
        {
            self.kept_tickets.insert(self.users[key].id, ticket, now + SEAT_LEASE, now);
        }
    }

    fn expire_leases(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(key) = self.rooms.next_expired(now) {
            self.end_room(key, now, effects);
        }
    }

    /// Ends the room this connection is in, as its user wants.
    fn walk_out(&mut self, conn: ConnId, now: Instant, effects: &mut Vec<Effect>) {
        let Some(&key) = self.connections.get(&conn) else { return };
        if self.seat_of(key) == Some(Seat::Taken(conn)) {
            self.leave_partner(key, now, effects);
        }
    }

    /// Ends a user's room by the user's own doing. It counts alike in whatever way that is done, or
    /// there would be one that goes around the pace.
    fn leave_partner(&mut self, key: UserKey, now: Instant, effects: &mut Vec<Effect>) {
        if !self.unpaced {
            self.users[key].pace.charge(now);
        }
        self.end_room(key, now, effects);
    }

    fn end_room(&mut self, key: UserKey, now: Instant, effects: &mut Vec<Effect>) {
        let Some(room) = self.users[key].room.map(|room| self.rooms.close(room)) else { return };
        let ids = room.members.map(|member| self.users[member.user].id);
        for (member, partner) in room.members.iter().zip(ids.into_iter().rev()) {
            let user = &mut self.users[member.user];
            user.room = None;
            user.last_partner = Some(partner);
            let conn = member.seat.conn();
            effects.extend(conn.map(|conn| Effect::RoomOver { conn, room: room.id }));
            self.forget_if_gone(member.user, now);
        }
    }

    fn seat_of(&self, key: UserKey) -> Option<Seat> {
        self.users[key].room.map(|room| self.rooms[room].seen_by(key).0)
    }

    fn forget_connection(&mut self, conn: ConnId) -> Option<UserKey> {
        self.stop_waiting(conn);
        let key = self.connections.remove(&conn)?;
        let connections = &mut self.users[key].connections;
        connections.retain(|known| *known != conn);
        self.online -= usize::from(connections.is_empty());
        Some(key)
    }

    fn forget_if_gone(&mut self, key: UserKey, now: Instant) {
        if self.users[key].connections.is_empty() && self.users[key].room.is_none() {
            self.users.remove(key, now);
        }
    }
}
