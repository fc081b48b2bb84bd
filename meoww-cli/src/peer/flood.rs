//! Keeps floods of media and reports from all that would work on them.

use std::{collections::VecDeque, time::Instant};

use rtc::{
    interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket},
    sansio::Protocol,
    shared::{error::Error, marshal::MarshalSize},
};
use tokio::sync::watch;

use super::budget::Budget;

/// Bytes and packets of media a second: 32 Mbit/s, four times what browsers send of a screen.
const MEDIA_BYTES: f64 = 4e6;
const MEDIA_PACKETS: f64 = 6_000.0;
/// Packets of RTCP: a report on each of two streams, what arrived, and what is asked for again, each
/// some ten times a second.
const REPORTS: f64 = 300.0;
/// For so many seconds at once.
const SECONDS: f64 = 3.0;

/// First in the chain on the way in. After the first packet too many, none passes.
pub(super) struct FloodGate {
    bytes: Budget,
    packets: Budget,
    reports: Budget,
    is_flooded: watch::Sender<bool>,
    incoming: VecDeque<TaggedPacket>,
    outgoing: VecDeque<TaggedPacket>,
}

impl FloodGate {
    /// Where it can be read whether there is a flood comes second.
    pub(super) fn new() -> (Self, watch::Receiver<bool>) {
        let (is_flooded, flood) = watch::channel(false);
        let gate = Self {
            bytes: Budget::new(MEDIA_BYTES, SECONDS),
            packets: Budget::new(MEDIA_PACKETS, SECONDS),
            reports: Budget::new(REPORTS, SECONDS),
            is_flooded,
            incoming: VecDeque::new(),
            outgoing: VecDeque::new(),
        };
        (gate, flood)
    }

    fn is_allowed(&mut self, packet: &TaggedPacket) -> bool {
        let now = packet.now;
        match &packet.message.packet {
            Packet::Rtp(rtp) => {
                self.packets.take(now, 1.0) && self.bytes.take(now, rtp.marshal_size() as f64)
            }
            Packet::Rtcp(reports) => self.reports.take(now, reports.len() as f64),
            _ => false,
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for FloodGate {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if *self.is_flooded.borrow() {
            return Ok(());
        }
        if self.is_allowed(&packet) {
            self.incoming.push_back(packet);
        } else {
            self.is_flooded.send_replace(true);
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.incoming.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.outgoing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outgoing.pop_front()
    }
}

impl Interceptor for FloodGate {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
