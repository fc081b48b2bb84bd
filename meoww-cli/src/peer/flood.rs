//! Keeps floods of media and reports from all that would work on them.

use std::collections::HashSet;

use rtc::{
    interceptor::{Packet, TaggedPacket},
    shared::marshal::MarshalSize,
};
use tokio::sync::watch;

use super::{
    budget::Budget,
    stage::{Passing, Stage},
};

/// Bytes and packets of media a second: 32 Mbit/s, four times what browsers send of a screen.
const MEDIA_BYTES: f64 = 4e6;
const MEDIA_PACKETS: f64 = 6_000.0;
/// Packets of RTCP: a report on each of two streams, what arrived, and what is asked for again, each
/// some ten times a second.
const REPORTS: f64 = 300.0;
/// Sources of media in a call (RFC 3550, section 8.1): two, and another one where a sender begins anew. Each
/// costs memory until the call is over.
const MAX_SOURCES: usize = 256;
/// For so many seconds at once.
const SECONDS: f64 = 3.0;

/// First in the chain on the way in. After the first packet too many, none passes.
pub(super) struct FloodGate {
    bytes: Budget,
    packets: Budget,
    reports: Budget,
    sources: HashSet<u32>,
    is_flooded: watch::Sender<bool>,
}

impl FloodGate {
    /// Where it can be read whether there is a flood comes second.
    pub(super) fn new() -> (Self, watch::Receiver<bool>) {
        let (is_flooded, flood) = watch::channel(false);
        let gate = Self {
            bytes: Budget::new(MEDIA_BYTES, SECONDS),
            packets: Budget::new(MEDIA_PACKETS, SECONDS),
            reports: Budget::new(REPORTS, SECONDS),
            sources: HashSet::new(),
            is_flooded,
        };
        (gate, flood)
    }

    fn is_allowed(&mut self, packet: &TaggedPacket) -> bool {
        let now = packet.now;
        match &packet.message.packet {
            Packet::Rtp(rtp) => {
                self.sources.insert(rtp.header.ssrc);
                self.sources.len() <= MAX_SOURCES
                    && self.packets.take(now, 1.0)
                    && self.bytes.take(now, rtp.marshal_size() as f64)
            }
            Packet::Rtcp(reports) => self.reports.take(now, reports.len() as f64),
            _ => false,
        }
    }
}

impl Stage for FloodGate {
    fn incoming(&mut self, packet: TaggedPacket, out: &mut Passing) {
        if *self.is_flooded.borrow() {
            return;
        }
        if self.is_allowed(&packet) {
            out.incoming(packet);
        } else {
            self.is_flooded.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rtc::{
        rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication, rtp,
        sansio::Protocol,
    };

    use super::{
        super::stage::{Staged, made},
        *,
    };
    use crate::clock;

    /// Which packet of so many a second, for ten seconds, is the first too many.
    fn refused(a_second: u32, packet: &Packet) -> Option<u32> {
        let ((gate, flood), start) = (FloodGate::new(), clock::now());
        let mut gate = Staged::new(gate);
        (0..a_second * 10).find(|n| {
            let now = start + Duration::from_secs(1) / a_second * *n;
            gate.handle_read(made(now, packet.clone())).unwrap();
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
    fn sources_without_end_are_a_flood() {
        let ((gate, flood), now) = (FloodGate::new(), clock::now());
        let mut gate = Staged::new(gate);
        for ssrc in (0..MAX_SOURCES as u32).chain(0..10).chain([MAX_SOURCES as u32]) {
            assert!(!*flood.borrow());
            let header = rtp::Header { ssrc, ..Default::default() };
            let packet = Packet::Rtp(rtp::Packet { header, ..Default::default() });
            gate.handle_read(made(now, packet)).unwrap();
        }
        assert!(*flood.borrow());
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
