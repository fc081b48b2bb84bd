//! Sends each packet of pictures twice where a lost one would be missed for long.
//!
//! Over a long path, a picture that waits for a packet to be asked for and sent again is too far behind
//! its sound to be shown, and holds up those behind it. A second copy, sent before it is known whether
//! the first is lost, comes in time. It needs nothing of the partner: the replay protection of SRTP
//! (RFC 3711, section 3.3.2) drops what came already. It takes as much again of the path, so pictures get
//! half their share, and are sent once where that would be too little.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Attribute, AttributedPacket, Packet, StreamInfo, TaggedPacket},
    rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack,
    rtp,
};
use tokio::sync::watch;

use super::stage::{Passing, Stage, is_video};

/// Round trips from which a path is long.
const LONG: Duration = Duration::from_millis(200);
/// After a packet was asked for, the path is taken for one that loses packets.
const LOSSY_FOR: Duration = Duration::from_secs(30);
/// Bits a second of which half is enough for pictures, to begin with and to go on.
const ENOUGH: u32 = 180_000;
const STILL_ENOUGH: u32 = 150_000;
/// From a packet to its copy: what loses the one should not lose the other.
const APART: Duration = Duration::from_millis(30);
/// Copies that wait, at most.
const MAX_WAITING: usize = 256;

/// In the chain of interceptors, above the pacer.
pub(super) struct Twice {
    round_trip: watch::Receiver<Duration>,
    /// Bits a second.
    estimate: watch::Receiver<u32>,
    is_on: watch::Sender<bool>,
    asked: Option<Instant>,
    /// The streams that are sent twice.
    pictures: HashSet<u32>,
    /// Copies, each with the time when it is due.
    copies: VecDeque<TaggedPacket>,
}

impl Twice {
    /// Where it can be read whether pictures are sent twice comes second.
    pub(super) fn new(
        round_trip: watch::Receiver<Duration>,
        estimate: watch::Receiver<u32>,
    ) -> (Self, watch::Receiver<bool>) {
        let (is_on, twice) = watch::channel(false);
        let twice_sender = Self {
            round_trip,
            estimate,
            is_on,
            asked: None,
            pictures: HashSet::new(),
            copies: VecDeque::new(),
        };
        (twice_sender, twice)
    }

    fn decide(&self, now: Instant) -> bool {
        let loses = |asked| now.saturating_duration_since(asked) < LOSSY_FOR;
        let enough = if *self.is_on.borrow() { STILL_ENOUGH } else { ENOUGH };
        let is_on = *self.round_trip.borrow() >= LONG
            && self.asked.is_some_and(loses)
            && *self.estimate.borrow() >= enough;
        self.is_on.send_if_modified(|was| std::mem::replace(was, is_on) != is_on);
        is_on
    }

    /// A packet of pictures that leaves for the first time.
    fn picture<'a>(&self, packet: &'a TaggedPacket) -> Option<&'a rtp::Packet> {
        match &packet.message.packet {
            Packet::Rtp(rtp) if self.pictures.contains(&rtp.header.ssrc) => {
                Some(rtp).filter(|_| !packet.message.has(&Attribute::Retransmission))
            }
            _ => None,
        }
    }
}

impl Stage for Twice {
    fn incoming(&mut self, packet: TaggedPacket, out: &mut Passing) {
        if let Packet::Rtcp(packets) = &packet.message.packet
            && packets.iter().any(|packet| packet.as_any().is::<TransportLayerNack>())
        {
            self.asked = Some(packet.now);
        }
        out.incoming(packet);
    }

    fn outgoing(&mut self, packet: TaggedPacket, out: &mut Passing) {
        if let Some(picture) = self.picture(&packet)
            && self.decide(packet.now)
            && self.copies.len() < MAX_WAITING
        {
            let copy = AttributedPacket::new(Packet::Rtp(picture.clone()));
            let message = copy.with(Attribute::Retransmission);
            let now = packet.now + APART;
            self.copies.push_back(TaggedPacket { now, transport: packet.transport, message });
        }
        out.outgoing(packet);
    }

    fn due(&self) -> Option<Instant> {
        self.copies.front().map(|copy| copy.now)
    }

    fn elapsed(&mut self, now: Instant, out: &mut Passing) {
        while let Some(copy) = self.copies.pop_front_if(|copy| copy.now <= now) {
            out.outgoing(TaggedPacket { now, ..copy });
        }
    }

    fn bind_local(&mut self, info: &StreamInfo) {
        if is_video(info) {
            self.pictures.insert(info.ssrc);
        }
    }

    fn unbind_local(&mut self, info: &StreamInfo) {
        self.pictures.remove(&info.ssrc);
    }
}

#[cfg(test)]
mod tests {
    use rtc::{interceptor::Interceptor, sansio::Protocol};

    use super::{
        super::stage::{Staged, made},
        *,
    };
    use crate::clock;

    const PICTURES: u32 = 7;
    const FAR: Duration = Duration::from_millis(300);

    fn twice(round_trip: Duration, estimate: u32) -> (Staged<Twice>, watch::Receiver<bool>) {
        let (round_trip, estimate) = (watch::channel(round_trip).1, watch::channel(estimate).1);
        let (twice, is_on) = Twice::new(round_trip, estimate);
        let mut twice = Staged::new(twice);
        let mime_type = "video/H264".to_owned();
        twice.bind_local_stream(&StreamInfo { ssrc: PICTURES, mime_type, ..Default::default() });
        (twice, is_on)
    }

    /// How often a packet of a stream leaves within a second.
    fn copies(twice: &mut Staged<Twice>, ssrc: u32, now: Instant) -> usize {
        let header = rtp::Header { ssrc, ..Default::default() };
        let packet = Packet::Rtp(rtp::Packet { header, payload: Default::default() });
        twice.handle_write(made(now, packet)).unwrap();
        let at_once = std::iter::from_fn(|| twice.poll_write()).count();
        assert_eq!(at_once, 1);
        twice.handle_timeout(now + APART).unwrap();
        let later: Vec<_> = std::iter::from_fn(|| twice.poll_write()).collect();
        assert!(later.iter().all(|copy| copy.message.has(&Attribute::Retransmission)));
        at_once + later.len()
    }

    fn asked(twice: &mut Staged<Twice>, now: Instant) {
        let nack = TransportLayerNack { sender_ssrc: 0, media_ssrc: PICTURES, nacks: Vec::new() };
        twice.handle_read(made(now, Packet::Rtcp(vec![Box::new(nack)]))).unwrap();
    }

    #[test]
    fn pictures_are_sent_twice_on_a_long_path_that_loses_packets() {
        let ((mut twice, is_on), now) = (twice(FAR, ENOUGH), clock::now());
        assert_eq!(copies(&mut twice, PICTURES, now), 1, "nothing is lost");
        asked(&mut twice, now);
        assert_eq!(copies(&mut twice, PICTURES, now), 2);
        assert!(*is_on.borrow());
        assert_eq!(copies(&mut twice, 8, now), 1, "sound");
        assert_eq!(copies(&mut twice, PICTURES, now + LOSSY_FOR), 1, "nothing is lost any more");
        assert!(!*is_on.borrow());
    }

    #[test]
    fn pictures_are_sent_once_on_a_short_and_on_a_narrow_path() {
        for (round_trip, estimate) in [(FAR / 4, ENOUGH), (FAR, ENOUGH - 1)] {
            let ((mut twice, is_on), now) = (twice(round_trip, estimate), clock::now());
            asked(&mut twice, now);
            assert_eq!(copies(&mut twice, PICTURES, now), 1);
            assert!(!*is_on.borrow());
        }
    }
}
