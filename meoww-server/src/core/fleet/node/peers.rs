//! The links of a node: packets, beats, and nodes that are lost.

use std::time::Duration;

use rand::Rng;

use super::{Context, Effect, Fleet, clamp};
use crate::core::fleet::{
    Beat, Body, Message, NodeId, Packet, PacketNumber,
    election::reach,
    link::{GIVEN_UP, Link, Received},
    matcher::Matcher,
    packet::Count,
};

/// Interval of the packets by which nodes that do not know this one find it.
const HELLO: Duration = Duration::from_secs(1);
/// Silence after which the link to a node is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);

impl Fleet {
    pub(super) fn receive(&mut self, packet: Packet, context: &mut Context<'_, impl Rng>) {
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
        let next_session = *sessions + 1;
        let Received { is_reset, is_new, beat, messages } = link.receive(packet, next_session, now);
        if is_reset {
            self.sessions = next_session;
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
        self.election.hear(&beat, context.now);
        if beat.leads && beat.term == self.term() && beat.term.is_some_and(|it| it.node == from) {
            self.count = beat.presence;
        }
        self.elect(context);
    }

    pub(super) fn send(
        &mut self,
        node: NodeId,
        message: Message,
        context: &mut Context<'_, impl Rng>,
    ) {
        if node == self.me {
            return self.own.push_back(message);
        }
        // The other end would refuse it each time, and the link would stand still behind it.
        let Some(link) = self.links.get_mut(&node).filter(|_| message.is_bounded()) else { return };
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

    /// The session with a node is over, and all messages in it are void.
    fn lose(&mut self, node: NodeId, context: &mut Context<'_, impl Rng>) {
        if self.term().is_some_and(|term| term.node == node) {
            self.has_rolled = false;
        }
        self.lose_keeper(node);
        self.kept.lose(node, context.now);
        self.match_step(context, |matcher, step| matcher.lose_node(node, step));
        self.check_ways(context);
    }

    pub(super) fn give_up_silent(&mut self, context: &mut Context<'_, impl Rng>) {
        let now = context.now;
        let silent = self.links.iter().filter(|(_, link)| link.is_up());
        let silent = silent.filter(|(_, link)| link.silence(now) >= GIVEN_UP);
        for node in silent.map(|(node, _)| *node).collect::<Vec<_>>() {
            self.reset(node, context);
        }
        self.links.retain(|_, link| link.is_up() || !link.is_silent_for(FORGOTTEN, now));
    }

    pub(super) fn beat_now(&mut self, node: NodeId, context: &mut Context<'_, impl Rng>) {
        let matcher = self.matcher.as_ref();
        let beat = Beat {
            term: self.term(),
            leads: matcher.is_some(),
            is_draining: self.hub.is_draining(),
            hears_you: false,
            reach: reach(&self.links, context.now),
            pulse: self.election.pulse(),
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

    pub(super) fn say_hello(&mut self, context: &mut Context<'_, impl Rng>) {
        if context.now >= self.hello_at {
            self.hello_at = context.now + HELLO;
            let body = Body::Hello;
            let (from, session) = (self.me, self.sessions.max(1));
            let number = PacketNumber::default();
            let hello = Packet { from, to: None, session, peer_session: 0, number, ack: 0, body };
            context.effects.push(Effect::Send(hello));
        }
    }
}
