//! Packets to one node that share a message of NATS. A message costs NATS and both nodes many times
//! what a packet in it does, so beyond a rate the relays of a millisecond leave together; below it each
//! leaves at once. Other packets never wait, as a match is several of them one after the other, and take
//! along what waits. A message is its packets, each behind its length: 4 bytes, little endian.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};

use super::bus::Bus;
use crate::core::fleet::{Body, MAX_PACKET_BYTES, Message, NodeId, Packet};

/// Interval of the messages to a node beyond [`BURST`].
const INTERVAL: Duration = Duration::from_millis(1);
/// How far messages to a node may be ahead of their interval: twenty leave at once.
const BURST: Duration = Duration::from_millis(20);
/// Bytes of packets that wait; more leave at once.
const MAX_WAITING: usize = MAX_PACKET_BYTES / 2;
/// Bytes before each packet.
const PREFIX: usize = 4;
/// Longest body of a message: what may wait, and one packet more.
pub(crate) const MAX_BODY_BYTES: usize = MAX_WAITING + PREFIX + MAX_PACKET_BYTES;

/// The way to all other nodes.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) bus: Bus,
    nodes: BTreeMap<NodeId, Waiting>,
}

/// The packets that wait to be sent to one node.
#[derive(Debug)]
struct Waiting {
    body: Vec<u8>,
    /// When the next message is due by the interval alone (the generic cell rate algorithm of ITU-T
    /// I.371).
    next_at: Instant,
}

impl Outgoing {
    pub(crate) fn new(bus: Bus) -> Self {
        Self { bus, nodes: BTreeMap::new() }
    }

    /// Sends a packet now, or soon with others.
    pub(crate) fn send(&mut self, packet: &Packet, now: Instant) {
        let bytes = packet.encode();
        let Some(node) = packet.to else {
            return self.bus.send(None, &prefixed(Vec::new(), &bytes));
        };
        let waiting =
            self.nodes.entry(node).or_insert_with(|| Waiting { body: Vec::new(), next_at: now });
        waiting.body = prefixed(std::mem::take(&mut waiting.body), &bytes);
        let is_due = !may_wait(packet) || waiting.leaves_at() <= now;
        if is_due || waiting.body.len() > MAX_WAITING {
            waiting.leave(&self.bus, node, now);
        }
    }

    /// Returns when to come back with [`Outgoing::flush`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.nodes.values().filter(|waiting| !waiting.body.is_empty());
        waiting.map(Waiting::leaves_at).min()
    }

    /// Sends what is due.
    pub(crate) fn flush(&mut self, now: Instant) {
        let bus = &self.bus;
        self.nodes.retain(|node, waiting| {
            if !waiting.body.is_empty() && waiting.leaves_at() <= now {
                waiting.leave(bus, *node, now);
            }
            // The next packet finds it as it was.
            !waiting.body.is_empty() || waiting.next_at > now
        });
    }
}

impl Waiting {
    fn leaves_at(&self) -> Instant {
        self.next_at.checked_sub(BURST).unwrap_or(self.next_at)
    }

    fn leave(&mut self, bus: &Bus, node: NodeId, now: Instant) {
        bus.send(Some(node), &self.body);
        self.body.clear();
        // Those that do not wait use up no more than the next interval.
        self.next_at = self.next_at.clamp(now, now + BURST) + INTERVAL;
    }
}

fn may_wait(packet: &Packet) -> bool {
    matches!(packet.body, Body::Data { message: Message::Relay { .. }, .. })
}

fn prefixed(mut body: Vec<u8>, packet: &[u8]) -> Vec<u8> {
    let length = u32::try_from(packet.len()).expect("a packet is short");
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(packet);
    body
}

/// The packets in the body of a message, up to one that is not whole.
#[derive(Debug, Default)]
pub(crate) struct Gathered(Bytes);

impl Gathered {
    pub(crate) fn of(body: Bytes) -> Self {
        Self(body)
    }
}

impl Iterator for Gathered {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let length = self.0.try_get_u32_le().ok()?;
        let length = usize::try_from(length).ok().filter(|length| *length <= self.0.len())?;
        Some(self.0.split_to(length))
    }
}

#[cfg(test)]
mod tests;
