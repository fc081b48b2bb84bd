//! Who waits, who talks to whom, and who has just gone. One writer owns a [`Lobby`]; everything
//! in it is soft state of connections and can be had again from them.

mod queue;
mod rooms;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};
use rand::{Rng, RngExt};

use self::{
    queue::{Queue, Ticket},
    rooms::{Rooms, Seat},
};

/// How long a place in a room is kept for a user whose connection was lost: longer than a client
/// waits between two attempts to come back.
pub const SEAT_LEASE: Duration = Duration::from_secs(30);
/// How long partners who just parted wait for somebody else before they meet again.
pub const REMATCH_WAIT: Duration = Duration::from_secs(3);

/// Connections a user may have at once; one more takes the place of the oldest that is in no room.
pub const MAX_CONNECTIONS: usize = 8;

/// One connection of a user, by a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It said goodbye: the user meant it.
    Clean,
    /// It broke: the user may come back.
    Lost,
}

/// What happens to the lobby.
#[derive(Debug, Clone, Copy)]
pub enum Input {
    /// A user opened a connection, perhaps to go on with the room of an earlier one.
    Connect {
        /// Fresh.
        conn: ConnId,
        /// Whose.
        user: UserId,
        /// The room the client asks for.
        resume: Option<RoomId>,
    },
    /// Queue me. A room whose connection was lost is over then: its user has started afresh.
    Search(ConnId),
    /// Take me out of the queue.
    Cancel(ConnId),
    /// End my room, if any, and queue me.
    Skip(ConnId),
    /// End my room or take me out of the queue.
    Leave(ConnId),
    /// A connection ended.
    Disconnect(ConnId, Departure),
    /// [`Lobby::poll_timeout`] has come.
    Timeout,
}

/// What is to be done, in this order. Every `conn` is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// First to every connection, with the room it takes up, if any.
    Welcome {
        /// The new connection.
        conn: ConnId,
        /// Whose.
        user: UserId,
        /// The room and where the partner is, unless that one is away for a moment.
        room: Option<(RoomId, Option<ConnId>)>,
    },
    /// It is in the queue.
    Searching(ConnId),
    /// It is in a room.
    Matched {
        /// One of the two.
        conn: ConnId,
        /// Fresh.
        room: RoomId,
        /// True for exactly one of the two, and that one is told last.
        is_initiator: bool,
        /// The other of the two.
        partner: ConnId,
    },
    /// The partner went on in another connection.
    PartnerMoved {
        /// Who stayed.
        conn: ConnId,
        /// Their room.
        room: RoomId,
        /// Where the partner is now.
        partner: ConnId,
    },
    /// The room is over, whoever ended it.
    RoomOver {
        /// A former member.
        conn: ConnId,
        /// The room.
        room: RoomId,
    },
    /// Something was not done, or is no longer.
    Refused(ConnId, SignalErrorCode),
    /// Another connection took its place: it is to be closed and is already forgotten here.
    Displaced(ConnId),
}

/// What is remembered of a user who is connected or has a place in a room.
#[derive(Default)]
struct Presence {
    /// Oldest first.
    connections: Vec<ConnId>,
    last_partner: Option<UserId>,
}

/// How many there are, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open connections.
    pub connections: usize,
    /// Users with at least one of them.
    pub users: usize,
    /// Users in the queue.
    pub searching: usize,
    /// Rooms of two.
    pub rooms: usize,
}

/// Connections, queue and rooms.
#[derive(Default)]
pub struct Lobby {
    connections: HashMap<ConnId, UserId>,
    users: HashMap<UserId, Presence>,
    queue: Queue,
    rooms: Rooms,
}

impl Lobby {
    /// Takes in what happened and says what is to be done. `rng` names rooms and picks initiators.
    pub fn handle(&mut self, input: Input, now: Instant, rng: &mut impl Rng) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.expire_leases(now, &mut effects);
        match input {
            Input::Connect { conn, user, resume } => self.connect(conn, user, resume, &mut effects),
            Input::Search(conn) => self.search(conn, now, rng, &mut effects),
            Input::Cancel(conn) => self.queue.remove(conn),
            Input::Skip(conn) => {
                self.end_room_of(conn, &mut effects);
                self.search(conn, now, rng, &mut effects);
            }
            Input::Leave(conn) => {
                self.queue.remove(conn);
                self.end_room_of(conn, &mut effects);
            }
            Input::Disconnect(conn, departure) => {
                self.disconnect(conn, departure, now, &mut effects);
            }
            Input::Timeout => {}
        }
        self.pair_waiting(now, rng, &mut effects);
        effects
    }

    /// When to come back with [`Input::Timeout`], if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pairing = self.queue.next_pairing();
        self.rooms.next_lease_end().into_iter().chain(pairing).min()
    }

    /// The connections of a user, oldest first.
    pub fn connections_of(&self, user: UserId) -> &[ConnId] {
        self.users.get(&user).map_or(&[], |presence| &presence.connections)
    }

    /// How many there are.
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.len(),
            users: self.users.values().filter(|user| !user.connections.is_empty()).count(),
            searching: self.queue.len(),
            rooms: self.rooms.len(),
        }
    }

    fn connect(
        &mut self,
        conn: ConnId,
        user: UserId,
        resume: Option<RoomId>,
        effects: &mut Vec<Effect>,
    ) {
        self.connections.insert(conn, user);
        self.users.entry(user).or_default().connections.push(conn);
        let taken_up = self.rooms.of(user).filter(|(room, _)| resume == Some(*room));
        if let Some((_, seat)) = taken_up {
            self.rooms.set_seat(user, Seat::Taken(conn));
            effects.extend(seat.conn().map(|old| self.displace(old)));
        }
        effects.extend(self.surplus(user).map(|oldest| self.displace(oldest)));
        let room = taken_up.map(|(room, _)| {
            let partner = self.rooms.partner_seat(user).and_then(Seat::conn);
            (room, partner)
        });
        effects.push(Effect::Welcome { conn, user, room });
        if let Some((room, Some(partner))) = room {
            effects.push(Effect::PartnerMoved { conn: partner, room, partner: conn });
        }
    }

    /// The connection that is one too many, if the user has more than allowed.
    fn surplus(&self, user: UserId) -> Option<ConnId> {
        let connections = &self.users.get(&user)?.connections;
        let seated = self.rooms.of(user).and_then(|(_, seat)| seat.conn());
        let oldest = connections.iter().copied().find(|conn| Some(*conn) != seated);
        oldest.filter(|_| connections.len() > MAX_CONNECTIONS)
    }

    fn displace(&mut self, conn: ConnId) -> Effect {
        self.forget_connection(conn);
        Effect::Displaced(conn)
    }

    fn search(
        &mut self,
        conn: ConnId,
        now: Instant,
        rng: &mut impl Rng,
        effects: &mut Vec<Effect>,
    ) {
        let Some(&user) = self.connections.get(&conn) else { return };
        match self.rooms.of(user) {
            Some((_, Seat::Taken(seated))) if seated == conn => return,
            Some((_, Seat::Taken(_))) => {
                effects.push(Effect::Refused(conn, SignalErrorCode::InCallElsewhere));
                return;
            }
            Some((_, Seat::Vacant { .. })) => self.end_room(user, effects),
            None => {}
        }
        match self.queue.take_over(user, conn) {
            Some(old) if old == conn => return,
            Some(old) => effects.push(Effect::Refused(old, SignalErrorCode::TakenOver)),
            None => {
                let avoid = self.users.get(&user).and_then(|presence| presence.last_partner);
                self.queue.push(Ticket { user, conn, since: now, avoid });
            }
        }
        self.pair_waiting(now, rng, effects);
        if self.queue.contains(conn) {
            effects.push(Effect::Searching(conn));
        }
    }

    fn pair_waiting(&mut self, now: Instant, rng: &mut impl Rng, effects: &mut Vec<Effect>) {
        while let Some([first, second]) = self.queue.pop_pair(now) {
            let room =
                RoomId::from_uuid(uuid::Builder::from_random_bytes(rng.random()).into_uuid());
            self.rooms.open(room, [(first.user, first.conn), (second.user, second.conn)]);
            let (initiator, other) = if rng.random() { (first, second) } else { (second, first) };
            // An offer must not overtake the news that there is a room.
            for (is_initiator, me, partner) in [(false, other, initiator), (true, initiator, other)]
            {
                let (conn, partner) = (me.conn, partner.conn);
                effects.push(Effect::Matched { conn, room, is_initiator, partner });
            }
        }
    }

    fn disconnect(
        &mut self,
        conn: ConnId,
        departure: Departure,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(user) = self.forget_connection(conn) else { return };
        if self.rooms.of(user).is_some_and(|(_, seat)| seat == Seat::Taken(conn)) {
            match departure {
                Departure::Clean => {
                    self.rooms.set_seat(user, Seat::Vacant { until: now });
                    self.end_room(user, effects);
                }
                Departure::Lost => {
                    self.rooms.set_seat(user, Seat::Vacant { until: now + SEAT_LEASE });
                }
            }
        }
        self.forget_if_gone(user);
    }

    fn expire_leases(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(user) = self.rooms.next_expired(now) {
            self.end_room(user, effects);
        }
    }

    fn end_room_of(&mut self, conn: ConnId, effects: &mut Vec<Effect>) {
        let Some(&user) = self.connections.get(&conn) else { return };
        if self.rooms.of(user).is_some_and(|(_, seat)| seat == Seat::Taken(conn)) {
            self.end_room(user, effects);
        }
    }

    fn end_room(&mut self, user: UserId, effects: &mut Vec<Effect>) {
        let Some((room, members)) = self.rooms.close(user) else { return };
        for (member, partner) in [(0, 1), (1, 0)].map(|(i, j)| (&members[i], &members[j])) {
            self.users.entry(member.user).or_default().last_partner = Some(partner.user);
            effects.extend(member.seat.conn().map(|conn| Effect::RoomOver { conn, room }));
            self.forget_if_gone(member.user);
        }
    }

    fn forget_connection(&mut self, conn: ConnId) -> Option<UserId> {
        let user = self.connections.remove(&conn)?;
        self.queue.remove(conn);
        if let Some(presence) = self.users.get_mut(&user) {
            presence.connections.retain(|known| *known != conn);
        }
        Some(user)
    }

    fn forget_if_gone(&mut self, user: UserId) {
        let connected =
            self.users.get(&user).is_some_and(|presence| !presence.connections.is_empty());
        if !connected && self.rooms.of(user).is_none() {
            self.users.remove(&user);
        }
    }
}
