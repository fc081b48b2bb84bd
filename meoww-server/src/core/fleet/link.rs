//! The link to one other node: messages arrive once and in order, or the link is reset and both
//! ends know it.
//!
//! A link lasts for a pair of sessions, one of each end. A reset begins a new session at one end; the
//! other end sees it and begins one too. Packets of other sessions are ignored. Each packet
//! acknowledges the messages that have arrived; the rest is sent again with the next beat.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{Beat, Body, Message, NodeId, Packet, PacketNumber};

/// Interval of the beats from each node to each other node.
pub const BEAT: Duration = Duration::from_millis(200);
/// Silence after which a node is not alive.
pub const SUSPECTED: Duration = Duration::from_secs(1);
/// Silence after which the link to a node is reset.
pub const GIVEN_UP: Duration = Duration::from_millis(1200);

/// Messages that may wait for an acknowledgement; one more resets the link.
const WINDOW: usize = 16 * 1024;
/// Approximate bytes of them.
const WINDOW_BYTES: usize = 32 * 1024 * 1024;
/// Messages that are kept until those before them have arrived.
const MAX_EARLY: usize = 4096;
/// Messages that are sent again with one beat: those of 0.3 s on a busy link.
const RESENT: usize = 1024;

/// One end of a link.
#[derive(Debug, Clone, Hash)]
pub(super) struct Link {
    me: NodeId,
    peer: NodeId,
    /// The session of this end.
    session: u32,
    /// The session of the other end; 0 if it is not known.
    peer_session: u32,
    /// Whether the other end has named this session.
    is_up: bool,
    next_seq: u64,
    /// The last packet of this session.
    number: PacketNumber,
    /// The last packet of the other end's session that has come.
    peer_number: PacketNumber,
    unacked: VecDeque<Message>,
    unacked_bytes: usize,
    /// When a message was last acknowledged, or sent with none unacknowledged.
    progress_at: Instant,
    /// How many messages have arrived in order.
    arrived: u64,
    early: BTreeMap<u64, Message>,
    heard_at: Instant,
    /// When the other end last said that it hears this one.
    was_heard_at: Instant,
    pub(super) last_beat: Option<Beat>,
    /// Whether the other end said that it is about to go, also in a session before.
    pub(super) is_leaving: bool,
}

/// The contents of a packet, in order.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// The link was up and is not any more.
    pub(super) is_reset: bool,
    /// The link is up, with nothing said on it so far.
    pub(super) is_new: bool,
    pub(super) beat: Option<Beat>,
    pub(super) messages: Vec<Message>,
}

/// More waits for acknowledgements than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WindowFull;

impl Link {
    /// Returns a link that is not up. `session` is higher than any this node has used.
    pub(super) fn new(me: NodeId, peer: NodeId, session: u32, now: Instant) -> Self {
        Self {
            me,
            peer,
            session,
            peer_session: 0,
            is_up: false,
            next_seq: 0,
            number: PacketNumber::default(),
            peer_number: PacketNumber::default(),
            unacked: VecDeque::new(),
            unacked_bytes: 0,
            progress_at: now,
            arrived: 0,
            early: BTreeMap::new(),
            heard_at: now,
            was_heard_at: now,
            last_beat: None,
            is_leaving: false,
        }
    }

    /// Begins a new session.
    pub(super) fn reset(&mut self, session: u32, now: Instant) {
        let Self { heard_at, is_leaving, .. } = *self;
        *self = Self { heard_at, is_leaving, ..Self::new(self.me, self.peer, session, now) };
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up
    }

    /// Returns whether packets pass both ways.
    pub(super) fn is_alive(&self, now: Instant) -> bool {
        self.is_up && self.silence(now) < SUSPECTED
    }

    /// Returns when packets last passed both ways.
    pub(super) fn heard_well_at(&self) -> Instant {
        self.heard_at.min(self.was_heard_at)
    }

    /// Returns how long one direction has been silent.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard_well_at())
    }

    /// Returns whether no packet has come for so long.
    pub(super) fn is_silent_for(&self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) >= time
    }

    /// Forgives silence up to now, after a standstill of this node.
    pub(super) fn excuse(&mut self, now: Instant) {
        (self.heard_at, self.was_heard_at) = (now, now);
    }

    /// Returns the packet with this message. A link that is not up takes none.
    pub(super) fn send(
        &mut self,
        message: Message,
        now: Instant,
    ) -> Result<Option<Packet>, WindowFull> {
        if !self.is_up {
            return Ok(None);
        }
        let bytes = self.unacked_bytes + message.weight();
        if self.unacked.len() >= WINDOW || bytes > WINDOW_BYTES {
            return Err(WindowFull);
        }
        self.unacked_bytes = bytes;
        if self.unacked.is_empty() {
            self.progress_at = now;
        }
        self.unacked.push_back(message.clone());
        let seq = self.next_seq;
        self.next_seq += 1;
        Ok(Some(self.packet(Body::Data { seq, message })))
    }

    /// Returns a beat, and what is to be sent again.
    pub(super) fn beat(&mut self, beat: Beat, now: Instant) -> Vec<Packet> {
        let hears_you = self.is_up && !self.is_silent_for(SUSPECTED, now);
        let mut packets = vec![self.packet(Body::Beat(Beat { hears_you, ..beat }))];
        if now.saturating_duration_since(self.progress_at) >= BEAT {
            let first = self.next_seq - self.unacked.len() as u64;
            let again: Vec<Message> = self.unacked.iter().take(RESENT).cloned().collect();
            let again = (first..).zip(again);
            packets.extend(again.map(|(seq, message)| self.packet(Body::Data { seq, message })));
        }
        packets
    }

    /// Handles a packet of the other end. `next_session` is the session to reset to.
    pub(super) fn receive(&mut self, packet: Packet, next_session: u32, now: Instant) -> Received {
        let mut received = Received::default();
        let names_me = packet.peer_session == self.session;
        if packet.session < self.peer_session || !(names_me || packet.peer_session == 0) {
            return received;
        }
        if packet.session > self.peer_session {
            if self.is_up {
                self.reset(next_session, now);
                received.is_reset = true;
            }
            self.peer_session = packet.session;
            self.peer_number = PacketNumber::default();
        }
        let is_newest = packet.number > self.peer_number;
        if is_newest {
            self.peer_number = packet.number;
            self.heard_at = now;
        }
        if !names_me || received.is_reset {
            return received;
        }
        received.is_new = !std::mem::replace(&mut self.is_up, true);
        if received.is_new {
            self.was_heard_at = now;
        }
        self.acknowledge(packet.ack, now);
        match packet.body {
            // A late one, or a copy, is no sign of life.
            Body::Beat(_) if !is_newest => {}
            Body::Beat(beat) => {
                if beat.hears_you {
                    self.was_heard_at = now;
                }
                self.last_beat = Some(beat);
                self.is_leaving = beat.is_draining;
                received.beat = Some(beat);
            }
            Body::Data { seq, message } => received.messages = self.arrive(seq, message),
            Body::Hello => {}
        }
        received
    }

    fn acknowledge(&mut self, ack: u64, now: Instant) {
        let first = self.next_seq - self.unacked.len() as u64;
        let count = ack.saturating_sub(first).min(self.unacked.len() as u64);
        if count > 0 {
            let gone = self.unacked.drain(..count as usize);
            self.unacked_bytes -= gone.map(|message| message.weight()).sum::<usize>();
            self.progress_at = now;
        }
    }

    /// Returns the messages that are next in order.
    fn arrive(&mut self, seq: u64, message: Message) -> Vec<Message> {
        let mut next = Vec::new();
        if seq == self.arrived {
            self.arrived += 1;
            next.push(message);
            while let Some(message) = self.early.remove(&self.arrived) {
                self.arrived += 1;
                next.push(message);
            }
        } else if seq > self.arrived && self.early.len() < MAX_EARLY {
            self.early.insert(seq, message);
        }
        next
    }

    fn packet(&mut self, body: Body) -> Packet {
        self.number.0 += 1;
        Packet {
            number: self.number,
            from: self.me,
            to: Some(self.peer),
            session: self.session,
            peer_session: self.peer_session,
            ack: self.arrived,
            body,
        }
    }
}
