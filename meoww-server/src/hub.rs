//! The one owner of the [`Lobby`]: takes in what connections report, carries out what the lobby
//! decides. Relays do not pass through here; a match hands each connection the way to the other.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use meoww_proto::{RoomId, UserId};
use tokio::sync::mpsc;

use crate::{
    clock,
    core::lobby::{ConnId, Effect, Input, Lobby},
    outbox::{Delivery, Outbox, Present},
};

/// Reports that may wait; beyond it connections wait with theirs.
const CAPACITY: usize = 1024;

/// How connections reach the hub. It ends when the last of these is gone.
#[derive(Clone)]
pub(crate) struct HubHandle {
    reports: mpsc::Sender<Report>,
    next_conn: Arc<AtomicU64>,
}

enum Report {
    Connected { conn: ConnId, user: UserId, resume: Option<RoomId>, outbox: Outbox },
    Happened(Input),
}

impl HubHandle {
    /// Makes a connection known; `None` if the hub is gone.
    pub(crate) async fn connect(
        &self,
        user: UserId,
        resume: Option<RoomId>,
        outbox: Outbox,
    ) -> Option<ConnId> {
        let conn = ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed));
        self.reports.send(Report::Connected { conn, user, resume, outbox }).await.ok()?;
        Some(conn)
    }

    /// Reports what a connection did.
    pub(crate) async fn report(&self, input: Input) {
        // The hub outlives every connection, except when its task has failed; then there is
        // nobody left to tell.
        let _ = self.reports.send(Report::Happened(input)).await;
    }
}

/// Starts the hub's task.
#[expect(clippy::disallowed_methods, reason = "the hub's one task; it ends with its last handle")]
pub(crate) fn start() -> HubHandle {
    let (reports, inbox) = mpsc::channel(CAPACITY);
    tokio::spawn(Hub::default().run(inbox));
    HubHandle { reports, next_conn: Arc::default() }
}

#[derive(Default)]
struct Hub {
    lobby: Lobby,
    outboxes: HashMap<ConnId, Outbox>,
}

impl Hub {
    async fn run(mut self, mut inbox: mpsc::Receiver<Report>) {
        loop {
            let deadline = self.lobby.poll_timeout();
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                report = inbox.recv() => match report {
                    Some(report) => self.take(report),
                    None => return,
                },
                () = timer => self.step(Input::Timeout),
            }
        }
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Connected { conn, user, resume, outbox } => {
                self.outboxes.insert(conn, outbox);
                self.step(Input::Connect { conn, user, resume });
            }
            Report::Happened(input) => {
                self.step(input);
                if let Input::Disconnect(conn, _) = input {
                    self.outboxes.remove(&conn);
                }
            }
        }
    }

    fn step(&mut self, input: Input) {
        for effect in self.lobby.handle(input, clock::instant(), &mut rand::rng()) {
            tracing::debug!(?effect, "lobby");
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Welcome { conn, user: _, room } => {
                let present = room.map(|(room, partner)| {
                    let partner = partner.and_then(|conn| self.outboxes.get(&conn).cloned());
                    Present { room, partner }
                });
                self.deliver(conn, Delivery::Welcome(present));
            }
            Effect::Searching(conn) => self.deliver(conn, Delivery::Searching),
            Effect::Matched { conn, room, is_initiator, partner } => {
                if let Some(partner) = self.outboxes.get(&partner).cloned() {
                    self.deliver(conn, Delivery::Matched { room, is_initiator, partner });
                }
            }
            Effect::PartnerMoved { conn, room, partner } => {
                if let Some(partner) = self.outboxes.get(&partner).cloned() {
                    self.deliver(conn, Delivery::PartnerMoved { room, partner });
                }
            }
            Effect::RoomOver { conn, room } => self.deliver(conn, Delivery::RoomOver { room }),
            Effect::Refused(conn, code) => self.deliver(conn, Delivery::Refused(code)),
            Effect::Displaced(conn) => {
                self.deliver(conn, Delivery::Displaced);
                self.outboxes.remove(&conn);
            }
        }
    }

    fn deliver(&self, conn: ConnId, delivery: Delivery) {
        if let Some(outbox) = self.outboxes.get(&conn) {
            outbox.deliver(delivery);
        }
    }
}
