//! The one owner of the [`Lobby`]: takes in what connections report, carries out what the lobby
//! decides. Relays do not pass through here; a match hands each connection the way to the other.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};
use tokio::sync::{mpsc, oneshot};

use crate::{
    clock,
    core::{
        lobby::{ConnId, Counts, Departure, Effect, Input, Lobby},
        session::SessionId,
    },
    metrics::Sockets,
    outbox::{Delivery, Outbox, Present},
    tokens::Bearer,
};

/// Reports that may wait; beyond it connections wait with theirs.
const CAPACITY: usize = 1024;

/// How connections reach the hub. It ends when the last of these is gone.
#[derive(Clone)]
pub(crate) struct HubHandle {
    reports: mpsc::Sender<Report>,
    next_conn: Arc<AtomicU64>,
    pub(crate) metrics: Arc<Sockets>,
}

enum Report {
    Connected { conn: ConnId, bearer: Bearer, resume: Option<RoomId>, outbox: Outbox },
    Happened(Input),
    Close { whose: Whose, reason: SignalErrorCode },
    Count(oneshot::Sender<Counts>),
}

/// Which connections of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// All of them.
    User(UserId),
    /// Those of one session.
    Session(Bearer),
    /// Those of every session but one.
    OtherSessions(Bearer),
}

impl Whose {
    fn user(self) -> UserId {
        match self {
            Self::User(user) => user,
            Self::Session(bearer) | Self::OtherSessions(bearer) => bearer.user,
        }
    }

    fn includes(self, session: SessionId) -> bool {
        match self {
            Self::User(_) => true,
            Self::Session(bearer) => session == bearer.session,
            Self::OtherSessions(bearer) => session != bearer.session,
        }
    }
}

impl HubHandle {
    /// Makes a connection known; `None` if the hub is gone.
    pub(crate) async fn connect(
        &self,
        bearer: Bearer,
        resume: Option<RoomId>,
        outbox: Outbox,
    ) -> Option<ConnId> {
        let conn = ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed));
        self.reports.send(Report::Connected { conn, bearer, resume, outbox }).await.ok()?;
        Some(conn)
    }

    /// Reports what a connection did.
    pub(crate) async fn report(&self, input: Input) {
        // The hub outlives every connection, except when its task has failed; then there is
        // nobody left to tell.
        let _ = self.reports.send(Report::Happened(input)).await;
    }

    /// Closes connections and says why. Their rooms are over at once.
    pub(crate) async fn close(&self, whose: Whose, reason: SignalErrorCode) {
        let _ = self.reports.send(Report::Close { whose, reason }).await;
    }

    /// How many there are; nothing if the hub is gone.
    pub(crate) async fn counts(&self) -> Counts {
        let (answer, counts) = oneshot::channel();
        let _ = self.reports.send(Report::Count(answer)).await;
        counts.await.unwrap_or_default()
    }
}

/// Starts the hub's task.
#[expect(clippy::disallowed_methods, reason = "the hub's one task; it ends with its last handle")]
pub(crate) fn start() -> HubHandle {
    let (reports, inbox) = mpsc::channel(CAPACITY);
    let metrics = Arc::<Sockets>::default();
    let hub = Hub { metrics: metrics.clone(), ..Hub::default() };
    tokio::spawn(hub.run(inbox));
    HubHandle { reports, next_conn: Arc::default(), metrics }
}

#[derive(Default)]
struct Hub {
    lobby: Lobby,
    connections: HashMap<ConnId, Connected>,
    metrics: Arc<Sockets>,
}

struct Connected {
    session: SessionId,
    outbox: Outbox,
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
            Report::Connected { conn, bearer: Bearer { user, session }, resume, outbox } => {
                self.connections.insert(conn, Connected { session, outbox });
                self.step(Input::Connect { conn, user, resume });
            }
            Report::Happened(input) => {
                self.step(input);
                if let Input::Disconnect(conn, _) = input {
                    self.connections.remove(&conn);
                }
            }
            Report::Close { whose, reason } => self.close(whose, reason),
            // Whoever asked may have gone away.
            Report::Count(answer) => drop(answer.send(self.lobby.counts())),
        }
    }

    fn close(&mut self, whose: Whose, reason: SignalErrorCode) {
        let is_meant = |conn: &ConnId| {
            self.connections.get(conn).is_some_and(|known| whose.includes(known.session))
        };
        let all = self.lobby.connections_of(whose.user());
        let meant: Vec<_> = all.iter().copied().filter(is_meant).collect();
        for conn in meant {
            self.closed(conn, reason);
            self.step(Input::Disconnect(conn, Departure::Clean));
        }
    }

    fn closed(&mut self, conn: ConnId, reason: SignalErrorCode) {
        self.deliver(conn, Delivery::Closed(reason));
        self.connections.remove(&conn);
    }

    fn outbox(&self, conn: ConnId) -> Option<Outbox> {
        self.connections.get(&conn).map(|known| known.outbox.clone())
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
                    let partner = partner.and_then(|conn| self.outbox(conn));
                    Present { room, partner }
                });
                self.deliver(conn, Delivery::Welcome(present));
            }
            Effect::Searching(conn) => self.deliver(conn, Delivery::Searching),
            Effect::Matched { conn, room, is_initiator, partner } => {
                self.metrics.matches.inc_by(u64::from(is_initiator));
                if let Some(partner) = self.outbox(partner) {
                    self.deliver(conn, Delivery::Matched { room, is_initiator, partner });
                }
            }
            Effect::PartnerMoved { conn, room, partner } => {
                if let Some(partner) = self.outbox(partner) {
                    self.deliver(conn, Delivery::PartnerMoved { room, partner });
                }
            }
            Effect::RoomOver { conn, room } => self.deliver(conn, Delivery::RoomOver { room }),
            Effect::Refused(conn, code) => self.deliver(conn, Delivery::Refused(code)),
            Effect::Displaced(conn) => self.closed(conn, SignalErrorCode::TakenOver),
        }
    }

    fn deliver(&self, conn: ConnId, delivery: Delivery) {
        if let Some(known) = self.connections.get(&conn) {
            known.outbox.deliver(delivery);
        }
    }
}
