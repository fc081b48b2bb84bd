//! Clients: what they ask for, and what they are told.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use meoww_proto::{
    RoomId, UserId,
    signal::{Relay, RelayPayload},
};

use super::{Node, RECOVERY, World};
use crate::core::{
    fleet::{Input, NodeId, RollSeat},
    lobby::{self, ConnId, Departure, SEAT_LEASE, SearchCriteria},
};

pub(in super::super) fn user(name: u8) -> UserId {
    UserId::from_bytes([name; 12])
}

#[derive(Debug, Clone)]
pub(in super::super) struct Client {
    pub(in super::super) user: UserId,
    pub(in super::super) is_welcome: bool,
    pub(in super::super) is_searching: bool,
    pub(in super::super) room: Option<Room>,
    /// Of the last search.
    pub(super) criteria: SearchCriteria,
    /// Whether its node, which drains, has taken it out of the queue.
    pub(super) goes_on_searching: bool,
    pub(super) connected: Instant,
    /// When something became wrong for it, if anything is.
    pub(super) wrong: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Room {
    pub(in super::super) id: RoomId,
    pub(in super::super) partner: Option<ConnId>,
    pub(in super::super) stranger: UserId,
}

impl World {
    /// A hub forgets the seat of a connection, and its client is not told.
    pub(in super::super) fn lose_seat(&mut self, conn: ConnId) {
        self.gone(conn, false);
        if let Some(node) = conn.node().and_then(|node| self.nodes.get_mut(&node)) {
            node.fleet.lose_seat(conn);
        }
    }

    /// A client is gone; its seat may be kept.
    pub(super) fn gone(&mut self, conn: ConnId, is_kept: bool) -> Option<Client> {
        let client = self.clients.remove(&conn)?;
        let is_there =
            |(other, it): (&ConnId, &Client)| it.user == client.user && other.node() == conn.node();
        if !self.clients.iter().any(is_there) {
            self.apart
                .retain(|(user, _), (node, _)| *user != client.user || conn.node() != Some(*node));
        }
        self.excuse(client.user);
        self.left_at.insert(client.user, self.now);
        // Perhaps its hub holds it for a room of which it has not been told.
        let held = self.held.iter().filter(|(held, _)| *held == conn);
        self.may_end.extend(held.map(|(_, room)| *room));
        self.left.extend(client.room.map(|room| room.id));
        if let Some(room) = client.room.filter(|_| is_kept) {
            let until = self.now + SEAT_LEASE + RECOVERY;
            self.away.insert((room.id, client.user), until);
        }
        Some(client)
    }

    pub(in super::super) fn connect(
        &mut self,
        node: NodeId,
        user: UserId,
        resume: Option<RoomId>,
    ) -> Option<ConnId> {
        let known = self.nodes.get_mut(&node).filter(|known| !known.is_paused)?;
        let conn = node.conn(known.next_conn);
        known.next_conn += 1;
        let client = Client {
            user,
            is_welcome: false,
            is_searching: false,
            room: None,
            criteria: SearchCriteria::default(),
            goes_on_searching: false,
            connected: self.now,
            wrong: None,
        };
        self.clients.insert(conn, client);
        self.lobby(node, lobby::Input::Connect { conn, user, resume });
        self.read_blocks(node, user);
        Some(conn)
    }

    pub(in super::super) fn search(&mut self, conn: ConnId) {
        self.act(conn, lobby::Input::Search(conn, SearchCriteria::default()));
    }

    /// Does what a client asks for, unless its node stands still.
    pub(in super::super) fn act(&mut self, conn: ConnId, input: lobby::Input) {
        let Some(node) = conn.node() else { return };
        if self.nodes.get(&node).is_none_or(|node| node.is_paused) {
            return;
        }
        let Some(client) = self.clients.get(&conn) else { return };
        let ends_nothing = match input {
            lobby::Input::Search(..) => {
                // In another connection it is refused.
                let is_steady = self.now.duration_since(self.steady_since) > RECOVERY * 2;
                let mut others = self.clients.values().filter(|other| other.user == client.user);
                let is_elsewhere = others.any(|other| other.room.is_some());
                client.room.is_some() || is_steady && is_elsewhere
            }
            // The matcher may have opened the room for which its hub holds it.
            lobby::Input::Cancel(_) => !self.is_held(conn),
            lobby::Input::Unblock { .. } | lobby::Input::Mismatch { .. } => true,
            _ => false,
        };
        if !ends_nothing {
            // A search for something else is a new one.
            let ends_later = match input {
                lobby::Input::Search(_, criteria) => criteria != client.criteria,
                _ => true,
            };
            let user = client.user;
            self.excuse(user);
            // Perhaps one that the matcher knows of, and the client does not yet.
            self.left_at.extend(ends_later.then_some((user, self.now)));
        }
        let Some(client) = self.clients.get_mut(&conn) else { return };
        let leaves = matches!(input, lobby::Input::Skip(_) | lobby::Input::Leave(_));
        self.left.extend(client.room.filter(|_| leaves).map(|room| room.id));
        match input {
            lobby::Input::Search(_, criteria) if client.room.is_none() => {
                (client.is_searching, client.criteria) = (true, criteria);
            }
            lobby::Input::Skip(_) => (client.is_searching, client.room) = (true, None),
            lobby::Input::Leave(_) => (client.is_searching, client.room) = (false, None),
            lobby::Input::Cancel(_) => client.is_searching = false,
            lobby::Input::Disconnect(_, departure) => {
                self.gone(conn, departure == Departure::Lost);
            }
            lobby::Input::Block { user, blocked } => {
                self.blocks.insert((user, blocked), (node, self.now));
                self.change_blocks(user, |list| list.insert(blocked));
                return self.read_blocks(node, user);
            }
            lobby::Input::Unblock { user, blocked } => {
                self.blocks.remove(&(user, blocked));
                self.change_blocks(user, |list| list.remove(&blocked));
                return self.read_blocks(node, user);
            }
            lobby::Input::Mismatch { user, other } => {
                self.apart.insert((user, other), (node, self.now));
            }
            _ => {}
        }
        self.lobby(node, input);
    }

    fn change_blocks(&mut self, user: UserId, change: impl FnOnce(&mut BTreeSet<UserId>) -> bool) {
        let list = self.database.entry(user).or_default();
        if change(&mut list.blocked) {
            list.version += 1;
            for node in self.nodes.keys() {
                self.changed.entry(*node).or_default().insert(user);
            }
        }
    }

    fn read_blocks(&mut self, node: NodeId, user: UserId) {
        let list = self.database.get(&user).cloned().unwrap_or_default();
        self.note(|| format!("{node:?} reads {user} {list:?}"));
        self.handle(node, Input::Blocks { user, list });
    }

    /// Each node that does not stand still reads the blocks that have changed.
    pub(super) fn look_into_database(&mut self) {
        let is_awake = |(_, node): &(&NodeId, &Node)| !node.is_paused;
        for node in self.nodes.iter().filter(is_awake).map(|it| *it.0).collect::<Vec<_>>() {
            for user in self.changed.remove(&node).unwrap_or_default() {
                if !self.nodes[&node].fleet.connections_of(user).is_empty() {
                    self.read_blocks(node, user);
                }
            }
        }
    }

    fn is_held(&self, conn: ConnId) -> bool {
        let node = conn.node().and_then(|node| self.nodes.get(&node));
        let report = node.and_then(|node| node.fleet.hub().report(conn, self.now));
        report.is_some_and(|report| matches!(report.seat, RollSeat::Seated { .. }))
    }

    /// What this user does may end any room the user was in.
    pub(super) fn excuse(&mut self, user: UserId) {
        let rooms = self.seats.keys().filter(|(_, member)| *member == user);
        self.may_end.extend(rooms.map(|(room, _)| *room));
    }

    /// A search of a user in a room elsewhere is refused, unless the node that would is gone before.
    pub(super) fn excuse_unanswered(&mut self) {
        let searching = self.clients.values().filter(|client| client.is_searching);
        for user in searching.map(|client| client.user).collect::<BTreeSet<_>>() {
            self.excuse(user);
            self.left_at.insert(user, self.now);
        }
    }

    pub(in super::super) fn relay(&mut self, conn: ConnId) {
        let client = self.clients.get(&conn);
        let Some(Room { id, partner: Some(to), .. }) = client.and_then(|it| it.room) else {
            return;
        };
        let Some(node) = conn.node().filter(|node| to.node() != Some(*node)) else { return };
        let payload = RelayPayload::Chat(id.to_string());
        let relay = Relay { room_id: id, payload };
        self.handle(node, Input::Relay { from: conn, to, relay });
    }

    pub(super) fn lobby(&mut self, node: NodeId, input: lobby::Input) {
        self.note(|| format!("{node:?} {input:?}"));
        self.handle(node, Input::Lobby(input));
    }

    /// A client hears of something.
    pub(super) fn tell(&mut self, node: NodeId, effect: lobby::Effect) {
        self.note(|| format!("{node:?} -> {effect:?}"));
        match effect {
            lobby::Effect::Welcome { conn, resumed, .. } => {
                let Some(client) = self.clients.get_mut(&conn) else { return };
                assert!(!client.is_welcome, "{conn:?} is welcomed twice");
                client.is_welcome = true;
                client.is_searching &= resumed.is_none();
                self.seats.extend(resumed.map(|resumed| ((resumed.room, client.user), node)));
                client.room = resumed.map(|resumed| Room {
                    id: resumed.room,
                    partner: resumed.partner,
                    stranger: resumed.stranger,
                });
            }
            lobby::Effect::Matched { conn, room, partner, stranger, .. } => {
                assert!(!self.has_blocked(conn, stranger), "{conn:?} meets whom it has blocked");
                assert!(!self.is_apart(conn, stranger), "{conn:?} meets whom it cannot see");
                let client = self.clients.get_mut(&conn).expect("connected");
                assert!(client.is_searching, "{conn:?} is matched twice, or without a search");
                assert!(client.room.is_none(), "{conn:?} is in two rooms");
                assert_ne!(client.user, stranger);
                // Where the order to open was lost, the partner may have come back to it meanwhile.
                let is_held = self.held.contains(&(partner, room));
                let has_moved = self.seats.contains_key(&(room, stranger));
                assert!(is_held || has_moved, "{conn:?} is matched with one not held");
                client.is_searching = false;
                client.room = Some(Room { id: room, partner: Some(partner), stranger });
                self.seats.insert((room, client.user), node);
                self.matches += 1;
            }
            lobby::Effect::PartnerMoved { conn, room, partner } => {
                let client = self.clients.get_mut(&conn).expect("connected");
                if let Some(known) = client.room.as_mut().filter(|known| known.id == room) {
                    known.partner = Some(partner);
                }
            }
            lobby::Effect::RoomOver { conn, room } => {
                let client = self.clients.get_mut(&conn).expect("connected");
                let known = client.room.take_if(|known| known.id == room);
                self.over.extend(known.map(|known| (conn, known)));
                let margin = Duration::from_secs(10);
                let left = |user| self.left_at.get(&user).is_some_and(|at| *at + margin > self.now);
                let has_left = known.is_some_and(|it| left(it.stranger)) || left(client.user);
                let is_whole = self.now.duration_since(self.whole_since) > SEAT_LEASE + RECOVERY;
                let may_end = self.may_end.contains(&room) || has_left || !is_whole;
                assert!(may_end, "{conn:?} {room:?} ended by no doing of its members");
            }
            lobby::Effect::Refused(conn, _) | lobby::Effect::Draining(conn) => {
                self.clients.get_mut(&conn).expect("connected").is_searching = false;
            }
            lobby::Effect::Displaced(conn) => {
                self.gone(conn, true);
            }
            lobby::Effect::Searching(_) => {}
        }
    }

    /// From here on it can say nothing to its partner.
    pub(super) fn tell_away(&mut self, conn: ConnId, room: RoomId) {
        let client = self.clients.get_mut(&conn).expect("connected");
        if let Some(known) = client.room.as_mut().filter(|known| known.id == room) {
            known.partner = None;
        }
    }

    pub(super) fn pass_in(&mut self, to: ConnId, relay: &Relay) {
        let room = self.clients[&to].room.expect("in a room").id;
        assert_eq!(relay.room_id, room, "a relay for another room");
        let RelayPayload::Chat(text) = &relay.payload else { panic!("{relay:?}") };
        assert_eq!(*text, room.to_string(), "a relay of another room");
        self.relays += 1;
    }
}
