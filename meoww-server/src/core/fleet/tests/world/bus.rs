//! The bus, which loses, repeats and delays packets.

use std::time::Duration;

use rand::RngExt;

use super::World;
use crate::core::fleet::{Body, NodeId, Packet};

/// Faults of packets, each in one of so many; 0 is never.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Faults {
    pub(in super::super) lost: u32,
    pub(in super::super) repeated: u32,
    pub(in super::super) delayed: u32,
}

impl World {
    pub(super) fn post(&mut self, packet: Packet) {
        if let Body::Data { seq, message } = &packet.body {
            self.note(|| format!("  {:?} => {:?} {seq} {message:?}", packet.from, packet.to));
        }
        let to: Vec<NodeId> = match packet.to {
            Some(to) => vec![to],
            None => self.node_ids().into_iter().filter(|node| *node != packet.from).collect(),
        };
        for to in to {
            let is_cut = self.cuts.contains(&(packet.from, to));
            let is_lost = self.chance(self.faults.lost);
            if is_cut || is_lost {
                continue;
            }
            let copies = 1 + usize::from(self.chance(self.faults.repeated));
            for _ in 0..copies {
                let late = if self.chance(self.faults.delayed) { 300 } else { 3 };
                let at = self.now + Duration::from_millis(self.rng.random_range(0..=late));
                self.sent += 1;
                // As it goes over the wire.
                let packet = Packet::decode(&packet.encode()).expect("a packet");
                self.bus.insert((at, self.sent), (to, packet));
            }
        }
    }

    fn chance(&mut self, one_in: u32) -> bool {
        one_in > 0 && self.rng.random_range(0..one_in) == 0
    }
}
