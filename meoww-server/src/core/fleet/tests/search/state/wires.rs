//! Packets of the small fleet, and the nodes that handle them.

use super::{Pairing, State};
use crate::core::fleet::{BEAT, Body, Effect, Input, NodeId, Packet, RollSeat};

impl State {
    /// Time passes for all nodes. Beats that are no news come at once.
    pub(super) fn beat(&mut self) {
        self.now += BEAT;
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.handle(node, Input::Timeout);
        }
    }

    pub(super) fn deliver_all(&mut self) {
        while let Some(&(from, to)) = self.wires.keys().next() {
            self.deliver(from, to, 0);
        }
    }

    pub(super) fn deliver(&mut self, from: NodeId, to: NodeId, n: usize) {
        if let Some(packet) = self.take(from, to, n) {
            self.arrive(to, packet);
        }
    }

    pub(super) fn take(&mut self, from: NodeId, to: NodeId, n: usize) -> Option<Packet> {
        let wire = self.wires.get_mut(&(from, to))?;
        let packet = wire.remove(n);
        if wire.is_empty() {
            self.wires.remove(&(from, to));
        }
        packet
    }

    fn arrive(&mut self, to: NodeId, packet: Packet) {
        if let Body::Beat(beat) = packet.body {
            self.news.insert((packet.from, to), (beat.term, beat.leads, beat.is_draining));
        }
        self.handle(to, Input::Packet(packet));
    }

    pub(super) fn handle(&mut self, id: NodeId, input: Input) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let mut effects = Vec::new();
        node.handle(input, self.now, &mut self.rng, &mut effects);
        if self.pairing == Pairing::InOneStep {
            node.open_early(self.now, &mut self.rng, &mut effects);
        }
        let reports = self.clients.keys().filter_map(|conn| node.hub().report(*conn, self.now));
        self.held.extend(reports.filter_map(|report| match report.seat {
            RollSeat::Seated { room, .. } => Some((report.conn, room)),
            _ => None,
        }));
        for effect in effects {
            match effect {
                Effect::Send(packet) => self.post(packet),
                Effect::Lobby(effect) => self.tell(effect),
                Effect::Relay { .. } | Effect::PartnerAway { .. } | Effect::Received(..) => {}
            }
        }
    }

    fn post(&mut self, packet: Packet) {
        let Some(to) = packet.to.filter(|to| self.nodes.contains_key(to)) else {
            for to in self.nodes.keys().copied().filter(|to| *to != packet.from).collect::<Vec<_>>()
            {
                self.arrive(to, packet.clone());
            }
            return;
        };
        let way = (packet.from, to);
        let is_known = match &packet.body {
            Body::Beat(beat) => {
                let news = (beat.term, beat.leads, beat.is_draining);
                if self.news.get(&way) == Some(&news) {
                    return self.arrive(to, packet);
                }
                false
            }
            // What is sent again is on its way already, has come, or was lost.
            Body::Data { seq, .. } => {
                let next = self.sent.entry(way).or_default();
                let is_new = *next <= (packet.session, *seq);
                *next = (packet.session, *seq + 1).max(*next);
                !is_new && !self.lost.remove(&(packet.from, to, *seq))
            }
            Body::Hello => false,
        };
        if !is_known {
            self.wires.entry(way).or_default().push_back(packet);
        }
    }
}
