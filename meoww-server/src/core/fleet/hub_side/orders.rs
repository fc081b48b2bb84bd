//! Carries out orders of the matcher, and takes relays of partners on other nodes.

use std::time::Duration;

use meoww_proto::RoomId;

use super::{HubSide, Out, Seat, Seated};
use crate::core::{
    fleet::{Effect, Message, Order, RelayText, Request, ResumedSeat},
    lobby::{self, ConnId, ResumedRoom},
};

impl HubSide {
    pub(in crate::core::fleet) fn obey(&mut self, order: Order, out: &mut Out<'_>) {
        match order {
            Order::Welcome { conn, resumed } => self.welcome(conn, resumed, out),
            Order::Hold { conn, attempt, room, partner, stranger, is_initiator } => {
                let (since, partner) = (out.now, Some(partner));
                let (is_open, asked) = (false, since);
                let seated =
                    Seated { room, partner, stranger, since, asked, is_open, is_initiator };
                self.hold(conn, attempt, seated, out);
            }
            Order::Open { conn, room } => self.open(conn, room, out),
            Order::Undo { conn, room, asks_again } => {
                let Some(local) = self.conns.get_mut(&conn) else { return };
                if let Some(Seated { is_open: false, asked, .. }) = local.seat_in(room).copied() {
                    local.seat = Seat::Waiting { asked };
                }
                if asks_again && matches!(local.seat, Seat::Waiting { .. }) {
                    self.report_change(conn, out);
                }
            }
            Order::PartnerMoved { conn, room, partner } => {
                let local = self.conns.get_mut(&conn);
                let Some(seated) = local.and_then(|local| local.seat_in(room)) else { return };
                seated.partner = Some(partner);
                if seated.is_open {
                    out.tell(lobby::Effect::PartnerMoved { conn, room, partner });
                }
            }
            Order::RoomOver { conn, room } => self.room_over(conn, room, out),
            Order::Refused { conn, attempt, code } => {
                let Some(local) = self.conns.get_mut(&conn) else { return };
                let is_searching = match local.seat {
                    Seat::Waiting { .. } => true,
                    Seat::Seated(seated) => !seated.is_open,
                    Seat::Idle | Seat::Resuming { .. } => false,
                };
                if local.attempt == attempt && is_searching {
                    local.seat = Seat::Idle;
                    out.tell(lobby::Effect::Refused(conn, code));
                }
            }
            Order::Displaced { conn } => {
                if self.forget(conn).is_some() {
                    out.tell(lobby::Effect::Displaced(conn));
                }
            }
            Order::Block { user, blocked } => self.note_block(user, blocked, out),
            Order::Unblock { user, blocked } => {
                if let Some(known) = self.users.get_mut(&user) {
                    known.blocks.remove(&blocked);
                }
            }
        }
    }

    fn welcome(&mut self, conn: ConnId, resumed: Option<ResumedSeat>, out: &mut Out<'_>) {
        let Some(local) = self.conns.get_mut(&conn) else { return };
        let Seat::Resuming { room: asked_for, criteria } = local.seat else { return };
        let user = local.user;
        let resumed = resumed.filter(|resumed| resumed.room == asked_for);
        local.seat = match resumed {
            Some(ResumedSeat { room, stranger, partner }) => Seat::Seated(Seated {
                room,
                partner,
                stranger,
                since: out.now,
                asked: out.now,
                is_open: true,
                is_initiator: false,
            }),
            None => Seat::Idle,
        };
        let resumed = resumed.map(|ResumedSeat { room, stranger, partner }| {
            self.away.remove(&room);
            ResumedRoom { room, stranger, partner }
        });
        out.tell(lobby::Effect::Welcome { conn, user, resumed });
        if resumed.is_none() && criteria.is_some() {
            self.search(conn, criteria, out);
        }
    }

    /// Keeps a connection for a room, if it waits in this attempt and may meet the stranger.
    fn hold(&mut self, conn: ConnId, attempt: u32, seated: Seated, out: &mut Out<'_>) {
        let (room, blocked) = (seated.room, seated.stranger);
        if let Some(local) = self.conns.get_mut(&conn)
            && let Seat::Waiting { asked } = local.seat
            && local.attempt == attempt
        {
            let user = local.user;
            if !self.users.get(&user).is_some_and(|known| known.blocks.contains(&blocked)) {
                local.seat = Seat::Seated(Seated { asked, ..seated });
                return out.requests.push(Request::Held { conn, room });
            }
            // Or the matcher would pair the two for ever.
            out.requests.push(Request::Block { user, blocked });
        }
        out.requests.push(Request::Refuse { conn, room });
    }

    /// Begins a room that waits to begin.
    fn open(&mut self, conn: ConnId, room: RoomId, out: &mut Out<'_>) {
        let Some(local) = self.conns.get_mut(&conn) else { return };
        let seated = local.seat_in(room).filter(|seated| !seated.is_open);
        if let Some(seated) = seated
            && let Some(partner) = seated.partner
        {
            seated.is_open = true;
            self.matches += u64::from(seated.is_initiator);
            let waited: Duration = seated.since.saturating_duration_since(seated.asked);
            let Seated { stranger, is_initiator, .. } = *seated;
            out.tell(lobby::Effect::Matched {
                conn,
                room,
                is_initiator,
                partner,
                stranger,
                waited,
            });
        }
    }

    fn room_over(&mut self, conn: ConnId, room: RoomId, out: &mut Out<'_>) {
        let Some(local) = self.conns.get_mut(&conn) else { return };
        let Some(Seated { is_open, stranger, asked, .. }) = local.seat_in(room).copied() else {
            return;
        };
        if is_open {
            local.seat = Seat::Idle;
            if let Some(user) = self.users.get_mut(&local.user) {
                user.last_partner = Some(stranger);
            }
            out.tell(lobby::Effect::RoomOver { conn, room });
        } else {
            local.seat = Seat::Waiting { asked };
            self.report_change(conn, out);
        }
    }

    /// Takes in a relay from another node; returns the answer, if there is one. A partner who relays
    /// is in the room already, so it has begun.
    pub(in crate::core::fleet) fn relayed(
        &mut self,
        [from, to]: [ConnId; 2],
        room: RoomId,
        text: RelayText,
        out: &mut Out<'_>,
    ) -> Option<Message> {
        self.open(to, room, out);
        let local = self.conns.get(&to);
        if local.and_then(|local| local.seat.open()).is_some_and(|seated| seated.room == room) {
            out.effects.extend(text.into_relay(room).map(|relay| Effect::Relay { to, relay }));
            return None;
        }
        let is_away = self.away.contains_key(&room);
        (!is_away).then_some(Message::NotHere { conn: from, room, partner: to })
    }

    /// The node of a partner says that the partner is not in the room.
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
