//! The hub's task.

mod draining;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Instant,
};

use meoww_proto::{UserId, error::SignalErrorCode};
use tokio::sync::mpsc;

use super::{
    ConnectionSelector, HubMessage, OpenRoom, Question, Resumption, RoomsAfter, Standing,
    evacuation::Evacuation,
    lead::{Lead, News},
    nodes::PeerMessages,
};
use crate::{
    clock,
    core::{
        fleet::{self, Message, NodeId},
        lobby::{ConnId, Departure, Effect, Input, ResumedRoom},
        presence::{Announcer, Audience},
        safety::BlockList,
        session::SessionId,
    },
    metrics::Sockets,
    send_queue::{ConnectionEvent, CurrentRoom, Partner, RemoteRelay, SendQueue},
    tokens::Bearer,
};

pub(super) struct Hub {
    lead: Lead,
    /// Kept to be filled again.
    effects: Vec<Effect>,
    connections: HashMap<ConnId, Connected>,
    announcer: Announcer,
    /// When the server goes, once that is decided.
    goes_at: Option<Instant>,
    /// Has connections go elsewhere, once the server is to go and there is an elsewhere.
    evacuation: Option<Evacuation>,
    /// With other nodes, beside matching.
    peer_messages: PeerMessages,
    metrics: Arc<Sockets>,
}

struct Connected {
    session: SessionId,
    send_queue: SendQueue,
    /// Whether the client can take up its room at another node.
    can_resume: bool,
    /// Whether it was told that the server goes.
    is_warned: bool,
}

impl Hub {
    pub(super) fn new(lead: Lead, peer_messages: PeerMessages, metrics: Arc<Sockets>) -> Self {
        Self {
            lead,
            effects: Vec::new(),
            connections: HashMap::new(),
            announcer: Announcer::default(),
            goes_at: None,
            evacuation: None,
            peer_messages,
            metrics,
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<HubMessage>) {
        loop {
            let leaving = self.evacuation.as_ref().map(Evacuation::poll_timeout);
            let timeouts = [self.lead.poll_timeout(), self.announcer.poll_timeout(), leaving];
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
                news = self.lead.next() => self.hear(news),
                () = timer => self.step(Input::Timeout),
            }
            self.evacuate();
            self.tell_presence();
        }
    }

    fn take(&mut self, message: HubMessage) {
        match message {
            HubMessage::Connected {
                conn,
                bearer: Bearer { user, session },
                resumption,
                send_queue,
            } => {
                let (can_resume, resume) = match resumption {
                    Resumption::Unsupported => (false, None),
                    Resumption::Supported(room) => (true, room),
                };
                let is_warned = false;
                let known = Connected { session, send_queue, can_resume, is_warned };
                self.connections.insert(conn, known);
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
            HubMessage::CloseAllBut { user, live, reason } => {
                self.close_those(user, |session| !live.contains(&session), reason);
            }
            HubMessage::Broadcast(text) => self.tell_all(|| ConnectionEvent::Notice(text.clone())),
            HubMessage::Drain(grace) => self.drain(grace),
            // The one who asked may have gone away.
            HubMessage::Count(answer) => drop(answer.send(self.lead.counts())),
            HubMessage::Describe(answer) => drop(answer.send(self.standing())),
            HubMessage::ListRooms(which, answer) => drop(answer.send(self.rooms(which))),
            HubMessage::OfThese(mut users, answer) => {
                users.retain(|user| !self.lead.connections_of(*user).is_empty());
                let _ = answer.send(users);
            }
            HubMessage::Blocks { user, list } => self.renew_blocks(user, list),
            HubMessage::ListNodes(answer) => drop(answer.send(self.lead.other_nodes())),
            HubMessage::AskNode(node, text, asker) => {
                let question = self.peer_messages.ask(text, asker);
                self.say([node], &question);
            }
            HubMessage::AnswerNode(Question { from, id, .. }, text) => {
                self.say([from], &Message::Answer { id, text });
            }
            #[cfg(test)]
            HubMessage::Fail => panic!("as a test wants it"),
        }
    }

    fn renew_blocks(&mut self, user: UserId, list: BlockList) {
        let known: BTreeSet<UserId> = match &mut self.lead {
            Lead::Alone(lobby) => lobby.blocks_of(user).collect(),
            Lead::Among(member) => {
                let effects = member.handle(fleet::Input::Blocks { user, list });
                self.carry_out_all(None, effects);
                return;
            }
        };
        for blocked in list.blocked.difference(&known).copied() {
            self.step(Input::Block { user, blocked });
        }
        for blocked in known.difference(&list.blocked).copied() {
            self.step(Input::Unblock { user, blocked });
        }
    }

    fn close(&mut self, selector: ConnectionSelector, reason: SignalErrorCode) {
        let user = selector.user();
        self.close_those(user, |session| selector.includes(session), reason);
        self.say(self.lead.other_nodes(), &Message::Revoked(user));
    }

    /// Says something to other nodes that is not about matching.
    fn say(&mut self, nodes: impl IntoIterator<Item = NodeId>, message: &Message) {
        let Lead::Among(member) = &mut self.lead else { return };
        let mut effects = Vec::new();
        for node in nodes {
            effects.extend(member.handle(fleet::Input::Send(node, message.clone())));
        }
        self.carry_out_all(None, effects);
    }

    fn close_those(
        &mut self,
        user: UserId,
        is_meant: impl Fn(SessionId) -> bool,
        reason: SignalErrorCode,
    ) {
        let is_meant =
            |conn: &ConnId| self.connections.get(conn).is_some_and(|known| is_meant(known.session));
        let all = self.lead.connections_of(user);
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

    fn standing(&self) -> Standing {
        let has_rooms = self.lead.has_rooms();
        let Lead::Among(member) = &self.lead else {
            return Standing { has_rooms, ..Standing::default() };
        };
        Standing {
            presence: self.lead.presence(),
            is_matching: member.fleet.is_matching(),
            is_evacuating: self.evacuation.is_some() && self.lead.has_elsewhere(),
            has_rooms,
            peers: member.fleet.peers().count(),
            round: member.fleet.term().map_or(0, |term| term.round),
        }
    }

    fn seconds_left(&self) -> u32 {
        let left = self.goes_at.map(|at| at.saturating_duration_since(clock::instant()));
        left.map_or(0, |left| u32::try_from(left.as_secs()).unwrap_or(u32::MAX))
    }

    fn rooms(&self, RoomsAfter { after, limit }: RoomsAfter) -> Vec<OpenRoom> {
        let (now, instant) = (clock::now(), clock::instant());
        let mut rooms = self.lead.rooms();
        rooms.retain(|info| after.is_none_or(|after| info.room > after));
        rooms.sort_unstable_by_key(|info| info.room);
        rooms.dedup_by_key(|info| info.room);
        let rooms = rooms.into_iter().take(limit).map(|info| OpenRoom {
            room: info.room,
            members: info.members,
            since: now - instant.saturating_duration_since(info.since),
        });
        rooms.collect()
    }

    fn tell_presence(&mut self) {
        let (presence, now) = (self.lead.presence(), clock::instant());
        self.announcer.note(presence, self.lead.connections(), now);
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

    /// Returns why the lobby refused what this connection asked for, if it did. The matcher of a
    /// fleet may refuse later.
    fn step_for(&mut self, asker: Option<ConnId>, input: Input) -> Option<SignalErrorCode> {
        let mut effects = std::mem::take(&mut self.effects);
        match &mut self.lead {
            Lead::Alone(lobby) => {
                lobby.handle(input, clock::instant(), &mut rand::rng(), &mut effects);
            }
            Lead::Among(member) => {
                let input = match input {
                    Input::Timeout => fleet::Input::Timeout,
                    input => fleet::Input::Lobby(input),
                };
                let done = member.handle(input);
                return self.carry_out_all(asker, done);
            }
        }
        let refusal = asker.and_then(|conn| effects.iter().find_map(|it| it.refusal_of(conn)));
        for effect in effects.drain(..) {
            tracing::debug!(?effect, "lobby");
            self.carry_out(effect);
        }
        self.effects = effects;
        refusal
    }

    fn hear(&mut self, news: News) {
        let Lead::Among(member) = &mut self.lead else { return };
        let effects = member.handle(match news {
            News::Packet(packet) => fleet::Input::Packet(packet),
            News::Relay(RemoteRelay { from, to, relay }) => fleet::Input::Relay { from, to, relay },
        });
        self.carry_out_all(None, effects);
    }

    fn carry_out_all(
        &mut self,
        asker: Option<ConnId>,
        effects: Vec<fleet::Effect>,
    ) -> Option<SignalErrorCode> {
        let mut refusal = None;
        for effect in effects {
            match effect {
                fleet::Effect::Lobby(effect) => {
                    tracing::debug!(?effect, "fleet");
                    refusal = refusal.or(asker.and_then(|conn| effect.refusal_of(conn)));
                    self.carry_out(effect);
                }
                fleet::Effect::Relay { to, relay } => {
                    self.deliver(to, ConnectionEvent::Relay(relay));
                }
                fleet::Effect::PartnerAway { conn, room } => {
                    self.deliver(conn, ConnectionEvent::PartnerAway { room });
                }
                fleet::Effect::Received(node, message) => self.peer_messages.take(node, message),
                // It has left.
                fleet::Effect::Send(_) => {}
            }
        }
        refusal
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Welcome { conn, user: _, resumed } => {
                let current_room = resumed.map(|ResumedRoom { room, stranger, partner }| {
                    let partner = partner.and_then(|partner| self.way(conn, partner));
                    CurrentRoom { room, stranger, partner }
                });
                self.deliver(conn, ConnectionEvent::Welcome(current_room));
                if self.goes_at.is_some() {
                    self.warn(conn);
                }
            }
            Effect::Searching(conn) => self.deliver(conn, ConnectionEvent::Searching),
            Effect::Matched { conn, room, is_initiator, partner, stranger, waited } => {
                self.metrics.matches.inc_by(u64::from(is_initiator));
                self.metrics.match_wait.observe(waited.as_secs_f64());
                if let Some(partner) = self.way(conn, partner) {
                    self.deliver(
                        conn,
                        ConnectionEvent::Matched { room, is_initiator, stranger, partner },
                    );
                }
            }
            Effect::PartnerMoved { conn, room, partner } => {
                if let Some(partner) = self.way(conn, partner) {
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

    /// The way from a connection to its partner.
    fn way(&self, from: ConnId, to: ConnId) -> Option<Partner> {
        if let Lead::Among(member) = &self.lead
            && to.node() != Some(member.fleet.id())
        {
            return Some(Partner::There { from, to, relays: member.to_relays.clone() });
        }
        self.connections.get(&to).map(|known| Partner::Here(known.send_queue.clone()))
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
