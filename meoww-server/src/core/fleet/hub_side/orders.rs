//! Orders of the matcher.

use std::time::Duration;

use meoww_proto::{RoomId, error::SignalErrorCode};

use super::{HubSide, Out, Seat, Seated, blocks::tell_blocks};
use crate::core::{
    fleet::{Effect, Order, Request, ResumedSeat, message::ago},
    lobby::{self, ConnId, ResumedRoom, SEAT_LEASE},
};

impl HubSide {
    pub(in crate::core::fleet) fn obey(&mut self, order: Order, out: &mut Out<'_>) {
        match order {
            Order::Welcome { conn, resumed } => self.welcome(conn, resumed, out),
            Order::Waits { conn, attempt, age_ms } => {
                if let Some(local) = self.conns.get_mut(&conn)
                    && let Seat::Waiting { asked } = &mut local.seat
                    && local.attempt == attempt
                {
                    *asked = ago(out.now, age_ms);
                }
            }
            Order::Hold { conn, attempt, room, partner, stranger, is_initiator } => {
                let (since, partner) = (out.now, Some(partner));
                let (is_open, asked) = (false, since);
                let seated = Seated {
                    room,
                    partner,
                    stranger,
                    partner_until: None,
                    is_cut: false,
                    since,
                    asked,
                    is_open,
                    is_initiator,
                };
                self.hold(conn, attempt, seated, out);
            }
            Order::Open { conn, room } => self.open(conn, room, out),
            Order::Undo { conn, room, asks_again } => self.undo(conn, room, asks_again, out),
            Order::PartnerAway { conn, room, left_ms } => {
                self.partner_away(conn, room, left_ms, out);
            }
            Order::PartnerMoved { conn, room, partner } => {
                let local = self.conns.get_mut(&conn);
                let Some(seated) = local.and_then(|local| local.seat_in(room)) else { return };
                (seated.partner, seated.partner_until) = (Some(partner), None);
                seated.is_cut = false;
                if seated.is_open {
                    out.tell(lobby::Effect::PartnerMoved { conn, room, partner });
                }
            }
            Order::RoomOver { conn, room } => self.room_over(conn, room, out),
            Order::Refused { conn, attempt, code } => self.refused(conn, attempt, code, out),
            Order::Displaced { conn } => {
                if self.forget(conn).is_some() {
                    out.tell(lobby::Effect::Displaced(conn));
                }
            }
            Order::Blocks(part) => {
                let user = part.user;
                if let Some(list) = self.partial_lists.add((), part) {
                    self.renew_blocks(user, list, out);
                }
            }
        }
    }

    fn partner_away(&mut self, conn: ConnId, room: RoomId, left_ms: u32, out: &mut Out<'_>) {
        let local = self.conns.get_mut(&conn);
        let Some(seated) = local.and_then(|local| local.seat_in(room)) else { return };
        let left = Duration::from_millis(left_ms.into()).min(SEAT_LEASE);
        seated.partner_until = Some(out.now + left);
        if seated.is_open {
            out.effects.push(Effect::PartnerAway { conn, room });
        }
    }

    fn undo(&mut self, conn: ConnId, room: RoomId, asks_again: bool, out: &mut Out<'_>) {
        let Some(local) = self.conns.get_mut(&conn) else { return };
        if let Some(Seated { is_open: false, asked, .. }) = local.seat_in(room).copied() {
            local.seat = Seat::Waiting { asked };
        }
        if asks_again && matches!(local.seat, Seat::Waiting { .. }) {
            self.report_change(conn, out);
        }
    }

    fn refused(&mut self, conn: ConnId, attempt: u32, code: SignalErrorCode, out: &mut Out<'_>) {
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
                partner_until: None,
                is_cut: false,
                since: out.now,
                asked: out.now,
                is_open: true,
                is_initiator: false,
            }),
            None => Seat::Idle,
        };
        let resumed = resumed.map(|ResumedSeat { room, stranger, partner }| {
            self.away.remove(&(room, user));
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
            let blocks = self.users.get(&user).map(|known| &known.blocks);
            let blocks = blocks.filter(|blocks| blocks.blocked.contains(&blocked));
            let Some(blocks) = blocks else {
                local.seat = Seat::Seated(Seated { asked, ..seated });
                return out.requests.push(Request::Held { conn, room });
            };
            // The matcher does not know of the block: it would pair the two again.
            tell_blocks(user, blocks, out);
        }
        out.requests.push(Request::Refuse { conn, room });
    }

    /// Begins a room that is held.
    pub(super) fn open(&mut self, conn: ConnId, room: RoomId, out: &mut Out<'_>) {
        let Some(local) = self.conns.get_mut(&conn) else { return };
        let seated = local.seat_in(room).filter(|seated| !seated.is_open);
        if let Some(seated) = seated
            && let Some(partner) = seated.partner
        {
            seated.is_open = true;
            self.matches += u64::from(seated.is_initiator);
            let waited: Duration = seated.since.saturating_duration_since(seated.asked);
            let Seated { stranger, is_initiator, partner_until, .. } = *seated;
            out.tell(lobby::Effect::Matched {
                conn,
                room,
                is_initiator,
                partner,
                stranger,
                waited,
            });
            if partner_until.is_some() {
                out.effects.push(Effect::PartnerAway { conn, room });
            }
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
}
