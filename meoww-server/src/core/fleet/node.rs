//! One node of a fleet: its links, its hub's connections, and the matcher if this node leads.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use meoww_proto::{UserId, signal::Relay};
use rand::Rng;

use super::{
    Beat, Body, Message, NodeId, Packet, RelayText, Request, Term,
    election::Election,
    hub_side::{HubSide, Out},
    link::{BEAT, GIVEN_UP, Link, Received},
    matcher::{Matcher, Step},
    packet::Count,
};
use crate::core::lobby::{self, ConnId, Counts, RoomInfo};

/// Own standstill after which a node trusts nothing it knew: a matcher resigns.
pub const MAX_LAG: Duration = Duration::from_millis(500);
/// How often a node says that it is there, for those who do not know it.
const HELLO: Duration = Duration::from_secs(1);
/// Silence after which nothing is kept for a node.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// What happens to a node.
#[derive(Debug, Clone)]
pub enum Input {
    /// To one of its own connections or their users.
    Lobby(lobby::Input),
    /// A packet has come.
    Packet(Packet),
    /// A connection of this node relays to its partner on another.
    Relay {
        /// The sender.
        from: ConnId,
        /// The partner.
        to: ConnId,
        /// What it relays.
        relay: Relay,
    },
    /// To another node, outside of matching: [`Message::Revoked`], a question or an answer.
    Send(NodeId, Message),
    /// [`Fleet::poll_timeout`] has come.
    Timeout,
}

/// What is to be done, in this order.
#[derive(Debug, Clone)]
pub enum Effect {
    /// As the lobby of a server that runs alone wants it. A partner may be on another node:
    /// [`ConnId::node`] says on which.
    Lobby(lobby::Effect),
    /// To the bus.
    Send(Packet),
    /// A partner on another node relays to a connection of this one, which is in this room.
    Relay {
        /// The connection.
        to: ConnId,
        /// What is relayed.
        relay: Relay,
    },
    /// Another node sent this: [`Message::Revoked`], a question or an answer.
    Received(NodeId, Message),
}

/// A node, which a single task owns.
pub struct Fleet {
    me: NodeId,
    links: BTreeMap<NodeId, Link>,
    sessions: u32,
    election: Election,
    hub: HubSide,
    matcher: Option<Matcher>,
    /// Whether the matcher of the present term has been told the roll on the present link.
    has_rolled: bool,
    /// From this node to itself.
    own: VecDeque<Message>,
    /// As the matcher last said.
    count: Option<Count>,
    handled_at: Instant,
    beat_at: Instant,
    hello_at: Instant,
}

/// What one step is handled with.
struct Context<'a, R> {
    now: Instant,
    rng: &'a mut R,
    effects: &'a mut Vec<Effect>,
}

impl Fleet {
    /// A node that knows of no other.
    pub fn new(me: NodeId, now: Instant) -> Self {
        Self {
            me,
            links: BTreeMap::new(),
            sessions: 0,
            election: Election::new(me, now),
            hub: HubSide::default(),
            matcher: None,
            has_rolled: false,
            own: VecDeque::new(),
            count: None,
            handled_at: now,
            beat_at: now,
            hello_at: now,
        }
    }

    /// Handles what happened and adds to `effects` what is to be done. `rng` names rooms and picks
    /// initiators.
    pub fn handle(
        &mut self,
        input: Input,
        now: Instant,
        rng: &mut impl Rng,
        effects: &mut Vec<Effect>,
    ) {
        let context = &mut Context { now, rng, effects };
        self.note_lag(now);
        match input {
            Input::Lobby(input) => self.hub_step(context, |hub, out| hub.handle(input, out)),
            Input::Packet(packet) => self.receive(packet, context),
            Input::Relay { from, to, relay } => {
                let text = RelayText::from(&relay.payload);
                let message = Message::Relay { from, to, room: relay.room_id, text };
                if let Some(node) = to.node() {
                    self.send(node, message, context);
                }
            }
            Input::Send(node, message) => self.send(node, message, context),
            Input::Timeout => {}
        }
        self.tick(context);
        self.work_off(context);
    }

    /// When to come back with [`Input::Timeout`], if nothing happens before.
    pub fn poll_timeout(&self) -> Instant {
        let matcher = self.matcher.as_ref().and_then(Matcher::poll_timeout);
        matcher.map_or(self.beat_at, |at| at.min(self.beat_at))
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.me
    }

    /// The connections of a user to this node, oldest first.
    pub fn connections_of(&self, user: UserId) -> &[ConnId] {
        self.hub.connections_of(user)
    }

    /// How many users there are on all nodes, as far as this one knows.
    pub fn presence(&self) -> Count {
        let own = Count { online: clamp(self.hub.users()), searching: 0 };
        self.count.unwrap_or(own)
    }

    /// How many there are on this node.
    pub fn counts(&self) -> Counts {
        self.hub.counts()
    }

    /// How many connections this node has.
    pub fn connections(&self) -> usize {
        self.hub.connections()
    }

    /// The highest term that this node follows.
    pub fn term(&self) -> Option<Term> {
        self.election.promised()
    }

    /// Whether this node matches, and all hubs have told it what they hold.
    pub fn is_matching(&self) -> bool {
        self.matcher.as_ref().is_some_and(Matcher::has_begun)
    }

    /// Every room of the fleet, if this node leads.
    pub fn rooms(&self) -> impl Iterator<Item = RoomInfo> {
        self.matcher.iter().flat_map(Matcher::rooms)
    }

    /// The other nodes that are there, and whether each is about to go.
    pub fn peers(&self) -> impl Iterator<Item = (NodeId, bool)> {
        let is_draining = |link: &Link| link.last_beat.is_some_and(|beat| beat.is_draining);
        let up = self.links.iter().filter(|(_, link)| link.is_up());
        up.map(move |(node, link)| (*node, is_draining(link)))
    }

    /// A node that stood still does not hold the silence of that time against others, and does not
    /// match by what it knew before.
    fn note_lag(&mut self, now: Instant) {
        let lag = now.saturating_duration_since(self.handled_at);
        self.handled_at = now;
        if lag > MAX_LAG {
            self.resign();
            self.election.excuse(now);
            for link in self.links.values_mut() {
                link.excuse(now);
            }
        }
    }

    fn receive(&mut self, packet: Packet, context: &mut Context<'_, impl Rng>) {
        let (from, now) = (packet.from, context.now);
        if from == self.me || packet.to.is_some_and(|to| to != self.me) {
            return;
        }
        let sessions = &mut self.sessions;
        let link = self.links.entry(from).or_insert_with(|| {
            *sessions += 1;
            Link::new(self.me, from, *sessions, now)
        });
        if packet.body == Body::Hello {
            return;
        }
        self.sessions += 1;
        let Received { is_reset, is_new, beat, messages } =
            link.receive(packet, self.sessions, now);
        if is_reset {
            self.lose(from, context);
        }
        if is_new {
            self.beat_now(from, context);
        }
        if let Some(beat) = beat {
            self.note_beat(from, beat, context);
        }
        for message in messages {
            self.take(from, message, context);
        }
    }

    fn note_beat(&mut self, from: NodeId, beat: Beat, context: &mut Context<'_, impl Rng>) {
        if let Some(term) = beat.term {
            self.promise(term, context.now);
        }
        if beat.leads && beat.term == self.term() && beat.term.is_some_and(|it| it.node == from) {
            self.count = beat.presence;
        }
    }

    /// Follows a term if it is the highest so far.
    fn promise(&mut self, term: Term, now: Instant) {
        if self.election.promise(term, now) {
            self.has_rolled = false;
            if term.node != self.me {
                self.matcher = None;
            }
        }
    }

    fn take(&mut self, from: NodeId, message: Message, context: &mut Context<'_, impl Rng>) {
        match message {
            Message::Request(term, request) => {
                self.promise(term, context.now);
                self.match_step(context, |matcher, step| {
                    if matcher.term == term {
                        matcher.handle(from, request, step);
                    }
                });
            }
            Message::Order(term, order) => {
                self.promise(term, context.now);
                // An order that does not rest on the roll of this session is of an earlier one.
                if self.term() == Some(term) && self.has_rolled {
                    self.hub_step(context, |hub, out| hub.obey(order, out));
                }
            }
            Message::Relay { from: sender, to, room, text } => {
                let mut answer = None;
                self.hub_step(context, |hub, out| {
                    answer = hub.relayed([sender, to], room, text, out);
                });
                if let Some(answer) = answer {
                    self.send(from, answer, context);
                }
            }
            Message::NotHere { conn, room, partner } => {
                self.hub_step(context, |hub, out| hub.doubt(conn, room, partner, out));
            }
            message @ (Message::Revoked(_) | Message::Question { .. } | Message::Answer { .. }) => {
                context.effects.push(Effect::Received(from, message))
            }
        }
    }

    fn hub_step<R: Rng>(
        &mut self,
        context: &mut Context<'_, R>,
        act: impl FnOnce(&mut HubSide, &mut Out<'_>),
    ) {
        let mut requests = Vec::new();
        let out = &mut Out { now: context.now, requests: &mut requests, effects: context.effects };
        act(&mut self.hub, out);
        for request in requests {
            self.request(request, context);
        }
    }

    /// To the matcher. One that has not been told the roll will hear of it there.
    fn request(&mut self, request: Request, context: &mut Context<'_, impl Rng>) {
        if let Some(term) = self.term().filter(|_| self.has_rolled) {
            self.send(term.node, Message::Request(term, request), context);
        }
    }

    fn match_step<R: Rng>(
        &mut self,
        context: &mut Context<'_, R>,
        act: impl FnOnce(&mut Matcher, &mut Step<'_, R>),
    ) {
        let Some(matcher) = &mut self.matcher else { return };
        let (term, mut orders) = (matcher.term, Vec::new());
        act(matcher, &mut Step { now: context.now, rng: context.rng, orders: &mut orders });
        for (node, order) in orders {
            self.send(node, Message::Order(term, order), context);
        }
    }

    fn send(&mut self, node: NodeId, message: Message, context: &mut Context<'_, impl Rng>) {
        if node == self.me {
            return self.own.push_back(message);
        }
        let Some(link) = self.links.get_mut(&node) else { return };
        match link.send(message, context.now) {
            Ok(packet) => context.effects.extend(packet.map(Effect::Send)),
            Err(_full) => self.reset(node, context),
        }
    }

    fn reset(&mut self, node: NodeId, context: &mut Context<'_, impl Rng>) {
        self.sessions += 1;
        if let Some(link) = self.links.get_mut(&node) {
            link.reset(self.sessions, context.now);
        }
        self.lose(node, context);
    }

    /// Nothing that was said to a node, or that it said, counts any more.
    fn lose(&mut self, node: NodeId, context: &mut Context<'_, impl Rng>) {
        if self.term().is_some_and(|term| term.node == node) {
            self.has_rolled = false;
        }
        self.match_step(context, |matcher, step| matcher.lose_node(node, step));
    }

    fn tick(&mut self, context: &mut Context<'_, impl Rng>) {
        let is_due = context.now >= self.beat_at;
        if is_due {
            self.beat_at = context.now + BEAT;
            self.give_up_silent(context);
            self.hub_step(context, |hub, out| hub.handle(lobby::Input::Timeout, out));
        }
        self.match_step(context, |matcher, step| matcher.tick(step));
        if self.hub.is_draining() && self.has_successor(context.now) {
            self.resign();
        }
        self.elect(context);
        self.tell_roll(context);
        if is_due {
            for node in self.links.keys().copied().collect::<Vec<_>>() {
                self.beat_now(node, context);
            }
            self.say_hello(context);
        }
    }

    fn give_up_silent(&mut self, context: &mut Context<'_, impl Rng>) {
        let now = context.now;
        let silent = self.links.iter().filter(|(_, link)| link.is_up());
        let silent = silent.filter(|(_, link)| link.silence(now) >= GIVEN_UP);
        for node in silent.map(|(node, _)| *node).collect::<Vec<_>>() {
            self.reset(node, context);
        }
        self.links.retain(|_, link| link.is_up() || !link.is_silent_for(FORGOTTEN, now));
    }

    /// Leads no more, if it did: until the next term begins, its hub has no matcher.
    fn resign(&mut self) {
        if self.matcher.take().is_some() {
            self.has_rolled = false;
        }
    }

    fn has_successor(&self, now: Instant) -> bool {
        let is_able = |link: &Link| link.last_beat.is_some_and(|beat| !beat.is_draining);
        self.links.values().any(|link| link.is_alive(now) && is_able(link))
    }

    fn elect(&mut self, context: &mut Context<'_, impl Rng>) {
        let now = context.now;
        let (is_leading, is_draining) = (self.matcher.is_some(), self.hub.is_draining());
        if let Some(term) = self.election.claim(&self.links, is_leading, is_draining, now) {
            let alive = self.links.iter().filter(|(_, link)| link.is_alive(now));
            let nodes: Vec<NodeId> = alive.map(|(node, _)| *node).chain([self.me]).collect();
            self.matcher = Some(Matcher::new(term, nodes.iter().copied()));
            self.has_rolled = false;
            for node in nodes {
                self.beat_now(node, context);
            }
        }
    }

    /// Tells the matcher of the present term what this node holds, once for each link to it.
    fn tell_roll(&mut self, context: &mut Context<'_, impl Rng>) {
        let Some(term) = self.term().filter(|_| !self.has_rolled) else { return };
        let is_there = match self.links.get(&term.node) {
            Some(link) => link.is_up(),
            None => term.node == self.me && self.matcher.is_some(),
        };
        if is_there {
            self.has_rolled = true;
            for request in self.hub.roll(context.now) {
                self.request(request, context);
            }
        }
    }

    fn beat_now(&mut self, node: NodeId, context: &mut Context<'_, impl Rng>) {
        let matcher = self.matcher.as_ref();
        let beat = Beat {
            term: self.term(),
            leads: matcher.is_some(),
            is_draining: self.hub.is_draining(),
            hears_you: false,
            presence: matcher.map(Matcher::counts).map(|counts| Count {
                online: clamp(counts.users),
                searching: clamp(counts.searching),
            }),
        };
        if let Some(link) = self.links.get_mut(&node) {
            context.effects.extend(link.beat(beat, context.now).into_iter().map(Effect::Send));
        }
        self.count = beat.presence.or(self.count);
    }

    fn say_hello(&mut self, context: &mut Context<'_, impl Rng>) {
        if context.now >= self.hello_at {
            self.hello_at = context.now + HELLO;
            let body = Body::Hello;
            let (from, session) = (self.me, self.sessions.max(1));
            let hello = Packet { from, to: None, session, peer_session: 0, ack: 0, body };
            context.effects.push(Effect::Send(hello));
        }
    }

    /// Takes what this node has said to itself.
    fn work_off(&mut self, context: &mut Context<'_, impl Rng>) {
        while let Some(message) = self.own.pop_front() {
            self.take(self.me, message, context);
        }
    }
}

fn clamp(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
impl Fleet {
    pub(super) fn hub(&self) -> &HubSide {
        &self.hub
    }

    pub(super) fn matcher(&self) -> Option<&Matcher> {
        self.matcher.as_ref()
    }
}
