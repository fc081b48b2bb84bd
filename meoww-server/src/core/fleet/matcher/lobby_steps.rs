//! The lobby of the matcher: its inputs, and its effects as orders to hubs.

use std::time::Instant;

use rand::Rng;

use super::{Known, Matcher, Step};
use crate::core::{
    fleet::{Order, ResumedSeat, message::millis},
    lobby::{self, ConnId, SearchCriteria},
};

impl Matcher {
    pub(super) fn queue(
        &mut self,
        conn: ConnId,
        criteria: SearchCriteria,
        asked: Instant,
        step: &mut Step<'_, impl Rng>,
    ) {
        let mut effects = std::mem::take(&mut self.effects);
        self.lobby.search_since(conn, criteria, asked, step.now, step.rng, &mut effects);
        self.carry_out(effects, step);
        // The hub's roll tells it to the next matcher.
        if let Some(Known { user, attempt, .. }) = self.conns.get(&conn).copied()
            && let Some((waiting, since)) = self.lobby.waiting_of(user)
            && waiting == conn
            && since < asked
        {
            let age_ms = millis(step.now, since);
            step.order(conn, Order::Waits { conn, attempt, age_ms });
        }
    }

    pub(super) fn end(&mut self, conn: ConnId, step: &mut Step<'_, impl Rng>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.lobby.end(conn, step.now, &mut effects);
        self.carry_out(effects, step);
    }

    pub(super) fn input(&mut self, input: lobby::Input, step: &mut Step<'_, impl Rng>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.lobby.handle(input, step.now, step.rng, &mut effects);
        self.carry_out(effects, step);
    }

    pub(super) fn carry_out(
        &mut self,
        mut effects: Vec<lobby::Effect>,
        step: &mut Step<'_, impl Rng>,
    ) {
        for effect in effects.drain(..) {
            self.translate(effect, step);
        }
        self.effects = effects;
    }

    fn translate(&mut self, effect: lobby::Effect, step: &mut Step<'_, impl Rng>) {
        match effect {
            lobby::Effect::Welcome { conn, user, resumed } => {
                let is_resuming =
                    self.conns.get_mut(&conn).map(|known| std::mem::take(&mut known.is_resuming));
                if is_resuming == Some(true) {
                    let resumed = resumed.map(|it| ResumedSeat {
                        room: it.room,
                        stranger: it.stranger,
                        partner: it.partner,
                    });
                    step.order(conn, Order::Welcome { conn, resumed });
                    self.tell_partner_away(user, step);
                }
            }
            lobby::Effect::Searching(_) | lobby::Effect::Draining(_) => {}
            lobby::Effect::Matched { conn, room, is_initiator, partner, stranger, .. } => {
                self.hold(conn, room, partner, step);
                let attempt = self.conns.get(&conn).map_or(0, |known| known.attempt);
                let order = Order::Hold { conn, attempt, room, partner, stranger, is_initiator };
                step.order(conn, order);
            }
            lobby::Effect::PartnerMoved { conn, room, partner } => {
                step.order(conn, Order::PartnerMoved { conn, room, partner });
            }
            lobby::Effect::RoomOver { conn, room } => {
                self.copies.remove(room);
                step.order(conn, Order::RoomOver { conn, room });
            }
            lobby::Effect::Refused(conn, code) => {
                let attempt = self.conns.get(&conn).map_or(0, |known| known.attempt);
                step.order(conn, Order::Refused { conn, attempt, code });
            }
            lobby::Effect::Displaced(conn) => {
                self.unlist(conn);
                step.order(conn, Order::Displaced { conn });
            }
        }
    }
}
