//! One node of a fleet: its links, its hub's connections, and the matcher if this node leads.

mod copies;
mod leading;
mod messages;
mod peers;
mod queries;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use meoww_proto::{RoomId, UserId, signal::Relay};
use rand::Rng;

use self::copies::{KeptCopies, OwnCopies};
use super::{
    Message, NodeId, Packet, RelayText,
    election::Election,
    hub_side::HubSide,
    link::{BEAT, Link},
    matcher::Matcher,
    packet::Count,
};
use crate::core::{
    lobby::{self, ConnId},
    safety::BlockList,
};

/// Standstill of this node after which it does not trust its knowledge: a matcher resigns.
pub const MAX_LAG: Duration = Duration::from_millis(500);

/// An event at a node.
#[derive(Debug, Clone)]
pub enum Input {
    /// To one of its own connections or their users.
    Lobby(lobby::Input),
    /// The database was read: these are the blocks of a user with a connection to this node.
    Blocks {
        /// The user.
        user: UserId,
        /// The blocks.
        list: BlockList,
    },
    /// A packet has come.
    Packet(Packet),
    /// A connection of this node relays to its partner on another.
    Relay {
        /// The sender.
        from: ConnId,
        /// The partner.
        to: ConnId,
        /// The relay.
        relay: Relay,
    },
    /// To another node, outside of matching: [`Message::Revoked`], a question or an answer.
    Send(NodeId, Message),
    /// [`Fleet::poll_timeout`] has come.
    Timeout,
}

/// An action to take; actions are in order.
#[derive(Debug, Clone)]
pub enum Effect {
    /// An effect as the lobby of a server that runs alone has it. A partner may be on another node,
    /// which [`ConnId::node`] returns.
    Lobby(lobby::Effect),
    /// Publish this packet on the bus.
    Send(Packet),
    /// A partner on another node relays to a connection of this one, which is in this room.
    Relay {
        /// The connection.
        to: ConnId,
        /// The relay.
        relay: Relay,
    },
    /// The partner of a connection cannot be reached, until a [`lobby::Effect::PartnerMoved`] says
    /// where the partner is: what is said meanwhile is to be refused.
    PartnerAway {
        /// The connection.
        conn: ConnId,
        /// Their room.
        room: RoomId,
    },
    /// Another node sent this: [`Message::Revoked`], a question or an answer.
    Received(NodeId, Message),
}

/// A node, which a single task owns.
#[derive(Clone, Hash)]
pub struct Fleet {
    me: NodeId,
    links: BTreeMap<NodeId, Link>,
    sessions: u32,
    election: Election,
    hub: HubSide,
    /// Whether the matcher on this node makes those wait who skip too fast.
    is_paced: bool,
    matcher: Option<Matcher>,
    /// Whether the matcher of the present term has been told the roll on the present link.
    has_rolled: bool,
    copies: OwnCopies,
    kept: KeptCopies,
    /// Messages of this node to itself.
    own: VecDeque<Message>,
    /// Presence as the matcher last sent it.
    count: Option<Count>,
    handled_at: Instant,
    beat_at: Instant,
    hello_at: Instant,
    check_at: Instant,
}

/// Time, randomness and effects of one step.
struct Context<'a, R> {
    now: Instant,
    rng: &'a mut R,
    effects: &'a mut Vec<Effect>,
}

impl Fleet {
    /// Returns a node that knows no other.
    pub fn new(me: NodeId, now: Instant) -> Self {
        Self {
            me,
            links: BTreeMap::new(),
            sessions: 0,
            election: Election::new(me, now),
            hub: HubSide::default(),
            is_paced: true,
            matcher: None,
            has_rolled: false,
            copies: OwnCopies::default(),
            kept: KeptCopies::default(),
            own: VecDeque::new(),
            count: None,
            handled_at: now,
            beat_at: now,
            hello_at: now,
            check_at: now,
        }
    }

    /// Lets everybody skip as fast as they like while this node matches, for load tests.
    pub fn unpaced(self) -> Self {
        Self { is_paced: false, ..self }
    }

    /// Handles an event and adds the actions to take to `effects`. `rng` names rooms and picks
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
            Input::Lobby(input) => {
                self.hub_step(context, |hub, out| hub.handle(input, out));
                if matches!(input, lobby::Input::Drain) {
                    // All are to know before this node can be gone.
                    self.beat_at = now;
                }
            }
            Input::Blocks { user, list } => {
                self.hub_step(context, |hub, out| hub.read_blocks(user, list, out));
            }
            Input::Packet(packet) => self.receive(packet, context),
            Input::Relay { from, to, relay } => {
                let text = RelayText::from(&relay.payload);
                let message = Message::Relay { from, to, room: relay.room_id, text };
                self.send_to_conn(to, message, context);
            }
            Input::Send(node, message) => self.send(node, message, context),
            Input::Timeout => {}
        }
        self.tick(context);
        self.work_off(context);
    }

    /// Returns when to come back with [`Input::Timeout`], if nothing happens before.
    pub fn poll_timeout(&self) -> Instant {
        let matcher = self.matcher.as_ref().and_then(Matcher::poll_timeout);
        matcher.map_or(self.beat_at, |at| at.min(self.beat_at))
    }

    fn tick(&mut self, context: &mut Context<'_, impl Rng>) {
        let is_due = context.now >= self.beat_at;
        if is_due {
            self.beat_at = context.now + BEAT;
            self.give_up_silent(context);
            self.kept.forget_old(context.now);
            self.hub_step(context, |hub, out| hub.handle(lobby::Input::Timeout, out));
        }
        self.match_step(context, |matcher, step| matcher.tick(step));
        if self.hub.is_draining() && self.has_successor(context.now) {
            // The requests with which its hub took its users out of the queue.
            self.work_off(context);
            self.send_places(context);
            self.resign(context.now);
        }
        if is_due {
            self.elect(context);
            self.pulse(context.now);
            self.choose_keeper(context);
        }
        self.tell_roll(context);
        if is_due {
            for node in self.links.keys().copied().collect::<Vec<_>>() {
                self.beat_now(node, context);
            }
            self.say_hello(context);
            self.check_partners(context);
            self.check_ways(context);
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

    /// Opens rooms of which one member is held.
    pub(super) fn open_early(
        &mut self,
        now: Instant,
        rng: &mut impl Rng,
        effects: &mut Vec<Effect>,
    ) {
        let context = &mut Context { now, rng, effects };
        self.match_step(context, Matcher::open_early);
        self.work_off(context);
    }

    /// Takes a connection out of its room without a word.
    pub(super) fn lose_seat(&mut self, conn: ConnId) {
        self.hub.lose_seat(conn);
    }

    pub(super) fn matcher(&self) -> Option<&Matcher> {
        self.matcher.as_ref()
    }
}
