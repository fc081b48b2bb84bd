//! Partners: their relays from other nodes, and the check that they are in the room.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId};

use super::{HubSide, Out, Seat, Seated};
use crate::core::{
    fleet::{Effect, Message, NodeId, RelayText, Request, RoomCopy, SharedRoom},
    lobby::{self, ConnId},
};

/// Age up to which a room is not checked: its partner may still wait for it to open.
const FRESH: Duration = Duration::from_secs(1);

impl HubSide {
    /// Passes on a relay from another node; returns the answer, if there is one. A relay also opens a
    /// held room, as its sender is in the room already.
    pub(in crate::core::fleet) fn relayed(
        &mut self,
        [from, to]: [ConnId; 2],
        room: RoomId,
        text: RelayText,
        out: &mut Out<'_>,
    ) -> Option<Message> {
        self.open_early(to, room, out);
        if self.is_in(to, room) {
            out.effects.extend(text.into_relay(room).map(|relay| Effect::Relay { to, relay }));
            return None;
        }
        (!self.is_away(room)).then_some(Message::NotHere { conn: from, room, partner: to })
    }

    /// Tells connections when the nodes of their partners cannot be reached, and when they can again.
    pub(in crate::core::fleet) fn check_ways(
        &mut self,
        reaches: impl Fn(NodeId) -> bool,
        out: &mut Out<'_>,
    ) {
        for (conn, local) in self.conns.iter_mut() {
            let Seat::Seated(seated) = &mut local.seat else { continue };
            let Seated { room, partner: Some(partner), partner_until: None, is_open: true, .. } =
                *seated
            else {
                continue;
            };
            let conn = *conn;
            let is_cut = !partner.node().is_some_and(&reaches);
            let was_cut = std::mem::replace(&mut seated.is_cut, is_cut);
            match (was_cut, is_cut) {
                (false, true) => out.effects.push(Effect::PartnerAway { conn, room }),
                (true, false) => out.tell(lobby::Effect::PartnerMoved { conn, room, partner }),
                _ => {}
            }
        }
    }

    /// Returns the rooms that connections of this node share with partners who are not away, unless
    /// they began just now.
    pub(in crate::core::fleet) fn shared_rooms(&self, now: Instant) -> Vec<SharedRoom> {
        let seats = self.conns.iter().filter_map(|(conn, local)| Some((*conn, local.seat.open()?)));
        let seats = seats.filter(|(_, seated)| {
            seated.partner_until.is_none() && now.duration_since(seated.since) > FRESH
        });
        let rooms = seats.filter_map(|(conn, seated)| {
            Some(SharedRoom { conn, room: seated.room, partner: seated.partner? })
        });
        let mut rooms: Vec<SharedRoom> = rooms.collect();
        rooms.sort_unstable_by_key(|shared| shared.conn);
        rooms
    }

    /// Returns the rooms whose partner is not in it and not away. As members who share a room are in
    /// it already, a held room opens.
    pub(in crate::core::fleet) fn missing_partners(
        &mut self,
        rooms: &[SharedRoom],
        out: &mut Out<'_>,
    ) -> Vec<SharedRoom> {
        let mut missing = Vec::new();
        for shared in rooms {
            let SharedRoom { room, partner, .. } = *shared;
            self.open_early(partner, room, out);
            if !self.is_in(partner, room) && !self.is_away(room) {
                missing.push(*shared);
            }
        }
        missing
    }

    /// Begins a room that is held before the matcher orders it, and tells the matcher: it may be a new
    /// one, which knows it as held and would undo it.
    fn open_early(&mut self, conn: ConnId, room: RoomId, out: &mut Out<'_>) {
        let seated = self.conns.get_mut(&conn).and_then(|local| local.seat_in(room));
        if seated.is_some_and(|seated| !seated.is_open) {
            self.open(conn, room, out);
            out.requests.push(Request::Opened { conn, room });
        }
    }

    /// Returns the room of a connection, unless another node has the seat of the partner.
    pub(in crate::core::fleet) fn room_of_this_node(&self, conn: ConnId) -> Option<RoomCopy> {
        let local = self.conns.get(&conn)?;
        let seated = local.seat.open()?;
        let is_here = seated.partner.is_none_or(|partner| partner.node() == conn.node());
        let members = [local.user, seated.stranger];
        is_here.then_some(RoomCopy { room: seated.room, members })
    }

    /// Returns all such rooms, and those in which a seat is kept.
    pub(in crate::core::fleet) fn rooms_of_this_node(&self) -> BTreeMap<RoomId, RoomCopy> {
        let away = self
            .away
            .iter()
            .map(|(&(room, user), away)| RoomCopy { room, members: [user, away.stranger] });
        let taken = self.conns.keys().filter_map(|conn| self.room_of_this_node(*conn));
        away.chain(taken).map(|copy| (copy.room, copy)).collect()
    }

    fn is_away(&self, room: RoomId) -> bool {
        let first = UserId::from_bytes([0; 12]);
        self.away.range((room, first)..).next().is_some_and(|((known, _), _)| *known == room)
    }

    fn is_in(&self, conn: ConnId, room: RoomId) -> bool {
        let local = self.conns.get(&conn);
        local.and_then(|local| local.seat.open()).is_some_and(|seated| seated.room == room)
    }

    /// Reports that the partner's node says that the partner is not in the room.
    pub(in crate::core::fleet) fn doubt(
        &mut self,
        conn: ConnId,
        room: RoomId,
        partner: ConnId,
        out: &mut Out<'_>,
    ) {
        let seated = self.conns.get_mut(&conn).and_then(|local| local.seat_in(room));
        if seated.is_some_and(|seated| seated.partner == Some(partner)) {
            out.requests.push(Request::Doubt { conn, room, partner });
        }
    }
}
