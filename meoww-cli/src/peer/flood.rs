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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rtc::{
        interceptor::AttributedPacket,
        rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication, rtp,
    };

    use super::*;
    use crate::clock;

    /// Which packet of so many a second, for ten seconds, is the first too many.
    fn refused(a_second: u32, packet: &Packet) -> Option<u32> {
        let ((mut gate, flood), start) = (FloodGate::new(), clock::now());
        (0..a_second * 10).find(|n| {
            let message = AttributedPacket::new(packet.clone());
            let now = start + Duration::from_secs(1) / a_second * *n;
            gate.handle_read(TaggedPacket { now, transport: Default::default(), message }).unwrap();
            assert_eq!(gate.poll_read().is_none(), *flood.borrow());
            *flood.borrow()
        })
    }

    fn media(bytes: usize) -> Packet {
        Packet::Rtp(rtp::Packet { payload: vec![0; bytes].into(), ..Default::default() })
    }

    #[test]
    fn what_calls_need_passes() {
        // 8 Mbit/s of video, and what is asked for.
        assert_eq!(refused(1_000, &media(1_000)), None);
        let request = PictureLossIndication::default();
        assert_eq!(refused(100, &Packet::Rtcp(vec![Box::new(request)])), None);
    }

    #[test]
    fn floods_are_let_in_for_three_seconds_worth_and_no_more() {
        // At 20,000 a second, 18,000 last as long as the 6,000 that come back in each second.
        let refused_media = refused(20_000, &media(100)).unwrap();
        assert!((25_000..26_000).contains(&refused_media), "{refused_media}");
        // 1,012 bytes of 12,000,000, and 4,000,000 a second.
        let refused_bytes = refused(8_000, &media(1_000)).unwrap();
        assert!((23_000..24_000).contains(&refused_bytes), "{refused_bytes}");
        let request = PictureLossIndication::default();
        let refused_requests = refused(1_000, &Packet::Rtcp(vec![Box::new(request)])).unwrap();
        assert!((1_280..1_300).contains(&refused_requests), "{refused_requests}");
    }
}
