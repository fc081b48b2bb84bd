//! The hub's task.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use meoww_proto::{error::SignalErrorCode, signal::Presence};
use tokio::sync::mpsc;

use super::{ConnectionSelector, HubMessage, OpenRoom};
use crate::{
    clock,
    core::{
        lobby::{ConnId, Counts, Departure, Effect, Input, Lobby, ResumedRoom},
        presence::{Announcer, Audience},
        session::SessionId,
    },
    metrics::Sockets,
    send_queue::{ConnectionEvent, CurrentRoom, SendQueue},
    tokens::Bearer,
};

pub(super) struct Hub {
    lobby: Lobby,
    /// Kept to be filled again.
    effects: Vec<Effect>,
    connections: HashMap<ConnId, Connected>,
    announcer: Announcer,
    /// When the server goes, once that is decided.
    goes_at: Option<Instant>,
    metrics: Arc<Sockets>,
}

struct Connected {
    session: SessionId,
    send_queue: SendQueue,
}

impl Hub {
    pub(super) fn new(lobby: Lobby, metrics: Arc<Sockets>) -> Self {
        Self {
            lobby,
            effects: Vec::new(),
            connections: HashMap::new(),
            announcer: Announcer::default(),
            goes_at: None,
            metrics,
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<HubMessage>) {
        loop {
            let timeouts = [self.lobby.poll_timeout(), self.announcer.poll_timeout()];
            let deadline = timeouts.into_iter().flatten().min();
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                () = timer => self.step(Input::Timeout),
            }
            self.tell_presence();
        }
    }

    fn take(&mut self, message: HubMessage) {
        match message {
            HubMessage::Connected {
                conn,
                bearer: Bearer { user, session },
                resume,
                send_queue,
            } => {
                self.connections.insert(conn, Connected { session, send_queue });
                self.announcer.welcome(conn);
                self.step(Input::Connect { conn, user, resume });
            }
            HubMessage::Happened(input) => {
                self.step(input);
                if let Input::Disconnect(conn, _) = input {
                    self.connections.remove(&conn);
                }
            }
            HubMessage::Asked(conn, input, answer) => {
                let refusal = self.step_for(Some(conn), input);
                let _ = answer.send(refusal.map_or(Ok(()), Err));
            }
            HubMessage::Close { selector, reason } => self.close(selector, reason),
            HubMessage::Broadcast(text) => self.tell_all(|| ConnectionEvent::Notice(text.clone())),
            HubMessage::Drain(grace) => self.drain(grace),
            // Whoever asked may have gone away.
            HubMessage::Count(answer) => drop(answer.send(self.lobby.counts())),
            HubMessage::ListRooms(answer) => drop(answer.send(self.rooms())),
            #[cfg(test)]
            HubMessage::Fail => panic!("as a test wants it"),
        }
    }

    fn close(&mut self, selector: ConnectionSelector, reason: SignalErrorCode) {
        let is_meant = |conn: &ConnId| {
            self.connections.get(conn).is_some_and(|known| selector.includes(known.session))
        };
        let all = self.lobby.connections_of(selector.user());
        let meant: Vec<_> = all.iter().copied().filter(is_meant).collect();
        for conn in meant {
            self.closed(conn, reason);
            self.step(Input::Disconnect(conn, Departure::Clean));
        }
    }

    fn closed(&mut self, conn: ConnId, reason: SignalErrorCode) {
        self.deliver(conn, ConnectionEvent::Closed(reason));
        self.connections.remove(&conn);
    }

    fn drain(&mut self, grace: Duration) {
        self.goes_at = Some(clock::instant() + grace);
        self.step(Input::Drain);
        let seconds = self.seconds_left();
        self.tell_all(|| ConnectionEvent::Draining { seconds });
    }

    fn seconds_left(&self) -> u32 {
        let left = self.goes_at.map(|at| at.saturating_duration_since(clock::instant()));
        left.map_or(0, |left| u32::try_from(left.as_secs()).unwrap_or(u32::MAX))
    }

    fn rooms(&self) -> Vec<OpenRoom> {
        let (now, instant) = (clock::now(), clock::instant());
        let rooms = self.lobby.rooms().map(|info| OpenRoom {
            room: info.room,
            members: info.members,
            since: now - instant.saturating_duration_since(info.since),
        });
        rooms.collect()
    }

    fn tell_presence(&mut self) {
        let Counts { connections, users, searching, .. } = self.lobby.counts();
        let [online, searching] =
            [users, searching].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let (presence, now) = (Presence { online, searching }, clock::instant());
        self.announcer.note(presence, connections, now);
        match self.announcer.announce(presence, now) {
            Some(Audience::Everybody) => self.tell_all(|| ConnectionEvent::Presence(presence)),
            Some(Audience::Newcomers(newcomers)) => {
                for conn in newcomers {
                    self.deliver(conn, ConnectionEvent::Presence(presence));
                }
            }
            None => {}
        }
    }

    fn step(&mut self, input: Input) {
        self.step_for(None, input);
    }

    /// Returns why the lobby refused what this connection asked for, if it did.
    fn step_for(&mut self, asker: Option<ConnId>, input: Input) -> Option<SignalErrorCode> {
        let mut effects = std::mem::take(&mut self.effects);
        self.lobby.handle(input, clock::instant(), &mut rand::rng(), &mut effects);
        let refusal = asker.and_then(|conn| effects.iter().find_map(|it| it.refusal_of(conn)));
        for effect in effects.drain(..) {
            tracing::debug!(?effect, "lobby");
            self.carry_out(effect);
        }
        self.effects = effects;
        refusal
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Welcome { conn, user: _, resumed } => {
                let current_room = resumed.map(|ResumedRoom { room, stranger, partner }| {
                    let partner = partner.and_then(|conn| self.send_queue(conn));
                    CurrentRoom { room, stranger, partner }
                });
                self.deliver(conn, ConnectionEvent::Welcome(current_room));
                if self.goes_at.is_some() {
                    self.deliver(conn, ConnectionEvent::Draining { seconds: self.seconds_left() });
                }
            }
            Effect::Searching(conn) => self.deliver(conn, ConnectionEvent::Searching),
            Effect::Matched { conn, room, is_initiator, partner, stranger, waited } => {
                self.metrics.matches.inc_by(u64::from(is_initiator));
                self.metrics.match_wait.observe(waited.as_secs_f64());
                if let Some(partner) = self.send_queue(partner) {
                    self.deliver(
                        conn,
                        ConnectionEvent::Matched { room, is_initiator, stranger, partner },
                    );
                }
            }
            Effect::PartnerMoved { conn, room, partner } => {
                if let Some(partner) = self.send_queue(partner) {
                    self.deliver(conn, ConnectionEvent::PartnerMoved { room, partner });
                }
            }
            Effect::RoomOver { conn, room } => {
                self.deliver(conn, ConnectionEvent::RoomOver { room })
            }
            Effect::Refused(conn, code) => self.deliver(conn, ConnectionEvent::Refused(code)),
            Effect::Draining(conn) => {
                self.deliver(conn, ConnectionEvent::Draining { seconds: self.seconds_left() });
            }
            Effect::Displaced(conn) => self.closed(conn, SignalErrorCode::TakenOver),
        }
    }

    fn send_queue(&self, conn: ConnId) -> Option<SendQueue> {
        self.connections.get(&conn).map(|known| known.send_queue.clone())
    }

    /// A connection that is gone, or is cut for its full queue, is reported by itself.
    fn deliver(&self, conn: ConnId, event: ConnectionEvent) {
        if let Some(known) = self.connections.get(&conn) {
            let _ = known.send_queue.deliver(event);
        }
    }

    fn tell_all(&self, event: impl Fn() -> ConnectionEvent) {
        for known in self.connections.values() {
            let _ = known.send_queue.deliver(event());
        }
    }
}
